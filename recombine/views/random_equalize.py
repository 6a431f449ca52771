"""RandomEqualize: make all levels of brightness equally frequent in some of the images."""

from typing import Any

import torch
from torch import Tensor

from recombine.colours import HIGHEST, check_channels, levels
from recombine.errors import DataError
from recombine.views.base import BatchTransform, chosen


class RandomEqualize(BatchTransform):
    """The histogram of each channel is made even, in each image with probability ``p``."""

    def __init__(self, transform: Any, on_pil: bool) -> None:
        if not on_pil:
            raise DataError("RandomEqualize needs an image of bytes: put it before ToTensor")
        self._probability = float(transform.p)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Equalise some of the images ``(B, C, H, W)``."""
        check_channels("RandomEqualize", images)
        return torch.where(chosen(images, self._probability, generator), equalized(images), images)


def equalized(images: Tensor) -> Tensor:
    """Return images ``(B, C, H, W)`` in which each level is the number of darker pixels, in as many steps as fit.

    A step is a 255th of the pixels that are darker than the brightest level; where that is none, nothing changes.
    """
    values = levels(images.flatten(2)).long()
    histogram = values.new_zeros(*values.shape[:2], HIGHEST + 1).scatter_add_(2, values, torch.ones_like(values))
    darker = histogram.cumsum(2) - histogram
    step = (darker * (histogram > 0)).amax(2, keepdim=True) // HIGHEST
    ranks = ((darker + step // 2) // step.clamp_min(1)).clamp_max_(HIGHEST) / HIGHEST
    return torch.where(step > 0, ranks.gather(2, values), images.flatten(2)).view_as(images)
