"""RandomAdjustSharpness: blur or sharpen some of the images."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from recombine.colours import blend, check_channels
from recombine.errors import DataError
from recombine.views.base import BatchTransform, chosen

_MIDDLE, _SUM, _SIDE = 5, 13, 3


class RandomAdjustSharpness(BatchTransform):
    """A blurred image at ``sharpness_factor`` 0, the image at 1, a sharpened one above; with probability ``p``.

    The pixels on the border stay. PIL rounds to 255ths, the blurred image and the result: with factors up to 2 it
    differs by at most two 255ths.
    """

    def __init__(self, transform: Any, on_pil: bool) -> None:
        del on_pil
        if transform.sharpness_factor < 0:
            raise DataError(f"RandomAdjustSharpness has a negative sharpness_factor, {transform.sharpness_factor}")
        self._factor = float(transform.sharpness_factor)
        self._probability = float(transform.p)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Blur or sharpen some of the images ``(B, C, H, W)``."""
        check_channels("RandomAdjustSharpness", images)
        which = chosen(images, self._probability, generator)
        if min(images.shape[-2:]) < _SIDE:
            return images
        return torch.where(which, blend(images, _smoothed(images), images.new_full((), self._factor)), images)


def _smoothed(images: Tensor) -> Tensor:
    """Return the mean over 3 x 3 pixels in which the middle counts five times; the border stays."""
    inner = images[..., 1:-1, 1:-1]
    means = (F.avg_pool2d(images, _SIDE, 1, divisor_override=1) + (_MIDDLE - 1) * inner) / _SUM
    result = images.clone()
    result[..., 1:-1, 1:-1] = means
    return result
