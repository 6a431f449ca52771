"""RandomAutocontrast: stretch some of the images to the full range of brightness."""

from typing import Any

import torch
from torch import Tensor

from recombine.colours import check_channels
from recombine.views.base import BatchTransform, chosen


class RandomAutocontrast(BatchTransform):
    """The darkest value of each channel becomes 0, the brightest 1, in each image with probability ``p``.

    A channel of one value stays as it is. PIL cuts the results to whole 255ths, this does not.
    """

    def __init__(self, transform: Any, on_pil: bool) -> None:
        del on_pil
        self._probability = float(transform.p)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Stretch some of the images ``(B, C, H, W)``."""
        check_channels("RandomAutocontrast", images)
        low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
        changes = chosen(images, self._probability, generator) & (high > low)
        stretched = ((images - low) / (high - low).masked_fill(high == low, 1)).clamp_(0, 1)
        return torch.where(changes, stretched, images)
