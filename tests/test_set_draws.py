"""What sets are made of: numbers of clusters, classes and objects."""

import pytest
import torch

from recombine.datasets.pointsets import PointGenerator
from recombine.errors import DataError
from recombine.set_draws import PARTS, ClassSets, GeneratedSets, SetOptions, class_parts

NAMES = tuple(f"class {number}" for number in range(10))
SHARES = {"train": 0.64, "validation": 0.16, "test": 0.2, "quarter_turns": [], "seed": 1337}
MANY = 5000


def options(classes=None, **changes):
    """Return what sets look like: 12 objects in 2 to 4 clusters, unless told otherwise."""
    block = {
        "num_objects": 12,
        "min_clusters": 2,
        "min_objects_per_cluster": 1,
        "with_replacement": True,
        "classes": {**SHARES, **(classes or {})},
        "num_evaluation_sets": 3,
        "num_examples": 0,
    }
    most = changes.pop("num_clusters", 4)
    return SetOptions.of({**block, **changes}, most)


def labels_of(*counts):
    """Return labels of so many objects of the classes 0, 1, ..., in any order."""
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    return labels[torch.randperm(len(labels), generator=draws())]


def draws(seed=0):
    """Return a generator."""
    return torch.Generator().manual_seed(seed)


def trained_on(*counts, **changes):
    """Return sets for training of all classes with so many objects, and the labels."""
    labels = labels_of(*counts)
    classes = {"train": list(range(len(counts))), "validation": [], "test": [], **changes.pop("classes", {})}
    return ClassSets(options(classes, **changes), labels, None), labels


def without_borrowing(*counts, **changes):
    """Return sets for evaluations of all classes, from which validation borrows nothing, and the labels."""
    classes = {"train": [], "test": list(range(len(counts)))}
    return trained_on(*counts, classes=classes, **changes)


def num_clusters(classes):
    """Return how many classes each set has."""
    return torch.tensor([len(set(row)) for row in classes.tolist()])


def test_options_of_a_file():
    found = options()
    assert (found.sizes, found.clusters) == ((12, 12), (2, 4))
    assert (found.min_objects_per_cluster, found.with_replacement) == (1, True)
    assert (found.num_evaluation_sets, found.num_examples) == (3, 0)
    assert options(num_objects=[5, 9], num_clusters=7).sizes == (5, 9)
    assert options(num_clusters=7).clusters == (2, 7)


@pytest.mark.parametrize(("fewest", "most"), [(1, 5), (2, 4), (3, 3)])
def test_numbers_of_clusters_are_uniform(fewest, most):
    source, _ = without_borrowing(*[30] * 9, min_clusters=fewest, num_clusters=most)
    drawn = source.draw("test", MANY, draws())
    assert drawn.positions.shape == drawn.classes.shape == (MANY, 12)
    assert drawn.values is None
    found = num_clusters(drawn.classes)
    assert set(found.tolist()) == set(range(fewest, most + 1))
    shares = [(found == k).double().mean().item() for k in range(fewest, most + 1)]
    assert shares == pytest.approx([1 / len(shares)] * len(shares), abs=0.025)


def test_classes_and_objects_belong_together_and_all_occur():
    source, labels = without_borrowing(4, 30, 1, 12, 7)
    drawn = source.draw("test", 2000, draws())
    assert torch.equal(labels[drawn.positions], drawn.classes)
    assert set(drawn.positions.flatten().tolist()) == set(range(len(labels)))
    # Any class is as likely as the others, however many objects it has, and so is any object of a class.
    shares = torch.bincount(drawn.classes.flatten()).double() / drawn.classes.numel()
    assert shares.tolist() == pytest.approx([0.2] * 5, abs=0.015)
    of_first = torch.bincount(drawn.positions.flatten())[labels == 3].double()
    assert (of_first / of_first.sum()).tolist() == pytest.approx([1 / 12] * 12, abs=0.015)


@pytest.mark.parametrize("least", [1, 2, 3])
@pytest.mark.parametrize("with_replacement", [True, False])
def test_each_cluster_has_its_least_number_of_objects(least, with_replacement):
    source, _ = without_borrowing(*[20] * 6, min_objects_per_cluster=least, with_replacement=with_replacement)
    classes = source.draw("test", MANY, draws()).classes
    counts = torch.stack([(classes == label).sum(1) for label in range(6)], 1)
    found = counts[counts > 0]
    assert found.min() == least
    # Of two clusters with at least one, one has at least so many: the rest falls anywhere.
    two = counts[(counts > 0).sum(1) == 2].amax(1)
    assert two.max() > 12 - least - 2
    assert (counts > 0).sum(1).unique().tolist() == [2, 3, 4]


