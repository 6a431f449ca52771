"""Batches of sets: what is in them, and that the same ones come again."""

import pytest
import torch
from torch import nn

from recombine.assignment.base import Assignment, AssignmentStrategy
from recombine.batch_requests import BatchOptions
from recombine.datasets.base import Samples
from recombine.datasets.pointsets import PointGenerator
from recombine.errors import DataError
from recombine.evaluate import evaluate, full_pass
from recombine.mapping import Mapping
from recombine.method import Method
from recombine.metrics import score
from recombine.set_data import GENERATED_EPOCH, SetData
from recombine.set_draws import PARTS, SetOptions
from recombine.step import CLASSES, PLAIN_VIEW
from tests.views.compare import images

FLIP = {"type": "RandomHorizontalFlip", "p": 0.5}
VIEWS = {PLAIN_VIEW: [], "flipped": [FLIP], "again": [FLIP]}
EACH, CLASS_COUNT = 12, 20
LABELS = torch.arange(EACH * CLASS_COUNT) % CLASS_COUNT
BLOCK = {
    "num_objects": 8,
    "min_clusters": 1,
    "min_objects_per_cluster": 1,
    "with_replacement": True,
    "classes": {"train": 0.5, "validation": 0.25, "test": 0.25, "quarter_turns": [], "seed": 0},
    "num_evaluation_sets": 7,
    "num_examples": 2,
}


def data_of(samples, seed=0, num_clusters=3, batch_size=4, views=None, **changes):
    """Return sets of samples."""
    sets = SetOptions.of({**BLOCK, **changes}, num_clusters)
    options = BatchOptions(batch_size, True, True, seed)
    return SetData("d", samples, views or {PLAIN_VIEW: []}, options, torch.device("cpu"), sets)


def pictures(**changes):
    """Return sets of small images of 20 classes."""
    samples = Samples(images(len(LABELS), 1, 6, 5), LABELS, tuple(f"class {i}" for i in range(CLASS_COUNT)))
    return data_of(samples, views=VIEWS, **changes)


def points(**changes):
    """Return sets of generated points."""
    samples = Samples(torch.full((1, 2), 0.5), set_generator=PointGenerator("shapes", 0.05))
    return data_of(samples, **{"num_objects": 30, **changes})


@pytest.fixture(params=[pictures, points])
def make(request):
    """Make sets of either kind."""
    return request.param


def same(first, second):
    """Tell whether two batches hold the same bits."""
    assert first.views.keys() == second.views.keys()
    assert first.num_sets == second.num_sets
    tensors = [(first.index, second.index), *((first.views[name], second.views[name]) for name in first.views)]
    return all(one.shape == two.shape and torch.equal(one, two) for one, two in tensors)


def validated(data, count=9):
    """Return the same dataset, validated on so many sets."""
    return data.validating({"num_sets": count})


def test_a_training_batch_makes_sets_of_labelled_objects():
    data = pictures()
    batch = data.training_batch("p", 0, [PLAIN_VIEW, CLASSES])
    assert (batch.num_sets, batch.set_size) == (4, 8)
    assert batch.index.shape == (32,)
    assert batch.views.keys() == {PLAIN_VIEW, CLASSES}
    assert torch.equal(batch.views[CLASSES], LABELS[batch.index])
    expected = images(len(LABELS), 1, 6, 5)[batch.index] / 255
    torch.testing.assert_close(batch.views[PLAIN_VIEW], expected.float())
    for row in batch.views[CLASSES].view(4, 8):
        assert 1 <= len(row.unique()) <= 3


def test_classes_are_there_only_where_they_are_asked_for(make):
    assert make().training_batch("p", 0, [PLAIN_VIEW]).views.keys() == {PLAIN_VIEW}
    for batch in (*make().evaluation_batches(5), *validated(make()).validation_batches([PLAIN_VIEW])):
        assert batch.views.keys() == {PLAIN_VIEW}


def test_a_training_batch_of_points():
    batch = points().training_batch("p", 0, [PLAIN_VIEW, CLASSES])
    assert (batch.num_sets, batch.set_size) == (4, 30)
    assert batch.views[PLAIN_VIEW].shape == (120, 2)
    assert batch.views[PLAIN_VIEW].dtype == torch.float32
    assert batch.views[CLASSES].shape == (120,)
    for row in batch.views[CLASSES].view(4, 30):
        assert row.unique().tolist() == list(range(int(row.max()) + 1))
    # Rows and their classes go together: a cluster is nearer to itself than sets are wide.
    values, classes = batch.views[PLAIN_VIEW].view(4, 30, 2), batch.views[CLASSES].view(4, 30)
    drawn = points().source.draw("train", 4, points()._draws("train", "p", 0))
    assert torch.equal(values, drawn.values)
    assert torch.equal(classes, drawn.classes)


