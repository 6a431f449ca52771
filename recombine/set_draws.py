"""Sets of objects: how many clusters each has, and which objects of which classes are in it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from recombine.errors import DataError
from recombine.randomness import derive

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
#: Where validation has no classes of its own, one in so many objects of each training class is kept for it.
_HELD_OUT_EVERY = 10
_SHOWN = 10


@dataclass(frozen=True)
class SetOptions:
    """What sets look like.

    Attributes:
        sizes: The least and the greatest number of objects n of a set; one is drawn for each batch.
        clusters: The least and the greatest number of clusters k of a set; one is drawn for each set.
        min_objects_per_cluster: Objects that each cluster has at least.
        with_replacement: Whether an object may be in a set more than once.
        classes: Which classes are for training, validation and test, as ``schema/dataset.json`` has it.
        num_evaluation_sets: Sets of an evaluation.
        num_examples: Evaluated sets of which files are written.
    """

    sizes: tuple[int, int]
    clusters: tuple[int, int]
    min_objects_per_cluster: int
    with_replacement: bool
    classes: Mapping[str, Any]
    num_evaluation_sets: int
    num_examples: int

    @classmethod
    def of(cls, block: Mapping[str, Any], num_clusters: int) -> "SetOptions":
        """Return the options of a dataset's ``sets``; the greatest number of clusters is that of the dataset."""
        size = block["num_objects"]
        low, high = (size, size) if isinstance(size, int) else size
        return cls(
            (low, high),
            (block["min_clusters"], num_clusters),
            block["min_objects_per_cluster"],
            block["with_replacement"],
            block["classes"],
            block["num_evaluation_sets"],
            block["num_examples"],
        )


class SetDraw(NamedTuple):
    """Sets of the same size, their objects in random order.

    Attributes:
        positions: Positions of the objects in the dataset, ``(S, n)``, int64; where objects are generated, their
            numbers.
        classes: Class of each object, ``(S, n)``, int64.
        values: The objects ``(S, n, ...)`` where they are generated, else None.
    """

    positions: Tensor
    classes: Tensor
    values: Tensor | None = None


class SetSource(ABC):
    """Where sets come from.

    Args:
        options: What sets look like.
    """

    def __init__(self, options: SetOptions) -> None:
        self.options = options

    @abstractmethod
    def num_objects(self, part: Part) -> int | None:
        """Return how many different objects a part has, or None where they are generated."""

    def check(self, part: Part) -> None:
        """Raise DataError if sets cannot be drawn of a part."""
        del part

    def draw(self, part: Part, count: int, draws: torch.Generator, size: int | None = None) -> SetDraw:
        """Return ``count`` sets of a part, all of one size, their numbers of clusters uniform in their range.

        Args:
            part: For what the sets are.
            count: S.
            draws: What everything is drawn by, on the CPU.
            size: n; None: one of the sizes that sets have.
        """
        (low, high), (fewest, most) = self.options.sizes, self.options.clusters
        if size is None:
            size = low if low == high else int(torch.randint(low, high + 1, (), generator=draws))
        num_clusters = torch.randint(fewest, most + 1, (count,), generator=draws)
        drawn = self._drawn(part, num_clusters, size, draws)
        order = torch.rand(count, size, generator=draws).argsort(1)
        return SetDraw(*(None if one is None else _reordered(one, order) for one in drawn))  # type: ignore[arg-type]

    @abstractmethod
    def _drawn(self, part: Part, num_clusters: Tensor, size: int, draws: torch.Generator) -> SetDraw:
        """Return sets with ``num_clusters (S,)`` clusters and ``size`` objects, in any order."""


