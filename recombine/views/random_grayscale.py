"""RandomGrayscale: take the colours from some of the images."""

from typing import Any

import torch
from torch import Tensor

from recombine.colours import check_channels, to_gray
from recombine.views.base import BatchTransform, chosen


class RandomGrayscale(BatchTransform):
    """Each image loses its colours, not its channels, with probability ``p``; PIL rounds to 255ths, this does not."""

    def __init__(self, transform: Any, on_pil: bool) -> None:
        self._probability = float(transform.p)
        self._on_pil = on_pil

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Make some of the images ``(B, C, H, W)`` gray."""
        check_channels("RandomGrayscale", images)
        return torch.where(chosen(images, self._probability, generator), to_gray(images, self._on_pil), images)
