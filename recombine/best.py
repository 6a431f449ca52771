"""The best that each of many rows has met so far."""

import math

import torch
from torch import Tensor


class Best:
    """The C lowest values that each of Q rows has met, ascending, and the columns they belong to.

    Attributes:
        values: ``(Q, C)``; infinity where there is none yet.
        columns: ``(Q, C)``, int64.
    """

    def __init__(self, count: int, size: int, dtype: torch.dtype, device: torch.device) -> None:
        self.values = torch.full((count, size), math.inf, dtype=dtype, device=device)
        self.columns = torch.zeros((count, size), dtype=torch.int64, device=device)

    @property
    def size(self) -> int:
        """How many are kept, C."""
        return self.values.shape[1]

    @property
    def bounds(self) -> Tensor:
        """What a value must be below to be kept, ``(Q,)``."""
        return self.values[:, -1]

    def meet(self, rows: Tensor, columns: Tensor, values: Tensor) -> None:
        """Keep the best of the old and of H new ones; of equal values the old, then the first of the new.

        Args:
            rows: Whom each is offered to, ``(H,)``, ascending.
            columns: ``(H,)``.
            values: ``(H,)``.
        """
        if len(rows) == 0:
            return
        met, which, counts = torch.unique_consecutive(rows, return_inverse=True, return_counts=True)
        place = self.size + torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[which]
        shape = (len(met), self.size + int(counts.max()))
        all_values, all_columns = self.values.new_full(shape, math.inf), self.columns.new_zeros(shape)
        all_values[:, : self.size], all_columns[:, : self.size] = self.values[met], self.columns[met]
        all_values[which, place], all_columns[which, place] = values, columns
        lowest, order = all_values.sort(dim=1, stable=True)
        self.values[met] = lowest[:, : self.size]
        self.columns[met] = all_columns.gather(1, order[:, : self.size])
