import pytest
import torch
from torch import nn

from recombine.assignment.base import AssignmentStrategy
from recombine.clock import Clock
from recombine.errors import NetworkError
from recombine.mapping import Mapping
from recombine.method import Method
from recombine.randomness import generator
from recombine.step import Batch, Forward, Step, StepContext


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
