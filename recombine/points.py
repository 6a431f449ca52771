"""Samples as points of a space, which are read block by block: they may be bytes, and mapped from a file."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from recombine.errors import DataError

_BYTE = 255
_FEW_DIMENSIONS = 2
_TWO_BYTES = 2
_READ_AT_ONCE = 2**22


class Points:
    """N points of D numbers each, as they are stored: images of bytes count 0 to 255 here.

    Args:
        values: Samples ``(N, ...)`` of real numbers, N and D at least 1.
        device: Where blocks of them are computed with; None: where they lie.
        name: What they are, for messages.

    Attributes:
        unit: The stored number that is 1 in a view: 255 in images of bytes, else 1.
        mean: Their mean ``(D,)``, float64.
        largest: The largest absolute value among their numbers.
        is_whole: Whether all of these are whole.

    Raises:
        DataError: They are ragged, empty, or not all finite.
    """

    def __init__(self, values: Tensor | Sequence[Tensor], device: torch.device | None, name: str) -> None:
        self._values = _together(values, name).detach()
        self.device = self._values.device if device is None else device
        self.dimension = math.prod(self._values.shape[1:])
        if self._values.numel() == 0:
            raise DataError(f"{name}: there are no numbers in values of shape {tuple(self._values.shape)}")
        self.unit = _BYTE if self._values.dtype == torch.uint8 and self._values.ndim > _FEW_DIMENSIONS else 1
        self.largest, self.is_whole = 0.0, True
        self.mean = self._survey(name) / len(self)

    def __len__(self) -> int:
        """Return the number of points N."""
        return len(self._values)

    def words(self) -> str:
        """Return in words what one point is."""
        kind = "bytes of an image" if self.unit == _BYTE else "numbers"
        return f"{self.dimension} {kind} each"

    def between(self, start: int, stop: int) -> Tensor:
        """Return points as rows ``(B, D)`` on the device, float32 if that holds them as they are, else float64."""
        return self._as_numbers(self._values[start:stop])

    def at(self, index: Tensor) -> Tensor:
        """Return the points at ``index (B,)`` as rows ``(B, D)`` on the device, float64."""
        return self._as_numbers(self._values.index_select(0, index.to(self._values.device))).double()

    def blocks(self) -> Iterator[tuple[int, Tensor]]:
        """Yield all points block by block, as :meth:`between` gives them, each with its first position."""
        rows = max(1, _READ_AT_ONCE // self.dimension)
        for start in range(0, len(self), rows):
            yield start, self.between(start, start + rows)

    def _as_numbers(self, values: Tensor) -> Tensor:
        is_exact = values.dtype == torch.float32 or values.dtype.itemsize <= _TWO_BYTES
        return values.to(self.device).to(torch.float32 if is_exact else torch.float64).flatten(1)

    def _survey(self, name: str) -> Tensor:
        """Look at all points; return their sum ``(D,)``, float64."""
        total = torch.zeros(self.dimension, dtype=torch.float64, device=self.device)
        for start, block in self.blocks():
            here = float(block.abs().max())
            if not math.isfinite(here):
                row, column = (~block.isfinite()).nonzero()[0].tolist()
                raise DataError(
                    f"{name}: number {column} of sample {start + row} (both from 0) is {float(block[row, column])}, "
                    "and what is NaN or infinite has no neighbours. Correct the data, or the network it comes from"
                )
            self.largest = max(self.largest, here)
            self.is_whole = self.is_whole and torch.equal(block, block.round())
            total += block.sum(0, dtype=torch.float64)
        return total


def _together(values: Tensor | Sequence[Tensor], name: str) -> Tensor:
    """Return samples as the one tensor that they are."""
    if isinstance(values, Tensor):
        return values
    kinds = sorted({f"{tuple(sample.shape)} {sample.dtype}" for sample in values})
    raise DataError(
        f"{name}: the samples have unequal shapes or types ({kinds[0]} and {kinds[-1]}), and there are no distances "
        "between those. Use the features of a mapping, or make the samples alike when the dataset is prepared"
    )