def test_a_training_batch_depends_on_phase_and_iteration_alone(make):
    views = [PLAIN_VIEW, CLASSES]
    one, other = make(), make()
    for iteration in (5, 0, 2):
        other.training_batch("q", iteration, views)
    list(other.evaluation_batches(3))
    other = validated(other)
    list(other.validation_batches(views))
    found = [one.training_batch("p", iteration, views) for iteration in range(4)]
    for iteration in (3, 0, 2, 1):
        assert same(other.training_batch("p", iteration, views), found[iteration])
    distinct = [*found, one.training_batch("q", 0, views), make(seed=1).training_batch("p", 0, views)]
    assert len({tuple(batch.views[PLAIN_VIEW].flatten().tolist()) for batch in distinct}) == 6


def test_views_that_are_not_asked_for_change_nothing():
    data = pictures()
    alone, beside = (data.training_batch("p", 3, names) for names in (["flipped"], ["again", CLASSES, "flipped"]))
    assert torch.equal(alone.index, beside.index)
    assert torch.equal(alone.views["flipped"], beside.views["flipped"])


def test_transforms_change_each_object_by_itself():
    batch = pictures(batch_size=16).training_batch("p", 0, [PLAIN_VIEW, "flipped", "again"])
    plain = batch.views[PLAIN_VIEW]
    flips = []
    for name in ("flipped", "again"):
        is_same = (batch.views[name] == plain).flatten(1).all(1)
        is_flipped = (batch.views[name] == plain.flip(3)).flatten(1).all(1)
        assert (is_same ^ is_flipped).all()
        assert is_flipped.double().mean() == pytest.approx(0.5, abs=0.15)
        flips.append(is_flipped)
        # Objects of a set, and one object that stands in it twice, each have a draw of their own.
        assert all(0 < row.sum() < 8 for row in is_flipped.view(16, 8)[:4])
    assert not torch.equal(*flips)


def test_evaluated_sets_are_always_the_same(make):
    data, other = make(), validated(make())
    data.training_batch("p", 0, [PLAIN_VIEW])
    found = [list(one.evaluation_batches(size)) for one, size in ((data, 3), (data, 1000), (other, 1))]
    for again in found[1:]:
        assert all(same(one, two) for one, two in zip(found[0], again, strict=True))
    assert sum(batch.num_sets for batch in found[0]) == 7
    different = make(seed=1)
    assert not torch.equal(next(different.evaluation_batches(3)).views[PLAIN_VIEW], found[0][0].views[PLAIN_VIEW])
    assert not torch.equal(different.labels, data.labels)


def test_labels_are_those_of_the_evaluated_objects():
    data = pictures()
    index = torch.cat([batch.index for batch in data.evaluation_batches(3)])
    assert torch.equal(data.labels, LABELS[index])
    assert torch.equal(data.evaluated_index, index)
    assert data.num_samples == len(index) == 7 * 8
    assert data.set_sizes == [8] * 7
    assert data.sample_shape() == (1, 6, 5)


def test_labels_of_generated_objects():
    data = points()
    assert data.num_samples == len(data.labels) == len(data.evaluated_index) == 7 * 30
    assert all(len(row.unique()) == row.max() + 1 for row in data.labels.view(7, 30))
    assert data.sample_shape() == (2,)


def test_parts_share_no_class():
    data = validated(pictures(), 60)
    train = torch.cat([data.training_batch("p", i, []).index for i in range(60)])
    validation = torch.cat([batch.index for batch in data.validation_batches([])])
    test = pictures(num_evaluation_sets=60).evaluated_index
    found = [set(LABELS[index].tolist()) for index in (train, validation, test)]
    assert [len(one) for one in found] == [10, 5, 5]
    assert found == [set(data.source.classes[part]) for part in PARTS]
    assert len(set.union(*found)) == 20


def test_the_split_is_the_same_whatever_the_seed_of_the_run():
    assert pictures().source.classes == pictures(seed=5).source.classes
    other = pictures(classes={**BLOCK["classes"], "seed": 1})
    assert pictures().source.classes != other.source.classes


