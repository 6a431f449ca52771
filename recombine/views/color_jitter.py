"""ColorJitter: change brightness, contrast, saturation and hue of each image."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from recombine.colours import HIGHEST, blend, check_channels, levels, shift_hue, shift_hue_of_levels, to_gray
from recombine.views.base import BatchTransform

_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE = range(4)


class Jitter(NamedTuple):
    """The S steps of each image in their order: what changes, 0 to 3, int64, and by what factor or how many turns.

    Both are ``(B, S)``, ``factors`` float32. 0 is brightness, 1 contrast, 2 saturation, 3 hue.
    """

    kinds: Tensor
    factors: Tensor


class ColorJitter(BatchTransform):
    """Brightness, contrast, saturation and hue by factors of its own for each image, in an order of its own.

    What PIL would do is counted in whole levels of 0 to 255 as there, cut after each step: single pixels may differ by
    a few 255ths.
    """

    def __init__(self, transform: Any, on_pil: bool) -> None:
        ranges = (transform.brightness, transform.contrast, transform.saturation, transform.hue)
        given = [(kind, values) for kind, values in enumerate(ranges) if values is not None]
        self._kinds = torch.tensor([kind for kind, _ in given], dtype=torch.int64)
        self._low = torch.tensor([float(values[0]) for _, values in given])
        self._high = torch.tensor([float(values[1]) for _, values in given])
        self._on_pil = on_pil

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Change the colours of images ``(B, C, H, W)``."""
        check_channels("ColorJitter", images)
        jitter = self.draw(len(images), generator)
        result = levels(images) if self._on_pil else images
        for kinds, factors in zip(jitter.kinds.unbind(1), jitter.factors.unbind(1), strict=True):
            result = self._adjusted(result, kinds.view(-1, 1, 1, 1), factors.view(-1, 1, 1, 1))
        return result / HIGHEST if self._on_pil else result

    def draw(self, batch: int, generator: torch.Generator) -> Jitter:
        """Return the steps of ``batch`` images: factors uniform in their ranges, every order as likely."""
        shape = (batch, len(self._kinds))
        order = torch.rand(shape, generator=generator).argsort(1)
        factors = self._low + (self._high - self._low) * torch.rand(shape, generator=generator)
        return Jitter(self._kinds[order], factors.gather(1, order))

    def _adjusted(self, images: Tensor, kinds: Tensor, factors: Tensor) -> Tensor:
        """Return images after one step each: of ``kinds`` by ``factors``, both ``(B, 1, 1, 1)`` on the CPU."""
        is_hue = kinds == _HUE
        blended = self._blended(images, kinds.to(images.device), factors.masked_fill(is_hue, 1).to(images.device))
        turning = is_hue.flatten().nonzero().flatten()
        if not len(turning):
            return blended
        places, turns = turning.to(images.device), factors[turning].to(images.device)
        shift = shift_hue_of_levels if self._on_pil else shift_hue
        return blended.index_copy_(0, places, shift(images.index_select(0, places), turns))

    def _blended(self, images: Tensor, kinds: Tensor, factors: Tensor) -> Tensor:
        """Return mixtures: for brightness with black, for contrast with the mean gray value, else with gray."""
        gray = to_gray(images, self._on_pil)
        if self._on_pil:
            gray = gray.round()
        mean = gray.mean((1, 2, 3), keepdim=True)
        other = torch.where(kinds == _CONTRAST, (mean + 0.5).floor() if self._on_pil else mean, gray)
        other.mul_(kinds != _BRIGHTNESS)
        if self._on_pil:
            return blend(images, other, factors, HIGHEST).floor_()
        return blend(images, other, factors)
