"""Divergences of pairs against loops."""

import math

import pytest
import torch

from recombine.errors import NetworkError
from tests.patterns.given_sets import GivenSets, probabilities

BLOCK = {"pattern": "pairwise_divergence", "mapping_name": "head"}
CLASSES = [[4, 9, 4, 4, 2], [1, 1, 1, 1, 1], [0, 1, 2, 3, 4]]
PINNED = 2.1189762


def logits(dtype=torch.float64):
    """Return logits of all objects, (B n, D)."""
    return torch.randn(15, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def loss_of(world, classes, values, **options):
    """Return the loss of logits."""
    losses = world.build({**BLOCK, **options}).losses(GivenSets(classes, head=values))
    assert list(losses) == ["pairwise_divergence"]
    return losses["pairwise_divergence"]


def by_hand(classes, values, margin=2):
    """Return the loss, one number at a time."""
    size, terms = len(classes[0]), []
    rows = [probabilities(row) for row in values.reshape(len(classes) * size, -1).tolist()]
    for number, row in enumerate(classes):
        own = rows[number * size : (number + 1) * size]
        for i in range(size):
            for j in range(i + 1, size):
                ways = [
                    sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
                    for p, q in ((own[i], own[j]), (own[j], own[i]))
                ]
                terms.append(sum(ways) if row[i] == row[j] else sum(max(0, margin - way) for way in ways))
    return sum(terms) / len(terms)


@pytest.mark.parametrize("margin", [2, 0.5, 10])
def test_the_loss_is_that_by_hand(world, margin):
    loss = loss_of(world, CLASSES, logits(), margin=margin)
    assert loss.item() == pytest.approx(by_hand(CLASSES, logits(), margin), rel=1e-11)


def test_pinned(world):
    assert loss_of(world, CLASSES, logits()).item() == pytest.approx(PINNED, abs=1e-6)


def test_logits_may_come_by_set(world):
    assert torch.equal(loss_of(world, CLASSES, logits().view(3, 5, 4)), loss_of(world, CLASSES, logits()))


def test_names_of_classes_and_features_mean_nothing(world):
    names = [5, 3, 8, 1, 0, 12, 2, 7, 9, 4]
    renamed = [[names[label] for label in row] for row in CLASSES]
    loss = loss_of(world, CLASSES, logits())
    assert torch.equal(loss_of(world, renamed, logits()), loss)
    torch.testing.assert_close(loss_of(world, CLASSES, logits()[:, [2, 0, 3, 1]]), loss)


def test_same_distributions_cost_the_margin_twice_or_nothing(world):
    same = torch.ones(15, 4, dtype=torch.float64)
    assert loss_of(world, [[1] * 5] * 3, same).item() == pytest.approx(0, abs=1e-12)
    assert loss_of(world, [list(range(5))] * 3, same, margin=1.5).item() == pytest.approx(3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_certain_distributions_have_finite_losses_and_gradients(world, dtype):
    certain = torch.full((15, 4), -1e4, dtype=dtype)
    certain[torch.arange(15), torch.arange(15) % 3] = 0
    for classes in (CLASSES, [[1] * 5] * 3, [list(range(5))] * 3):
        values = certain.clone().requires_grad_()
        loss = loss_of(world, classes, values)
        assert loss.dtype == dtype
        assert loss.isfinite()
        assert torch.autograd.grad(loss, values)[0].isfinite().all()
    # Objects of different classes that are certain of different features are as far apart as asked for.
    assert loss_of(world, [[0, 1, 2]], certain[:3]).item() == 0


def test_gradients(world):
    torch.autograd.gradcheck(lambda x: loss_of(world, CLASSES, x), logits().requires_grad_())


def test_the_network_is_asked_on_the_view(world):
    step = world.step()
    values = world.mappings["head"](world.mappings["encoder"](step.view("view_1")))
    loss = world.build({**BLOCK, "batch_augmentation_name": "view_1"}).losses(step)["pairwise_divergence"]
    assert loss.item() == pytest.approx(by_hand(world.classes[:8].view(2, 4).tolist(), values), rel=1e-11)


def test_a_network_over_sets(world):
    step = world.step()
    values = world.mappings["set_network"](world.mappings["encoder"](step.view()))
    loss = world.build({**BLOCK, "mapping_name": "set_network"}).losses(step)["pairwise_divergence"]
    assert loss.item() == pytest.approx(by_hand(world.classes[:8].view(2, 4).tolist(), values), rel=1e-11)


def test_what_gives_nothing_for_each_object_is_refused(world):
    with pytest.raises(NetworkError, match=r"an output for each of 5 objects of 3 sets is needed, not \(3, 4\)"):
        loss_of(world, CLASSES, torch.zeros(3, 4))
