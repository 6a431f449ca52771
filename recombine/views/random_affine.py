"""RandomAffine: turn, shift, scale and shear each image."""

from typing import Any

import torch

from recombine.imaging import AffineParameters, unit
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
        is_idle = {
            ("shift_x", "shift_y"): not any(self._translate),
            ("scale",): self._scale == (1, 1),
            ("shear_x", "shear_y"): not any(self._shear_x + self._shear_y),
        }
        self._idle: dict[str, Any] = {name: None for names, idle in is_idle.items() if idle for name in names}

    def maps(self, batch: int, height: int, width: int, generator: torch.Generator) -> AffineParameters:
        """Return what :meth:`draw` draws, None for what is always the same and does nothing."""
        return self.draw(batch, height, width, generator)._replace(**self._idle)

    def draw(self, batch: int, height: int, width: int, generator: torch.Generator) -> AffineParameters:
        """Return a map for each of ``batch`` images of ``height`` x ``width`` pixels; shifts are whole pixels."""
        greatest_x, greatest_y = self._translate[0] * width, self._translate[1] * height
        shifts = (-greatest_x, greatest_x), (-greatest_y, greatest_y)
        ranges = (self._angle, *shifts, self._scale, self._shear_x, self._shear_y)
        low, high = torch.tensor(ranges, dtype=torch.float64).view(6, 2, 1).unbind(1)
        drawn = low + (high - low) * unit((6, batch), generator)
        drawn[1:3].round_()
        return AffineParameters(*drawn)


def _range(values: Any) -> Range:
    return float(values[0]), float(values[1])
