import pytest
import torch
from torch import nn

from recombine.assignment.base import AssignmentStrategy
from recombine.clock import Clock
from recombine.errors import NetworkError
from recombine.layers import SetPooling
from recombine.mapping import SETS, Mapping
from recombine.method import Method
from recombine.randomness import generator
from recombine.step import CLASSES, Batch, Forward, Request, Step, StepContext


class _Doubling(nn.Module):
    """Multiplies by 2 and a number of its own, and counts how often."""

    def __init__(self, factor):
        super().__init__()
        self.factor, self.calls = factor, 0

    def forward(self, x):
        self.calls += 1
        return self.factor * x


class _FirstFeature(AssignmentStrategy):
    """Soft assignments by the first extractor; counts how often it is asked."""

    calls = 0

    def log_probs(self, forward, view="plain"):
        self.calls += 1
        return forward.features(forward.method.feature_extractor, view).log_softmax(1)


def _mapping(name, factor, kind="design_pattern_specific", prior=None, **options):
    mapping = Mapping(name, kind, [("times", _Doubling(factor))], **options)
    mapping.prior = prior
    return mapping


def _calls(mapping):
    return mapping.layer("times").calls


def _forward(*mappings, strategy=None):
    batch = Batch(torch.tensor([4, 2]), {"plain": torch.ones(2, 1, 2), "other": torch.full((2, 1, 2), 10.0)})
    return Forward(Method(mappings, strategy or _FirstFeature()), batch)


ENCODER = "feature_extractor"


def test_every_output_is_computed_once_per_view():
    encoder = _mapping("encoder", 2, ENCODER)
    forward = _forward(encoder)
    outputs = [forward.output(encoder) for _ in range(3)]
    assert all(output is outputs[0] for output in outputs)
    assert _calls(encoder) == 1
    assert forward.output(encoder, "other").max() == 20
    assert _calls(encoder) == 2
    assert forward.features(encoder).shape == (2, 2)
    assert _calls(encoder) == 2


def test_a_source_feeds_a_mapping_without_a_prior():
    encoder, decoder = _mapping("encoder", 2, ENCODER), _mapping("decoder", 3)
    forward = _forward(encoder, decoder)
    assert forward.output(decoder, source=encoder).max() == 6
    assert forward.output(decoder).max() == 3
    assert (_calls(encoder), _calls(decoder)) == (1, 2)


def test_no_link_is_applied_twice_where_a_pattern_names_both():
    encoder = _mapping("encoder", 2, ENCODER)
    decoder = _mapping("decoder", 3, prior=encoder)
    forward = _forward(encoder, decoder)
    assert forward.output(decoder, source=encoder).max() == 6
    assert forward.output(decoder).max() == 6
    assert forward.output(encoder, source=encoder).max() == 2
    assert (_calls(encoder), _calls(decoder)) == (1, 1)


@pytest.mark.parametrize("linked", [True, False])
def test_a_source_feeds_the_first_link_of_a_chain(linked):
    encoder = _mapping("encoder", 2, ENCODER)
    middle = _mapping("middle", 5, prior=encoder if linked else None)
    decoder = _mapping("decoder", 3, prior=middle)
    forward = _forward(encoder, middle, decoder)
    assert forward.output(decoder, source=encoder).max() == 30
    assert [_calls(mapping) for mapping in (encoder, middle, decoder)] == [1, 1, 1]


def test_a_source_comes_with_its_own_priors():
    stem = _mapping("stem", 7)
    encoder, decoder = _mapping("encoder", 2, ENCODER, prior=stem), _mapping("decoder", 3)
    assert _forward(stem, encoder, decoder).output(decoder, "other", source=encoder).max() == 420


def test_a_head_gets_its_prior_or_the_first_extractors_features():
    encoder, second = _mapping("encoder", 2, ENCODER), _mapping("second", 5, ENCODER)
    free, tied = _mapping("free", 3), _mapping("tied", 3, prior=second)
    forward = _forward(encoder, second, free, tied)
    assert forward.head(free).max() == 6
    assert forward.head(tied).max() == 15
    assert forward.head(tied, "other").shape == (2, 2)


def test_log_probs_of_the_strategy_are_computed_once_per_view():
    encoder, strategy = _mapping("encoder", 2, ENCODER), _FirstFeature()
    forward = _forward(encoder, strategy=strategy)
    assert forward.log_probs() is forward.log_probs()
    assert forward.log_probs("other").shape == (2, 2)
    assert strategy.calls == 2


