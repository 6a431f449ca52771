"""Views: lists of torchvision transforms, compiled to operations on whole batches with parameters for each sample."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from recombine.datasets.base import Samples, stacked
from recombine.errors import DataError
from recombine.fusion import fused
from recombine.per_sample import PerSample
from recombine.torchvision_transform import build_transform
from recombine.views.base import BatchTransform, NotCompilableError, compile_transforms

Spec = Mapping[str, Any]

_TO_TENSOR = "ToTensor"
_SEEDS = 2**62
_PLAIN_CHANNELS = (1, 3)


class View:
    """One way to see the samples.

    Args:
        name: The name by which patterns ask for the view.
        transforms: Descriptions ``{"type": <class in torchvision.transforms>, ...}``; a list that leaves an image
            gets ToTensor appended.
        samples: The decoded dataset: its kind decides what can be applied.
        fuse: Whether consecutive geometric transforms share one sampling grid, from the first random one on.

    Attributes:
        fallback_reason: Why the view runs torchvision's own code on one sample after the other, or None.
        per_sample: The transforms for that, or None.
        is_random: Whether two calls may differ.
        prefix_is_costly: Whether :meth:`prepare` does more than change the number format.

    Raises:
        DataError: If a transform cannot be built or does not fit the kind of the samples.
    """

    def __init__(self, name: str, transforms: Sequence[Spec], samples: Samples, fuse: bool) -> None:
        self.name = name
        self.fallback_reason: str | None = None
        self._scale = samples.scale
        self._is_pil = samples.kind == "image"
        self._prefix: list[BatchTransform] = []
        self._rest: list[BatchTransform] = []
        self.per_sample: PerSample | None = None
        with self._naming():
            specs = _complete(list(transforms), samples.kind)
            self._compile(specs, samples, fuse)

    @property
    def is_random(self) -> bool:
        """Whether the view depends on the generator."""
        return bool(self._rest) if self.per_sample is None else self.per_sample.is_random

    @property
    def prefix_is_costly(self) -> bool:
        """Whether :meth:`prepare` does more than change the number format."""
        if self.per_sample is not None:
            return not self.per_sample.is_random
        return any(type(transform).__name__ != _TO_TENSOR for transform in self._prefix)

    def __call__(self, values: Tensor | list[Tensor], generator: torch.Generator) -> Tensor:
        """Return the view ``(B, ...)``, float32, of stored samples ``(B, ...)``."""
        return self.finish(self.prepare(values), generator)

    def prepare(self, values: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
        """Apply the transforms before the first random one to stored samples ``(B, ...)``."""
        with self._naming():
            if self.per_sample is not None:
                return values if self.is_random else _each(self.per_sample, values, torch.Generator())
            if isinstance(values, list):
                raise TypeError("samples of unequal shapes have no batch form")
            return _applied(self._prefix, values.float() / self._scale, torch.Generator())

    def finish(self, prepared: Tensor | list[Tensor], generator: torch.Generator) -> Tensor:
        """Apply the first random transform and those after it to what :meth:`prepare` returned."""
        with self._naming():
            if self.per_sample is not None and self.is_random:
                return _each(self.per_sample, prepared, generator)
            if isinstance(prepared, list):
                raise TypeError("samples of unequal shapes have no batch form")
            return _applied(self._rest, prepared, generator)

    def _compile(self, specs: list[Spec], samples: Samples, fuse: bool) -> None:
        instances = [build_transform(spec) for spec in specs]
        try:
            if samples.is_ragged:
                raise NotCompilableError("the samples have unequal shapes")
            channels = len(samples.values[0])
            if self._is_pil and channels not in _PLAIN_CHANNELS:
                raise NotCompilableError(f"the images have {channels} channels")
            compiled = compile_transforms(instances, self._is_pil)
        except NotCompilableError as error:
            self.fallback_reason = str(error)
            self.per_sample = PerSample(specs, self._is_pil)
            return
        first_random = next((i for i, transform in enumerate(compiled) if transform.is_random), len(compiled))
        self._prefix, rest = compiled[:first_random], compiled[first_random:]
        self._rest = fused([part for part in rest if type(part).__name__ != _TO_TENSOR]) if fuse else rest

    def gathered(self, compute: Callable[[], list[Tensor]]) -> Tensor:
        """Return the view ``(B, ...)``, float32, of the samples that ``compute`` gets out of :attr:`per_sample`."""
        with self._naming():
            return _together(compute())

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Put the view's name before the text of a DataError."""
        try:
            yield
        except DataError as error:
            raise DataError(f'view "{self.name}": {error}') from error


def seeds(count: int, generator: torch.Generator) -> list[int]:
    """Return a seed for each of ``count`` samples that are transformed one after the other."""
    drawn: list[int] = torch.randint(_SEEDS, (count,), generator=generator).tolist()
    return drawn


def _each(fallback: PerSample, values: Tensor | list[Tensor], generator: torch.Generator) -> Tensor:
    return _together(fallback(values, seeds(len(values), generator)))


def _together(results: list[Tensor]) -> Tensor:
    together = stacked(results)
    if isinstance(together, list):
        shapes = ", ".join(sorted({str(tuple(result.shape)) for result in results}))
        raise DataError(f"the samples have unequal shapes after the transforms ({shapes}); add one that evens them")
    return together.float()


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
