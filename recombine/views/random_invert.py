"""RandomInvert: the negative of some of the images."""

from typing import Any

import torch
from torch import Tensor

from recombine.colours import check_channels
from recombine.views.base import BatchTransform, chosen


class RandomInvert(BatchTransform):
    """Each image becomes ``1 - image`` with probability ``p``."""

    def __init__(self, transform: Any, on_pil: bool) -> None:
        del on_pil
        self._probability = float(transform.p)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Invert some of the images ``(B, C, H, W)``."""
        check_channels("RandomInvert", images)
        return torch.where(chosen(images, self._probability, generator), 1 - images, images)
