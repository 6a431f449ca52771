"""The contract of batch transforms: torchvision's transforms as operations on whole batches, each in its own file."""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from recombine import views as folder
from recombine.errors import DataError
from recombine.imaging import (
    AffineParameters,
    Filter,
    Sampling,
    affine,
    center_offset,
    inverse_affine,
    whole,
)

_TO_TENSOR = "ToTensor"
_BYTE = 255


class NotCompilableError(Exception):
    """A transform, or one of its options, has no batch form; the text says which."""


class BatchTransform(ABC):
    """The batch form of one transform of torchvision: one class and one file in this folder.

    The class has the name of torchvision's; its file has the same name in lower case with underscores. Batches are
    float32 ``(B, C, H, W)``, in [0, 1] where the stored image is one of bytes.

    Args:
        transform: The instance of torchvision's class, which has checked its arguments.
        on_pil: Whether torchvision would apply it to PIL images, which resample a little differently from tensors
            and count colours from 0 to 255.

    Raises:
        NotCompilableError: If an option has no batch form.
    """

    is_random: ClassVar[bool] = True

    @abstractmethod
    def __init__(self, transform: Any, on_pil: bool) -> None:
        """Take over the arguments of ``transform``."""

    @abstractmethod
    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Transform images ``(B, C, H, W)``, each with parameters of its own, drawn from ``generator``.

        Raises:
            DataError: If the images do not fit, for example are smaller than a crop.
        """


class Move(NamedTuple):
    """Where each pixel of a result comes from, for a batch of images; positions are in pixels from the middle.

    ``matrices`` ``(B, 2, 3)``, or one for all, float64, lead from positions in the result to positions in the source;
    of a transform that is aligned they are the factors and the shifts of x and y alone, ``(B, 2, 2)``.
    ``size`` is the height and the width of the result. ``part`` ``(B, 2, 2)``, or one for all, float64, has the left
    and the right edge of what may be seen of the source, then the upper and the lower; None: the result shows nothing
    beyond the source's edges.
    """

    matrices: Tensor
    size: tuple[int, int]
    part: Tensor | None


class Geometric(BatchTransform):
    """A batch transform that moves pixels and leaves colours alone, so that several can share one sampling grid.

    Attributes:
        is_aligned: Whether rows stay rows and columns stay columns.
        mirrors: Whether it is aligned and may turn left and right, or up and down, around.
        mode: How it takes values between pixels: ``bilinear``, or ``nearest`` where it needs none.
        fill: The colour beyond the part of the source that may be seen; None: the outermost pixels reach on.
    """

    is_aligned: ClassVar[bool] = True
    mirrors: ClassVar[bool] = False
    mode: str = "nearest"
    fill: tuple[float, ...] | None = None

    def can_join(self, height: int, width: int) -> bool:
        """Whether one grid with others gives what it gives by itself on images of ``height`` x ``width`` pixels.

        That fails for what has to weigh more than the four pixels next to a position, as a reduction does.
        """
        del height, width
        return True

    @abstractmethod
    def size_after(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the results for images of ``height`` x ``width`` pixels."""

    @abstractmethod
    def plan(self, batch: int, height: int, width: int, generator: torch.Generator) -> Move:
        """Return where the pixels of ``batch`` images of ``height`` x ``width`` pixels come from.

        What is drawn is what a call draws.

        Raises:
            DataError: If the images do not fit.
        """