class ClassSets(SetSource):
    """Sets of objects of a labelled dataset, of classes that are kept apart for training, validation and test.

    A set draws its number of clusters k, then k different classes, then the objects that each cluster has at least,
    and the others one by one: any of the k classes, then any object of it. Classes for training, turned by quarters of
    a circle, may be further classes; the number of an object i of N, turned q times, is then i + q N.

    Args:
        options: What sets look like.
        labels: Class of each sample, ``(N,)``, int64.
        class_names: Names of the classes 0, 1, ..., or None.

    Raises:
        DataError: A class is named that is not there, or for two parts.
    """

    def __init__(self, options: SetOptions, labels: Tensor, class_names: Sequence[str] | None) -> None:
        super().__init__(options)
        self.classes = class_parts(options.classes, labels, class_names)
        order = labels.argsort(stable=True)
        found, counts = torch.unique(labels[order], return_counts=True)
        members = dict(zip(found.tolist(), torch.split(order, counts.tolist()), strict=True))
        borrows = not self.classes["validation"]
        self._labels = {part: list(self._of(part)) for part in PARTS}
        self._members = {part: [_share(members[label], part, borrows) for label in self._of(part)] for part in PARTS}
        own, objects = self._labels["train"].copy(), self._members["train"].copy()
        for turns in options.classes["quarter_turns"]:
            # Numbers beyond those of the dataset stand for turned objects, and turned classes.
            self._labels["train"] += [label + turns * (int(found.max()) + 1) for label in own]
            self._members["train"] += [one + turns * len(labels) for one in objects]

    def _of(self, part: Part) -> tuple[int, ...]:
        return self.classes["train"] if part == "validation" and not self.classes[part] else self.classes[part]

    def num_objects(self, part: Part) -> int:
        """Return how many different objects a part has."""
        return sum(len(members) for members in self._members[part])

    def check(self, part: Part) -> None:
        """Raise DataError if sets cannot be drawn of a part: it has too few classes or objects."""
        members, options = self._members[part], self.options
        (fewest, most), size = options.clusters, options.sizes[1]
        if len(members) < most:
            raise DataError(
                f"sets of up to {most} clusters need {most} classes for {part}, and there are {len(members)}: write a "
                f'smaller "num_clusters", or give {part} more classes'
            )
        sizes = sorted(len(one) for one in members)
        if sizes[0] == 0:
            raise DataError(f"a class for {part} has too few objects to keep one of them for {part}")
        if options.with_replacement:
            return
        least = options.min_objects_per_cluster
        if sizes[0] < least or sum(sizes[:fewest]) < size:
            raise DataError(
                f"without replacement, a set needs {size} different objects, {least} or more of each class, and the "
                f"smallest {fewest} of the classes for {part} have {sum(sizes[:fewest])}, the smallest {sizes[0]}: "
                f'set "with_replacement" to true, or write a smaller "num_objects"'
            )

    def lone_classes(self, part: Part) -> int:
        """Return how many classes of a part have a single object."""
        return sum(len(members) == 1 for members in self._members[part])

    def _drawn(self, part: Part, num_clusters: Tensor, size: int, draws: torch.Generator) -> SetDraw:
        members = self._members[part]
        counts = torch.tensor([len(one) for one in members])
        chosen = torch.rand(len(num_clusters), len(members), generator=draws).argsort(1)
        place = chosen.gather(1, self._clusters(num_clusters, size, draws))
        if not self.options.with_replacement:
            place = _with_room(place, counts, chosen, num_clusters, draws)
        rank = _below(counts[place], draws)
        if not self.options.with_replacement:
            rank = _different(place, rank, counts, draws)
        index = torch.cat(members)[(counts.cumsum(0) - counts)[place] + rank]
        return SetDraw(index, torch.tensor(self._labels[part])[place])

    def _clusters(self, num_clusters: Tensor, size: int, draws: torch.Generator) -> Tensor:
        """Return the cluster of each object, ``(S, n)``: each has as many as it must, the others fall anywhere."""
        anywhere = _below(num_clusters[:, None].expand(-1, size), draws)
        position = torch.arange(size)
        is_due = position < num_clusters[:, None] * self.options.min_objects_per_cluster
        return torch.where(is_due, position % num_clusters[:, None], anywhere)


