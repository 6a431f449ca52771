"""A dataset that has shapes, and numbers that mean nothing."""

from collections.abc import Collection, Iterator

import torch

from recombine.batch_requests import BatchOptions
from recombine.config import DatasetConfig
from recombine.data import Data
from recombine.datasets.base import Samples
from recombine.plan_samples import keeps_shape, set_size
from recombine.step import CLASSES, PLAIN_VIEW, Batch
from recombine.weightless import made

_SAMPLES, _SETS = 8, 2
_SHARE = 0.5


class WeightlessData(Data):
    """One small batch, or a few sets, in every view of a dataset.

    Args:
        config: The dataset.
        samples: What its samples look like: at least one.
        seed: The run's seed, on which the transforms that tell the shapes draw.

    Raises:
        DataError: The transforms of a view do not fit the samples.
    """

    def __init__(self, config: DatasetConfig, samples: Samples, seed: int) -> None:
        views = {PLAIN_VIEW: config.transforms, **{v["name"]: v["transforms"] for v in config.batch_augmentations}}
        as_stored = [view for view, transforms in views.items() if keeps_shape(transforms)]
        views = {view: transforms for view, transforms in views.items() if view not in as_stored}
        options = BatchOptions(1, False, False, seed, config.fuse, 0)
        super().__init__(config.name, samples.subset(0, 0), views, options, torch.device("cpu"))
        self._shapes = {view: super(WeightlessData, self).sample_shape(view) for view in views}
        self._shapes |= dict.fromkeys(as_stored, tuple(samples.values[0].shape))
        size = set_size(config)
        self._sizes = None if size is None else [size] * min(_SETS, config.batch_size)
        self._count = min(_SAMPLES, config.batch_size) if self._sizes is None else sum(self._sizes)

    @property
    def num_samples(self) -> int:
        """Number of samples N of the batch."""
        return self._count

    @property
    def set_sizes(self) -> list[int] | None:
        """Number of samples of each set, or None."""
        return self._sizes

    def same_class_share(self) -> float:
        """Return a share that is possible."""
        return _SHARE

    def sample_shape(self, view: str = PLAIN_VIEW) -> tuple[int, ...]:
        """Return the shape of one sample of a view, without the batch dimension."""
        return self._shapes[view]

    def training_batch(self, phase: str, iteration: int, views: Collection[str]) -> Batch:
        """Return the batch, with the named views; it has the same samples in every iteration."""
        del phase, iteration
        size = self._count
        shown = {name: made((size, *self._shapes[name])) for name in views if name != CLASSES}
        classes = {name: made((size,), torch.int64) for name in views if name == CLASSES}
        num_sets = None if self._sizes is None else len(self._sizes)
        return Batch(torch.arange(size), {**shown, **classes}, num_sets)

    def evaluation_batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield the batch in the plain view."""
        del batch_size
        yield self.training_batch("", 0, (PLAIN_VIEW,))