class AffineMap(Geometric):
    """A transform that moves the pixels of each image by one affine map, and keeps the size of the images."""

    is_aligned = False

    @abstractmethod
    def __init__(self, transform: Any, on_pil: bool) -> None:
        """Take over how ``transform`` samples, its colour and its centre."""
        self._sampling = sampling_of(transform, on_pil)
        self.mode, self.fill = self._sampling.mode, self._sampling.fill
        self._center = transform.center

    @abstractmethod
    def maps(self, batch: int, height: int, width: int, generator: torch.Generator) -> AffineParameters:
        """Return a map for each of ``batch`` images of ``height`` x ``width`` pixels."""

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Move images ``(B, C, H, W)``."""
        check_colours(self._sampling.fill, images)
        move = self.plan(len(images), images.shape[-2], images.shape[-1], generator)
        return affine(images, move.matrices, self._sampling)

    def can_join(self, height: int, width: int) -> bool:
        """Whether one grid with others gives the same: not where bilinear values near the border mix with the fill."""
        del height, width
        return not (self._sampling.blend and self.mode == "bilinear")

    def size_after(self, height: int, width: int) -> tuple[int, int]:
        """Return the size of the results: that of the images."""
        return height, width

    def plan(self, batch: int, height: int, width: int, generator: torch.Generator) -> Move:
        """Return where the pixels of ``batch`` images of ``height`` x ``width`` pixels come from."""
        parameters = self.maps(batch, height, width, generator)
        matrices = inverse_affine(parameters, center_offset(self._center, height, width))
        return Move(matrices, (height, width), whole(height, width))


@cache
def batch_transforms() -> dict[str, type[BatchTransform]]:
    """Return the batch transforms of this folder by torchvision's class name."""
    stems = sorted(module.name for module in pkgutil.iter_modules(folder.__path__) if module.name != "base")
    found = {}
    for stem in stems:
        name = "".join(part.capitalize() for part in stem.split("_"))
        found[name] = getattr(importlib.import_module(f"{folder.__name__}.{stem}"), name)
    return found


def compile_transforms(transforms: Sequence[Any], on_pil: bool) -> list[BatchTransform]:
    """Return the batch forms of instances of torchvision's transforms, to be applied in order.

    Raises:
        NotCompilableError: If one of them has none.
    """
    compiled = []
    for transform in transforms:
        name = type(transform).__name__
        if name not in batch_transforms():
            raise NotCompilableError(f"{name} has no batch form")
        compiled.append(batch_transforms()[name](transform, on_pil))
        on_pil = on_pil and name != _TO_TENSOR
    return compiled


def filter_of(transform: Any, on_pil: bool) -> Filter:
    """Return how a transform that stretches images weighs the pixels; NotCompilableError for what is not supported."""
    mode = transform.interpolation.value
    if mode not in ("bilinear", "bicubic"):
        raise NotCompilableError(f"{type(transform).__name__} with interpolation {mode} has no batch form")
    if not on_pil and transform.antialias is not True:
        raise NotCompilableError(f"{type(transform).__name__} without antialiasing has no batch form")
    return Filter(mode, on_pil and mode == "bicubic")


def sampling_of(transform: Any, on_pil: bool) -> Sampling:
    """Return how a transform that moves images samples them; NotCompilableError for what is not supported."""
    mode = transform.interpolation.value
    if mode not in ("nearest", "bilinear"):
        raise NotCompilableError(f"{type(transform).__name__} with interpolation {mode} has no batch form")
    return Sampling(mode, fill_of(transform, on_pil), not on_pil)


def fill_of(transform: Any, on_pil: bool) -> tuple[float, ...]:
    """Return the colour with which a transform fills, one value or one a channel, on the scale of the batches."""
    fill = transform.fill if isinstance(transform.fill, (tuple, list)) else (transform.fill,)
    return tuple(float(value) / (_BYTE if on_pil else 1) for value in fill)


def chosen(images: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Return which images ``(B, C, H, W)`` are chosen, each with ``probability``; bool ``(B, 1, 1, 1)``."""
    return (torch.rand(len(images), 1, 1, 1, generator=generator) < probability).to(images.device)


def mirroring(which: Tensor, axis: int) -> Tensor:
    """Return maps ``(B, 2, 2)``, float64, that mirror the images of ``which (B,)`` along x (0) or y (1)."""
    matrices = torch.tensor([[1.0, 0], [1, 0]], dtype=torch.float64).repeat(len(which), 1, 1)
    matrices[which, axis, 0] = -1
    return matrices


def check_colours(fill: tuple[float, ...], images: Tensor) -> None:
    """Raise DataError if a colour has neither one value nor one for each channel of ``images (B, C, H, W)``."""
    if len(fill) not in (1, images.shape[1]):
        raise DataError(f"a fill of {len(fill)} values does not suit images of {images.shape[1]} channels")
