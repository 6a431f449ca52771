"""RandomResizedCrop: a part of random size and shape of each image, stretched to one size."""

import math
from typing import Any

import torch
from torch import Tensor

from recombine.imaging import Boxes, crop_and_resize, edges, stretching, unit
from recombine.views.base import Geometric, Move, filter_of

_TRIES = 10


class RandomResizedCrop(Geometric):
    """torchvision's crop, box by box as it draws them; PIL rounds to bytes in between and at the end, this does not."""

    def __init__(self, transform: Any, on_pil: bool) -> None:
        self._kernel = filter_of(transform, on_pil)
        self.mode = self._kernel.name
        self._size = (int(transform.size[0]), int(transform.size[1]))
        self._scale = (float(transform.scale[0]), float(transform.scale[1]))
        self._ratio = (float(transform.ratio[0]), float(transform.ratio[1]))
        ranges = self._scale, (math.log(self._ratio[0]), math.log(self._ratio[1]))
        self._low, high = torch.tensor(ranges, dtype=torch.float64).view(2, 2, 1, 1).unbind(1)
        self._span = high - self._low

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Crop and stretch images ``(B, C, H, W)``."""
        boxes = self.draw(len(images), images.shape[-2], images.shape[-1], generator)
        return crop_and_resize(images, Boxes(*(value.to(images.device) for value in boxes)), self._size, self._kernel)

    def can_join(self, height: int, width: int) -> bool:
        """Whether one grid with others gives the same: not where a box may be larger than the result."""
        return self.mode == "bilinear" and height <= self._size[0] and width <= self._size[1]

    def size_after(self, height: int, width: int) -> tuple[int, int]:
        """Return the size of the results."""
        del height, width
        return self._size

    def plan(self, batch: int, height: int, width: int, generator: torch.Generator) -> Move:
        """Return where the pixels of ``batch`` images of ``height`` x ``width`` pixels come from."""
        part = edges(Boxes(*self._drawn(batch, height, width, generator)), height, width)
        return Move(stretching(part, self._size), self._size, part)

    def draw(self, batch: int, height: int, width: int, generator: torch.Generator) -> Boxes:
        """Return a box for each of ``batch`` images of ``height`` x ``width`` pixels, int64.

        The area is uniform in ``scale``, the logarithm of the ratio of width to height uniform in that of ``ratio``,
        the place uniform; what does not fit is drawn again, at most ten times in all. After that it is the largest
        part in the middle whose ratio is allowed.
        """
        return Boxes(*self._drawn(batch, height, width, generator).long())

    def _drawn(self, batch: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Return the boxes ``(4, B)`` of :meth:`draw`, float64: top, left, height, width."""
        count = 2 * batch * _TRIES
        numbers = unit((count + 2 * batch,), generator)
        share, ratio = numbers[:count].view(2, batch, _TRIES).mul_(self._span).add_(self._low)
        area = share.mul_(height * width)
        ratio.exp_()
        sides = torch.stack([area / ratio, area * ratio]).sqrt_().round_()
        places = torch.tensor([[height + 1], [width + 1]], dtype=torch.float64)
        # Neither a side of 0 nor one that leaves no place fits.
        any_fits, first = ((places.unsqueeze(2) - sides).mul_(sides).amin(0) > 0).max(1)
        size = sides.gather(2, first.view(1, -1, 1).expand(2, -1, 1)).squeeze(2)
        drawn = torch.cat([numbers[count:].view(2, batch).mul_(places - size).floor_(), size])
        middle = torch.tensor(self._middle(height, width), dtype=torch.float64).view(4, 1)
        return torch.where(any_fits, drawn, middle)

    def _middle(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Return top, left, height and width of the largest part in the middle whose ratio is allowed."""
        box_height, box_width = height, width
        if width / height < min(self._ratio):
            box_height = round(width / min(self._ratio))
        elif width / height > max(self._ratio):
            box_width = round(height * max(self._ratio))
        return (height - box_height) // 2, (width - box_width) // 2, box_height, box_width
