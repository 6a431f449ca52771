"""Resampling of image batches with a box or an affine map for each sample."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_CUBIC = -0.5
_CUBIC_RADIUS = 2
NEAREST_TIE = 1e-4


class Boxes(NamedTuple):
    """Parts of images in pixels: ``top``, ``left``, ``height`` and ``width``, each ``(B,)``, whole numbers."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor


def triangle(x: Tensor) -> Tensor:
    """Return the bilinear filter, of radius 1."""
    return x.abs().neg_().add_(1).clamp_min_(0)


def cubic(x: Tensor) -> Tensor:
    """Return Keys' bicubic filter with a = -0.5, of radius 2."""
    x = x.abs()
    near = ((_CUBIC + 2) * x - (_CUBIC + 3)) * x * x + 1
    far = _CUBIC * (((x - 5) * x + 8) * x - 4)
    return torch.where(x < 1, near, far) * (x < _CUBIC_RADIUS)


FILTERS = {"bilinear": triangle, "bicubic": cubic}


class Filter(NamedTuple):
    """How pixels are weighted: ``name`` is ``bilinear`` or ``bicubic``; ``clip`` keeps the results in [0, 1]."""

    name: str
    clip: bool


def resampling_matrix(start: Tensor, length: Tensor, size: int, out: int, filter_name: str) -> Tensor:
    """Return the weights that stretch a part of every row of pixels to ``out`` pixels, with antialiasing.

    The filter is widened by the factor of a reduction, and its weights sum to 1 over the pixels of the part.

    Args:
        start: First pixel of the part, ``(B,)``.
        length: Pixels of the part, ``(B,)``, at least 1.
        size: Pixels of a row.
        out: Pixels of the result.
        filter_name: ``bilinear`` or ``bicubic``.

    Returns:
        Weights ``(B, out, size)``, float32.
    """
    start, length = start.view(-1, 1).float(), length.view(-1, 1).float()
    scale = length / out
    reach = scale.clamp_min(1)
    pixel = torch.arange(size, device=start.device) - start
    center = (torch.arange(out, device=start.device) + 0.5) * scale / reach
    inside = ((pixel >= 0) & (pixel < length)).float()
    weights = FILTERS[filter_name](((pixel + 0.5) / reach).unsqueeze(1) - center.unsqueeze(2)) * inside.unsqueeze(1)
    return weights.div_(weights.sum(2, keepdim=True))


def crop_and_resize(images: Tensor, boxes: Boxes, size: tuple[int, int], kernel: Filter) -> Tensor:
    """Return one part of each image, stretched to one size.

    Args:
        images: ``(B, C, H, W)``.
        boxes: The parts, one for each image or one for all.
        size: Height and width of the result.
        kernel: The weights of the pixels.

    Returns:
        Images ``(B, C, *size)``.
    """
    height, width = images.shape[-2:]
    rows = resampling_matrix(boxes.top, boxes.height, height, size[0], kernel.name).unsqueeze(1)
    columns = resampling_matrix(boxes.left, boxes.width, width, size[1], kernel.name).unsqueeze(1)
    narrow = images @ columns.mT
    result = rows @ (narrow.clamp_(0, 1) if kernel.clip else narrow)
    return result.clamp_(0, 1) if kernel.clip else result


def edges(boxes: Boxes, height: int, width: int) -> Tensor:
    """Return the edges of boxes as ``(B, 2, 2)``, float64: left and right, then top and bottom, from the middle.

    Args:
        boxes: Parts of the images.
        height: Pixels of a column of the images.
        width: Pixels of a row.
    """
    left, top = boxes.left.double() - width / 2, boxes.top.double() - height / 2
    return torch.stack([left, left + boxes.width, top, top + boxes.height], 1).view(-1, 2, 2)


def whole(height: int, width: int) -> Tensor:
    """Return the edges ``(1, 2, 2)`` of whole images, float64: left and right, then top and bottom, from the middle."""
    return torch.tensor([[[-width / 2, width / 2], [-height / 2, height / 2]]], dtype=torch.float64)


def stretching(part: Tensor, size: tuple[int, int]) -> Tensor:
    """Return maps ``(B, 2, 2)``, float64, from images of ``size`` to the parts ``(B, 2, 2)`` that fill them.

    They are the factors and the shifts of x, then of y.
    """
    low, high = part.unbind(2)
    return torch.stack([(high - low) / torch.tensor([size[1], size[0]], dtype=torch.float64), (low + high) / 2], 2)


class AffineParameters(NamedTuple):
    """Maps of the image plane, one for each sample; each ``(B,)``, float64.

    ``angle`` is clockwise in degrees, ``shift_x`` and ``shift_y`` are in pixels, ``scale`` is a factor above 0,
    ``shear_x`` and ``shear_y`` are in degrees. None stands for maps that do not shift, scale or shear at all; of the
    two shifts, or the two shears, both are None or neither.
    """

    angle: Tensor
    shift_x: Tensor | None = None
    shift_y: Tensor | None = None
    scale: Tensor | None = None
    shear_x: Tensor | None = None
    shear_y: Tensor | None = None


