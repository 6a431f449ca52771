import math

import pytest
import torch
from torch import nn

from recombine.mapping import Mapping
from tests.patterns.world import schema_errors

BLOCK = {
    "pattern": "adversarial_interpolation",
    "encoder_name": "encoder",
    "decoder_name": "decoder",
    "autoencoder_loss_optimizer_group_name": "a",
}
CRITIC = BLOCK | {"critic_name": "critic"}
DISCRIMINATOR = BLOCK | {"discriminator_name": "discriminator"}


def values(losses):
    return {name: loss.item() for name, loss in losses.items()}


def shares_of(world, pairs):
    return torch.rand(pairs, generator=world.step().generator("adversarial interpolation"), dtype=torch.float64) / 2


def against_critic(world, pairs, g, view="plain"):
    encoder, decoder, critic = (world.mappings[name] for name in ("encoder", "decoder", "critic"))
    x, shares = world.views[view], shares_of(world, pairs).tolist()
    codes = [encoder(sample[None]) for sample in x]
    guesses = [critic(decoder(a * codes[i] + (1 - a) * codes[pairs + i])).item() for i, a in enumerate(shares)]
    blends = [critic(g * x[i] + (1 - g) * decoder(codes[i])).item() for i in range(pairs)]
    return {
        "autoencoder": sum(guess**2 for guess in guesses) / pairs,
        "critic": sum((guess - a) ** 2 for guess, a in zip(guesses, shares, strict=True)) / pairs
        + sum(blend**2 for blend in blends) / pairs,
    }


@pytest.mark.parametrize("g", [0, 0.2, 1])
@pytest.mark.parametrize(("batch", "pairs"), [(8, 4), (7, 3), (2, 1)])
def test_critic_equals_the_sum_over_pairs(world, batch, pairs, g):
    pattern = world.build(CRITIC | {"critic_regularizing_hyperparameter": g})
    found = values(world.losses(pattern, index=range(batch)))
    assert found == pytest.approx(against_critic(world, pairs, g), rel=1e-10)


def test_works_on_another_view(world):
    found = values(world.losses(world.build(CRITIC | {"batch_augmentation_name": "view_1"})))
    assert found == pytest.approx(against_critic(world, 4, 0.2, "view_1"), rel=1e-10)


def test_default_regularization_is_that_of_the_paper(world):
    assert world.build(CRITIC).critic_regularizing_hyperparameter == 0.2


def test_critic_with_constant_networks_pinned(world):
    with torch.no_grad():
        for name in ("encoder", "decoder", "critic"):
            for parameter in world.mappings[name].parameters():
                parameter.zero_()
        world.mappings["critic"].layers[0].bias.fill_(0.3)
    found = values(world.losses(world.build(CRITIC)))
    shares = shares_of(world, 4)
    assert found["autoencoder"] == pytest.approx(0.09)
    assert found["critic"] == pytest.approx(0.09 + (0.3 - shares).square().mean().item())
    assert ((shares >= 0) & (shares < 0.5)).all()


def test_shares_differ_between_iterations_only(world):
    pattern = world.build(CRITIC)
    first, again, later = (values(world.losses(pattern, iteration=iteration)) for iteration in (0, 0, 1))
    assert first == again
    assert first != later


def test_several_outputs_of_a_critic_are_averaged(world):
    expected = values(world.losses(world.build(CRITIC)))
    single = world.mappings["critic"].layers[0]
    double = nn.Linear(12, 2, dtype=torch.float64)
    with torch.no_grad():
        double.weight.copy_(torch.cat([single.weight - 1, single.weight + 1]))
        double.bias.copy_(torch.cat([single.bias + 2, single.bias - 2]))
    world.mappings["critic"] = Mapping("critic", "design_pattern_specific", [("double", double)])
    assert values(world.losses(world.build(CRITIC))) == pytest.approx(expected)


def binary_cross_entropy(logit, truth):
    probability = 1 / (1 + math.exp(-logit))
    return -math.log(probability if truth else 1 - probability)


@pytest.mark.parametrize("batch", [2, 7])
def test_discriminator_equals_the_sum_over_samples(world, batch):
    encoder, decoder, discriminator = (world.mappings[name] for name in ("encoder", "decoder", "discriminator"))
    real = [discriminator(sample[None]).item() for sample in world.views["plain"][:batch]]
    fake = [discriminator(decoder(encoder(sample[None]))).item() for sample in world.views["plain"][:batch]]
    halves = [sum(binary_cross_entropy(x, truth) for x in logits) / batch for logits, truth in ((real, 1), (fake, 0))]
    expected = {
        "autoencoder": sum(binary_cross_entropy(x, 1) for x in fake) / batch,
        "discriminator": sum(halves) / 2,
    }
    assert values(world.losses(world.build(DISCRIMINATOR), index=range(batch))) == pytest.approx(expected, rel=1e-10)


def test_undecided_discriminator_pinned(world):
    with torch.no_grad():
        for parameter in world.mappings["discriminator"].parameters():
            parameter.zero_()
    expected = {"autoencoder": math.log(2), "discriminator": math.log(2)}
    assert values(world.losses(world.build(DISCRIMINATOR))) == pytest.approx(expected)


def test_a_certain_discriminator_leaves_the_autoencoder_a_gradient(world):
    with torch.no_grad():
        world.mappings["discriminator"].layers[0].bias.fill_(-1000)
    world.losses(world.build(DISCRIMINATOR))["autoencoder"].backward()
    gradient = world.mappings["decoder"].layer("decoder_1").weight.grad
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 1e-3


@pytest.mark.parametrize(("block", "judge"), [(CRITIC, "critic"), (DISCRIMINATOR, "discriminator")])
def test_the_loss_of_the_judge_trains_nothing_else(world, block, judge):
    world.losses(world.build(block))[judge].backward()
    trained = {
        name for name, mapping in world.mappings.items() if any(p.grad is not None for p in mapping.parameters())
    }
    assert trained == {judge}


def test_images_are_judged_in_the_shape_of_reconstructions(world):
    expected = values(world.losses(world.build(CRITIC)))
    world.mappings["encoder"].pre_processing.append(nn.Flatten())
    world.views["plain"] = world.views["plain"].reshape(-1, 1, 3, 4)
    assert values(world.losses(world.build(CRITIC))) == pytest.approx(expected)


def test_features_of_any_shape_are_mixed(world):
    expected = values(world.losses(world.build(CRITIC)))
    world.mappings["encoder"].post_processing.append(nn.Unflatten(1, (1, 3)))
    world.mappings["decoder"].pre_processing.append(nn.Flatten())
    assert values(world.losses(world.build(CRITIC))) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("block", "validator"),
    [
        (BLOCK, "required"),
        (CRITIC | DISCRIMINATOR, "not"),
        (CRITIC | {"critic_regularizing_hyperparameter": 1.5}, "maximum"),
        ({key: value for key, value in CRITIC.items() if not key.startswith("autoencoder")}, "required"),
    ],
)
def test_schema_refuses(block, validator):
    assert [error.validator for error in schema_errors(block)] == [validator]
