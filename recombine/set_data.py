"""A dataset whose batches are sets of objects, each as a pure function of (seed, dataset, phase, iteration)."""

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from recombine.batch_requests import BatchOptions, Key, Request
from recombine.data import Data
from recombine.datasets.base import Samples
from recombine.errors import DataError
from recombine.randomness import generator
from recombine.set_draws import ClassSets, GeneratedSets, Part, SetDraw, SetOptions, SetSource
from recombine.step import PLAIN_VIEW, Batch
from recombine.view import View
from recombine.workers import Pending

#: Where sets are generated there is no end of them; so many batches are called an epoch.
GENERATED_EPOCH = 100
_OBJECTS_AT_ONCE = 2048
_SETS_OF_EXCERPT = 2
_SHARE_SETS, _SHARE_SETS_AT_ONCE = 10_000, 500


@dataclass(frozen=True)
class _SetRequest(Request):
    """Sets whose objects are to be computed."""

    drawn: SetDraw


class SetData(Data):
    """Sets of objects of one dataset on one device.

    Training sets, the sets that a phase validates on, and those that evaluations score are drawn from parts of the
    dataset with different classes. The latter are the same in every evaluation.

    Args:
        name: The dataset's name: part of the key of every random draw.
        samples: The decoded objects.
        views: As for :class:`recombine.data.Data`, of each object.
        options: How batches are cut; ``batch_size`` is the number of sets B of a training batch.
        device: Where the batches live.
        sets: What sets look like.

    Raises:
        DataError: As :class:`recombine.data.Data`; or the dataset has no labels, or not the classes that
            the options name.
    """

    def __init__(
        self,
        name: str,
        samples: Samples,
        views: Mapping[str, Sequence[Mapping[str, Any]]],
        options: BatchOptions,
        device: torch.device,
        sets: SetOptions,
    ) -> None:
        super().__init__(name, samples, views, options, device)
        self.sets = sets
        self.source = source_of(name, samples, sets)
        self._num_validation_sets = 0

    def _check_size(self) -> None:
        """Find nothing wrong: a set holds objects of the dataset again and again."""

    @property
    def num_samples(self) -> int:
        """Number of objects of all sets of an evaluation."""
        return sum(drawn.positions.numel() for drawn in self._evaluated)

    @property
    def labels(self) -> Tensor:
        """Class of each object of all sets of an evaluation, ``(N,)``, int64, on the CPU."""
        return torch.cat([drawn.classes.flatten() for drawn in self._evaluated])

    @property
    def set_sizes(self) -> list[int]:
        """Number of objects of each set of an evaluation."""
        return [drawn.positions.shape[1] for drawn in self._evaluated for _ in drawn.positions]

    @property
    def evaluated_index(self) -> Tensor:
        """Position in the dataset of each object of all sets of an evaluation, ``(N,)``, int64."""
        return torch.cat([drawn.positions.flatten() for drawn in self._evaluated])

    @property
    def batches_per_epoch(self) -> int:
        """Number of batches that hold as many objects as there are for training, at least 1."""
        count = self.source.num_objects("train")
        if count is None:
            return GENERATED_EPOCH
        return max(1, count // (self.options.batch_size * self.sets.sizes[1]))

    @property
    def num_held_out(self) -> int:
        """Number of sets that a phase validates on."""
        return self._num_validation_sets

    def validating(self, validation: Mapping[str, Any]) -> "SetData":
        """Return the same dataset with sets to validate on: ``num_sets`` of the classes for validation."""
        other = copy.copy(self)
        other._num_validation_sets = validation["num_sets"]
        other._ahead = {}
        return other

    def by_neighborhoods(self, neighbors_per_seed: int) -> "SetData":
        """Raise DataError: what sets are made of is settled."""
        raise DataError(f'dataset "{self.name}" makes batches of sets, not of neighbourhoods')

    def never_trained(self) -> range:
        """Return nothing: any object of a class for training may be drawn."""
        return range(0)

    def excerpt(self, views: Collection[str], size: int) -> Batch:
        """Return two sets of classes for training in the named views and the plain one, on the CPU, for trials."""
        del size
        drawn = self.source.draw("train", _SETS_OF_EXCERPT, self._draws("excerpt"))
        keys = {view: (self.name, "excerpt", view) for view in sorted({*views, PLAIN_VIEW})}
        batch = self._batch(_SetRequest(drawn.positions.flatten().to(self.device), keys, drawn), {})
        return Batch(batch.index.cpu(), {name: view.cpu() for name, view in batch.views.items()}, batch.num_sets)

    def evaluation_batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield the sets of an evaluation in order, in the plain view; ``batch_size`` has no part in how many."""
        del batch_size
        yield from self._batches(self._evaluated, (PLAIN_VIEW,), "evaluation")

    def excerpts(self, parts: Iterable[Tensor], views: Collection[str] = (PLAIN_VIEW,)) -> Iterator[Batch]:
        """Yield the objects at each of ``parts (B,)`` among those of an evaluation, which make no sets there."""
        whole = self.evaluated_index
        for part in parts:
            rows = part.cpu()
            if self._evaluated[0].values is None:
                yield from super().excerpts([whole[rows]], views)
            else:
                values = torch.cat(
                    [drawn.values.flatten(0, 1) for drawn in self._evaluated if drawn.values is not None]
                )
                yield Batch(whole[rows].to(self.device), dict.fromkeys(views, values[rows].to(self.device)))

    def validation_batches(self, views: Collection[str]) -> Iterator[Batch]:
        """Yield the sets that the phase validates on, in the named views, B at a time."""
        drawn = self._drawn("validation", self._num_validation_sets, self.options.batch_size)
        yield from self._batches(drawn, views, "validation")

    def test_set(self, number: int, size: int | None = None) -> tuple[Batch, Tensor]:
        """Return a set of classes for test as a batch of its own, and the class of each object, ``(n,)``.

        Args:
            number: Which one: the same number gives the same set.
            size: n; None: that of a set, the greatest if there are several. Where sets hold no object twice, there may
                not be so many, and the size is then that of a set as well.
        """
        source, greatest = self.source, self.sets.sizes[1]
        if size is None or not self.sets.with_replacement:
            size = greatest
        drawn = source.draw("test", 1, self._draws("test set", number), size)
        keys = {PLAIN_VIEW: (self.name, "test set", PLAIN_VIEW, number)}
        request = _SetRequest(drawn.positions.flatten().to(self.device), keys, drawn)
        return self._batch(request, self._begun(request, {})), drawn.classes.flatten()

    def same_class_share(self) -> float:
        """The share of pairs of objects of a training set that are of the same class, in [0, 1].

        It is estimated from 10,000 sets, which leaves a standard error below 0.003.
        """
        return self._same_class_share

    @cached_property
    def _same_class_share(self) -> float:
        shares = []
        for drawn in self._drawn("train", _SHARE_SETS, _SHARE_SETS_AT_ONCE):
            size = drawn.classes.shape[1]
            equal = (drawn.classes.unsqueeze(2) == drawn.classes.unsqueeze(1)).sum((1, 2)) - size
            shares.append(equal.double() / (size * (size - 1)))
        return float(torch.cat(shares).mean())

    @cached_property
    def _evaluated(self) -> list[SetDraw]:
        at_once = max(1, _OBJECTS_AT_ONCE // self.sets.sizes[1])
        return self._drawn("test", self.sets.num_evaluation_sets, at_once)

    def _drawn(self, part: Part, count: int, at_once: int) -> list[SetDraw]:
        """Return ``count`` sets, always the same, at most so many at once."""
        starts = range(0, count, at_once)
        return [self.source.draw(part, min(at_once, count - start), self._draws(part, start)) for start in starts]

    def _draws(self, *purpose: str | int) -> torch.Generator:
        return generator(self.options.seed, "sets", self.name, *purpose)

    def _batches(self, drawn: Sequence[SetDraw], views: Collection[str], purpose: str) -> Iterator[Batch]:
        start = 0
        for one in drawn:
            keys = {view: (self.name, purpose, view, start) for view in sorted(views)}
            request = _SetRequest(one.positions.flatten().to(self.device), keys, one)
            yield self._batch(request, self._begun(request, {}))
            start += len(one.positions)

    def _is_prepared(self, view: View) -> bool:
        return not self.sets.classes["quarter_turns"] and super()._is_prepared(view)

    def _take(self, view: View, index: Tensor) -> Tensor | list[Tensor]:
        """Return raw objects; beyond the N of the dataset they are turned."""
        if not self.sets.classes["quarter_turns"]:
            return super()._take(view, index)
        count = len(self._samples)
        values, turns = super()._take(view, index % count), index // count
        if isinstance(values, list):
            raise TypeError("images of unequal sizes cannot be turned into further classes")
        for turn in self.sets.classes["quarter_turns"]:
            (rows,) = (turns.to(values.device) == turn).nonzero(as_tuple=True)
            values[rows] = values[rows].rot90(turn, (-2, -1))
        return values

    def _request(self, phase: str, iteration: int, views: Collection[str]) -> _SetRequest:
        drawn = self.source.draw("train", self.options.batch_size, self._draws("train", phase, iteration))
        keys = {view: (self.name, phase, view, iteration) for view in sorted(views)}
        return _SetRequest(drawn.positions.flatten().to(self.device), keys, drawn)

    def _batch(self, request: Request, begun: Mapping[Key, Pending]) -> Batch:
        if not isinstance(request, _SetRequest):
            return super()._batch(request, begun)
        drawn = request.drawn
        if drawn.values is None:
            batch = super()._batch(request, begun)
        else:
            values = drawn.values.flatten(0, 1).to(self.device)
            batch = Batch(request.index, {name: self._generated(name, values, request) for name in request.keys})
        return Batch(batch.index, batch.views, len(drawn.positions))

    def _generated(self, name: str, values: Tensor, request: Request) -> Tensor:
        """Return a view of objects that were generated, or their classes."""
        return self._classes(request).to(self.device) if name not in self.views else values

    def _classes(self, request: Request) -> Tensor:
        return request.drawn.classes.flatten() if isinstance(request, _SetRequest) else super()._classes(request)


def source_of(name: str, samples: Samples, options: SetOptions) -> SetSource:
    """Return where the sets of a dataset come from.

    Raises:
        DataError: The dataset has no labels, or not the classes that the options name.
    """
    if samples.set_generator is not None:
        return GeneratedSets(options, samples.set_generator)
    if options.classes["quarter_turns"] and not _is_square(samples):
        raise DataError(f'dataset "{name}" has no square images of one size to turn into more classes')
    if samples.labels is None:
        raise DataError(f'dataset "{name}" has no labels, by which alone sets can be made of it')
    try:
        return ClassSets(options, samples.labels, samples.class_names)
    except DataError as error:
        raise DataError(f'dataset "{name}": {error}') from error


def _is_square(samples: Samples) -> bool:
    shape = samples.values[0].shape
    return not samples.is_ragged and samples.kind != "other" and shape[-1] == shape[-2]