def inverse_affine(parameters: AffineParameters, center: tuple[float, float]) -> Tensor:
    """Return where each pixel of the result comes from.

    The forward map turns, shears and scales about ``center``, then shifts: ``T C R(angle) S(scale) SHy SHx C^-1``.

    Args:
        parameters: The maps.
        center: Their fixed point ``(x, y)`` in pixels, relative to the middle of the image.

    Returns:
        Matrices ``(B, 2, 3)`` from positions in the result to positions in the image, both in pixels relative to the
        middle of the image, float64.
    """
    inverse = torch.stack(_inverse_turn_and_shear(parameters), 1).view(-1, 2, 2)
    if parameters.scale is not None:
        inverse = inverse / parameters.scale.view(-1, 1, 1)
    fixed = torch.tensor(center, dtype=torch.float64).view(2, 1)
    if parameters.shift_x is not None and parameters.shift_y is not None:
        place = fixed + torch.stack([parameters.shift_x, parameters.shift_y], 1).unsqueeze(2)
        return torch.cat([inverse, fixed - inverse @ place], 2)
    offset = fixed - inverse @ fixed if any(center) else fixed.expand(len(inverse), 2, 1)
    return torch.cat([inverse, offset], 2)


def _inverse_turn_and_shear(parameters: AffineParameters) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the inverses of ``R(angle) SHy SHx``, row by row, each number ``(B,)``."""
    angle = torch.deg2rad(parameters.angle)
    if parameters.shear_x is None or parameters.shear_y is None:
        cosine, sine = angle.cos(), angle.sin()
        return cosine, sine, -sine, cosine
    shear_x, shear_y = torch.deg2rad(parameters.shear_x), torch.deg2rad(parameters.shear_y)
    cosine, sine = (angle - shear_y).cos() / shear_y.cos(), (angle - shear_y).sin() / shear_y.cos()
    tangent = shear_x.tan()
    return angle.cos() - sine * tangent, cosine * tangent + angle.sin(), -sine, cosine


def center_offset(center: Sequence[float] | None, height: int, width: int) -> tuple[float, float]:
    """Return a centre ``(x, y)``, in pixels from the upper left corner, relative to the middle of the image."""
    return (0.0, 0.0) if center is None else (center[0] - width / 2, center[1] - height / 2)


class Sampling(NamedTuple):
    """How values between pixels and outside the image arise.

    ``mode`` is ``nearest`` or ``bilinear``; ``fill`` ``(1 or C,)`` is the colour outside. ``blend`` says whether
    bilinear values near the border mix with that colour (torchvision on tensors, which darkens them first by the share
    that lies outside) or not (on PIL images).
    """

    mode: str
    fill: tuple[float, ...]
    blend: bool


def affine(images: Tensor, matrices: Tensor, sampling: Sampling) -> Tensor:
    """Return images ``(B, C, H, W)`` seen through the maps ``matrices (B, 2, 3)`` of :func:`inverse_affine`.

    A nearest position exactly between two pixels goes to the one on the right or below, as in PIL.
    """
    height, width = images.shape[-2:]
    x = torch.arange(width, device=images.device) - (width - 1) / 2
    y = (torch.arange(height, device=images.device) - (height - 1) / 2).view(1, -1, 1)
    halves = torch.tensor([[width / 2], [height / 2]], dtype=torch.float64)
    tie = torch.tensor([0, 0, NEAREST_TIE if sampling.mode == "nearest" else 0])
    m = ((matrices + tie) / halves).float().to(images.device).view(-1, 6, 1, 1).unbind(1)
    grid = images.new_empty(len(images), height, width, 2)
    torch.add(m[0] * x, m[1] * y + m[2], out=grid[..., 0])
    torch.add(m[3] * x, m[4] * y + m[5], out=grid[..., 1])
    return sampled(images, grid, sampling)


def sampled(images: Tensor, grid: Tensor, sampling: Sampling) -> Tensor:
    """Return the values at ``grid (B, H, W, 2)``, in which the image reaches from -1 to 1."""
    colour = torch.tensor(sampling.fill, dtype=images.dtype, device=images.device).view(1, -1, 1, 1)
    if sampling.mode == "bilinear" and sampling.blend:
        covered = F.pad(images, (0, 0, 0, 0, 0, 1), value=1)
        pixels, share = F.grid_sample(covered, grid, align_corners=False).tensor_split([-1], 1)
        return pixels * share + (1 - share) * colour
    if sampling.mode == "bilinear":
        pixels = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
        outside = ((grid < -1) | (grid >= 1)).any(3)
        return torch.where(outside.unsqueeze(1), colour, pixels)
    if not any(sampling.fill):
        return F.grid_sample(images, grid, mode=sampling.mode, align_corners=False)
    return F.grid_sample(images - colour, grid, mode=sampling.mode, align_corners=False) + colour


def resized_shape(height: int, width: int, size: tuple[int, ...], longest: int | None) -> tuple[int, int]:
    """Return height and width after a resize: of both edges, or of the shorter one with the ratio kept.

    Args:
        height: Present height.
        width: Present width.
        size: Height and width, or the shorter edge alone.
        longest: With the shorter edge alone, the greatest length of the longer one, or None.
    """
    if len(size) > 1:
        return size[0], size[1]
    shorter = size[0]
    longer = int(shorter * max(height, width) / min(height, width))
    if longest is not None and longer > longest:
        shorter, longer = int(longest * shorter / longer), longest
    return (longer, shorter) if width <= height else (shorter, longer)


def round_to_int(values: Tensor) -> Tensor:
    """Return values rounded to int64, halves to the even neighbour, as Python rounds."""
    return values.round().long()


def uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    """Return float64 values from [low, high)."""
    return low + (high - low) * unit(shape, generator)


def unit(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return float64 values from [0, 1)."""
    return torch.rand(shape, generator=generator, dtype=torch.float64, device=generator.device)
