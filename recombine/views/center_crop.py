"""CenterCrop: the middle of each image."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from recombine.imaging import Boxes, edges, stretching, whole
from recombine.views.base import Geometric, Move


class CenterCrop(Geometric):
    """The middle ``size`` pixels; smaller images get a black border first."""

    is_random = False
    fill = (0.0,)

    def __init__(self, transform: Any, on_pil: bool) -> None:
        del on_pil
        self._height, self._width = transform.size

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Crop images ``(B, C, H, W)``."""
        del generator
        lack_x = max(self._width - images.shape[-1], 0)
        lack_y = max(self._height - images.shape[-2], 0)
        images = F.pad(images, (lack_x // 2, (lack_x + 1) // 2, lack_y // 2, (lack_y + 1) // 2))
        top = round((images.shape[-2] - self._height) / 2)
        left = round((images.shape[-1] - self._width) / 2)
        return images[..., top : top + self._height, left : left + self._width]

    def size_after(self, height: int, width: int) -> tuple[int, int]:
        """Return the size of the results."""
        del height, width
        return self._height, self._width

    def plan(self, batch: int, height: int, width: int, generator: torch.Generator) -> Move:
        """Return where the pixels of ``batch`` images of ``height`` x ``width`` pixels come from."""
        del batch, generator
        lack_y, lack_x = max(self._height - height, 0), max(self._width - width, 0)
        top = round((height + lack_y - self._height) / 2) - lack_y // 2
        left = round((width + lack_x - self._width) / 2) - lack_x // 2
        size = (self._height, self._width)
        box = Boxes(*(torch.tensor([value]) for value in (top, left, *size)))
        part = whole(height, width) if lack_y or lack_x else None
        return Move(stretching(edges(box, height, width), size), size, part)
