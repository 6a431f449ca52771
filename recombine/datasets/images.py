"""Images in one array: the way in for collections of images that are larger than the memory."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recombine.datasets.base import NotThereError, OwnDataset, Samples, array_of, check_finite, expanded, numbered
from recombine.errors import DataError
from recombine.mapped import tensor_over

_GRAY_DIMENSIONS, _DIMENSIONS = 3, 4
_MOST_CHANNELS = 4
_TYPES = (np.uint8, np.float32)
_CHANNELS = {"first": 1, "last": 3}


class Images(OwnDataset):
    """Images ``(N, C, H, W)`` from a .npy file, which stays on disk: a batch reads the images that it needs.

    Args:
        root: A .npy file of shape ``(N, H, W)``, ``(N, H, W, C)`` or ``(N, C, H, W)``: uint8 in [0, 255], or float32,
            which is taken as it is.
        labels: A .npy file of labels ``(N,)``: integers from 0, or words. A relative path starts at the folder of
            ``root``.
        channels: ``first`` or ``last``: where the channels of four dimensions stand. Without it they are the dimension
            that is at most 4, which must be one alone.

    Raises:
        NotThereError: If one of the files is absent.
        DataError: If it holds something else.
    """

    def __init__(self, root: Path, labels: str | None = None, channels: str | None = None) -> None:
        self._root = root
        self._labels = root.parent / expanded(labels) if labels is not None else None
        self._channels = channels
        for path in (self._root, self._labels):
            if path is not None and not path.is_file():
                raise NotThereError("no such file" if path == root else f"no labels {path}")
        if channels not in (None, *_CHANNELS):
            raise DataError(f'{root}: "channels" is "first" or "last", not "{channels}"')

    def __len__(self) -> int:
        """Return the number of samples N."""
        return len(self._values)

    def sample_shape(self) -> tuple[int, ...]:
        """Return ``(C, H, W)``."""
        return tuple(self._values.shape[1:])

    def decode(self) -> Samples:
        """Return all images; of floats, all are looked at once."""
        if self._values.is_floating_point():
            check_finite(self._values.numpy(), self._root)
        if self._labels is None:
            return Samples(self._values)
        labels = array_of(self._labels)
        if labels.shape != (len(self._values),) or labels.dtype.kind not in "iubU":
            wanted = f"{len(self._values)} labels, integers or words"
            raise DataError(f"{self._labels}: {labels.dtype} of shape {labels.shape} instead of {wanted}")
        return Samples(self._values, *numbered(labels))

    @cached_property
    def _values(self) -> Tensor:
        array = array_of(self._root)
        if array.dtype not in _TYPES or array.ndim not in (_GRAY_DIMENSIONS, _DIMENSIONS) or 0 in array.shape:
            raise DataError(
                f"{self._root}: images are uint8 or float32 of shape (samples, height, width), with a dimension of "
                f"channels last or second or without one, not {array.dtype} of shape {array.shape}"
            )
        values = tensor_over(array)
        return values.unsqueeze(1) if array.ndim == _GRAY_DIMENSIONS else values.movedim(self._channel_axis(array), 1)

    def _channel_axis(self, array: NDArray[Any]) -> int:
        if self._channels is not None:
            return _CHANNELS[self._channels]
        found = [axis for axis in _CHANNELS.values() if array.shape[axis] <= _MOST_CHANNELS]
        if len(found) != 1:
            raise DataError(
                f'{self._root}: which dimension of {array.shape} has the channels? Add "channels": "first" for '
                '(samples, channels, height, width), or "last" for (samples, height, width, channels)'
            )
        return found[0]