def test_what_is_not_due_falls_anywhere():
    source, _ = without_borrowing(*[20] * 2, min_objects_per_cluster=2, num_clusters=2)
    counts = (source.draw("test", MANY, draws()).classes == 0).sum(1).double()
    # 2 and half of the 8 others on average: a binomial distribution.
    assert counts.mean() == pytest.approx(6, abs=0.1)
    assert counts.var() == pytest.approx(8 / 4, rel=0.08)


def test_objects_are_drawn_again_and_again():
    source, _ = without_borrowing(*[5] * 4)
    positions = source.draw("test", 500, draws()).positions
    assert sum(len(set(row)) < len(row) for row in positions.tolist()) > 450


@pytest.mark.parametrize("counts", [[20] * 6, [6] * 6, [3, 40, 40, 40], [9, 4, 8, 40]])
def test_without_replacement_no_object_is_twice_in_a_set(counts):
    source, labels = without_borrowing(*counts, with_replacement=False)
    source.check("test")
    drawn = source.draw("test", MANY, draws())
    assert all(len(set(row)) == 12 for row in drawn.positions.tolist())
    assert torch.equal(labels[drawn.positions], drawn.classes)
    assert set(drawn.positions.flatten().tolist()) == set(range(len(labels)))
    assert num_clusters(drawn.classes).unique().tolist() == [2, 3, 4]


def test_an_exhausted_class_gives_all_it_has_and_keeps_what_it_must():
    source, _ = without_borrowing(3, 100, min_objects_per_cluster=2, with_replacement=False, num_clusters=2)
    small = (source.draw("test", MANY, draws()).classes == 0).sum(1)
    # 2 are due; of the 8 others, not one falls into the small class with a probability of 1 / 256.
    assert set(small.tolist()) == {2, 3}
    assert (small == 2).double().mean() == pytest.approx(1 / 256, abs=0.003)
    source, _ = without_borrowing(6, 6, with_replacement=False, num_clusters=2)
    assert source.draw("test", 50, draws()).positions.sort(1).values.equal(torch.arange(12).expand(50, 12))


def test_the_order_is_random():
    source, _ = without_borrowing(*[20] * 3, min_clusters=3, num_clusters=3, min_objects_per_cluster=4)
    classes = source.draw("test", MANY, draws()).classes
    # Without shuffling, the first three were always of different classes.
    different = num_clusters(classes[:, :3]) == 3
    assert different.double().mean() == pytest.approx(12 / 12 * 8 / 11 * 4 / 10, abs=0.025)
    assert (num_clusters(classes[:, -3:]) == 3).double().mean() == pytest.approx(32 / 110, abs=0.025)


@pytest.mark.parametrize("with_replacement", [True, False])
def test_the_generator_decides(with_replacement):
    source, _ = without_borrowing(*[20] * 6, with_replacement=with_replacement)
    one, again, other = (source.draw("test", 5, draws(seed)) for seed in (3, 3, 4))
    assert torch.equal(one.positions, again.positions)
    assert torch.equal(one.classes, again.classes)
    assert not torch.equal(one.positions, other.positions)


def test_sizes():
    source, _ = without_borrowing(*[20] * 6, num_objects=[5, 8])
    sizes = [source.draw("test", 2, draws(seed)).positions.shape for seed in range(80)]
    assert {size[1] for size in sizes} == {5, 6, 7, 8}
    assert source.draw("test", 2, draws(), 40).classes.shape == (2, 40)


