"""Resize: stretch whole images, with antialiasing."""

from typing import Any

import torch
from torch import Tensor

from recombine.imaging import Boxes, crop_and_resize, resized_shape, stretching, whole
from recombine.views.base import Geometric, Move, filter_of


class Resize(Geometric):
    """torchvision's resize; PIL rounds to bytes in between and at the end, this does not."""

    is_random = False

    def __init__(self, transform: Any, on_pil: bool) -> None:
        self._kernel = filter_of(transform, on_pil)
        self.mode = self._kernel.name
        self._size = (transform.size,) if isinstance(transform.size, int) else tuple(transform.size)
        self._longest = transform.max_size

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Stretch images ``(B, C, H, W)``."""
        del generator
        height, width = images.shape[-2:]
        size = self.size_after(height, width)
        if size == (height, width):
            return images
        box = [torch.tensor([value], device=images.device) for value in (0, 0, height, width)]
        return crop_and_resize(images, Boxes(*box), size, self._kernel)

    def can_join(self, height: int, width: int) -> bool:
        """Whether one grid with others gives the same: not where the images become smaller."""
        after = self.size_after(height, width)
        return self.mode == "bilinear" and height <= after[0] and width <= after[1]

    def size_after(self, height: int, width: int) -> tuple[int, int]:
        """Return the size of the results."""
        return resized_shape(height, width, self._size, self._longest)

    def plan(self, batch: int, height: int, width: int, generator: torch.Generator) -> Move:
        """Return where the pixels of ``batch`` images of ``height`` x ``width`` pixels come from."""
        del batch, generator
        size, part = self.size_after(height, width), whole(height, width)
        return Move(stretching(part, size), size, part)
