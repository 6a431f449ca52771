"""Unpooling by switches: where maxima stood travels with the view and the pass, and is never a network's state."""

import pytest
import torch
from torch import nn

from recombine.assignment.base import AssignmentStrategy
from recombine.build import build_data, build_method, build_objectives
from recombine.clock import Clock
from recombine.decoding import decode
from recombine.errors import MappingError
from recombine.evaluate import full_pass
from recombine.mapping import LayerPlace, Mapping
from recombine.method import Method
from recombine.phase import enter_phase
from recombine.state import RunState
from recombine.step import Batch, Forward, Request, Step
from recombine.view_plan import plan_views
from tests.recorder import Recording, Tracer
from tests.runs import config_of, made, method, same, train

POOL = LayerPlace("encoder", "pool")
KEPT = {
    "plain": [[[0, 2, 8, 0, 0]], [[6, 0, 0, 7, 0]]],
    "other": [[[19, 0, 18, 0, 0]], [[19, 0, 0, 15, 0]]],
}


class _NoStrategy(AssignmentStrategy):
    """Assigns nothing that matters here."""

    def log_probs(self, forward, view="plain"):
        return forward.view(view).flatten(1).log_softmax(1)


def pooling(name="encoder"):
    """Return an encoder that only pools pairs."""
    return Mapping(name, "feature_extractor", [("pool", nn.MaxPool1d(2, return_indices=True))])


def unpooling(name="decoder", place=POOL):
    """Return a decoder that only puts values back."""
    return Mapping(name, "design_pattern_specific", [("unpool", nn.MaxUnpool1d(2))], unpooling={"unpool": place})


def forward(*mappings, together=None):
    """Return a pass over two views whose maxima stand at different places."""
    first = torch.tensor([[[1.0, 2.0, 8.0, 4.0, 9.0]], [[6.0, 5.0, 3.0, 7.0, 9.0]]])
    batch = Batch(torch.arange(2), {"plain": first, "other": first.flip(2) + 10})
    return Forward(Method(mappings, _NoStrategy()), batch, together or {})


@pytest.mark.parametrize("order", [("plain", "other"), ("other", "plain")])
def test_every_view_is_decoded_by_its_own_switches(order):
    encoder, decoder = pooling(), unpooling()
    seen = forward(encoder, decoder)
    for view in order:
        seen.output(encoder, view)
    for view in order:
        assert seen.output(decoder, view, source=encoder).tolist() == KEPT[view]


