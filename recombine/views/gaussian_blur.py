"""GaussianBlur: blur each image."""

from typing import Any

import torch
from torch import Tensor

from recombine.errors import DataError
from recombine.imaging import uniform
from recombine.views.base import BatchTransform


class GaussianBlur(BatchTransform):
    """Each image is blurred with a sigma of its own; PIL images are rounded to 255ths afterwards, these are not.

    The image is mirrored at its border. As in torchvision the kernel has ``kernel_size`` pixels, (x, y), and its
    weights sum to 1.
    """

    def __init__(self, transform: Any, on_pil: bool) -> None:
        del on_pil
        self._taps_x, self._taps_y = (int(size) for size in transform.kernel_size)
        self._low, self._high = (float(value) for value in transform.sigma)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Blur images ``(B, C, H, W)``; DataError if they are too small to be mirrored."""
        height, width = images.shape[-2:]
        if self._taps_x // 2 >= width or self._taps_y // 2 >= height:
            raise DataError(
                f"GaussianBlur with a kernel of {self._taps_x} x {self._taps_y} pixels (x, y) cannot mirror images "
                f"of {width} x {height}"
            )
        sigma = self.draw(len(images), generator)
        rows = blurring_matrix(sigma, self._taps_y, height).unsqueeze(1).to(images.device)
        columns = blurring_matrix(sigma, self._taps_x, width).unsqueeze(1).to(images.device)
        return rows @ (images @ columns.mT)

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """Return a standard deviation ``(B,)`` in pixels, float64, for each of ``batch`` images."""
        return uniform((batch,), self._low, self._high, generator)


def blurring_matrix(sigma: Tensor, taps: int, size: int) -> Tensor:
    """Return the weights with which the pixels of a row become those of the blurred row.

    Args:
        sigma: Standard deviations in pixels, ``(B,)``, float64.
        taps: Pixels of the kernel, odd, at most ``2 * size - 1``.
        size: Pixels of the row, which is mirrored at both ends without repeating the last pixel.

    Returns:
        Weights ``(B, size, size)``, float32; every row sums to 1.
    """
    radius = taps // 2
    offset = torch.arange(-radius, radius + 1)
    kernel = (-0.5 * (offset / sigma.unsqueeze(1)).square()).softmax(1).float()
    period = max(2 * size - 2, 1)
    place = (torch.arange(size).unsqueeze(1) + offset) % period
    source = torch.minimum(place, period - place)
    takes = source.unsqueeze(1) == torch.arange(size).view(1, -1, 1)
    return (kernel @ takes.view(-1, taps).T.float()).view(-1, size, size)
