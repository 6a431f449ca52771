"""The loss of the number of clusters against sums by hand."""

import math

import pytest
import torch

from recombine.errors import NetworkError
from tests.patterns.given_sets import GivenSets, certain_sets, probabilities, random_sets, with_gradients

BLOCK = {"pattern": "cluster_count", "count_head_name": "count_head"}
CLASSES = [[4, 9, 4, 4, 2, 9], [1, 1, 1, 1, 1, 1], [3, 3, 3, 0, 0, 0], [7, 8, 7, 6, 7, 7]]
PINNED = [2.0800502, 0.1828038]
TRUE = [3, 1, 2, 3]
CRITERIA = ["cross_entropy", "ranked_probability"]


def loss_of(world, given, **options):
    """Return the loss of sets whose outputs are given."""
    losses = world.build({**BLOCK, **options}).losses(given)
    assert list(losses) == ["cluster_count"]
    return losses["cluster_count"]


def by_hand(rows, true, counts, criterion):
    """Return the loss of the logits of each set, one number at a time."""
    terms = []
    for row, number in zip(rows, true, strict=True):
        probs = probabilities(row)
        if criterion == "cross_entropy":
            terms.append(-math.log(probs[counts.index(number)]))
            continue
        for place, k in enumerate(counts):
            terms.append((sum(probs[: place + 1]) - (number <= k)) ** 2)
    return sum(terms) / len(terms)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_losses_are_those_by_hand(world, criterion):
    given = random_sets(CLASSES)
    expected = by_hand(given.outputs["count_head"].tolist(), TRUE, (1, 2, 3), criterion)
    assert loss_of(world, given, criterion=criterion).item() == pytest.approx(expected, rel=1e-12)


def test_pinned(world):
    losses = [loss_of(world, random_sets(CLASSES), criterion=criterion).item() for criterion in CRITERIA]
    assert losses == pytest.approx(PINNED, abs=1e-6)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_the_first_logit_stands_for_the_least_number(world, criterion):
    classes = [[0, 1, 2, 0, 1, 2], [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 0, 1]]
    given = random_sets(classes, (3, 4, 5, 6))
    expected = by_hand(given.outputs["count_head"].tolist(), [3, 6, 4], (3, 4, 5, 6), criterion)
    assert loss_of(world, given, criterion=criterion, min_clusters=3).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_number_out_of_range_counts_as_the_nearest(world, criterion):
    given = random_sets([[0, 0, 0, 0, 0], [0, 1, 2, 3, 4]], (2, 3, 4))
    expected = by_hand(given.outputs["count_head"].tolist(), [2, 4], (2, 3, 4), criterion)
    assert loss_of(world, given, criterion=criterion, min_clusters=2).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_names_of_classes_mean_nothing(world, criterion):
    given = random_sets(CLASSES)
    renamed = given.renamed([5, 3, 8, 1, 0, 12, 2, 7, 9, 4])
    assert torch.equal(loss_of(world, renamed, criterion=criterion), loss_of(world, given, criterion=criterion))


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_certain_outputs(world, criterion, dtype):
    right, leaves = with_gradients(certain_sets(CLASSES, dtype=dtype))
    loss = loss_of(world, right, criterion=criterion)
    assert loss.dtype == dtype
    assert loss.item() == 0
    assert torch.autograd.grad(loss, leaves[0])[0].isfinite().all()
    wrong, leaves = with_gradients(GivenSets([[0, 1, 2]], **certain_sets([[0, 0, 0]], dtype=dtype).outputs))
    loss = loss_of(world, wrong, criterion=criterion)
    assert loss.item() == pytest.approx(1e4 if criterion == "cross_entropy" else 2 / 3)
    assert torch.autograd.grad(loss, leaves[0])[0].isfinite().all()


def test_ranked_probability_minds_how_wrong_a_number_is(world):
    losses = []
    for said in ([[0, 1, 1]], [[0, 0, 0]]):
        given = GivenSets([[0, 1, 2]], **certain_sets(said).outputs)
        losses.append(loss_of(world, given, criterion="ranked_probability").item())
    assert losses == pytest.approx([1 / 3, 2 / 3])


@pytest.mark.parametrize("criterion", CRITERIA)
def test_gradients(world, criterion):
    given = random_sets(CLASSES)
    torch.autograd.gradcheck(
        lambda logits: loss_of(world, GivenSets(CLASSES, count_head=logits), criterion=criterion),
        given.outputs["count_head"].requires_grad_(),
    )


def test_the_network_is_asked_on_the_view(world):
    step = world.step(index=[0, 3, 6, 9, 1, 2, 4, 5])  # one class, then two
    logits = world.mappings["count_head"](world.mappings["encoder"](step.view("view_2")).view(2, 4, 3))
    loss = world.build({**BLOCK, "batch_augmentation_name": "view_2"}).losses(step)["cluster_count"]
    assert loss.item() == pytest.approx(by_hand(logits.tolist(), [1, 2], (1, 2, 3), "cross_entropy"), rel=1e-12)


@pytest.mark.parametrize("shape", [(24, 3), (4, 6, 3), (4,)])
def test_what_gives_no_row_for_each_set_is_refused(world, shape):
    with pytest.raises(NetworkError, match='"count_head" is to give one row for each of 4 sets, and gives '):
        loss_of(world, GivenSets(CLASSES, count_head=torch.zeros(shape)))
