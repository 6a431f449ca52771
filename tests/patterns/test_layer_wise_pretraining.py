import pytest
import torch
from torch import nn
from torch.nn import functional

from recombine.clock import Clock
from recombine.errors import NetworkError
from recombine.mapping import Mapping
from tests.patterns.world import SEED, schema_errors

OUTER = {
    "encoder_layer_names": ["encoder_1", "encoder_relu_1"],
    "decoder_layer_names": ["decoder_1"],
    "train_for_iterations": 5,
}
INNER = {
    "encoder_layer_names": ["encoder_2"],
    "decoder_layer_names": ["decoder_2", "decoder_relu_2"],
    "train_for_iterations": 2,
}
BLOCK = {
    "pattern": "layer_wise_pretraining",
    "encoder_name": "encoder",
    "decoder_name": "decoder",
    "dropout_rate": 0,
    "encoder_decoder_layer_pairs": [OUTER, INNER],
}


@torch.no_grad()
def summed(decoded, clean):
    return sum((float(a) - float(b)) ** 2 for a, b in zip(decoded.flatten(), clean.flatten(), strict=True))


@pytest.mark.parametrize("view", ["plain", "view_1"])
def test_without_dropout_equals_the_plain_autoencoders(world, view):
    encoder, decoder, x = world.mappings["encoder"], world.mappings["decoder"], world.views[view][:8]
    pattern = world.build(BLOCK | {"batch_augmentation_name": view})
    hidden = encoder.layer("encoder_1")(x).relu()
    outer = summed(decoder.layer("decoder_1")(hidden), x) / 8
    inner = summed(decoder.layer("decoder_2")(encoder.layer("encoder_2")(hidden)).relu(), hidden) / 8
    assert world.losses(pattern, iteration=4)["layer_wise_pretraining"].item() == pytest.approx(outer, rel=1e-12)
    assert world.losses(pattern, iteration=5)["layer_wise_pretraining"].item() == pytest.approx(inner, rel=1e-12)


def test_dropout_falls_on_input_and_code_but_not_on_the_target(world):
    encoder, decoder, x = world.mappings["encoder"], world.mappings["decoder"], world.views["plain"][:8]
    loss = world.losses(world.build(BLOCK | {"dropout_rate": 0.4}))["layer_wise_pretraining"].item()
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        code = encoder.layer("encoder_1")(functional.dropout(x, 0.4)).relu()
        decoded = decoder.layer("decoder_1")(functional.dropout(code, 0.4))
    assert loss == pytest.approx(summed(decoded, x) / 8, rel=1e-12)


def test_has_no_loss_after_the_last_pair(world):
    pattern = world.build(BLOCK)
    assert world.losses(pattern, iteration=6)
    assert world.losses(pattern, iteration=7) == {}


@pytest.mark.parametrize(
    ("iteration", "stage"),
    [
        (0, "layer pair 1 of 2"),
        (4, "layer pair 1 of 2"),
        (5, "layer pair 2 of 2"),
        (6, "layer pair 2 of 2"),
        (7, "all layer pairs trained"),
        (99, "all layer pairs trained"),
    ],
)
def test_stage(world, iteration, stage):
    assert world.build(BLOCK).stage(Clock("phase", iteration, 0, 3)) == stage


def test_stage_starts_are_where_the_stage_changes(world):
    pattern = world.build(BLOCK)
    stages = [pattern.stage(Clock("phase", iteration, 0, 3)) for iteration in range(10)]
    changes = [i for i in range(10) if i == 0 or stages[i] != stages[i - 1]]
    assert pattern.stage_starts() == tuple(changes) == (0, 5, 7)


@pytest.mark.parametrize(
    ("iteration", "trained"),
    [(0, {"encoder_1", "decoder_1"}), (5, {"encoder_2", "decoder_2"})],
)
def test_only_the_current_pair_gets_gradients(world, iteration, trained):
    world.losses(world.build(BLOCK), iteration=iteration)["layer_wise_pretraining"].backward()
    layers = [
        (name, mapping.layer(name))
        for mapping in (world.mappings["encoder"], world.mappings["decoder"])
        for name in mapping.layer_names
    ]
    assert {name for name, layer in layers if any(p.grad is not None for p in layer.parameters())} == trained


def test_earlier_layers_and_prior_mappings_run_in_evaluation_mode(world):
    encoder = world.mappings["encoder"]
    prior = Mapping("prior", "design_pattern_specific", [("drop", nn.Dropout(0.9))]).train()
    encoder.prior = prior
    encoder.layers.insert(1, nn.Dropout(0.9))
    encoder.layer_names.insert(1, "dropout")
    encoder.layers[1].training = False
    pattern = world.build(BLOCK)
    hidden = encoder.layer("encoder_1")(world.views["plain"][:8]).relu()
    decoder = world.mappings["decoder"]
    inner = summed(decoder.layer("decoder_2")(encoder.layer("encoder_2")(hidden)).relu(), hidden) / 8
    assert world.losses(pattern, iteration=5)["layer_wise_pretraining"].item() == pytest.approx(inner, rel=1e-12)
    assert prior.training
    assert prior.layers[0].training
    assert encoder.training
    assert encoder.layers[0].training
    assert not encoder.layers[1].training


def test_the_clean_input_of_the_first_pair_is_pre_processed(world):
    expected = world.losses(world.build(BLOCK))
    world.views["plain"] = world.views["plain"].reshape(-1, 3, 4)
    world.mappings["encoder"].pre_processing.append(nn.Flatten())
    torch.testing.assert_close(world.losses(world.build(BLOCK)), expected)


def test_refuses_pairs_that_do_not_mirror_each_other(world):
    pair = OUTER | {"encoder_layer_names": ["encoder_1", "encoder_relu_1", "encoder_2"]}
    pair |= {"decoder_layer_names": ["decoder_2"]}
    with pytest.raises(NetworkError, match="has 8 elements per sample instead of 12"):
        world.losses(world.build(BLOCK | {"encoder_decoder_layer_pairs": [pair]}))


@pytest.mark.parametrize(
    ("change", "validator"),
    [
        ({"dropout_rate": 1}, "exclusiveMaximum"),
        ({"dropout_rate": -0.1}, "minimum"),
        ({"encoder_decoder_layer_pairs": []}, "minItems"),
        ({"encoder_decoder_layer_pairs": [OUTER | {"train_for_iterations": 0}]}, "minimum"),
        ({"encoder_decoder_layer_pairs": [OUTER | {"iterations": 3}]}, "additionalProperties"),
        ({"encoder_decoder_layer_pairs": [{"encoder_layer_names": ["a"], "decoder_layer_names": ["b"]}]}, "required"),
    ],
)
def test_schema_refuses(change, validator):
    assert [error.validator for error in schema_errors(BLOCK | change)] == [validator]
