import pytest
import torch
from torch import nn

from recombine.errors import NetworkError
from recombine.mapping import Mapping
from recombine.patterns.reconstruction import Reconstruction
from tests.patterns.world import schema_errors

BLOCK = {"pattern": "reconstruction", "encoder_name": "encoder", "decoder_name": "decoder"}
DIVISORS = {"mean_across_samples": 8, "mean_across_elements": 8 * 12, "sum": 1}


@torch.no_grad()
def summed_error(world, view):
    encoder, decoder = world.mappings["encoder"], world.mappings["decoder"]
    total = 0.0
    for sample in world.views[view][:8]:
        decoded = decoder(encoder(sample[None]))[0]
        total += sum((float(a) - float(b)) ** 2 for a, b in zip(decoded, sample, strict=True))
    return total


@pytest.mark.parametrize("method", DIVISORS)
@pytest.mark.parametrize("view", ["plain", "view_1"])
def test_equals_the_sum_over_elements(world, method, view):
    pattern = world.build(BLOCK | {"loss_reduction_method": method, "batch_augmentation_name": view})
    expected = summed_error(world, view) / DIVISORS[method]
    assert world.losses(pattern)["reconstruction"].item() == pytest.approx(expected, rel=1e-12)


def test_default_is_the_mean_across_samples(world):
    expected = summed_error(world, "plain") / 8
    assert world.losses(world.build(BLOCK))["reconstruction"].item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("method", "expected"), [("mean_across_samples", 7), ("mean_across_elements", 3.5), ("sum", 14)]
)
def test_pinned(world, method, expected):
    zero = Mapping("zero", "design_pattern_specific", [("zero", Zero())])
    world.views = {"plain": torch.tensor([[0.0, 1.0], [2.0, 3.0]])}
    pattern = Reconstruction(encoder=zero, decoder=zero, loss_reduction_method=method, batch_augmentation="plain")
    assert world.losses(pattern, index=range(2))["reconstruction"].item() == expected


def test_compares_images_with_flat_reconstructions(world):
    pattern = world.build(BLOCK)
    expected = world.losses(pattern)["reconstruction"]
    world.mappings["encoder"].pre_processing.append(nn.Flatten())
    world.views["plain"] = world.views["plain"].reshape(-1, 1, 3, 4)
    torch.testing.assert_close(world.losses(pattern)["reconstruction"], expected)


def test_refuses_reconstructions_of_another_size(world):
    pattern = world.build(BLOCK | {"decoder_name": "head"})
    with pytest.raises(NetworkError, match='mapping "head".* has 5 elements per sample instead of 12'):
        world.losses(pattern)


def test_runs_the_encoder_once_for_two_patterns(world):
    step = world.step()
    world.build(BLOCK).losses(step)
    calls = []
    world.mappings["encoder"].register_forward_hook(lambda *_: calls.append(1))
    world.build(BLOCK | {"loss_reduction_method": "sum"}).losses(step)
    assert calls == []


def test_refuses_another_reduction():
    assert len(schema_errors(BLOCK | {"loss_reduction_method": "mean"})) == 1


class Zero(nn.Module):
    def forward(self, x):
        return 0 * x
