"""Colours of image batches: gray values, mixtures, hue, and levels of bytes."""

import torch
from torch import Tensor

from recombine.errors import DataError

HIGHEST = 255
_COLOURED = 3
_PLAIN_CHANNELS = (1, _COLOURED)
_GRAY_OF_PIL = (0.299, 0.587, 0.114)
_GRAY_OF_TENSORS = (0.2989, 0.587, 0.114)
_SEXTANTS = 6
_RED_GREEN_BLUE = (5, 3, 1)
#: What is a whole number of 255ths in exact arithmetic must not be cut to the one below.
_SLACK = 1e-4


def check_channels(name: str, images: Tensor) -> None:
    """Raise DataError unless ``images (B, C, H, W)``, which the transform ``name`` gets, are gray or red-green-blue."""
    if images.shape[1] not in _PLAIN_CHANNELS:
        raise DataError(f"{name} takes images of 1 or 3 channels, not of {images.shape[1]}")


def levels(images: Tensor) -> Tensor:
    """Return values in [0, 1] as the nearest of the levels 0 to 255 that PIL counts; float, of the same shape."""
    return (images * HIGHEST).round_()


def to_gray(images: Tensor, on_pil: bool) -> Tensor:
    """Return the brightness (luma of ITU-R 601) of images ``(B, 1 or 3, H, W)``; ``(B, 1, H, W)``.

    torchvision's weights for tensors sum to 0.9999, those of PIL to 1.
    """
    if images.shape[1] != _COLOURED:
        return images
    weights = _GRAY_OF_PIL if on_pil else _GRAY_OF_TENSORS
    red, green, blue = images.tensor_split(_COLOURED, 1)
    return (red * weights[0]).add_(green, alpha=weights[1]).add_(blue, alpha=weights[2])


def blend(images: Tensor, other: Tensor, share: Tensor, highest: int = 1) -> Tensor:
    """Return ``share * images + (1 - share) * other``, cut to [0, highest].

    Args:
        images: ``(B, C, H, W)``.
        other: ``(B, C, H, W)`` or what can be broadcast to it.
        share: Share of the images, at least 0, also above 1; one number or ``(B, 1, 1, 1)``.
        highest: The greatest value.
    """
    return torch.lerp(other, images, share).clamp_(0, highest)


def rgb_to_hsv(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return hue (in turns, [0, 1)), saturation and value of images ``(B, 3, H, W)``; each ``(B, 1, H, W)``.

    The hue of a gray pixel is 0.
    """
    red, green, blue = images.tensor_split(_COLOURED, 1)
    value = torch.maximum(torch.maximum(red, green), blue)
    least = torch.minimum(torch.minimum(red, green), blue)
    chroma = value - least
    is_gray = chroma == 0
    divisor = chroma.masked_fill(is_gray, 1)
    from_green = torch.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4)
    sextant = torch.where(value == red, (green - blue) / divisor, from_green)
    return _wrapped(sextant / _SEXTANTS, 1), chroma / value.masked_fill(is_gray, 1), value


def hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Return the images ``(B, 3, H, W)`` of :func:`rgb_to_hsv`; the hue may lie outside [0, 1)."""
    shift = torch.tensor(_RED_GREEN_BLUE, device=hue.device).view(1, -1, 1, 1)
    place = _wrapped(hue * _SEXTANTS + shift, _SEXTANTS)
    lack = torch.minimum(place, 4 - place).clamp_(0, 1)
    return value - value * saturation * lack


def shift_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Return images ``(B, 1 or 3, H, W)`` in [0, 1] with ``turns (B, 1, 1, 1)`` added to the hue; gray ones stay."""
    if images.shape[1] != _COLOURED:
        return images
    hue, saturation, value = rgb_to_hsv(images)
    return hsv_to_rgb(hue + turns, saturation, value)


def shift_hue_of_levels(images: Tensor, turns: Tensor) -> Tensor:
    """Do as :func:`shift_hue` to images of levels 0 to 255, and count as PIL does.

    PIL has 256 hues and saturations and cuts what lies between, which moves colours by several levels.
    """
    if images.shape[1] != _COLOURED:
        return images
    hue, saturation, value = rgb_to_hsv(images)
    hue = _wrapped(_cut(hue) + (turns * HIGHEST).trunc(), HIGHEST + 1) / HIGHEST
    return hsv_to_rgb(hue, _cut(saturation) / HIGHEST, value).round_()


def _wrapped(values: Tensor, period: int) -> Tensor:
    """Return ``values``, which are overwritten, modulo ``period``; ``remainder`` is several times slower on a CPU."""
    return values.sub_((values / period).floor_(), alpha=period)


def _cut(values: Tensor) -> Tensor:
    return (values * HIGHEST + _SLACK).floor_()
