"""Resize: stretch whole images, with antialiasing."""

from typing import Any

import torch
from torch import Tensor

from recombine.imaging import Boxes, crop_and_resize, resized_shape
from recombine.views.base import BatchTransform, filter_of


class Resize(BatchTransform):
    """torchvision's resize; PIL rounds to bytes in between and at the end, this does not."""

    is_random = False

    def __init__(self, transform: Any, on_pil: bool) -> None:
        self._kernel = filter_of(transform, on_pil)
        self._size = (transform.size,) if isinstance(transform.size, int) else tuple(transform.size)
        self._longest = transform.max_size

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Stretch images ``(B, C, H, W)``."""
        del generator
        height, width = images.shape[-2:]
        size = resized_shape(height, width, self._size, self._longest)
        if size == (height, width):
            return images
        whole = [torch.tensor([value], device=images.device) for value in (0, 0, height, width)]
        return crop_and_resize(images, Boxes(*whole), size, self._kernel)
