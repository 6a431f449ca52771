"""Normalize: subtract a mean and divide by a deviation, channel by channel."""

from typing import Any

import torch
from torch import Tensor

from recombine.errors import DataError
from recombine.views.base import BatchTransform


class Normalize(BatchTransform):
    """``(x - mean) / std`` with one value for each channel, or one for all."""

    is_random = False

    def __init__(self, transform: Any, on_pil: bool) -> None:
        if on_pil:
            raise DataError("Normalize needs a tensor: put ToTensor before it")
        self._mean = torch.as_tensor(transform.mean, dtype=torch.float32).view(-1, 1, 1)
        self._std = torch.as_tensor(transform.std, dtype=torch.float32).view(-1, 1, 1)
        if bool((self._std == 0).any()):
            raise DataError("Normalize divides by a std of 0")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Normalise images ``(B, C, H, W)``."""
        del generator
        for name, values in (("mean", self._mean), ("std", self._std)):
            if len(values) not in (1, images.shape[1]):
                raise DataError(f"Normalize has a {name} of {len(values)} values for {images.shape[1]} channels")
        return (images - self._mean.to(images.device)) / self._std.to(images.device)
