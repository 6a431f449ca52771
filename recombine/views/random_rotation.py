"""RandomRotation: turn each image."""

from typing import Any

import torch
from torch import Tensor

from recombine.imaging import AffineParameters, uniform
from recombine.views.base import AffineMap, NotCompilableError


class RandomRotation(AffineMap):
    """torchvision's rotation, counter-clockwise; images keep their size."""

    def __init__(self, transform: Any, on_pil: bool) -> None:
        if transform.expand:
            raise NotCompilableError("RandomRotation with expand has no batch form")
        super().__init__(transform, on_pil)
        self._low, self._high = (float(value) for value in transform.degrees)

    def maps(self, batch: int, height: int, width: int, generator: torch.Generator) -> AffineParameters:
        """Return a turn by a drawn angle for each of ``batch`` images."""
        del height, width
        return AffineParameters(-self.draw(batch, generator))

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """Return an angle ``(B,)`` in degrees for each of ``batch`` images."""
        return uniform((batch,), self._low, self._high, generator)