def test_log_probs_of_a_classifier_come_from_its_logits():
    classifier = Mapping(
        "classifier",
        "sample_space_classifier",
        [("linear", nn.Linear(2, 3)), ("softmax", nn.Softmax(-1))],
        softmax_layer="softmax",
    )
    forward = _forward(_mapping("encoder", 2, ENCODER), classifier)
    expected = classifier.layer("linear")(torch.ones(2, 1, 2)).flatten(1).log_softmax(1)
    torch.testing.assert_close(forward.log_probs(classifier=classifier), expected)
    torch.testing.assert_close(forward.output(classifier).flatten(1), expected.exp())
    assert forward.log_probs(classifier=classifier) is forward.log_probs(classifier=classifier)


def test_certain_classifiers_keep_finite_log_probs():
    layers = [("linear", nn.Linear(2, 2, bias=False)), ("softmax", nn.Softmax(-1))]
    classifier = Mapping("classifier", "sample_space_classifier", layers, softmax_layer="softmax")
    with torch.no_grad():
        classifier.layer("linear").weight.copy_(torch.tensor([[500.0, 0.0], [0.0, -500.0]]))
    log_probs = _forward(classifier).log_probs(classifier=classifier)
    torch.testing.assert_close(log_probs, torch.tensor([[0.0, -1000.0]] * 2))


def test_a_misfit_names_the_mapping_that_feeds():
    encoder = _mapping("encoder", 2, ENCODER)
    decoder = Mapping("decoder", "design_pattern_specific", [("first", nn.Linear(9, 4))])
    forward = _forward(encoder, decoder)
    message = (
        r'mapping "decoder": layer "first", .* cannot take the output of layer "times" of mapping "encoder", which'
    )
    with pytest.raises(NetworkError, match=message):
        forward.output(decoder, source=encoder)
    with pytest.raises(NetworkError, match='layer "first", .* cannot take the view "other", which has the shape'):
        forward.output(decoder, "other")


def test_a_method_without_centroids_says_so():
    with pytest.raises(RuntimeError, match="the method has no centroids"):
        _ = _forward(_mapping("encoder", 2, ENCODER)).centroids


def _step(iteration=3, phase="training", changed=False, seed=1):
    forward = _forward(_mapping("encoder", 2, ENCODER))
    context = StepContext(seed, "data", torch.device("cpu"), lambda compute: compute(forward), lambda: changed)
    return Step(forward.method, forward.batch, Clock(phase, iteration, 0, 5), context)


def test_a_step_draws_by_seed_dataset_phase_iteration_and_purpose():
    first = torch.rand(3, generator=_step().generator("noise"))
    assert torch.equal(first, torch.rand(3, generator=_step().generator("noise")))
    assert torch.equal(first, torch.rand(3, generator=generator(1, "noise", "data", "training", 3)))
    others = [_step(4).generator("noise"), _step(phase="b").generator("noise"), _step().generator("more")]
    others.append(_step(seed=2).generator("noise"))
    assert all(not torch.equal(first, torch.rand(3, generator=other)) for other in others)


def test_a_step_tells_time_index_and_whether_centroids_changed():
    step = _step(changed=True)
    assert step.clock.iteration == 3
    assert step.index.tolist() == [4, 2]
    assert step.centroids_changed
    assert not _step().centroids_changed
    assert step.full_pass(lambda forward: forward.view("other")).max() == 10


class _Watching(nn.Module):
    """Adds a number, and remembers the shapes of what it gets."""

    def __init__(self, number=0):
        super().__init__()
        self.number, self.shapes = number, []

    def forward(self, x):
        self.shapes.append(tuple(x.shape))
        return x + self.number


class _Centred(nn.Module):
    """Subtracts the mean of each set."""

    def forward(self, x):
        return x - x.mean(1, keepdim=True)


def _over(name, *layers, prior=None, sets=False):
    mapping = Mapping(name, "design_pattern_specific", [(str(i), layer) for i, layer in enumerate(layers)])
    mapping.prior = prior
    if sets:
        mapping.works_on = SETS
    return mapping


def _of_sets(*mappings, num_sets=3, shape=(2,), **options):
    values = torch.arange(12 * torch.Size(shape).numel(), dtype=torch.float32).view(12, *shape)
    batch = Batch(torch.arange(12), {"plain": values, "other": -values}, num_sets)
    return Forward(Method(mappings, _FirstFeature()), batch, **options)


def test_a_batch_tells_the_size_of_its_sets():
    assert _of_sets(num_sets=3).batch.set_size == 4
    assert _of_sets(num_sets=12).batch.set_size == 1
    assert _of_sets(num_sets=None).batch.set_size == 12


