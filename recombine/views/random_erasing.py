"""RandomErasing: paint over a rectangle in some of the images."""

import math
from typing import Any

import torch
from torch import Tensor

from recombine.errors import DataError
from recombine.imaging import Boxes, round_to_int, uniform
from recombine.views.base import BatchTransform

_TRIES = 10


class RandomErasing(BatchTransform):
    """A rectangle of each image is erased with probability ``p``: with a colour, or with normal noise (``random``).

    As in torchvision an image in which none of ten rectangles fits stays as it is.
    """

    def __init__(self, transform: Any, on_pil: bool) -> None:
        if on_pil:
            raise DataError("RandomErasing needs a tensor: put ToTensor before it")
        self._probability = float(transform.p)
        self._scale = (float(transform.scale[0]), float(transform.scale[1]))
        self._ratio = (float(transform.ratio[0]), float(transform.ratio[1]))
        if min(self._ratio) <= 0:
            raise DataError(f"RandomErasing needs a ratio above 0, not {min(self._ratio)}")
        self._colour = None if transform.value == "random" else _colour(transform.value)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Erase a rectangle in some of the images ``(B, C, H, W)``."""
        batch, channels, height, width = images.shape
        if self._colour is not None and len(self._colour) not in (1, channels):
            raise DataError(f"RandomErasing has a value of {len(self._colour)} numbers for {channels} channels")
        is_chosen = torch.rand(batch, 1, 1, 1, generator=generator) < self._probability
        erased = inside(self.draw(batch, height, width, generator), height, width) & is_chosen
        if self._colour is not None:
            colour = self._colour.view(1, -1, 1, 1).to(images.device)
            return torch.where(erased.to(images.device), colour, images)
        noise = torch.randn(channels * int(erased.sum()), generator=generator)
        return images.masked_scatter(erased.expand_as(images).to(images.device), noise.to(images.device))

    def draw(self, batch: int, height: int, width: int, generator: torch.Generator) -> Boxes:
        """Return a rectangle for each of ``batch`` images of ``height`` x ``width`` pixels.

        The area is uniform in ``scale``, the logarithm of the ratio of height to width uniform in that of ``ratio``,
        the place uniform. The first of ten that is smaller than the image, both ways, counts; if there is none,
        height and width are 0.
        """
        tries = (batch, _TRIES)
        area = height * width * uniform(tries, *self._scale, generator)
        ratio = uniform(tries, math.log(self._ratio[0]), math.log(self._ratio[1]), generator).exp()
        heights, widths = round_to_int((area * ratio).sqrt()), round_to_int((area / ratio).sqrt())
        fits = (heights < height) & (widths < width)
        first = fits.int().argmax(1, keepdim=True)
        box_height = (heights * fits).gather(1, first).squeeze(1)
        box_width = (widths * fits).gather(1, first).squeeze(1)
        top = (uniform((batch,), 0, 1, generator) * (height - box_height + 1)).long()
        left = (uniform((batch,), 0, 1, generator) * (width - box_width + 1)).long()
        return Boxes(top, left, box_height, box_width)


def inside(boxes: Boxes, height: int, width: int) -> Tensor:
    """Return which pixels of images of ``height`` x ``width`` lie in the boxes; bool ``(B, 1, H, W)``."""
    top, left, box_height, box_width = (value.view(-1, 1, 1, 1) for value in boxes)
    y, x = torch.arange(height).view(1, 1, -1, 1), torch.arange(width).view(1, 1, 1, -1)
    return (y >= top) & (y < top + box_height) & (x >= left) & (x < left + box_width)


def _colour(value: Any) -> Tensor:
    values = value if isinstance(value, (tuple, list)) else (value,)
    return torch.tensor([float(number) for number in values])
