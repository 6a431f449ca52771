"""RandomPosterize: fewer levels of brightness in some of the images."""

from typing import Any

import torch
from torch import Tensor

from recombine.colours import HIGHEST, check_channels, levels
from recombine.errors import DataError
from recombine.views.base import BatchTransform, chosen

_BITS = range(1, 9)


class RandomPosterize(BatchTransform):
    """Of the eight bits of a value the upper ``bits`` stay, in each image with probability ``p``."""

    def __init__(self, transform: Any, on_pil: bool) -> None:
        if not on_pil:
            raise DataError("RandomPosterize needs an image of bytes: put it before ToTensor")
        if transform.bits not in _BITS:
            raise DataError(f"RandomPosterize keeps 1 to 8 bits, not {transform.bits}")
        self._step = 2 ** (_BITS[-1] - int(transform.bits))
        self._probability = float(transform.p)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Cut bits from some of the images ``(B, C, H, W)``."""
        check_channels("RandomPosterize", images)
        coarse = (levels(images) / self._step).floor_() * (self._step / HIGHEST)
        return torch.where(chosen(images, self._probability, generator), coarse, images)
