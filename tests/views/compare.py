"""Comparisons of batch transforms with torchvision's own, sample by sample."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from recombine.datasets.base import Samples
from recombine.torchvision_import import torchvision
from recombine.torchvision_transform import build_transform
from recombine.view import View
from recombine.views.base import BatchTransform, batch_transforms

functional: Any = torchvision().transforms.functional


def images(batch: int = 16, channels: int = 1, height: int = 20, width: int = 17) -> Tensor:
    """Return smooth images of bytes ``(B, C, H, W)``."""
    noise = torch.rand(batch, channels, 6, 5, generator=torch.Generator().manual_seed(3))
    smooth = torch.nn.functional.interpolate(noise, (height, width), mode="bilinear", align_corners=True)
    return (smooth * 255).round().to(torch.uint8)


def compiled(on_pil: bool = True, **spec: Any) -> Any:
    """Return the batch form of one transform."""
    transform: BatchTransform = batch_transforms()[spec["type"]](build_transform(spec), on_pil)
    return transform


def on_pil(batch: Tensor, apply: Callable[[Any, int], Any]) -> Tensor:
    """Return ``apply(PIL image, position)`` of every image of bytes, as a batch in [0, 1]."""
    results = [apply(functional.to_pil_image(image), position) for position, image in enumerate(batch)]
    return torch.stack([functional.to_tensor(result) for result in results])


def view_of(batch: Tensor, *specs: dict[str, Any], fuse: bool = True) -> View:
    """Return a view of samples."""
    return View("test", specs, Samples(batch), fuse)


def seeded(seed: int = 0) -> torch.Generator:
    """Return a generator."""
    return torch.Generator().manual_seed(seed)
