"""RandomApply: apply a list of transforms to some of the images."""

from typing import Any

import torch
from torch import Tensor

from recombine.errors import DataError
from recombine.views.base import BatchTransform, NotCompilableError, chosen, compile_transforms


class RandomApply(BatchTransform):
    """The transforms are applied to each image with probability ``p``, all or none of them."""

    def __init__(self, transform: Any, on_pil: bool) -> None:
        if any(type(part).__name__ == "ToTensor" for part in transform.transforms):
            raise NotCompilableError("RandomApply around ToTensor has no batch form")
        self._parts = compile_transforms(transform.transforms, on_pil)
        self._probability = float(transform.p)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Transform some of the images ``(B, C, H, W)``."""
        applied = images
        for part in self._parts:
            applied = part(applied, generator)
        if applied.shape != images.shape:
            raise DataError("RandomApply around a transform that changes the images' size gives unequal sizes")
        return torch.where(chosen(images, self._probability, generator), applied, images)