def test_generated_sets():
    source = GeneratedSets(options(min_clusters=1, num_clusters=5, num_objects=72), PointGenerator("shapes", 0.05))
    for part in PARTS:
        assert source.num_objects(part) is None
        source.check(part)
    drawn = source.draw("train", 2000, draws())
    assert drawn.values.shape == (2000, 72, 2)
    found = num_clusters(drawn.classes)
    shares = [(found == k).double().mean().item() for k in range(1, 6)]
    assert shares == pytest.approx([0.2] * 5, abs=0.03)
    assert torch.equal(found, drawn.classes.amax(1) + 1)
    # The objects of a set are shuffled, and their values with them.
    assert (drawn.classes.sort(1).values != drawn.classes).any()
    plain = source._drawn("train", found, 72, draws())
    assert plain.classes.equal(plain.classes.sort(1).values)
    assert drawn.positions.sort(1).values.equal(plain.positions)
    again = source.draw("train", 2000, draws())
    assert torch.equal(again.values, drawn.values)


def test_values_stay_with_their_objects():
    class Numbered:
        def draw(self, num_clusters, size, draws):
            """Return objects that tell their set, place and cluster."""
            places = torch.arange(size).expand(len(num_clusters), size)
            numbers = torch.arange(len(num_clusters))[:, None].expand_as(places)
            clusters = places % num_clusters[:, None]
            return torch.stack([numbers, places, clusters], 2), clusters

    drawn = GeneratedSets(options(), Numbered()).draw("test", 50, draws())
    assert torch.equal(drawn.values[..., 0], torch.arange(50)[:, None].expand(50, 12))
    assert torch.equal(drawn.values[..., 2], drawn.classes)
    assert torch.equal(drawn.values[..., 1] + 12 * drawn.values[..., 0], drawn.positions)


@pytest.mark.parametrize(
    ("count", "sizes"), [(10, (6, 2, 2)), (100, (64, 16, 20)), (5, (3, 1, 1)), (25, (16, 4, 5)), (1, (1, 0, 0))]
)
def test_shares_take_all_classes(count, sizes):
    parts = class_parts(SHARES, torch.arange(count))
    assert tuple(len(parts[part]) for part in PARTS) == sizes
    assert sorted(label for part in PARTS for label in parts[part]) == list(range(count))
    assert all(list(parts[part]) == sorted(parts[part]) for part in PARTS)


def test_the_seed_of_the_split_is_a_setting_of_its_own():
    labels = torch.arange(30)
    assert class_parts(SHARES, labels) == class_parts(SHARES, labels.flip(0))
    assert class_parts(SHARES, labels) != class_parts({**SHARES, "seed": 1}, labels)
    assert class_parts(SHARES, torch.arange(10)) == {
        "train": (2, 3, 4, 5, 6, 7),
        "validation": (0, 1),
        "test": (8, 9),
    }


def test_shares_that_leave_classes_out():
    parts = class_parts({"train": 0.5, "validation": 0, "test": 0.2, "seed": 0}, torch.arange(10))
    assert [len(parts[part]) for part in PARTS] == [5, 0, 2]
    assert not set(parts["train"]) & set(parts["test"])


def test_lists_of_numbers_and_names():
    labels = torch.arange(10)
    lists = {"train": [0, "class 3", 5], "validation": ["class 9"], "test": [8, 1], "seed": 0}
    parts = class_parts(lists, labels, NAMES)
    assert parts == {"train": (0, 3, 5), "validation": (9,), "test": (1, 8)}
    twice = class_parts({**lists, "train": [0, "class 0", 0]}, labels, NAMES)
    assert twice["train"] == (0,)


def test_shares_take_what_no_list_names():
    parts = class_parts({"train": 0.75, "validation": 0.25, "test": [2, 4], "seed": 0}, torch.arange(10))
    assert parts["test"] == (2, 4)
    assert (len(parts["train"]), len(parts["validation"])) == (6, 2)
    assert sorted(parts["train"] + parts["validation"]) == [0, 1, 3, 5, 6, 7, 8, 9]


def test_classes_are_those_that_occur():
    parts = class_parts({"train": 0.5, "validation": 0, "test": 0.5, "seed": 0}, torch.tensor([7, 3, 3, 40, 12, 7]))
    assert sorted(parts["train"] + parts["test"]) == [3, 7, 12, 40]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": [0, 77]}, "the dataset has no class 77; it has 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...$"),
        ({"train": ["nobody"]}, "the dataset has no class 'nobody'; it has 0, 1, 2"),
        ({"train": [0, 1], "test": [2, 1]}, 'class "1" is listed for train and for test; a class is for one of them'),
    ],
)
def test_classes_that_are_not_there_or_for_two_parts(changes, message):
    with pytest.raises(DataError, match=message):
        class_parts({**SHARES, **changes}, torch.arange(12))


