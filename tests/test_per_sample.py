import random
from typing import Any

import pytest
import torch

from recombine.errors import DataError
from recombine.per_sample import PerSample
from tests.views.compare import images, torchvision

CROP = {"type": "RandomCrop", "size": 9}
TO_TENSOR = {"type": "ToTensor"}


def test_each_sample_has_a_seed_of_its_own() -> None:
    batch = images(4)
    apply = PerSample([CROP, TO_TENSOR], True)
    results = apply(batch, [3, 4, 3, 5])
    transforms = torchvision().transforms
    crop, functional = transforms.RandomCrop(9), transforms.functional
    for image, seed, result in zip(batch, [3, 4, 3, 5], results, strict=True):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            assert torch.equal(functional.to_tensor(crop(functional.to_pil_image(image))), result)
    alone = apply(batch[2:3], [3])
    assert torch.equal(alone[0], results[2])


@pytest.mark.parametrize(
    ("specs", "is_random"),
    [([TO_TENSOR], False), ([{"type": "Resize", "size": 4}, TO_TENSOR], False), ([CROP, TO_TENSOR], True)],
)
def test_is_random(specs: list[dict[str, Any]], is_random: bool) -> None:
    assert PerSample(specs, True).is_random is is_random


def test_tensors_stay_tensors() -> None:
    values = torch.randn(3, 2, 9, 9)
    results = PerSample([{"type": "RandomHorizontalFlip", "p": 1.0}], False)(values, [0, 0, 0])
    assert torch.equal(torch.stack(results), values.flip(3))


def test_global_generators_stay_as_they_are() -> None:
    apply = PerSample([{"type": "RandomOrder", "transforms": [CROP, {"type": "RandomInvert"}]}, TO_TENSOR], True)
    torch.manual_seed(1)
    random.seed(1)
    states = torch.get_rng_state(), random.getstate()
    apply(images(4), [7, 8, 9, 10])
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]


def test_what_torchvision_refuses_is_the_users_mistake() -> None:
    with pytest.raises(DataError, match="^a sample cannot be transformed: Required crop size"):
        PerSample([{"type": "RandomCrop", "size": 99}], True)(images(1), [0])
    with pytest.raises(DataError, match="^the transforms end in a Image, which is no tensor$"):
        PerSample([CROP], True)(images(1), [0])
    with pytest.raises(DataError, match="there is no transform"):
        PerSample([{"type": "Nothing"}], True)
