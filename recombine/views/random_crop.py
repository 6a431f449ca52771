"""RandomCrop: a part of fixed size at a random place of each image."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from recombine.errors import DataError
from recombine.imaging import Boxes, edges, stretching, whole
from recombine.views.base import Geometric, Move, NotCompilableError, check_colours, fill_of

_MODES = {"constant": "constant", "edge": "replicate", "reflect": "reflect"}


class Border(NamedTuple):
    """Pixels to add at the left, top, right and bottom."""

    left: int
    top: int
    right: int
    bottom: int


class RandomCrop(Geometric):
    """A part of ``size`` pixels, after a border of ``padding`` pixels was added."""

    def __init__(self, transform: Any, on_pil: bool) -> None:
        if transform.padding_mode not in _MODES:
            raise NotCompilableError(f"RandomCrop with padding_mode {transform.padding_mode} has no batch form")
        self._mode = _MODES[transform.padding_mode]
        self._fill = fill_of(transform, on_pil)
        self._height, self._width = transform.size
        self._border = _border(transform.padding)
        self._pad_if_needed = bool(transform.pad_if_needed)
        self.fill = self._fill if self._pad_if_needed or any(self._border) else None

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Crop images ``(B, C, H, W)``; DataError if they are smaller than the crop."""
        images = self._bordered(images)
        batch, channels, height, width = images.shape
        top, left = self._draw(batch, height, width, generator)
        rows = (top.view(-1, 1) + torch.arange(self._height)).to(images.device)
        columns = (left.view(-1, 1) + torch.arange(self._width)).to(images.device)
        strip = images.gather(2, rows.view(batch, 1, -1, 1).expand(-1, channels, -1, width))
        return strip.gather(3, columns.view(batch, 1, 1, -1).expand(-1, channels, self._height, -1))

    def can_join(self, height: int, width: int) -> bool:
        """Whether one grid with others gives the same: not where a border repeats the image."""
        return self._mode == "constant" or not any(self._whole_border(height, width))

    def size_after(self, height: int, width: int) -> tuple[int, int]:
        """Return the size of the results."""
        del height, width
        return self._height, self._width

    def plan(self, batch: int, height: int, width: int, generator: torch.Generator) -> Move:
        """Return where the pixels of ``batch`` images of ``height`` x ``width`` pixels come from."""
        border, size = self._whole_border(height, width), (self._height, self._width)
        bordered = (height + border.top + border.bottom, width + border.left + border.right)
        top, left = self._draw(batch, *bordered, generator)
        box = Boxes(top - border.top, left - border.left, *(torch.tensor([pixels]) for pixels in size))
        part = whole(height, width) if any(border) else None
        return Move(stretching(edges(box, height, width), size), size, part)

    def _draw(self, batch: int, height: int, width: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the first row and the first column of each crop, ``(B,)``, in images with their border."""
        if height < self._height or width < self._width:
            raise DataError(
                f"RandomCrop takes {self._height} x {self._width} pixels of images of only {height} x {width}"
            )
        top = torch.randint(height - self._height + 1, (batch,), generator=generator)
        left = torch.randint(width - self._width + 1, (batch,), generator=generator)
        return top, left

    def _whole_border(self, height: int, width: int) -> Border:
        """Return the border with what is added if needed."""
        left, top, right, bottom = self._border
        if not self._pad_if_needed:
            return self._border
        lack_x = max(self._width - (left + width + right), 0)
        lack_y = max(self._height - (top + height + bottom), 0)
        return Border(left + lack_x, top + lack_y, right + lack_x, bottom + lack_y)

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
