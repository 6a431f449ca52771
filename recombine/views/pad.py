"""Pad: add a border to the images."""

from typing import Any

import torch
from torch import Tensor

from recombine.errors import DataError
from recombine.views.base import BatchTransform, NotCompilableError, check_colours, fill_of
from recombine.views.random_crop import Border


class Pad(BatchTransform):
    """A border of ``padding`` pixels, of one colour or mirrored from the image.

    A border wider than the image is mirrored again and again on PIL images; torchvision refuses it on tensors.
    """

    is_random = False

    def __init__(self, transform: Any, on_pil: bool) -> None:
        if not on_pil and isinstance(transform.fill, (tuple, list)):
            raise DataError("Pad takes one number as fill for tensors: put it before ToTensor to fill with a colour")
        self._mode = transform.padding_mode
        self._fill = fill_of(transform, on_pil)
        self._border = _border(transform.padding)
        self._is_limited = not on_pil

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Add the border to images ``(B, C, H, W)``."""
        del generator
        left, top, right, bottom = self._border
        height, width = images.shape[-2:]
        if self._mode == "constant":
            check_colours(self._fill, images)
            colour = torch.tensor(self._fill, dtype=images.dtype, device=images.device).view(1, -1, 1, 1)
            result = colour.expand(*images.shape[:2], top + height + bottom, left + width + right).clone()
            result[..., top : top + height, left : left + width] = images
            return result
        self._check_size(height, width)
        rows = mirrored(height, top, bottom, self._mode).to(images.device)
        columns = mirrored(width, left, right, self._mode).to(images.device)
        return images.index_select(2, rows).index_select(3, columns)

    def _check_size(self, height: int, width: int) -> None:
        """Raise DataError where torchvision does not mirror."""
        reserve = {"edge": None, "reflect": 1, "symmetric": 0}[self._mode]
        if reserve is None or not self._is_limited:
            return
        left, top, right, bottom = self._border
        if max(left, right) > width - reserve or max(top, bottom) > height - reserve:
            raise DataError(
                f"Pad cannot mirror ({self._mode}) a border of {max(self._border)} pixels of tensors of "
                f"{height} x {width}"
            )


def mirrored(size: int, before: int, after: int, mode: str) -> Tensor:
    """Return which of ``size`` pixels stands at each place of a row with a border, ``(before + size + after,)``.

    Args:
        size: Pixels of the row.
        before: Pixels to add before it.
        after: Pixels to add behind it.
        mode: ``edge`` repeats the last pixel; ``reflect`` mirrors the row at it, ``symmetric`` behind it.
    """
    place = torch.arange(-before, size + after)
    if mode == "edge":
        return place.clamp_(0, size - 1)
    behind = int(mode == "symmetric")
    period = max(2 * (size - 1 + behind), 1)
    place = place % period
    return torch.minimum(place, period - behind - place)


def _border(padding: Any) -> Border:
    """Return torchvision's padding: one number, (x,), (x, y) or (left, top, right, bottom)."""
    values = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,)
    if not all(isinstance(value, int) for value in values):
        raise DataError(f"Pad takes whole pixels, not {padding}")
    if any(value < 0 for value in values):
        raise NotCompilableError("Pad with negative padding has no batch form")
    return Border(*(values * (4 // len(values))))
