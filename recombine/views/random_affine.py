"""RandomAffine: turn, shift, scale and shear each image."""

from typing import Any

import torch
from torch import Tensor

from recombine.imaging import AffineParameters, affine, center_offset, inverse_affine, round_to_int, uniform, whole
from recombine.views.base import Geometric, Move, check_colours, sampling_of

Range = tuple[float, float]


class RandomAffine(Geometric):
    """torchvision's affine map; PIL counts positions in fixed point, so that single pixels on an edge may differ."""

    is_aligned = False

    def __init__(self, transform: Any, on_pil: bool) -> None:
        self._sampling = sampling_of(transform, on_pil)
        self.mode, self.fill = self._sampling.mode, self._sampling.fill
        shear = tuple(transform.shear or (0, 0))
        self._angle = _range(transform.degrees)
        self._translate = _range(transform.translate or (0, 0))
        self._scale = _range(transform.scale or (1, 1))
        self._shear_x = _range(shear[:2])
        self._shear_y = _range(shear[2:] or (0, 0))
        self._center = transform.center

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Move images ``(B, C, H, W)``."""
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
        parameters = self.draw(batch, height, width, generator)
        matrices = inverse_affine(parameters, center_offset(self._center, height, width))
        return Move(matrices, (height, width), whole(height, width))

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
