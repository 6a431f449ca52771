"""RandomCrop: a part of fixed size at a random place of each image."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from recombine.errors import DataError
from recombine.views.base import BatchTransform, NotCompilableError, check_colours, fill_of

_MODES = {"constant": "constant", "edge": "replicate", "reflect": "reflect"}


class Border(NamedTuple):
    """Pixels to add at the left, top, right and bottom."""

    left: int
    top: int
    right: int
    bottom: int


class RandomCrop(BatchTransform):
    """A part of ``size`` pixels, after a border of ``padding`` pixels was added."""

    def __init__(self, transform: Any, on_pil: bool) -> None:
        if transform.padding_mode not in _MODES:
            raise NotCompilableError(f"RandomCrop with padding_mode {transform.padding_mode} has no batch form")
        self._mode = _MODES[transform.padding_mode]
        self._fill = fill_of(transform, on_pil)
        self._height, self._width = transform.size
        self._border = _border(transform.padding)
        self._pad_if_needed = bool(transform.pad_if_needed)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Crop images ``(B, C, H, W)``; DataError if they are smaller than the crop."""
        images = self._bordered(images)
        batch, channels, height, width = images.shape
        if height < self._height or width < self._width:
            raise DataError(
                f"RandomCrop takes {self._height} x {self._width} pixels of images of only {height} x {width}"
            )
        top = torch.randint(height - self._height + 1, (batch,), generator=generator)
        left = torch.randint(width - self._width + 1, (batch,), generator=generator)
        rows = (top.view(-1, 1) + torch.arange(self._height)).to(images.device)
        columns = (left.view(-1, 1) + torch.arange(self._width)).to(images.device)
        strip = images.gather(2, rows.view(batch, 1, -1, 1).expand(-1, channels, -1, width))
        return strip.gather(3, columns.view(batch, 1, 1, -1).expand(-1, channels, self._height, -1))

    def _bordered(self, images: Tensor) -> Tensor:
        images = self._padded(images, self._border)
        if not self._pad_if_needed:
            return images
        lack_x = max(self._width - images.shape[-1], 0)
        images = self._padded(images, Border(lack_x, 0, lack_x, 0))
        lack_y = max(self._height - images.shape[-2], 0)
        return self._padded(images, Border(0, lack_y, 0, lack_y))

    def _padded(self, images: Tensor, border: Border) -> Tensor:
        if border == (0, 0, 0, 0):
            return images
        sides = (border.left, border.right, border.top, border.bottom)
        if self._mode != "constant":
            if self._mode == "reflect" and max(border) >= min(images.shape[-2:]):
                raise DataError(f"RandomCrop cannot reflect a border of {max(border)} pixels of smaller images")
            return F.pad(images, sides, self._mode)
        check_colours(self._fill, images)
        colour = torch.tensor(self._fill, device=images.device).view(1, -1, 1, 1)
        return F.pad(images - colour, sides) + colour if any(self._fill) else F.pad(images, sides)


def _border(padding: Any) -> Border:
    """Return torchvision's padding: None, one number, (x, y) or (left, top, right, bottom)."""
    values = (0,) if padding is None else (padding,) if isinstance(padding, int) else tuple(padding)
    if any(value < 0 for value in values):
        raise NotCompilableError("RandomCrop with negative padding has no batch form")
    return Border(*(values * (4 // len(values))))
