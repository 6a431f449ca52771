"""ConvertImageDtype: the number format of tensors."""

from typing import Any

import torch
from torch import Tensor

from recombine.errors import DataError
from recombine.views.base import BatchTransform, NotCompilableError


class ConvertImageDtype(BatchTransform):
    """float32, which batches are from the start.

    Any other format has no batch form: what follows it would have to compute in it, and integers have another scale.
    """

    is_random = False

    def __init__(self, transform: Any, on_pil: bool) -> None:
        if on_pil:
            raise DataError("ConvertImageDtype needs a tensor: put ToTensor before it")
        if transform.dtype != torch.float32:
            name = str(transform.dtype).removeprefix("torch.")
            raise NotCompilableError(f"ConvertImageDtype to {name} has no batch form")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return the images ``(B, C, H, W)`` as they are."""
        del generator
        return images
