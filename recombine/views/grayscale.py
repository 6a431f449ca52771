"""Grayscale: images without colours."""

from typing import Any

import torch
from torch import Tensor

from recombine.colours import check_channels, to_gray
from recombine.errors import DataError
from recombine.views.base import BatchTransform

_CHANNELS = (1, 3)


class Grayscale(BatchTransform):
    """The brightness in one channel, or three times; PIL rounds it to 255ths, this does not.

    As in torchvision, a tensor of one channel stays one, also where three are asked for; a PIL image becomes three.
    """

    is_random = False

    def __init__(self, transform: Any, on_pil: bool) -> None:
        if transform.num_output_channels not in _CHANNELS:
            raise DataError(f"Grayscale gives 1 or 3 channels, not {transform.num_output_channels}")
        self._channels = int(transform.num_output_channels)
        self._on_pil = on_pil

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return the brightness of images ``(B, C, H, W)``."""
        del generator
        check_channels("Grayscale", images)
        channels = self._channels if self._on_pil else min(self._channels, images.shape[1])
        return to_gray(images, self._on_pil).expand(-1, channels, -1, -1).contiguous()
