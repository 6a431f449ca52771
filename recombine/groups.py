"""Batches of which every image takes its own way through several transforms."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from recombine.errors import DataError
from recombine.views.base import BatchTransform, NotCompilableError, compile_transforms


class Group(NamedTuple):
    """Images ``(G, C, H, W)`` of a batch and their places in it, ``(G,)``, int64, on the CPU."""

    places: Tensor
    images: Tensor


def compile_parts(transform: Any, on_pil: bool) -> list[list[BatchTransform]]:
    """Return the batch forms of the transforms between which torchvision's ``transform`` draws lots.

    Each is a list: of one, or of those that a Compose holds.

    Raises:
        NotCompilableError: If one of them has none, or is ToTensor, which changes what the others work on.
    """
    parts = [part.transforms if type(part).__name__ == "Compose" else [part] for part in transform.transforms]
    if any(type(step).__name__ == "ToTensor" for part in parts for step in part):
        raise NotCompilableError(f"{type(transform).__name__} around ToTensor has no batch form")
    return [compile_transforms(part, on_pil) for part in parts]


def whole(images: Tensor) -> list[Group]:
    """Return a batch ``(B, C, H, W)`` as one group."""
    return [Group(torch.arange(len(images)), images)]


def routed(
    groups: Sequence[Group], route: Tensor, parts: Sequence[Sequence[BatchTransform]], generator: torch.Generator
) -> list[Group]:
    """Send every image through the part that ``route (B,)``, int64, on the CPU, numbers for it.

    Args:
        groups: All images of the batch.
        route: The number of a part for each place in the batch.
        parts: Lists of transforms.
        generator: Where the transforms draw from: part by part, and within a part group by group.

    Returns:
        All images, those of one size in one group.
    """
    done = []
    for number, part in enumerate(parts):
        for group in groups:
            chosen = (route[group.places] == number).nonzero().flatten()
            if len(chosen):
                images = group.images.index_select(0, chosen.to(group.images.device))
                done.append(Group(group.places[chosen], _through(images, part, generator)))
    return _merged(done)


def together(groups: Sequence[Group], name: str) -> Tensor:
    """Return all images in the order of their places, ``(B, C, H, W)``.

    Raises:
        DataError: If the transform ``name`` gave images of unequal sizes.
    """
    if len(groups) > 1:
        sizes = ", ".join(sorted(str(tuple(group.images.shape[1:])) for group in groups))
        raise DataError(f"{name} around transforms that change the images' size gives unequal sizes ({sizes})")
    places, images = groups[0]
    return images.index_select(0, places.argsort().to(images.device))


def _through(images: Tensor, part: Iterable[BatchTransform], generator: torch.Generator) -> Tensor:
    for transform in part:
        images = transform(images, generator)
    return images


def _merged(groups: Sequence[Group]) -> list[Group]:
    """Return the groups with those of one size joined."""
    by_size: dict[torch.Size, list[Group]] = {}
    for group in groups:
        by_size.setdefault(group.images.shape[1:], []).append(group)
    return [
        Group(torch.cat([group.places for group in same]), torch.cat([group.images for group in same]))
        for same in by_size.values()
    ]
