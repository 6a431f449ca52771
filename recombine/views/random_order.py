"""RandomOrder: apply several transforms to each image, in any order."""

from typing import Any

import torch
from torch import Tensor

from recombine.groups import compile_parts, routed, together, whole
from recombine.views.base import BatchTransform


class RandomOrder(BatchTransform):
    """Each image goes through all of the transforms, in an order of its own; all orders must give one size."""

    def __init__(self, transform: Any, on_pil: bool) -> None:
        self._parts = compile_parts(transform, on_pil)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Transform images ``(B, C, H, W)``."""
        groups = whole(images)
        for route in self.draw(len(images), generator).unbind(1):
            groups = routed(groups, route, self._parts, generator)
        return together(groups, "RandomOrder")

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """Return the numbers of the P transforms in the order of each of ``batch`` images, ``(B, P)``, int64."""
        return torch.rand(batch, len(self._parts), generator=generator).argsort(1)
