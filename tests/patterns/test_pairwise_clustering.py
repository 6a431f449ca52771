"""The pairwise loss against loops over pairs, one number at a time."""

import math

import pytest
import torch

from recombine.errors import NetworkError
from tests.patterns.given_sets import (
    COUNTS,
    GivenSets,
    certain_sets,
    heads_by_hand,
    probabilities,
    random_sets,
    with_gradients,
)

BLOCK = {"pattern": "pairwise_clustering", "count_head_name": "count_head", "assignment_head_name": "assignment_head"}
CLASSES = [[4, 9, 4, 4, 2, 9, 4], [1, 1, 1, 1, 1, 1, 1], [0, 1, 2, 3, 4, 5, 6]]
PINNED = [1.1285090, 0.4544379, 0.3064180]
EPSILON = 1e-7
CRITERIA = ["cross_entropy", "rand_index", "fowlkes_mallows"]


def loss_of(world, given, **options):
    """Return the loss of sets whose outputs are given."""
    losses = world.build({**BLOCK, **options}).losses(given)
    assert list(losses) == ["pairwise_clustering"]
    return losses["pairwise_clustering"]


def pairs_by_hand(given, counts=COUNTS, include_self=False):
    """Return (P_ij, y_ij) for each pair of each set."""
    found = []
    sets = zip(given.outputs["count_head"].tolist(), given.outputs["assignment_head"].tolist(), strict=True)
    for (count_logits, rows), classes in zip(sets, given.classes.tolist(), strict=True):
        sure = dict(zip(counts, probabilities(count_logits), strict=True))
        heads = [heads_by_hand(row, counts) for row in rows]
        for i in range(len(rows)):
            for j in range(i if include_self else i + 1, len(rows)):
                together = sum(
                    sure[k] * sum(p * q for p, q in zip(heads[i][k], heads[j][k], strict=True)) for k in counts
                )
                found.append((min(max(together, EPSILON), 1 - EPSILON), float(classes[i] == classes[j])))
    return found


def cross_entropy_by_hand(found, own, other):
    """Return the weighted cross-entropy of pairs (P, y)."""
    terms = [own * y * math.log(p) + other * (1 - y) * math.log(1 - p) for p, y in found]
    return -sum(terms) / len(terms)


@pytest.mark.parametrize("include_self", [False, True])
def test_cross_entropy_is_that_by_hand(world, include_self):
    given = random_sets(CLASSES)
    found = pairs_by_hand(given, include_self=include_self)
    assert len(found) == 3 * (28 if include_self else 21)
    loss = loss_of(world, given, class_weights="none", include_self_pairs=include_self)
    assert loss.item() == pytest.approx(cross_entropy_by_hand(found, 1, 1), rel=1e-12)


@pytest.mark.parametrize(
    ("weights", "share", "own", "other"),
    [
        ("square_root", 0.4491, 1.0510, 0.9490),
        ("square_root", 0.445, 1.055, 0.945),
        ("square_root", 0.1, 1.5, 0.5),
        ("proportional", 0.25, 1.5, 0.5),
        ("proportional", 0.5, 1, 1),
    ],
)
def test_classes_weigh_by_their_shares(world, weights, share, own, other):
    given = random_sets(CLASSES)
    expected = cross_entropy_by_hand(pairs_by_hand(given), own, other)
    assert loss_of(world, given, class_weights=weights, same_class_share=share).item() == pytest.approx(expected, 2e-4)
    # Without a share of its own, that of the dataset.
    given.same_class_share = share
    assert loss_of(world, given, class_weights=weights).item() == pytest.approx(expected, 2e-4)


def test_square_roots_are_the_default(world):
    given = random_sets(CLASSES)
    assert torch.equal(loss_of(world, given), loss_of(world, given, class_weights="square_root", same_class_share=0.3))
    assert not torch.equal(loss_of(world, given), loss_of(world, given, class_weights="proportional"))


def test_indices_are_those_by_hand(world):
    given = random_sets(CLASSES)
    found = pairs_by_hand(given)
    rand = sum(p * y + (1 - p) * (1 - y) for p, y in found) / len(found)
    hits = sum(p * y for p, y in found)
    mallows = hits / math.sqrt(sum(p for p, _ in found) * sum(y for _, y in found))
    assert loss_of(world, given, criterion="rand_index").item() == pytest.approx(1 - rand, rel=1e-12)
    assert loss_of(world, given, criterion="fowlkes_mallows").item() == pytest.approx(1 - mallows, abs=1e-9)


def test_pinned(world):
    losses = [loss_of(world, random_sets(CLASSES), criterion=criterion).item() for criterion in CRITERIA]
    assert losses == pytest.approx(PINNED, abs=1e-6)


@pytest.mark.parametrize("fewest", [1, 2, 4])
def test_the_first_logit_stands_for_the_least_number(world, fewest):
    counts = (fewest, fewest + 1)
    given = random_sets(CLASSES, counts)
    expected = cross_entropy_by_hand(pairs_by_hand(given, counts), 1, 1)
    loss = loss_of(world, given, class_weights="none", min_clusters=fewest)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_names_of_classes_and_clusters_mean_nothing(world, criterion):
    given = random_sets(CLASSES)
    loss = loss_of(world, given, criterion=criterion)
    assert torch.equal(loss_of(world, given.renamed([5, 3, 8, 1, 0, 12, 2, 7, 9, 4]), criterion=criterion), loss)
    head = given.outputs["assignment_head"][:, :, [0, 2, 1, 5, 3, 4]]
    other = GivenSets(given.classes, count_head=given.outputs["count_head"], assignment_head=head)
    torch.testing.assert_close(loss_of(world, other, criterion=criterion), loss)


