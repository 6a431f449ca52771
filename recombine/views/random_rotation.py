"""RandomRotation: turn each image."""

from typing import Any

import torch
from torch import Tensor

from recombine.imaging import AffineParameters, affine, center_offset, inverse_affine, uniform, whole
from recombine.views.base import Geometric, Move, NotCompilableError, check_colours, sampling_of


class RandomRotation(Geometric):
    """torchvision's rotation, counter-clockwise; images keep their size."""

    is_aligned = False

    def __init__(self, transform: Any, on_pil: bool) -> None:
        if transform.expand:
            raise NotCompilableError("RandomRotation with expand has no batch form")
        self._sampling = sampling_of(transform, on_pil)
        self.mode, self.fill = self._sampling.mode, self._sampling.fill
        self._low, self._high = (float(value) for value in transform.degrees)
        self._center = transform.center

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Turn images ``(B, C, H, W)``."""
        check_colours(self._sampling.fill, images)
        move = self.plan(len(images), images.shape[-2], images.shape[-1], generator)
        return affine(images, move.matrices, self._sampling)

    def can_join(self, height: int, width: int) -> bool:
        """Whether one grid with others gives the same: not where bilinear values near the border mix with the fill."""
        del height, width
        return not (self._sampling.blend and self.mode == "bilinear")

    def size_after(self, height: int, width: int) -> tuple[int, int]:
        """Return the size of the results: that of the images."""
        return height, width

    def plan(self, batch: int, height: int, width: int, generator: torch.Generator) -> Move:
        """Return where the pixels of ``batch`` images of ``height`` x ``width`` pixels come from."""
        angle = self.draw(batch, generator)
        none, one = torch.zeros_like(angle), torch.ones_like(angle)
        parameters = AffineParameters(-angle, none, none, one, none, none)
        matrices = inverse_affine(parameters, center_offset(self._center, height, width))
        return Move(matrices, (height, width), whole(height, width))

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """Return an angle ``(B,)`` in degrees for each of ``batch`` images."""
        return uniform((batch,), self._low, self._high, generator)
