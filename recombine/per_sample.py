"""torchvision's own transforms on one sample after the other, for what has no batch form."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from recombine.errors import DataError
from recombine.torchvision_import import FAILURES, torchvision
from recombine.torchvision_transform import build_transform

Spec = Mapping[str, Any]

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
    "ToTensor",
}


class PerSample:
    """A list of torchvision's transforms, each sample with a seed of its own.

    Args:
        specs: Descriptions ``{"type": <class in torchvision.transforms>, ...}``, to be applied in order.
        on_pil: Whether the first transform gets PIL images, else tensors.

    Attributes:
        specs: The descriptions.
        on_pil: Whether the first transform gets PIL images.
        is_random: Whether the results depend on the seeds.

    Raises:
        DataError: If a transform cannot be built.
    """

    def __init__(self, specs: Sequence[Spec], on_pil: bool) -> None:
        self.specs = tuple(specs)
        self.on_pil = on_pil
        self._transforms = [build_transform(spec) for spec in specs]
        self.is_random = any(type(transform).__name__ not in _DETERMINISTIC for transform in self._transforms)

    def __call__(self, values: Tensor | Sequence[Tensor], seeds: Sequence[int]) -> list[Tensor]:
        """Transform stored samples ``(B, ...)`` with the ``B`` seeds; the global generators stay as they are.

        It works on one thread, as the order of sums over several is not fixed, wherever it runs.

        Raises:
            DataError: If torchvision refuses a sample, or the transforms do not end in a tensor.
        """
        with _one_thread(), _global_generators_kept():
            return [self._one(value, seed) for value, seed in zip(values, seeds, strict=True)]

    def _one(self, value: Tensor, seed: int) -> Tensor:
        torch.default_generator.manual_seed(seed)
        random.seed(seed)
        try:
            image = torchvision().transforms.functional.to_pil_image(value) if self.on_pil else value
            for transform in self._transforms:
                image = transform(image)
        except FAILURES as error:
            raise DataError(f"a sample cannot be transformed: {error}") from error
        if not isinstance(image, Tensor):
            raise DataError(f"the transforms end in a {type(image).__name__}, which is no tensor")
        return image


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch compute on one thread for a while."""
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(count)


@contextmanager
def _global_generators_kept() -> Iterator[None]:
    """Restore the states of the global generators that torchvision's transforms draw from."""
    state = random.getstate()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(state)
