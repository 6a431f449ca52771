"""Nesting and unused clusters against loops."""

import math

import pytest
import torch

from recombine.errors import NetworkError
from tests.patterns.given_sets import GivenSets, certain_sets, heads_by_hand, random_sets, with_gradients

BLOCK = {"pattern": "nested_clusterings", "assignment_head_name": "assignment_head", "max_clusters": 3}
CLASSES = [[0] * 5] * 2
PINNED = [0.0947515, 0.1278656, 0.1009704]
VARIANTS = ["linear", "logarithmic"]


def losses_of(world, given, **options):
    """Return the losses of sets whose outputs are given."""
    losses = world.build({**BLOCK, **options}).losses(given)
    assert list(losses) == ["nesting", "unused_clusters"]
    return losses


def by_hand(logits, counts, variant):
    """Return both losses, one number at a time."""
    terms, used = [], []
    sets = [[heads_by_hand(row, counts) for row in rows] for rows in logits.tolist()]
    for objects in sets:
        for i in range(len(objects)):
            for j in range(i + 1, len(objects)):
                shared = {k: sum(a * b for a, b in zip(objects[i][k], objects[j][k], strict=True)) for k in counts}
                for k in counts[:-1]:
                    violated = shared[k + 1] * (1 - shared[k])
                    terms.append(violated if variant == "linear" else -math.log(1 - violated))
    for k in counts:
        most = [max(one[k][place] for one in objects) for objects in sets for place in range(k)]
        used.append(sum(most) / len(most))
    return sum(terms) / len(terms), 1 - sum(used) / len(used)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("counts", [(1, 2, 3), (2, 3), (3, 4, 5)])
def test_losses_are_those_by_hand(world, variant, counts):
    given = random_sets(CLASSES, counts)
    losses = losses_of(world, given, variant=variant, min_clusters=counts[0], max_clusters=counts[-1])
    nesting, unused = by_hand(given.outputs["assignment_head"], counts, variant)
    assert losses["nesting"].item() == pytest.approx(nesting, rel=1e-11)
    assert losses["unused_clusters"].item() == pytest.approx(unused, rel=1e-11)


def test_pinned(world):
    found = [losses_of(world, random_sets(CLASSES), variant=variant) for variant in VARIANTS]
    assert [one["nesting"].item() for one in found] == pytest.approx(PINNED[:2], abs=1e-6)
    assert [one["unused_clusters"].item() for one in found] == pytest.approx([PINNED[2]] * 2, abs=1e-6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_splitting_clusters_further_costs_nothing(world, variant):
    # Of three clusters, the last two are one of two.
    head = torch.tensor([[[1, 1, 0, 1, 0, 0], [1, 0, 1, 0, 1, 0], [1, 0, 1, 0, 0, 1]]], dtype=torch.float64)
    given = GivenSets([[0, 1, 2]], assignment_head=(head - 1) * 1e4)
    losses = losses_of(world, given, variant=variant)
    assert losses["nesting"].item() == 0
    assert losses["unused_clusters"].item() == 0


@pytest.mark.parametrize(("variant", "cost"), [("linear", 1), ("logarithmic", -math.log(1e-7))])
def test_joining_what_was_apart_costs_most(world, variant, cost):
    # Two objects in different ones of two clusters are together in one of three; 1 of 2 pairs of (k, pair).
    head = torch.tensor([[[1, 1, 0, 1, 0, 0], [1, 0, 1, 1, 0, 0]]], dtype=torch.float64)
    given = GivenSets([[0, 1]], assignment_head=(head - 1) * 1e4)
    losses = losses_of(world, given, variant=variant)
    assert losses["nesting"].item() == pytest.approx(cost / 2, rel=1e-6)
    # Used: 1 of 1, 2 of 2, 1 of 3 clusters.
    assert losses["unused_clusters"].item() == pytest.approx(1 - (1 + 1 + 1 / 3) / 3)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_where_probabilities_are_zero_or_one(world, variant, dtype):
    for predicted in ([[0, 0, 0, 0]], [[0, 1, 2, 1]]):
        given, leaves = with_gradients(certain_sets(predicted, dtype=dtype))
        losses = losses_of(world, given, variant=variant)
        for loss in losses.values():
            assert loss.dtype == dtype
            assert loss.isfinite()
            assert torch.autograd.grad(loss, leaves[1], retain_graph=True)[0].isfinite().all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients(world, variant):
    head = random_sets(CLASSES).outputs["assignment_head"].requires_grad_()
    torch.autograd.gradcheck(
        lambda x: tuple(losses_of(world, GivenSets(CLASSES, assignment_head=x), variant=variant).values()), head
    )


def test_no_labels_are_needed(world):
    step = world.step()
    encoded = world.mappings["encoder"](step.view("view_1")).view(2, 4, 3)
    step.batch.views.pop("classes\n")
    losses = world.build({**BLOCK, "batch_augmentation_name": "view_1"}).losses(step)
    nesting, unused = by_hand(world.mappings["assignment_head"](encoded), (1, 2, 3), "linear")
    assert losses["nesting"].item() == pytest.approx(nesting, rel=1e-11)
    assert losses["unused_clusters"].item() == pytest.approx(unused, rel=1e-11)


def test_a_head_of_another_width_is_refused(world):
    message = (
        r'"assignment_head" is to give 1 \+ 2 \+ 3 \+ 4 = 10 numbers for each of 5 objects of 2 sets, \(2, 5, 10\)'
    )
    with pytest.raises(NetworkError, match=message + r", and gives \(2, 5, 6\)"):
        losses_of(world, random_sets(CLASSES), max_clusters=4)
