"""The samples of one dataset as batches of named views, as a pure function of (seed, dataset, phase, iteration)."""

import copy
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from recombine.batch_requests import BatchOptions, Key, Request
from recombine.datasets.base import Samples
from recombine.errors import DataError
from recombine.graph import Graph
from recombine.memory import memory_budget, needed_for
from recombine.randomness import generator
from recombine.sampling import neighborhoods, num_seeds
from recombine.split import split, split_problem
from recombine.step import CLASSES, PLAIN_VIEW, Batch
from recombine.view import View, seeds
from recombine.workers import Pending, SlowView, Workers, worker_count

_CACHE_LIMIT_BYTES = 2**30
_CHUNK = 1024
_DEVICE_SHARE = 0.5
_TIMED = 4
_MILLISECONDS = 1000
#: The raw samples among what is computed once for all samples; no view has this name.
_RAW = ""


class Data:
    """One dataset on one device.

    Args:
        name: The dataset's name: part of the key of every random draw.
        samples: The decoded samples.
        views: Lists of ``{"type": <class in torchvision.transforms>, ...}`` by view name, :data:`PLAIN_VIEW` among
            them. Each starts from the raw sample.
        options: How batches are cut.
        device: Where the batches live.

    Raises:
        DataError: If a view cannot be built, or the batch is larger than the dataset.

    Attributes:
        held_out: Positions of the samples that no training batch holds, in random order, ``(H,)``, int64, on the CPU.
        neighbors: The neighbours of each sample ``(N, k)``, int64, on the CPU, where batches are made by neighbourhoods
            and these were found.
        sources: What is kept of all samples, on the device or in memory, by the view's name.
    """

    def __init__(
        self,
        name: str,
        samples: Samples,
        views: Mapping[str, Sequence[Mapping[str, Any]]],
        options: BatchOptions,
        device: torch.device,
    ) -> None:
        self.name = name
        self.options = options
        self.device = device
        self.views = {view: View(view, transforms, samples, options.fuse) for view, transforms in views.items()}
        self._samples = samples
        self._check_size()
        self._fits: dict[str, bool] = {}
        self.sources: dict[str, Tensor] = {}
        self.held_out = torch.empty(0, dtype=torch.int64)
        self.neighbors: Tensor | None = None
        self._neighbors_per_seed = 0
        self._trained: Tensor | None = None
        self._order: tuple[tuple[str, int], Tensor] | None = None
        slow = {name: view.per_sample for name, view in self.views.items()}
        self._workers = Workers({name: transforms for name, transforms in slow.items() if transforms is not None})
        self._ahead: dict[Key, Pending] = {}

    def _check_size(self) -> None:
        size, count = self.options.batch_size, len(self._samples)
        if size > count:
            reason = f"batch_size is {size}, but the dataset has only {count} samples"
            raise DataError(f'dataset "{self.name}": {reason}; use a batch_size of at most {count}')

    @property
    def num_samples(self) -> int:
        """Number of samples N."""
        return len(self._samples)

    @property
    def set_sizes(self) -> list[int] | None:
        """Number of samples of each set that an evaluation scores by itself; None: it scores them all together."""
        return None

    @property
    def labels(self) -> Tensor | None:
        """Labels ``(N,)``, int64, on the CPU, or None: for scoring only, no batch carries them."""
        return self._samples.labels

    @property
    def graph(self) -> Graph | None:
        """Edges between the samples, where the dataset brings any along."""
        return self._samples.graph

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the labels 0, 1, ... where the dataset has them."""
        return self._samples.class_names

    @property
    def batches_per_epoch(self) -> int:
        """Number of batches that one pass trains on, at least 1."""
        whole, rest = divmod(self.num_samples - len(self.held_out), self._pace)
        return whole if self.options.drop_last or rest == 0 else whole + 1

    @property
    def num_held_out(self) -> int:
        """Number of samples that a phase validates on."""
        return len(self.held_out)

    def validating(self, validation: Mapping[str, Any]) -> "Data":
        """Return the same dataset with samples to validate on, as a phase's ``validation`` says."""
        return self.holding_out(validation["fraction"])

    def holding_out(self, fraction: float) -> "Data":
        """Return the same dataset with a share of the samples in no training batch.

        Which samples these are follows from the seed, the dataset's name and N; a smaller share is part of a larger
        one. Everything else is as before: evaluations see all samples.

        Args:
            fraction: The share, in (0, 1).

        Raises:
            DataError: Nothing is held out, or less than a batch is left.
        """
        problem = split_problem(self.num_samples, fraction, self.options.batch_size)
        if problem is not None:
            raise DataError(f'dataset "{self.name}": {problem}')
        other = copy.copy(self)
        draws = generator(self.options.seed, "held out", self.name)
        other.held_out, other._trained = split(self.num_samples, fraction, draws)
        other._order, other._ahead = None, {}
        return other

    def by_neighborhoods(self, neighbors_per_seed: int) -> "Data":
        """Return the same dataset with training batches of seeds and neighbours of each of them.

        An epoch has each sample once as a seed. :attr:`neighbors` must be set before the first batch.

        Args:
            neighbors_per_seed: How many neighbours are drawn for each seed, at least 1.
        """
        other = copy.copy(self)
        other._neighbors_per_seed = neighbors_per_seed
        other._order, other._ahead = None, {}
        return other

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """The positions of samples that train and of those held out: no neighbours across; (): all train."""
        return (self._trained, self.held_out.sort().values) if self._trained is not None else ()

    def same_class_share(self) -> float:
        """The share of pairs of different samples of the dataset that have the same label, in [0, 1]."""
        return self._samples.same_label_share

    def start_workers(self) -> tuple[SlowView, ...]:
        """Start the processes for the views that run sample by sample, and return what these cost.

        Without a call the main process does their work; the bits are the same.
        """
        self._workers.start(worker_count(self.options.num_workers))
        reasons = [(name, view.fallback_reason) for name, view in self.views.items()]
        return tuple(self._slow_view(name, reason) for name, reason in reasons if reason is not None)

    def close(self) -> None:
        """End the processes, if there are any."""
        self._ahead = {}
        self._workers.close()

    def never_trained(self) -> range:
        """Return the positions of the samples that no batch ever holds where none are held out.

        These are the dropped tail of an unshuffled dataset.
        """
        if self.options.shuffle or not self.options.drop_last:
            return range(0)
        return range(self.num_samples - self.num_samples % self.options.batch_size, self.num_samples)

    def sample_shape(self, view: str = PLAIN_VIEW) -> tuple[int, ...]:
        """Return the shape of one sample of a view, without the batch dimension.

        Raises:
            DataError: If the view's transforms do not fit the samples.
        """
        draws = generator(self.options.seed, "view", self.name, "shape", view)
        sample = self.views[view](self._samples.take(torch.zeros(1, dtype=torch.int64)), draws)
        return tuple(sample.shape[1:])

    def training_batch(self, phase: str, iteration: int, views: Collection[str]) -> Batch:
        """Return the batch of an iteration of a phase, with the named views and no others.

        It depends on the seed, the dataset's name, the phase and the iteration, never on earlier calls.

        Args:
            phase: The phase's name.
            iteration: Index of the iteration in the phase, from 0.
            views: Names of the views to compute.
        """
        request = self._request(phase, iteration, views)
        batch = self._batch(request, self._begun(request, self._ahead))
        self._ahead = self._begun(self._request(phase, iteration + 1, views), {}) if self._workers.count else {}
        return batch

    def excerpt(self, views: Collection[str], size: int) -> Batch:
        """Return the first ``size`` samples, or all, in the named views and the plain one, on the CPU, for trials."""
        index = torch.arange(min(size, self.num_samples))
        values = self._samples.take(index)
        key = (self.name, "excerpt")
        names = sorted({*views, PLAIN_VIEW} - {CLASSES})
        draws = {view: generator(self.options.seed, "view", *key, view) for view in names}
        classes = {CLASSES: self._classes(Request(index, {}))} if CLASSES in views else {}
        return Batch(index, {view: self.views[view](values, own) for view, own in draws.items()} | classes)

    def evaluation_batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield every sample once in natural order, in the plain view; the last batch may be smaller.

        A plain view with random transforms gets parameters that are the same in every pass with this batch size.
        """
        ahead: dict[Key, Pending] = {}
        for start in range(0, self.num_samples, batch_size):
            request = self._evaluation_request(start, batch_size)
            batch = self._batch(request, self._begun(request, ahead))
            following = self._evaluation_request(start + batch_size, batch_size)
            ahead = self._begun(following, {}) if self._workers.count and len(following.index) > 0 else {}
            yield batch

    def excerpts(self, parts: Iterable[Tensor], views: Collection[str] = (PLAIN_VIEW,)) -> Iterator[Batch]:
        """Yield the samples at each of ``parts (B,)``, on the CPU, as a batch in the named views.

        Views with random transforms get parameters that are the same in every pass over the same parts.
        """
        start = 0
        for part in parts:
            keys = {view: (self.name, "excerpts", view, start) for view in sorted(views)}
            request = Request(part.to(self.device), keys)
            yield self._batch(request, self._begun(request, {}))
            start += len(part)

    def validation_batches(self, views: Collection[str]) -> Iterator[Batch]:
        """Yield the samples that are held out in the named views, a batch at a time."""
        yield from self.excerpts(self.held_out_parts(), views)

    def held_out_parts(self) -> Iterator[Tensor]:
        """Yield which samples make each batch of those held out: every sample once, or once as a seed."""
        size = min(self.options.batch_size, len(self.held_out))
        for start in range(0, len(self.held_out), self._pace):
            if self._neighbors_per_seed:
                draws = generator(self.options.seed, "neighbors", self.name, "held out", start)
                yield self._neighborhoods(self.held_out.roll(-start)[:size], draws)
            else:
                yield self.held_out[start : start + size]

    def _epoch_order(self, phase: str, epoch: int) -> Tensor:
        """Return the order in which an epoch visits the samples it trains on; that of the current one is remembered."""
        key = (phase, epoch) if self.options.shuffle else ("", 0)
        if self._order is None or self._order[0] != key:
            self._order = (key, self._new_order(phase, epoch).to(self.device))
        return self._order[1]

    def _new_order(self, phase: str, epoch: int) -> Tensor:
        count = self.num_samples - len(self.held_out)
        draws = generator(self.options.seed, "order", self.name, phase, epoch)
        order = torch.randperm(count, generator=draws) if self.options.shuffle else torch.arange(count)
        return order if self._trained is None else self._trained[order]

    def _request(self, phase: str, iteration: int, views: Collection[str]) -> Request:
        epoch, position = divmod(iteration, self.batches_per_epoch)
        order, start = self._epoch_order(phase, epoch), position * self._pace
        if self._neighbors_per_seed:
            draws = generator(self.options.seed, "neighbors", self.name, phase, iteration)
            ahead = order[(start + torch.arange(self.options.batch_size, device=order.device)) % len(order)]
            index = self._neighborhoods(ahead.cpu(), draws).to(self.device)
        else:
            index = order[start : start + self.options.batch_size]
        return Request(index, {view: (self.name, phase, view, iteration) for view in sorted(views)})

    @property
    def _pace(self) -> int:
        """How far a batch takes an epoch on: by all its samples, or by its seeds."""
        size = self.options.batch_size
        return num_seeds(size, self._neighbors_per_seed) if self._neighbors_per_seed else size

    def _neighborhoods(self, ahead: Tensor, draws: torch.Generator) -> Tensor:
        if self.neighbors is None:
            raise RuntimeError("batches are made by neighbourhoods, which were not found")
        return neighborhoods(ahead, len(ahead), self.neighbors, self._neighbors_per_seed, draws)

    def _evaluation_request(self, start: int, batch_size: int) -> Request:
        index = torch.arange(start, max(start, min(start + batch_size, self.num_samples)), device=self.device)
        return Request(index, {PLAIN_VIEW: (self.name, "evaluation", PLAIN_VIEW, start)})

    def _begun(self, request: Request, begun: Mapping[Key, Pending]) -> dict[Key, Pending]:
        """Return the slow views of a request in the making: those that were begun before, and the rest begun now."""
        keys = {name: key for name, key in request.keys.items() if name in self.views}
        slow = {key: self.views[name] for name, key in keys.items() if self._is_slow(self.views[name])}
        return {key: begun.get(key) or self._submitted(view, request.index, key) for key, view in slow.items()}

    def _submitted(self, view: View, index: Tensor, key: Key) -> Pending:
        draws = generator(self.options.seed, "view", *key)
        return self._workers.submit(view.name, self._take(view, index), seeds(len(index), draws))

    def _batch(self, request: Request, begun: Mapping[Key, Pending]) -> Batch:
        """Return the batch of a request whose slow views are begun."""
        views = {}
        for name, key in request.keys.items():
            slow = begun.get(key)
            if name == CLASSES:
                values = self._classes(request)
            else:
                values = self._view(name, request.index, key) if slow is None else self.views[name].gathered(slow)
            views[name] = values.to(self.device)
        return Batch(request.index, views)

    def _classes(self, request: Request) -> Tensor:
        """Return the labels ``(B,)`` of the samples of a batch, for supervised patterns."""
        if self._samples.labels is None:
            raise DataError(f'dataset "{self.name}" has no labels, from which a supervised pattern could learn')
        return self._samples.labels[request.index.cpu()]

    def _view(self, name: str, index: Tensor, key: Key) -> Tensor:
        """Return view ``name`` ``(B, ...)`` of the samples ``index``; ``key`` names its random draws."""
        view = self.views[name]
        prepared = self._prepared(view, index) if self._is_prepared(view) else view.prepare(self._take(view, index))
        return view.finish(prepared, generator(self.options.seed, "view", *key))

    def _is_slow(self, view: View) -> bool:
        """Whether the view runs sample by sample each time it is asked for."""
        return view.per_sample is not None and not self._is_prepared(view)

    def _slow_view(self, name: str, reason: str) -> SlowView:
        """Return what a view costs that runs sample by sample, timed on a few samples."""
        view, values = self.views[name], self._samples.take(torch.arange(min(_TIMED, len(self._samples))))
        view(values, generator(self.options.seed, "view", self.name, "time", name))
        started = time.perf_counter()
        view(values, generator(self.options.seed, "view", self.name, "time", name))
        milliseconds = (time.perf_counter() - started) / len(values) * _MILLISECONDS
        return SlowView(name, reason, milliseconds, self._workers.count, self._workers.obstacle)

    def _take(self, view: View, index: Tensor) -> Tensor | list[Tensor]:
        """Return the raw samples ``index`` where the view works: on the device, or on the CPU for torchvision."""
        if self._samples.is_ragged or view.fallback_reason is not None:
            return self._samples.take(index.cpu())
        if _RAW not in self.sources:
            self.sources[_RAW] = _near(self._samples.tensor(), self.device)
        raw = self.sources[_RAW]
        return raw.index_select(0, index.to(raw.device)).to(self.device)

    def _is_prepared(self, view: View) -> bool:
        """Whether the view's deterministic part is computed once for all samples and kept."""
        if not view.prefix_is_costly and view.is_random:
            return False
        if view.name not in self._fits:
            one = view.prepare(self._samples.take(torch.zeros(1, dtype=torch.int64)))
            size = needed_for(one) * len(self._samples)
            self._fits[view.name] = size <= _CACHE_LIMIT_BYTES
        return self._fits[view.name]

    def _prepared(self, view: View, index: Tensor) -> Tensor:
        """Return the deterministic part of a view ``(B, ...)`` from what is computed once for all samples."""
        if view.name not in self.sources:
            self.sources[view.name] = self._prepared_whole(view)
        return self.sources[view.name].index_select(0, index)

    def _prepared_whole(self, view: View) -> Tensor:
        """Return the deterministic part of a view of all samples, ``(N, ...)``, on the device."""
        whole, count = torch.empty(0), len(self._samples)
        for start in range(0, count, _CHUNK):
            chunk = torch.arange(start, min(start + _CHUNK, count), device=self.device)
            part = self._prepared_part(view, chunk)
            if start == 0:
                whole = torch.empty((count, *part.shape[1:]), dtype=part.dtype, device=self.device)
            whole[start : start + len(part)] = part
        return whole

    def _prepared_part(self, view: View, index: Tensor) -> Tensor:
        """Return the deterministic part of a view of the samples ``index``."""
        values = self._take(view, index)
        if view.per_sample is None:
            return torch.as_tensor(view.prepare(values))
        return view.gathered(self._workers.submit(view.name, values, [0] * len(index)))


def _near(values: Tensor, device: torch.device) -> Tensor:
    """Return samples ``(N, ...)`` on the device if they take at most half of its free memory, else where they are."""
    if device.type == "cpu":
        return values
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else memory_budget()
    return values.to(device) if values.nbytes <= free * _DEVICE_SHARE else values
