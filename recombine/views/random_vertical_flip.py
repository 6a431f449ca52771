"""RandomVerticalFlip: mirror some of the images."""

from typing import Any

import torch
from torch import Tensor

from recombine.views.base import BatchTransform, chosen


class RandomVerticalFlip(BatchTransform):
    """Each image is mirrored with probability ``p``."""

    def __init__(self, transform: Any, on_pil: bool) -> None:
        del on_pil
        self._probability = float(transform.p)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Mirror some of the images ``(B, C, H, W)``."""
        return torch.where(chosen(images, self._probability, generator), images.flip(-2), images)
