"""Views: lists of torchvision transforms, compiled to operations on whole batches with parameters for each sample."""

import importlib
import pkgutil
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from recombine import views as folder
from recombine.datasets.base import Samples, stacked
from recombine.errors import DataError
from recombine.imaging import Filter, Sampling
from recombine.torchvision_import import FAILURES, torchvision
from recombine.torchvision_transform import build_transform

Spec = Mapping[str, Any]

_TO_TENSOR = "ToTensor"
_BYTE = 255
_SEEDS = 2**62
_PLAIN_CHANNELS = (1, 3)
_DETERMINISTIC = {
    "CenterCrop",
    "ConvertImageDtype",
    "Grayscale",
    "LinearTransformation",
    "Normalize",
    "PILToTensor",
    "Pad",
    "Resize",
    "ToPILImage",
    _TO_TENSOR,
}


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


def check_colours(fill: tuple[float, ...], images: Tensor) -> None:
    """Raise DataError if a colour has neither one value nor one for each channel of ``images (B, C, H, W)``."""
    if len(fill) not in (1, images.shape[1]):
        raise DataError(f"a fill of {len(fill)} values does not suit images of {images.shape[1]} channels")


class View:
    """One way to see the samples.

    Args:
        name: The name by which patterns ask for the view.
        transforms: Descriptions ``{"type": <class in torchvision.transforms>, ...}``; a list that leaves an image
            gets ToTensor appended.
        samples: The decoded dataset: its kind decides what can be applied.

    Attributes:
        fallback_reason: Why the view runs torchvision's own code on one sample after the other, or None.
        is_random: Whether two calls may differ.
        prefix_is_costly: Whether :meth:`prepare` does more than change the number format.

    Raises:
        DataError: If a transform cannot be built or does not fit the kind of the samples.
    """

    def __init__(self, name: str, transforms: Sequence[Spec], samples: Samples) -> None:
        self.name = name
        self.fallback_reason: str | None = None
        self._scale = _BYTE if samples.values[0].dtype == torch.uint8 else 1
        self._is_pil = samples.kind == "image"
        self._prefix: list[BatchTransform] = []
        self._rest: list[BatchTransform] = []
        self._one_by_one: list[Any] = []
        with self._naming():
            specs = _complete(list(transforms), samples.kind)
            instances = [build_transform(spec) for spec in specs]
            self._compile(instances, samples)

    @property
    def is_random(self) -> bool:
        """Whether the view depends on the generator."""
        if self.fallback_reason is not None:
            return any(type(transform).__name__ not in _DETERMINISTIC for transform in self._one_by_one)
        return bool(self._rest)

    @property
    def prefix_is_costly(self) -> bool:
        """Whether :meth:`prepare` does more than change the number format."""
        if self.fallback_reason is not None:
            return not self.is_random
        return any(type(transform).__name__ != _TO_TENSOR for transform in self._prefix)

    def __call__(self, values: Tensor | list[Tensor], generator: torch.Generator) -> Tensor:
        """Return the view ``(B, ...)``, float32, of stored samples ``(B, ...)``."""
        return self.finish(self.prepare(values), generator)

    def prepare(self, values: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
        """Apply the transforms before the first random one to stored samples ``(B, ...)``."""
        with self._naming():
            if self.fallback_reason is not None:
                return values if self.is_random else self._each(values, torch.Generator())
            if isinstance(values, list):
                raise TypeError("samples of unequal shapes have no batch form")
            return _applied(self._prefix, values.float() / self._scale, torch.Generator())

    def finish(self, prepared: Tensor | list[Tensor], generator: torch.Generator) -> Tensor:
        """Apply the first random transform and those after it to what :meth:`prepare` returned."""
        with self._naming():
            if self.fallback_reason is not None and self.is_random:
                return self._each(prepared, generator)
            if isinstance(prepared, list):
                raise TypeError("samples of unequal shapes have no batch form")
            return _applied(self._rest, prepared, generator)

    def _compile(self, instances: list[Any], samples: Samples) -> None:
        try:
            if samples.is_ragged:
                raise NotCompilableError("the samples have unequal shapes")
            channels = len(samples.values[0])
            if self._is_pil and channels not in _PLAIN_CHANNELS:
                raise NotCompilableError(f"the images have {channels} channels")
            compiled = compile_transforms(instances, self._is_pil)
        except NotCompilableError as error:
            self.fallback_reason = str(error)
            self._one_by_one = instances
            return
        first_random = next((i for i, transform in enumerate(compiled) if transform.is_random), len(compiled))
        self._prefix, self._rest = compiled[:first_random], compiled[first_random:]

    def _each(self, values: Tensor | list[Tensor], generator: torch.Generator) -> Tensor:
        """Apply torchvision's transforms to one sample after the other; each sample has a seed of its own."""
        seeds = torch.randint(_SEEDS, (len(values),), generator=generator).tolist()
        with _global_generators_kept():
            results = [self._one(value, seed) for value, seed in zip(values, seeds, strict=True)]
        together = stacked(results)
        if isinstance(together, list):
            shapes = ", ".join(sorted({str(tuple(result.shape)) for result in results}))
            raise DataError(f"the samples have unequal shapes after the transforms ({shapes}); add one that evens them")
        return together.float()

    def _one(self, value: Tensor, seed: int) -> Tensor:
        torch.default_generator.manual_seed(seed)
        random.seed(seed)
        try:
            image = torchvision().transforms.functional.to_pil_image(value) if self._is_pil else value
            for transform in self._one_by_one:
                image = transform(image)
        except FAILURES as error:
            raise DataError(f"a sample cannot be transformed: {error}") from error
        if not isinstance(image, Tensor):
            raise DataError(f"the transforms end in a {type(image).__name__}, which is no tensor")
        return image

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Put the view's name before the text of a DataError."""
        try:
            yield
        except DataError as error:
            raise DataError(f'view "{self.name}": {error}') from error


def _complete(transforms: list[Spec], kind: str) -> list[Spec]:
    """Return what is to be applied: ``Compose`` unpacked, ``ToTensor`` added to images and left out of the rest."""
    specs = _unpacked(transforms)
    if kind == "image":
        return [*specs, {"type": _TO_TENSOR}] if _leaves_image(specs) else specs
    specs = [spec for spec in specs if spec.get("type") != _TO_TENSOR]
    if kind == "other" and specs:
        raise DataError(f'"{specs[0].get("type")}" transforms images, but the samples of this dataset are none')
    return specs


def _unpacked(transforms: list[Spec]) -> list[Spec]:
    specs: list[Spec] = []
    for spec in transforms:
        specs += _unpacked(list(spec.get("transforms", ()))) if spec.get("type") == "Compose" else [spec]
    return specs


def _leaves_image(specs: list[Spec]) -> bool:
    """Whether PIL images come out of a list that PIL images go into."""
    for spec in reversed(specs):
        if spec.get("type") in (_TO_TENSOR, "PILToTensor"):
            return False
        if spec.get("type") == "ToPILImage":
            return True
    return True


def _applied(transforms: list[BatchTransform], images: Tensor, generator: torch.Generator) -> Tensor:
    for transform in transforms:
        images = transform(images, generator)
    return images


@contextmanager
def _global_generators_kept() -> Iterator[None]:
    """Restore the states of the global generators that torchvision's transforms draw from."""
    state = random.getstate()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(state)
