"""CenterCrop: the middle of each image."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from recombine.views.base import BatchTransform


class CenterCrop(BatchTransform):
    """The middle ``size`` pixels; smaller images get a black border first."""

    is_random = False

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