def test_sets_of_a_validation(make):
    data = make()
    assert data.num_held_out == 0
    assert list(data.validation_batches([PLAIN_VIEW])) == []
    other = validated(data)
    assert (data.num_held_out, other.num_held_out) == (0, 9)
    batches = list(other.validation_batches([PLAIN_VIEW, CLASSES]))
    assert [batch.num_sets for batch in batches] == [4, 4, 1]
    again = list(validated(make()).validation_batches([PLAIN_VIEW, CLASSES]))
    assert all(same(one, two) for one, two in zip(batches, again, strict=True))
    assert not torch.equal(batches[0].views[CLASSES], batches[1].views[CLASSES])
    # They are neither those that train nor those that are scored.
    views = [PLAIN_VIEW, CLASSES]
    assert not torch.equal(batches[0].views[PLAIN_VIEW], other.training_batch("p", 0, views).views[PLAIN_VIEW])
    start = next(other.evaluation_batches(1)).views[PLAIN_VIEW]
    assert not torch.equal(batches[0].views[PLAIN_VIEW], start[: len(batches[0].index)])


def test_without_classes_of_its_own_validation_has_objects_that_do_not_train():
    data = validated(
        pictures(classes={"train": 0.75, "validation": 0, "test": 0.25, "quarter_turns": [], "seed": 0}), 300
    )
    train = {int(i) for step in range(300) for i in data.training_batch("p", step, []).index}
    validation = {int(i) for batch in data.validation_batches([]) for i in batch.index}
    assert (len(train), len(validation)) == (15 * 11, 15)
    assert not train & validation


def test_sizes_differ_from_batch_to_batch():
    data = pictures(num_objects=[3, 6])
    batches = [data.training_batch("p", i, [PLAIN_VIEW]) for i in range(30)]
    assert {batch.set_size for batch in batches} == {3, 4, 5, 6}
    assert all(batch.num_sets == 4 and len(batch.index) == 4 * batch.set_size for batch in batches)


