from typing import Any

import pytest
import torch
from torch import Tensor

from recombine.errors import DataError
from recombine.groups import Group, routed, together, whole
from tests.views.compare import seeded


class Plus:
    """A transform that adds a number and cuts the images to a height."""

    def __init__(self, number: int, height: int = 2) -> None:
        self.number = number
        self.height = height
        self.seen: list[int] = []

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        del generator
        self.seen.append(len(images))
        return images[:, :, : self.height] + self.number


def _batch() -> Tensor:
    return torch.arange(6.0).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)


def _sent(route: list[int], *parts: Any) -> list[Group]:
    return routed(whole(_batch()), torch.tensor(route), [[part] for part in parts], seeded())


def test_every_image_goes_its_way_and_back_to_its_place() -> None:
    parts = [Plus(10), Plus(20), Plus(30)]
    result = together(_sent([2, 0, 0, 2, 0, 2], *parts), "Any")
    assert result[:, 0, 0, 0].tolist() == [30, 11, 12, 33, 14, 35]
    assert [part.seen for part in parts] == [[3], [], [3]]


def test_sizes_may_differ_on_the_way() -> None:
    parts = [[Plus(10, 1)], [Plus(100)]]
    groups = routed(whole(_batch()), torch.tensor([0, 1, 0, 1, 1, 0]), parts, seeded())
    assert sorted(tuple(group.images.shape) for group in groups) == [(3, 1, 1, 2), (3, 1, 2, 2)]
    groups = routed(groups, torch.tensor([1, 0, 1, 0, 0, 1]), parts, seeded())
    result = together(groups, "Any")
    assert tuple(result.shape) == (6, 1, 1, 2)
    assert result[:, 0, 0, 0].tolist() == [110, 111, 112, 113, 114, 115]


def test_sizes_may_not_differ_in_the_end() -> None:
    with pytest.raises(DataError, match=r"^Any around .* gives unequal sizes \(\(1, 1, 2\), \(1, 2, 2\)\)$"):
        together(_sent([0, 1, 0, 1, 1, 0], Plus(0, 1), Plus(0)), "Any")
