"""RandomChoice: apply one of several transforms to each image."""

from typing import Any

import torch
from torch import Tensor

from recombine.errors import DataError
from recombine.groups import compile_parts, routed, together, whole
from recombine.views.base import BatchTransform


class RandomChoice(BatchTransform):
    """Each image goes through one of the transforms, which ``p`` weighs; all must give images of one size."""

    def __init__(self, transform: Any, on_pil: bool) -> None:
        self._parts = compile_parts(transform, on_pil)
        if not self._parts:
            raise DataError("RandomChoice has no transforms to choose from")
        weights = [1.0] * len(self._parts) if transform.p is None else [float(weight) for weight in transform.p]
        if len(weights) != len(self._parts):
            raise DataError(f"RandomChoice has {len(weights)} weights for {len(self._parts)} transforms")
        if min(weights) < 0 or sum(weights) <= 0:
            raise DataError("RandomChoice needs weights of at least 0, one of them above")
        self._weights = torch.tensor(weights, dtype=torch.float64)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Transform images ``(B, C, H, W)``."""
        route = self.draw(len(images), generator)
        return together(routed(whole(images), route, self._parts, generator), "RandomChoice")

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """Return the number of a transform for each of ``batch`` images, ``(B,)``, int64."""
        return torch.multinomial(self._weights, batch, replacement=True, generator=generator)
