"""RandomSolarize: invert the bright pixels of some of the images."""

from typing import Any

import torch
from torch import Tensor

from recombine.colours import check_channels, levels
from recombine.errors import DataError
from recombine.views.base import BatchTransform, chosen


class RandomSolarize(BatchTransform):
    """Values of at least ``threshold`` become ``1 - value``, in each image with probability ``p``.

    The threshold counts from 0 to 255 on PIL images, which are rounded to compare, and from 0 to 1 behind ToTensor.
    """

    def __init__(self, transform: Any, on_pil: bool) -> None:
        if not on_pil and transform.threshold > 1:
            raise DataError(
                f"RandomSolarize has a threshold of {transform.threshold}, but tensors reach from 0 to 1: "
                "divide it by 255, or put RandomSolarize before ToTensor"
            )
        self._threshold = float(transform.threshold)
        self._probability = float(transform.p)
        self._on_pil = on_pil

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Solarise some of the images ``(B, C, H, W)``."""
        check_channels("RandomSolarize", images)
        is_bright = (levels(images) if self._on_pil else images) >= self._threshold
        return torch.where(chosen(images, self._probability, generator) & is_bright, 1 - images, images)
