"""RandomHorizontalFlip: mirror some of the images."""

from typing import Any

import torch
from torch import Tensor

from recombine.views.base import Geometric, Move, chosen, mirroring


class RandomHorizontalFlip(Geometric):
    """Each image is mirrored with probability ``p``."""

    mirrors = True

    def __init__(self, transform: Any, on_pil: bool) -> None:
        del on_pil
        self._probability = float(transform.p)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Mirror some of the images ``(B, C, H, W)``."""
        return torch.where(chosen(images, self._probability, generator), images.flip(-1), images)

    def size_after(self, height: int, width: int) -> tuple[int, int]:
        """Return the size of the results: that of the images."""
        return height, width

    def plan(self, batch: int, height: int, width: int, generator: torch.Generator) -> Move:
        """Return where the pixels of ``batch`` images of ``height`` x ``width`` pixels come from."""
        which = chosen(torch.empty(batch), self._probability, generator).flatten()
        return Move(mirroring(which, 0), (height, width), None)
