"""RandomRotation: turn each image."""

from typing import Any

import torch
from torch import Tensor

from recombine.imaging import AffineParameters, affine, center_offset, inverse_affine, uniform
from recombine.views.base import BatchTransform, NotCompilableError, check_colours, sampling_of


class RandomRotation(BatchTransform):
    """torchvision's rotation, counter-clockwise; images keep their size."""

    def __init__(self, transform: Any, on_pil: bool) -> None:
        if transform.expand:
            raise NotCompilableError("RandomRotation with expand has no batch form")
        self._sampling = sampling_of(transform, on_pil)
        self._low, self._high = (float(value) for value in transform.degrees)
        self._center = transform.center

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Turn images ``(B, C, H, W)``."""
        check_colours(self._sampling.fill, images)
        angle = self.draw(len(images), generator)
        none, one = torch.zeros_like(angle), torch.ones_like(angle)
        parameters = AffineParameters(-angle, none, none, one, none, none)
        matrices = inverse_affine(parameters, center_offset(self._center, *images.shape[-2:]))
        return affine(images, matrices, self._sampling)

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """Return an angle ``(B,)`` in degrees for each of ``batch`` images."""
        return uniform((batch,), self._low, self._high, generator)
