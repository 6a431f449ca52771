"""ToTensor: images become float tensors in [0, 1]."""

from typing import Any

import torch
from torch import Tensor

from recombine.errors import DataError
from recombine.views.base import BatchTransform


class ToTensor(BatchTransform):
    """The mark behind which torchvision works on tensors; batches are float tensors in [0, 1] from the start."""

    is_random = False

    def __init__(self, transform: Any, on_pil: bool) -> None:
        del transform
        if not on_pil:
            raise DataError("ToTensor is applied to a tensor; it belongs behind the transforms of images, once")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return the images ``(B, C, H, W)`` as they are."""
        del generator
        return images
