"""RandomPerspective: look at some of the images from aside."""

from typing import Any

import torch
from torch import Tensor

from recombine.imaging import Sampling, sampled
from recombine.views.base import BatchTransform, check_colours, sampling_of

_CORNERS = 4
_OUTWARDS = torch.tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]])


class RandomPerspective(BatchTransform):
    """The corners of each image move inwards with probability ``p``, each on its own.

    They move by whole pixels, uniformly up to ``distortion_scale`` of half the width and height. PIL counts bilinear
    values in whole 255ths: it differs by one at most. Positions that lie exactly between two pixels, or on the edge of
    the image, as some do with corners in whole pixels, go to either side, here and in torchvision.
    """

    def __init__(self, transform: Any, on_pil: bool) -> None:
        self._sampling = sampling_of(transform, on_pil)
        self._distortion = float(transform.distortion_scale)
        self._probability = float(transform.p)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Distort some of the images ``(B, C, H, W)``."""
        check_colours(self._sampling.fill, images)
        height, width = images.shape[-2:]
        places = (torch.rand(len(images), generator=generator) < self._probability).nonzero().flatten()
        corners = self.draw(len(images), height, width, generator)[places]
        if not len(places):
            return images
        places = places.to(images.device)
        return images.index_copy(0, places, perspective(images.index_select(0, places), corners, self._sampling))

    def draw(self, batch: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Return where the corners of ``batch`` images go, ``(B, 4, 2)``.

        The corners are the upper left, upper right, lower right and lower left one, each (x, y) in pixels, float64.
        """
        reach_x, reach_y = int(self._distortion * (width // 2)), int(self._distortion * (height // 2))
        x = torch.randint(reach_x + 1, (batch, _CORNERS), generator=generator)
        y = torch.randint(reach_y + 1, (batch, _CORNERS), generator=generator)
        return (_corners(height, width) - torch.stack([x, y], 2) * _OUTWARDS).double()


def perspective(images: Tensor, corners: Tensor, sampling: Sampling) -> Tensor:
    """Return images ``(B, C, H, W)`` whose corners lie at ``corners (B, 4, 2)``, in pixels, float64, on the CPU."""
    height, width = images.shape[-2:]
    matrices = inverse_perspective(corners, height, width)
    to_grid = torch.tensor([[2 / width, 0, -1], [0, 2 / height, -1], [0, 0, 1]], dtype=torch.float64)
    m = (to_grid @ matrices).float().to(images.device).view(-1, 9, 1, 1).unbind(1)
    x = torch.arange(width, device=images.device) + 0.5
    y = (torch.arange(height, device=images.device) + 0.5).view(1, -1, 1)
    depth = m[6] * x + (m[7] * y + m[8])
    grid = torch.stack([m[0] * x + (m[1] * y + m[2]), m[3] * x + (m[4] * y + m[5])], 3) / depth.unsqueeze(3)
    return sampled(images, grid, sampling)


def inverse_perspective(corners: Tensor, height: int, width: int) -> Tensor:
    """Return where each pixel of the result comes from.

    Args:
        corners: Where the corners of the image of :func:`RandomPerspective.draw` go, ``(B, 4, 2)``, float64.
        height: Of the image, in pixels.
        width: Of the image, in pixels.

    Returns:
        Matrices ``(B, 3, 3)``, float64: ``matrix @ (x, y, 1)`` is the place in the image times its third component.
        Where three of the corners lie on one line there is no such map, and the matrix is the identity.
    """
    x, y = corners.unbind(2)
    to_x, to_y = _corners(height, width).double().expand_as(corners).unbind(2)
    one, none = torch.ones_like(x), torch.zeros_like(x)
    for_x = torch.stack([x, y, one, none, none, none, -to_x * x, -to_x * y], 2)
    for_y = torch.stack([none, none, none, x, y, one, -to_y * x, -to_y * y], 2)
    solution = torch.linalg.solve_ex(torch.cat([for_x, for_y], 1), torch.cat([to_x, to_y], 1)).result
    matrices = torch.cat([solution, one[:, :1]], 1).view(-1, 3, 3)
    is_sound = matrices.isfinite().flatten(1).all(1).view(-1, 1, 1)
    return torch.where(is_sound, matrices, torch.eye(3, dtype=torch.float64))


def _corners(height: int, width: int) -> Tensor:
    right, bottom = width - 1, height - 1
    return torch.tensor([[0, 0], [right, 0], [right, bottom], [0, bottom]])