@pytest.mark.parametrize("shape", [(2,), (1, 5, 3)])
def test_samples_are_put_together_to_sets_and_taken_apart(shape):
    encoder = _over("encoder", _Watching(1))
    network = _over("network", _Watching(), _Centred(), prior=encoder, sets=True)
    second = _over("second", _Watching(), prior=network, sets=True)
    decoder = _over("decoder", _Watching(5), prior=second)
    forward = _of_sets(encoder, network, second, decoder, shape=shape)
    output = forward.output(decoder)
    seen = [mapping.layers[0].shapes for mapping in (encoder, network, second, decoder)]
    assert seen == [[(12, *shape)], [(3, 4, *shape)], [(3, 4, *shape)], [(12, *shape)]]
    values = forward.view()
    expected = torch.cat([part - part.mean(0) for part in values.split(4)]) + 5
    torch.testing.assert_close(output, expected)
    assert forward.output(network).shape == (3, 4, *shape)


def test_a_mapping_over_sets_may_come_first():
    network = _over("network", _Watching(), _Centred(), sets=True)
    forward = _of_sets(network)
    expected = torch.stack([part - part.mean(0) for part in forward.view("other").split(4)])
    torch.testing.assert_close(forward.output(network, "other"), expected)
    assert network.layers[0].shapes == [(3, 4, 2)]


def test_a_source_is_put_together_as_well():
    encoder, network = _over("encoder", _Watching(1)), _over("network", _Watching(), sets=True)
    forward = _of_sets(encoder, network)
    torch.testing.assert_close(forward.output(network, source=encoder), (forward.view() + 1).view(3, 4, 2))
    torch.testing.assert_close(forward.logits(network), forward.view().view(3, 4, 2))
    assert forward.head(network).shape == (3, 8)


def test_a_set_in_one_vector_is_a_row_for_what_follows():
    summary = _over("summary", SetPooling(), sets=True)
    count = _over("count", _Watching(), nn.Linear(4, 5), prior=summary)
    over_sets = _over("over_sets", _Watching(), prior=summary, sets=True)
    forward = _of_sets(summary, count, over_sets)
    assert forward.output(count).shape == (3, 5)
    assert forward.output(over_sets).shape == (3, 4)
    assert count.layers[0].shapes == over_sets.layers[0].shapes == [(3, 4)]


def test_a_batch_that_makes_no_sets_is_one():
    network = _over("network", _Watching(), sets=True)
    assert _of_sets(network, num_sets=None).output(network).shape == (1, 12, 2)


def test_several_views_of_sets_go_through_a_network_together():
    encoder = _over("encoder", _Watching(1))
    network = _over("network", _Watching(), _Centred(), prior=encoder, sets=True)
    decoder = _over("decoder", _Watching(5), prior=network)
    views = ("plain", "other")
    together = {
        Request("output", mapping.name, "", view): views for mapping in (encoder, network, decoder) for view in views
    }
    alone, joint = _of_sets(encoder, network, decoder), _of_sets(encoder, network, decoder, together=together)
    expected = [alone.output(decoder, view) for view in views]
    for mapping in (encoder, network, decoder):
        mapping.layers[0].shapes.clear()
    assert all(torch.equal(joint.output(decoder, view), one) for view, one in zip(views, expected, strict=True))
    seen = [mapping.layers[0].shapes for mapping in (encoder, network, decoder)]
    assert seen == [[(24, 2)], [(6, 4, 2)], [(24, 2)]]


def test_classes_are_there_only_where_a_pattern_asks_for_them():
    step = _step()
    with pytest.raises(KeyError):
        step.target("classes")
    classes = torch.tensor([7, 3])
    asked = step.on(Batch(step.index, {**step.batch.views, CLASSES: classes}))
    assert asked.target("classes") is classes
    with pytest.raises(KeyError):
        asked.target("labels")


def test_the_share_of_pairs_of_the_same_class_is_asked_for_when_it_is_needed():
    asked = []
    forward = _forward(_mapping("encoder", 2, ENCODER))
    context = StepContext(
        0,
        "data",
        torch.device("cpu"),
        lambda compute: compute(forward),
        same_class_share=lambda: asked.append(1) or 0.25,
    )
    step = Step(forward.method, forward.batch, Clock("training", 0, 0, 5), context)
    assert asked == []
    assert step.same_class_share == step.on(forward.batch).same_class_share == 0.25
    assert _step().same_class_share != _step().same_class_share  # NaN: nobody told