def test_the_order_of_objects_means_nothing(world):
    given = random_sets(CLASSES)
    order = torch.tensor([3, 0, 6, 2, 5, 1, 4])
    head = given.outputs["assignment_head"][:, order]
    other = GivenSets(given.classes[:, order], count_head=given.outputs["count_head"], assignment_head=head)
    torch.testing.assert_close(loss_of(world, other), loss_of(world, given))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_perfect_outputs_cost_next_to_nothing(world, dtype):
    given = certain_sets([[4, 9, 4, 4, 2, 9], [1, 1, 1, 1, 1, 1], [3, 3, 3, 0, 0, 0]], dtype=dtype)
    loss = loss_of(world, given, class_weights="none")
    assert loss.dtype == dtype
    assert loss.item() == pytest.approx(1e-7, rel=0.3)
    assert loss_of(world, given).item() == pytest.approx(1e-7, rel=0.5)
    for criterion in CRITERIA[1:]:
        assert loss_of(world, given, criterion=criterion).item() == pytest.approx(0, abs=1e-6)


def test_certain_and_wrong_outputs_cost_what_is_clamped(world):
    given = certain_sets([[0, 0, 0, 1]])
    one_class = GivenSets([[0, 1, 2, 3]], **certain_sets([[0, 0, 0, 0]]).outputs)
    assert loss_of(world, one_class, class_weights="none").item() == pytest.approx(-math.log(EPSILON), rel=1e-6)
    apart = GivenSets([[5, 5, 5, 5]], **given.outputs)
    assert loss_of(world, apart, class_weights="none").item() == pytest.approx(-math.log(EPSILON) / 2, rel=1e-6)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("classes", [[[0, 0, 0, 0]], [[0, 1, 2, 0]], [[0, 1, 2, 3]]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_where_probabilities_are_zero_or_one(world, criterion, classes, dtype):
    for predicted in ([[0, 0, 0, 0]], [[0, 1, 2, 1]]):
        certain = GivenSets(classes, **certain_sets(predicted, dtype=dtype).outputs)
        given, leaves = with_gradients(certain)
        loss = loss_of(world, given, criterion=criterion)
        gradients = torch.autograd.grad(loss, leaves)
        assert loss.isfinite()
        assert all(gradient.isfinite().all() for gradient in gradients)


def test_both_heads_learn(world):
    given, leaves = with_gradients(random_sets(CLASSES))
    assert all(gradient.abs().max() > 0 for gradient in torch.autograd.grad(loss_of(world, given), leaves))
    torch.autograd.gradcheck(
        lambda count, assign: loss_of(
            world, GivenSets(CLASSES[:1], count_head=count[:1], assignment_head=assign[:1]), class_weights="none"
        ),
        leaves,
    )


def test_networks_are_asked_on_the_view(world):
    pattern = world.build({**BLOCK, "batch_augmentation_name": "view_1", "class_weights": "none"})
    step = world.step()
    encoded = world.mappings["encoder"](step.view("view_1")).view(2, 4, 3)
    given = GivenSets(
        world.classes[:8].view(2, 4),
        count_head=world.mappings["count_head"](encoded),
        assignment_head=world.mappings["assignment_head"](encoded),
    )
    loss = pattern.losses(step)["pairwise_clustering"]
    assert loss.item() == pytest.approx(cross_entropy_by_hand(pairs_by_hand(given), 1, 1), rel=1e-12)


@pytest.mark.parametrize(
    ("count", "assign", "message"),
    [
        ((2, 4), (2, 5, 6), r'"assignment_head" is to give 1 \+ 2 \+ 3 \+ 4 = 10 numbers for each of 5 objects of 2'),
        ((2, 3), (2, 5, 5), r"sets, \(2, 5, 6\), and gives \(2, 5, 5\)"),
        ((2, 3), (10, 6), r"sets, \(2, 5, 6\), and gives \(10, 6\)"),
        ((10, 3), (2, 5, 6), r'"count_head" is to give one row for each of 2 sets, and gives \(10, 3\)'),
        ((2, 5, 3), (2, 5, 6), r'"count_head" is to give one row for each of 2 sets, and gives \(2, 5, 3\)'),
    ],
)
def test_heads_of_other_widths_are_refused(world, count, assign, message):
    given = GivenSets(torch.zeros(2, 5).long(), count_head=torch.zeros(count), assignment_head=torch.zeros(assign))
    with pytest.raises(NetworkError, match=message):
        loss_of(world, given)


def test_samples_that_make_no_sets_are_refused(world):
    given = random_sets(CLASSES)
    given.batch = type(given.batch)(given.batch.index, {})
    with pytest.raises(NetworkError, match='it works on sets, and the dataset makes none: give it "sets"'):
        loss_of(world, given)


def test_a_recording_holds_for_ever(world):
    pattern = world.build(BLOCK)
    assert pattern.recording_key(world.step().clock) == pattern.recording_key(world.step(iteration=5).clock) == ()
