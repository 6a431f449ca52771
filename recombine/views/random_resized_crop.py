"""RandomResizedCrop: a part of random size and shape of each image, stretched to one size."""

import math
from typing import Any

import torch
from torch import Tensor

from recombine.imaging import Boxes, crop_and_resize, edges, round_to_int, stretching, uniform
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
        part = edges(self.draw(batch, height, width, generator), height, width)
        return Move(stretching(part, self._size), self._size, part)

    def draw(self, batch: int, height: int, width: int, generator: torch.Generator) -> Boxes:
        """Return a box for each of ``batch`` images of ``height`` x ``width`` pixels.

        The area is uniform in ``scale``, the logarithm of the ratio of width to height uniform in that of ``ratio``,
        the place uniform; what does not fit is drawn again, at most ten times in all. After that it is the largest
        part in the middle whose ratio is allowed.
        """
        tries = (batch, _TRIES)
        area = height * width * uniform(tries, *self._scale, generator)
        ratio = uniform(tries, math.log(self._ratio[0]), math.log(self._ratio[1]), generator).exp()
        widths, heights = round_to_int((area * ratio).sqrt()), round_to_int((area / ratio).sqrt())
        fits = (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)
        first = fits.int().argmax(1, keepdim=True)
        box_height, box_width = heights.gather(1, first).squeeze(1), widths.gather(1, first).squeeze(1)
        top = (uniform((batch,), 0, 1, generator) * (height - box_height + 1)).long()
        left = (uniform((batch,), 0, 1, generator) * (width - box_width + 1)).long()
        drawn = torch.stack([top, left, box_height, box_width])
        middle = torch.tensor(self._middle(height, width)).view(4, 1)
        return Boxes(*torch.where(fits.any(1), drawn, middle))

    def _middle(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Return top, left, height and width of the largest part in the middle whose ratio is allowed."""
        box_height, box_width = height, width
        if width / height < min(self._ratio):
            box_height = round(width / min(self._ratio))
        elif width / height > max(self._ratio):
            box_width = round(height * max(self._ratio))
        return (height - box_height) // 2, (width - box_width) // 2, box_height, box_width