class SetGenerator(Protocol):
    """What makes sets of objects out of nothing."""

    def draw(self, num_clusters: Tensor, size: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return sets with ``num_clusters (S,)`` clusters: objects ``(S, n, ...)`` and their clusters ``(S, n)``."""


class GeneratedSets(SetSource):
    """Sets that are made afresh for every batch; training, validation and test differ in their draws alone.

    Args:
        options: What sets look like.
        generator: What makes them.
    """

    def __init__(self, options: SetOptions, generator: SetGenerator) -> None:
        super().__init__(options)
        self._generator = generator

    def num_objects(self, part: Part) -> None:
        """Return None: there are always more."""
        del part

    def _drawn(self, part: Part, num_clusters: Tensor, size: int, draws: torch.Generator) -> SetDraw:
        values, clusters = self._generator.draw(num_clusters, size, draws)
        return SetDraw(torch.arange(clusters.numel()).view(clusters.shape), clusters, values)


def class_parts(
    options: Mapping[str, Any], labels: Tensor, class_names: Sequence[str] | None = None
) -> dict[Part, tuple[int, ...]]:
    """Return the classes for training, validation and test, each ascending; no class is in two.

    Args:
        options: A share of the classes, or a list of their numbers or names, for each part; and ``seed``, by which
            shares take the classes that no list names.
        labels: Class of each sample, ``(N,)``.
        class_names: Names of the classes 0, 1, ..., or None.

    Raises:
        DataError: A class is named that is not there, or for two parts.
    """
    there = torch.unique(labels).tolist()
    listed: dict[int, Part] = {}
    for part in PARTS:
        for word in options[part] if not isinstance(options[part], (int, float)) else ():
            label = _number(word, there, class_names)
            if listed.get(label, part) != part:
                raise DataError(
                    f'class "{word}" is listed for {listed[label]} and for {part}; a class is for one of them'
                )
            listed[label] = part
    rest = [label for label in there if label not in listed]
    order = torch.randperm(len(rest), generator=torch.Generator().manual_seed(derive(options["seed"], "classes")))
    shuffled, start = [rest[i] for i in order.tolist()], 0
    found: dict[Part, tuple[int, ...]] = {}
    given = 0.0
    for part in PARTS:
        own = [label for label, place in listed.items() if place == part]
        if isinstance(options[part], (int, float)):
            given += options[part]
            end = min(len(shuffled), round(given * len(shuffled)))
            own, start = shuffled[start:end], end
        found[part] = tuple(sorted(own))
    return found


def _number(word: int | str, there: Sequence[int], class_names: Sequence[str] | None) -> int:
    names = list(class_names or ())
    label = names.index(word) if isinstance(word, str) and word in names else word
    if label not in there:
        known = ", ".join(f'"{name}"' for name in names[:_SHOWN]) or ", ".join(map(str, there[:_SHOWN]))
        raise DataError(f"the dataset has no class {word!r}; it has {known}{', ...' if len(there) > _SHOWN else ''}")
    return int(label)


def _share(members: Tensor, part: Part, borrows: bool) -> Tensor:
    """Return the objects of a class for a part, where validation borrows from the classes for training."""
    if not borrows or part == "test":
        return members
    kept = torch.arange(len(members)) % _HELD_OUT_EVERY == _HELD_OUT_EVERY - 1
    return members[kept if part == "validation" else ~kept]


def _below(bounds: Tensor, draws: torch.Generator) -> Tensor:
    """Return whole numbers, each uniform from 0 to below its bound, of the shape of ``bounds``."""
    # In float64, a number below 1 times a bound stays below it.
    return (torch.rand(bounds.shape, generator=draws, dtype=torch.float64) * bounds).long()


def _with_room(place: Tensor, counts: Tensor, chosen: Tensor, num_clusters: Tensor, draws: torch.Generator) -> Tensor:
    """Return the class of each object ``(S, n)``, another of the set's classes where those in front take up the first.

    Args:
        place: The class that was drawn for each object, ``(S, n)``, as its number among the classes.
        counts: How many objects each class has, ``(C,)``.
        chosen: The classes of each set, ``(S, C)``, of which it has the first.
        num_clusters: How many of these, ``(S,)``.
        draws: What other classes are drawn by.
    """
    while bool((full := _earlier(place) >= counts[place]).any()):
        other = chosen.gather(1, _below(num_clusters[:, None].expand(place.shape), draws))
        place = torch.where(full, other, place)
    return place


def _earlier(place: Tensor) -> Tensor:
    """Return how many of ``place (S, n)`` further in front in their row are equal to each."""
    return (place.unsqueeze(2) == place.unsqueeze(1)).tril(-1).sum(2)


def _different(place: Tensor, rank: Tensor, counts: Tensor, draws: torch.Generator) -> Tensor:
    """Return the number of each object in its class ``(S, n)``, drawn again where a set has the object already."""
    starts = counts.cumsum(0) - counts
    while bool((repeats := _repeats(starts[place] + rank)).any()):
        rank = torch.where(repeats, _below(counts[place], draws), rank)
    return rank


def _repeats(index: Tensor) -> Tensor:
    """Tell which of ``index (S, n)`` stand further in front in their row already."""
    order = index.argsort(dim=1, stable=True)
    ordered = index.gather(1, order)
    same = torch.zeros_like(index, dtype=torch.bool)
    same[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    return torch.zeros_like(same).scatter_(1, order, same)


def _reordered(values: Tensor, order: Tensor) -> Tensor:
    """Return ``values (S, n, ...)`` with the objects of each set in another order."""
    return values[torch.arange(len(order))[:, None], order]