class Halves(AssignmentStrategy):
    """Puts the first half of each set into one cluster, and the rest into another."""

    def assign(self, forward):
        """Return the clusters of the objects."""
        size = forward.batch.set_size
        places = torch.arange(len(forward.index)) % size
        return Assignment((places >= size // 2).long(), torch.ones(len(places)))

    def log_probs(self, forward, view=PLAIN_VIEW):
        """Raise TypeError: assignments are hard."""
        raise TypeError


@pytest.mark.parametrize("make_them", [pictures, points])
def test_evaluations_of_sets_of_several_sizes(make_them):
    data = make_them(num_objects=[200, 500], num_evaluation_sets=20)
    sizes = data.set_sizes
    assert len(sizes) == 20
    assert len(set(sizes)) > 2
    assert sum(sizes) == data.num_samples == len(data.labels) == len(data.evaluated_index)
    batches = list(data.evaluation_batches(64))
    assert [batch.set_size for batch in batches for _ in range(batch.num_sets)] == sizes
    encoder = Mapping("encoder", "feature_extractor", [("flatten", nn.Flatten())])
    found = evaluate(Method([encoder], Halves()), data)
    scores = []
    for classes in data.labels.split(sizes):
        halves = (torch.arange(len(classes)) >= len(classes) // 2).long()
        scores.append(score(classes.numpy(), halves.numpy()))
    for name in ("acc", "nmi", "ari"):
        expected = sum(getattr(one, name) for one in scores) / len(scores)
        assert getattr(found.scores, name) == pytest.approx(expected, abs=1e-12)


def share_by_hand(data, sets=150):
    """Return the share of pairs of the same class of some training sets, pair by pair."""
    same_pairs = pairs = 0
    for iteration in range(sets // 4):
        batch = data.training_batch("p", iteration, [CLASSES])
        for row in batch.views[CLASSES].view(batch.num_sets, -1).tolist():
            pairs += len(row) * (len(row) - 1) // 2
            same_pairs += sum(row[i] == row[j] for i in range(len(row)) for j in range(i))
    return same_pairs / pairs


def test_the_share_of_pairs_of_the_same_class_is_that_of_training_sets(make):
    data = make()
    assert data.same_class_share() == pytest.approx(share_by_hand(data, 400), abs=0.035)
    assert data.same_class_share() == make().same_class_share()


def test_the_share_for_points_is_the_published_one():
    share = points(num_objects=72, num_clusters=5).same_class_share()
    assert share == pytest.approx(0.4491, abs=0.01)
    root, other = share**0.5, (1 - share) ** 0.5
    assert 2 * root / (root + other) == pytest.approx(0.9490, abs=0.01)
    assert 2 * other / (root + other) == pytest.approx(1.0510, abs=0.01)


def test_the_share_for_objects_of_classes_is_the_published_one():
    data = pictures(num_objects=20, num_clusters=5, min_objects_per_cluster=2)
    assert data.same_class_share() == pytest.approx(0.445, abs=0.01)


def test_the_share_of_sets_of_one_or_of_different_classes():
    assert pictures(num_clusters=1).same_class_share() == 1
    assert pictures(num_objects=5, min_clusters=5, num_clusters=5).same_class_share() == 0


def test_excerpts_are_among_what_is_evaluated(make):
    data = make()
    whole = torch.cat([batch.views[PLAIN_VIEW] for batch in data.evaluation_batches(5)])
    parts = [torch.tensor([3, 17, 3]), torch.tensor([40])]
    batches = list(data.excerpts(parts))
    assert len(batches) == 2
    for part, batch in zip(parts, batches, strict=True):
        assert torch.equal(batch.views[PLAIN_VIEW], whole[part])
        assert torch.equal(batch.index, data.evaluated_index[part])
        assert batch.num_sets is None


def test_an_excerpt_for_trials(make):
    data = make()
    batch = data.excerpt([CLASSES], 1)
    assert batch.num_sets == 2
    assert batch.views.keys() == {PLAIN_VIEW, CLASSES}
    assert len(batch.views[PLAIN_VIEW]) == len(batch.index) == 2 * data.sets.sizes[1]
    assert same(batch, make().excerpt([CLASSES], 100))
    assert set(batch.views[CLASSES].tolist()) <= set(range(CLASS_COUNT))


def test_a_set_of_classes_for_test(make):
    data = make()
    size = data.sets.sizes[1]
    batch, classes = data.test_set(0)
    assert (batch.num_sets, batch.set_size) == (1, size)
    assert classes.shape == (size,)
    again, other = data.test_set(0), data.test_set(1)
    assert same(batch, again[0])
    assert torch.equal(classes, again[1])
    assert not torch.equal(batch.views[PLAIN_VIEW], other[0].views[PLAIN_VIEW])
    larger, classes = data.test_set(0, 50)
    assert len(larger.index) == len(classes) == 50
    if make is pictures:
        assert torch.equal(LABELS[larger.index], classes)
        assert set(classes.tolist()) <= set(data.source.classes["test"])


def test_a_set_for_test_has_the_size_of_a_set_where_objects_might_not_suffice():
    data = pictures(with_replacement=False, num_objects=[5, 8])
    batch, _ = data.test_set(0, 500)
    assert batch.set_size == 8
    assert len(set(batch.index.tolist())) == 8


def test_epochs():
    assert pictures().batches_per_epoch == 10 * EACH // (4 * 8)
    assert pictures(num_objects=[3, 10]).batches_per_epoch == 10 * EACH // (4 * 10)
    assert pictures(batch_size=4000).batches_per_epoch == 1
    assert points().batches_per_epoch == GENERATED_EPOCH
    assert pictures().never_trained() == range(0)


def test_what_sets_cannot_do():
    data = pictures()
    with pytest.raises(DataError, match='dataset "d" makes batches of sets, not of neighbourhoods'):
        data.by_neighborhoods(3)
    method = Method([Mapping("encoder", "feature_extractor", [])], Halves())
    with pytest.raises(DataError, match='dataset "d" makes sets: nothing can look at all its samples together'):
        full_pass(method, data, lambda forward: forward.view())


def test_what_keeps_sets_from_being_made():
    values = images(len(LABELS), 1, 6, 5)
    with pytest.raises(DataError, match='dataset "d" has no labels, by which alone sets can be made of it'):
        data_of(Samples(values))
    classes = {**BLOCK["classes"], "test": ["nobody"]}
    with pytest.raises(DataError, match="dataset \"d\": the dataset has no class 'nobody'; it has 0, 1, "):
        data_of(Samples(values, LABELS), classes=classes)


def test_pinned():
    index = pictures().training_batch("p", 0, []).index
    assert index[:8].tolist() == [100, 20, 124, 44, 84, 0, 184, 160]
    assert pictures().evaluated_index[:8].tolist() == [53, 113, 16, 196, 39, 56, 39, 16]
