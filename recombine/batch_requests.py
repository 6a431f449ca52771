"""How a dataset is cut into batches, and what is asked for when one is computed."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

Key = tuple[str | int, ...]


@dataclass(frozen=True)
class BatchOptions:
    """How a dataset is cut into training batches.

    Attributes:
        batch_size: Samples of a training batch, at least 1; of a dataset of sets, the sets.
        shuffle: Whether every epoch has an order of its own; else the natural order.
        drop_last: Whether an incomplete last batch of an epoch is left out of training.
        seed: The run's seed.
        fuse: Whether consecutive geometric transforms of a view share one sampling grid.
        num_workers: Processes that transform one sample after the other; None: as many as there is use for.
    """

    batch_size: int
    shuffle: bool
    drop_last: bool
    seed: int
    fuse: bool = True
    num_workers: int | None = None


@dataclass(frozen=True)
class Request:
    """A batch to be computed: which samples, and the name of the random draws of each view."""

    index: Tensor
    keys: Mapping[str, Key]
