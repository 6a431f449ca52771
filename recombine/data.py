"""The samples of one dataset as batches of named views, as a pure function of (seed, dataset, phase, iteration)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from recombine.datasets.base import Samples
from recombine.errors import DataError
from recombine.randomness import generator
from recombine.step import PLAIN_VIEW, Batch
from recombine.views.base import View

_CACHE_LIMIT_BYTES = 2**30
_CHUNK = 1024


@dataclass(frozen=True)
class BatchOptions:
    """How a dataset is cut into training batches.

    Attributes:
        batch_size: Samples of a training batch, at least 1.
        shuffle: Whether every epoch has an order of its own; else the natural order.
        drop_last: Whether an incomplete last batch of an epoch is left out of training.
        seed: The run's seed.
    """

    batch_size: int
    shuffle: bool
    drop_last: bool
    seed: int


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
    """

    def __init__(
        self,
        name: str,
        samples: Samples,
        views: Mapping[str, Sequence[Mapping[str, Any]]],
        options: BatchOptions,
        device: torch.device,
    ) -> None:
        if options.batch_size > len(samples):
            raise DataError(
                f'dataset "{name}": batch_size is {options.batch_size}, but the dataset has only {len(samples)} '
                f"samples; use a batch_size of at most {len(samples)}"
            )
        self.name = name
        self.options = options
        self.device = device
        self.views = {view: View(view, transforms, samples) for view, transforms in views.items()}
        self._samples = samples
        self._fits: dict[str, bool] = {}
        self._sources: dict[str, Tensor] = {}
        self._raw: dict[torch.device, Tensor] = {}
        self._order: tuple[tuple[str, int], Tensor] | None = None

    @property
    def num_samples(self) -> int:
        """Number of samples N."""
        return len(self._samples)

    @property
    def labels(self) -> Tensor | None:
        """Labels ``(N,)``, int64, on the CPU, or None: for scoring only, no batch carries them."""
        return self._samples.labels

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the labels 0, 1, ... where the dataset has them."""
        return self._samples.class_names

    @property
    def batches_per_epoch(self) -> int:
        """Number of batches that one pass trains on, at least 1."""
        whole, rest = divmod(self.num_samples, self.options.batch_size)
        return whole if self.options.drop_last or rest == 0 else whole + 1

    @property
    def slow_views(self) -> tuple[tuple[str, str], ...]:
        """Views that run sample by sample through torchvision, each with the reason."""
        reasons = [(name, view.fallback_reason) for name, view in self.views.items()]
        return tuple((name, reason) for name, reason in reasons if reason is not None)

    def never_trained(self) -> range:
        """Return the positions of the samples that no batch ever holds: the dropped tail of an unshuffled dataset."""
        if self.options.shuffle or not self.options.drop_last:
            return range(0)
        return range(self.batches_per_epoch * self.options.batch_size, self.num_samples)

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
        epoch, position = divmod(iteration, self.batches_per_epoch)
        start = position * self.options.batch_size
        index = self._epoch_order(phase, epoch)[start : start + self.options.batch_size]
        key = (self.name, phase)
        return Batch(index, {view: self._view(view, index, (*key, view, iteration)) for view in sorted(views)})

    def evaluation_batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield every sample once in natural order, in the plain view; the last batch may be smaller.

        A plain view with random transforms gets parameters that are the same in every pass with this batch size.
        """
        for start in range(0, self.num_samples, batch_size):
            index = torch.arange(start, min(start + batch_size, self.num_samples), device=self.device)
            key = (self.name, "evaluation", PLAIN_VIEW, start)
            yield Batch(index, {PLAIN_VIEW: self._view(PLAIN_VIEW, index, key)})

    def _epoch_order(self, phase: str, epoch: int) -> Tensor:
        """Return the order ``(N,)`` in which an epoch visits the samples; that of the current epoch is remembered."""
        key = (phase, epoch) if self.options.shuffle else ("", 0)
        if self._order is None or self._order[0] != key:
            self._order = (key, self._new_order(phase, epoch).to(self.device))
        return self._order[1]

    def _new_order(self, phase: str, epoch: int) -> Tensor:
        if not self.options.shuffle:
            return torch.arange(self.num_samples)
        draws = generator(self.options.seed, "order", self.name, phase, epoch)
        return torch.randperm(self.num_samples, generator=draws)

    def _view(self, name: str, index: Tensor, key: tuple[str | int, ...]) -> Tensor:
        """Return view ``name`` ``(B, ...)`` of the samples ``index``; ``key`` names its random draws."""
        view = self.views[name]
        prepared = self._prepared(view, index) if self._is_prepared(view) else view.prepare(self._take(view, index))
        return view.finish(prepared, generator(self.options.seed, "view", *key)).to(self.device)

    def _take(self, view: View, index: Tensor) -> Tensor | list[Tensor]:
        """Return the raw samples ``index`` where the view works: on the device, or on the CPU for torchvision."""
        if self._samples.is_ragged or view.fallback_reason is not None:
            return self._samples.take(index.cpu())
        if self.device not in self._raw:
            self._raw[self.device] = self._samples.tensor().to(self.device)
        return self._raw[self.device].index_select(0, index)

    def _is_prepared(self, view: View) -> bool:
        """Whether the view's deterministic part is computed once for all samples and kept."""
        if not view.prefix_is_costly and view.is_random:
            return False
        if view.name not in self._fits:
            one = view.prepare(self._samples.take(torch.zeros(1, dtype=torch.int64)))
            size = sum(part.nelement() * part.element_size() for part in one) * self.num_samples
            self._fits[view.name] = size <= _CACHE_LIMIT_BYTES
        return self._fits[view.name]

    def _prepared(self, view: View, index: Tensor) -> Tensor:
        """Return the deterministic part of a view ``(B, ...)`` from what is computed once for all samples."""
        if view.name not in self._sources:
            starts = range(0, self.num_samples, _CHUNK)
            chunks = [torch.arange(start, min(start + _CHUNK, self.num_samples)) for start in starts]
            done = [view.prepare(self._take(view, chunk.to(self.device))) for chunk in chunks]
            self._sources[view.name] = torch.cat([part for part in done if isinstance(part, Tensor)]).to(self.device)
        return self._sources[view.name].index_select(0, index)
