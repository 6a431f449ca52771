"""Points cut into blocks, as factors of matrix products that are squared distances."""

import math

import torch
from torch import Tensor

from recombine.memory import memory_budget
from recombine.points import Points

#: Rows, and columns, of a block that are looked at together; blocks are a multiple of it.
GROUP = 32
#: Sides of a block. On a CPU it stays in the cache from the product to the search in it.
_LEAST, _MOST_ON_CPU, _MOST = 256, 2048, 2**14
_SHARE_OF_BLOCKS, _SHARE_KEPT = 1 / 32, 1 / 4
_EXPONENT = 120


class Space:
    """Memory for the blocks, used again and again: what is asked for anew has to be found and cleared first."""

    def __init__(self) -> None:
        self._memory = torch.empty(0)

    def product(self, left: Tensor, right: Tensor) -> Tensor:
        """Return the products ``(P, R)`` of ``left (P, D)`` and ``right (R, D)``, until the next are asked for."""
        size = len(left) * len(right)
        if self._memory.numel() < size:
            self._memory = left.new_empty(size)
        return torch.mm(left, right.T, out=self._memory[:size].view(len(left), len(right)))


class Operands:
    """Points cut into blocks, moved and scaled, as the right factors of products that are squared distances.

    The right factor of points x is ``[x, |x|^2, 1]``, the left one ``[-2 x, 1, |x|^2]``; their product has all three
    terms. Blocks are filled up with points that are infinitely far away.

    Args:
        points: The points.
        references: Their mean becomes the origin: far from it, the terms of a distance would cancel.
        queries: Points that may be larger than the references, or None.
    """

    def __init__(self, points: Points, references: Points, queries: Points | None) -> None:
        self.points = points
        length = side(points)
        self.spans = [range(start, min(start + length, len(points))) for start in range(0, len(points), length)]
        self._origin = references.mean
        largest = max(references.largest, 0.0 if queries is None else queries.largest)
        # A power of two: it changes no digit, and squares neither overflow nor vanish.
        self._factor = 2.0 ** max(-_EXPONENT, min(_EXPONENT, -math.frexp(largest)[1]))
        size = len(points) * (points.dimension + 2) * torch.float32.itemsize
        self._keeps = size <= _SHARE_KEPT * _budget(points.device)
        self._kept: dict[int, Tensor] = {}

    def right(self, number: int) -> Tensor:
        """Return the right factor of a block, ``(P, D + 2)``, float32, P a multiple of the size of a group."""
        if number in self._kept:
            return self._kept[number]
        factor = self._factor_of(self.spans[number])
        if self._keeps:
            self._kept[number] = factor
        return factor

    def left(self, number: int) -> Tensor:
        """Return the left factor of a block, ``(P, D + 2)``."""
        right = self.right(number)
        return torch.cat([-2 * right[:, :-2], right[:, -1:], right[:, -2:-1]], dim=1)

    def lengths(self, number: int) -> Tensor:
        """Return how far the points of a block are from the origin, ``(B,)``."""
        return self.right(number)[: len(self.spans[number]), -2].sqrt()

    def _factor_of(self, span: range) -> Tensor:
        block = self.points.between(span.start, span.stop)
        moved = (block - self._origin.to(block.dtype)).mul_(self._factor).float()
        factor = moved.new_zeros((-(-len(span) // GROUP) * GROUP, moved.shape[1] + 2))
        factor[: len(span), :-2] = moved
        factor[:, -2] = math.inf
        factor[: len(span), -2] = torch.linalg.vector_norm(moved, dim=1, dtype=torch.float64).square()
        factor[:, -1] = 1
        return factor


def side(points: Points) -> int:
    """Return the number of rows, and of columns, of a block."""
    room = _SHARE_OF_BLOCKS * _budget(points.device)
    by_block = math.sqrt(room / (4 * torch.float32.itemsize))
    by_points = room / (4 * torch.float32.itemsize * (points.dimension + 2))
    most = _MOST_ON_CPU if points.device.type == "cpu" else _MOST
    return max(_LEAST, int(min(most, by_block, by_points)) // GROUP * GROUP)


def _budget(device: torch.device) -> float:
    """Return how many bytes may be used where products are computed."""
    return float(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else memory_budget()
