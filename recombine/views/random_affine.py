"""RandomAffine: turn, shift, scale and shear each image."""

from typing import Any

import torch

from recombine.imaging import AffineParameters, round_to_int, uniform
from recombine.views.base import AffineMap

Range = tuple[float, float]


class RandomAffine(AffineMap):
    """torchvision's affine map; PIL counts positions in fixed point, so that single pixels on an edge may differ."""

    def __init__(self, transform: Any, on_pil: bool) -> None:
        super().__init__(transform, on_pil)
        shear = tuple(transform.shear or (0, 0))
        self._angle = _range(transform.degrees)
        self._translate = _range(transform.translate or (0, 0))
        self._scale = _range(transform.scale or (1, 1))
        self._shear_x = _range(shear[:2])
        self._shear_y = _range(shear[2:] or (0, 0))

    def maps(self, batch: int, height: int, width: int, generator: torch.Generator) -> AffineParameters:
        """Return what :meth:`draw` draws."""
        return self.draw(batch, height, width, generator)

    def draw(self, batch: int, height: int, width: int, generator: torch.Generator) -> AffineParameters:
        """Return a map for each of ``batch`` images of ``height`` x ``width`` pixels; shifts are whole pixels."""
        shape = (batch,)
        greatest_x, greatest_y = self._translate[0] * width, self._translate[1] * height
        return AffineParameters(
            angle=uniform(shape, *self._angle, generator),
            shift_x=round_to_int(uniform(shape, -greatest_x, greatest_x, generator)).double(),
            shift_y=round_to_int(uniform(shape, -greatest_y, greatest_y, generator)).double(),
            scale=uniform(shape, *self._scale, generator),
            shear_x=uniform(shape, *self._shear_x, generator),
            shear_y=uniform(shape, *self._shear_y, generator),
        )


def _range(values: Any) -> Range:
    return float(values[0]), float(values[1])