def test_names_that_are_not_there():
    with pytest.raises(DataError, match='the dataset has no class \'class 10\'; it has "class 0", .*"class 9"$'):
        class_parts({**SHARES, "train": ["class 10"]}, torch.arange(10), NAMES)
    with pytest.raises(DataError, match='class "class 1" is listed for train and for validation'):
        class_parts({**SHARES, "train": [1], "validation": ["class 1"]}, torch.arange(10), NAMES)


@pytest.mark.parametrize("validation", [0, []])
def test_validation_borrows_a_tenth_of_the_objects_of_the_classes_for_training(validation):
    labels = labels_of(*[50] * 10)
    source = ClassSets(options({"train": 0.8, "validation": validation, "test": 0.2}), labels, None)
    assert [source.num_objects(part) for part in PARTS] == [8 * 45, 8 * 5, 2 * 50]
    train, validation_objects = (
        set(source.draw(part, 3000, draws()).positions.flatten().tolist()) for part in ("train", "validation")
    )
    assert (len(train), len(validation_objects)) == (8 * 45, 8 * 5)
    assert not train & validation_objects
    assert set(labels[list(validation_objects)].tolist()) == set(source.classes["train"])
    source = ClassSets(options(), labels, None)
    assert [source.num_objects(part) for part in PARTS] == [6 * 50, 2 * 50, 2 * 50]


def test_parts_share_no_class():
    source = ClassSets(options(num_clusters=2), labels_of(*[30] * 10), None)
    found = [set(source.draw(part, 500, draws()).classes.flatten().tolist()) for part in PARTS]
    assert found == [set(source.classes[part]) for part in PARTS]
    assert not found[0] & found[1] | found[0] & found[2] | found[1] & found[2]


def test_too_few_classes():
    source, _ = without_borrowing(*[20] * 3)
    message = (
        'sets of up to 4 clusters need 4 classes for test, and there are 3: write a smaller "num_clusters", or give '
        "test more classes"
    )
    with pytest.raises(DataError, match=message):
        source.check("test")
    with pytest.raises(DataError, match="need 4 classes for train, and there are 0"):
        source.check("train")


def test_too_few_objects_to_borrow():
    source, _ = trained_on(*[9] * 5)
    source.check("train")
    with pytest.raises(
        DataError, match="a class for validation has too few objects to keep one of them for validation"
    ):
        source.check("validation")


@pytest.mark.parametrize(
    ("counts", "changes", "message"),
    [
        ([5, 5, 20, 20], {}, "a set needs 12 different objects, 1 or more of each class, .* for test have 10,"),
        ([2, 40, 40, 40], {"min_objects_per_cluster": 3}, "3 or more of each class, .* have 42, the smallest 2: set "),
        ([3] * 6, {"min_clusters": 3}, 'the smallest 3 of .* have 9, .*true, or write a smaller "num_objects"'),
        ([6] * 6, {"num_objects": [5, 13]}, "a set needs 13 different objects"),
    ],
)
def test_too_few_objects_without_replacement(counts, changes, message):
    source, _ = without_borrowing(*counts, with_replacement=False, **changes)
    with pytest.raises(DataError, match=message):
        source.check("test")
    without_borrowing(*counts, **changes)[0].check("test")


def test_classes_with_a_single_object_are_counted():
    source, _ = without_borrowing(1, 5, 1, 5, 5)
    assert source.lone_classes("test") == 2
    assert source.lone_classes("train") == 0


def test_turned_classes_are_further_classes_for_training_alone():
    classes = {"train": [0, 1], "validation": [], "test": [2, 3], "quarter_turns": [1, 3]}
    labels = labels_of(*[40] * 4)
    source = ClassSets(options(classes, num_clusters=2, min_clusters=1), labels, None)
    drawn = source.draw("train", MANY, draws())
    assert set(drawn.classes.unique().tolist()) == {0, 1, 4, 5, 12, 13}
    count = len(labels)
    turns, upright = drawn.positions // count, drawn.positions % count
    assert torch.equal(drawn.classes, labels[upright] + 4 * turns)
    assert source.num_objects("train") == 3 * 2 * 36
    for part in ("validation", "test"):
        assert int(source.draw(part, 200, draws()).positions.max()) < count