@pytest.mark.parametrize("names", [("encoder",), ("encoder", "decoder"), ("decoder",)])
def test_views_that_go_through_a_network_as_one_batch_keep_their_switches(names):
    encoder, decoder = pooling(), unpooling()
    views = ("other", "plain")
    sources = {"encoder": "", "decoder": "encoder"}
    together = {Request("output", name, sources[name], view): views for name in names for view in views}
    seen = forward(encoder, decoder, together=together)
    sizes = []
    for network in (encoder, decoder):
        network.register_forward_hook(lambda module, inputs, output: sizes.append((module.name, len(output))))
    for view in views:
        assert seen.output(decoder, view, source=encoder).tolist() == KEPT[view]
    calls = {name: 1 if name in names else 2 for name in sources}
    assert {name: [size for other, size in sizes if other == name] for name in sources} == {
        name: [4 // count] * count for name, count in calls.items()
    }


def test_switches_pass_through_what_stands_between():
    encoder, decoder = pooling(), unpooling()
    middle = Mapping("middle", "design_pattern_specific", [("double", nn.Threshold(0, 0))])
    decoder.prior = middle
    assert forward(encoder, middle, decoder).output(decoder, "plain", source=encoder).tolist() == KEPT["plain"]
    middle.prior = encoder
    assert forward(encoder, middle, decoder).output(decoder, "other").tolist() == KEPT["other"]


def test_a_mapping_reverses_its_own_pooling():
    layers = [("pool", nn.MaxPool1d(2, return_indices=True)), ("unpool", nn.MaxUnpool1d(2))]
    network = Mapping("encoder", "feature_extractor", layers, unpooling={"unpool": POOL})
    assert forward(network).output(network, "other").tolist() == KEPT["other"]


def test_a_pass_leaves_nothing_behind():
    encoder, decoder = pooling(), unpooling()
    seen = forward(encoder, decoder)
    seen.output(decoder, source=encoder)
    assert encoder.state_dict() == decoder.state_dict() == {}
    with pytest.raises(MappingError, match="did not come through that layer"):
        decoder(seen.output(encoder))


def test_another_encoders_features_cannot_be_decoded():
    encoder, second, decoder = pooling(), pooling("second"), unpooling()
    with pytest.raises(MappingError) as error:
        forward(encoder, second, decoder).output(decoder, source=second)
    assert str(error.value) == (
        'mapping "decoder": layer "unpool" puts values back where layer "pool" of mapping "encoder" found its maxima, '
        "but what it gets did not come through that layer: only features of samples can be decoded, not centroids or "
        "mixtures"
    )


def test_neither_centroids_nor_mixtures_can_be_decoded():
    encoder, decoder = pooling(), unpooling()
    with pytest.raises(MappingError, match="not centroids or mixtures"):
        decode(decoder, torch.rand(3, 1, 2), encoder)


def test_what_pools_behind_the_features_is_reversed_for_any_features():
    """A decoder in two links: the first pools, the second unpools; it needs nothing of the encoder."""
    encoder = Mapping("source", "feature_extractor", [])
    encoder_of_pairs, decoder = pooling(), unpooling()
    decoder.prior = encoder_of_pairs
    found = decode(decoder, torch.tensor([[[1.0, 3.0, 2.0, 0.0]]]), encoder)
    assert found.tolist() == [[[0, 3, 2, 0]]]


# --- in training ------------------------------------------------------------------------------------------------------

#: Images are 1 x 2 x 3; pooling is along the last dimension, and leaves the last column out.
LAYERS = [
    {"type": "MaxPool2d", "name": "pool", "kernel_size": [1, 2], "return_indices": True},
    {"type": "Flatten"},
    {"type": "Linear", "in_features": 2, "out_features": 2},
]
MIRROR = {"name": "decoder", "type": "design_pattern_specific", "mirror_of": "encoder"}
CONVOLUTION = [
    {"type": "Conv2d", "in_channels": 1, "out_channels": 4, "kernel_size": [1, 2], "bias": False},
    {"type": "BatchNorm2d", "num_features": 4},
    {"type": "ReLU"},
    {"type": "MaxPool2d", "name": "pool", "kernel_size": [2, 1], "return_indices": True},
    {"type": "Conv2d", "in_channels": 4, "out_channels": 3, "kernel_size": [1, 2]},
    {"type": "Flatten"},
]
VIEWS = [{"name": "turned", "transforms": [{"type": "RandomHorizontalFlip", "p": 1.0}]}]
BLOCK = {"pattern": "reconstruction", "encoder_name": "encoder", "decoder_name": "decoder", "loss_report_interval": 1}
TURNED = {**BLOCK, "batch_augmentation_name": "turned"}


def described(layers, *patterns, **phase):
    """Return a method whose autoencoder has switches."""
    found = method(phase={"design_patterns": list(patterns), **phase}, dataset={"batch_augmentations": VIEWS})
    found["mappings"] = [{**found["mappings"][0], "layers": layers}, MIRROR]
    return found


@pytest.mark.parametrize("layers", [LAYERS, CONVOLUTION], ids=["linear", "convolutional"])
def test_recorded_steps_train_the_same_bits(layers):
    description = described(layers, BLOCK, TURNED, exit_criteria={"iterations": 20})
    plain, tracer = train(description), Tracer()
    recorded = train(description, engine=Recording(tracer))
    assert same(plain.bits(), recorded.bits())
    assert tracer.repeated >= 10
    assert any("Steps are repeated from recordings" in line for line in recorded.log)


def world(*patterns):
    """Return phase, data and method of a linear autoencoder with switches."""
    config = config_of(described(LAYERS, *patterns))
    data = build_data(config.datasets[0], made(), config.seed, torch.device("cpu"))
    found = build_method(config, config.datasets[0].num_clusters, data.sample_shape())
    return config, data, found


def test_decoders_with_switches_are_tried_out_and_get_their_views_together():
    config, data, found = world(BLOCK, TURNED)
    phase = config.phases[0]
    plan = plan_views(phase, build_objectives(phase, found), found, data)
    together = plan.at(Clock("training", 0, 0, 1))
    assert {request.mapping for request in together} == {"encoder", "decoder"}
    assert set(together.values()) == {("plain", "turned")}


def test_together_gives_the_same_losses_and_gradients_as_view_by_view():
    config, data, built = world(BLOCK, TURNED)
    phase = enter_phase(config, config.phases[0], data, RunState(built, Clock("", 0, 0, 1)))
    batch = data.training_batch("training", 0, {"plain", "turned"})
    found = []
    for together in ({}, phase.plan.at(phase.state.clock)):
        step = Step(built.train(), batch, phase.state.clock, phase.context, together)
        totals = {}
        for objective in phase.objectives:
            objective.add_to(totals, step)
        weights = [p for name in ("encoder", "decoder") for p in built.mappings[name].parameters()]
        found.append([totals["default"], *torch.autograd.grad(totals["default"], weights)])
    assert len(found[0]) == 5
    for alone, together in zip(*found, strict=True):
        torch.testing.assert_close(alone, together)


def test_whole_datasets_are_reconstructed_batch_by_batch():
    _, data, found = world(BLOCK)
    encoder, decoder = found.mappings["encoder"], found.mappings["decoder"]
    rebuilt = full_pass(found, data, lambda step: step.output(decoder, source=encoder))
    x = next(data.evaluation_batches(data.num_samples)).views["plain"]
    switches = {}
    with torch.no_grad():
        expected = decoder(encoder(x, switches=switches), switches=switches)
    torch.testing.assert_close(rebuilt, expected)
    kept = x[..., :2].argmax(-1)
    assert (rebuilt[..., 2] == 0).all()
    assert torch.equal((rebuilt[..., :2] != 0).float().argmax(-1), kept)
