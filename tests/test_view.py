from typing import Any

import pytest
import torch

from recombine.datasets.base import Samples
from recombine.errors import DataError
from recombine.view import View
from tests.views.compare import images, on_pil, seeded, torchvision, view_of

CROP = {"type": "RandomResizedCrop", "size": 12}
AFFINE = {"type": "RandomAffine", "degrees": 20}
ELASTIC = {"type": "ElasticTransform", "alpha": 30.0, "sigma": 2.0}
TO_TENSOR = {"type": "ToTensor"}


@pytest.mark.parametrize(
    "specs", [[CROP, AFFINE], [ELASTIC, CROP], [AFFINE, {"type": "RandomChoice", "transforms": [CROP]}]]
)
def test_same_generator_same_bits(specs: list[dict[str, Any]]) -> None:
    batch = images()
    view = view_of(batch, *specs)
    assert view.is_random
    assert torch.equal(view(batch, seeded(4)), view(batch, seeded(4)))
    assert not torch.equal(view(batch, seeded(4)), view(batch, seeded(5)))


@pytest.mark.parametrize("specs", [[CROP, AFFINE], [ELASTIC]])
def test_samples_get_parameters_of_their_own_and_stay_in_place(specs: list[dict[str, Any]]) -> None:
    same = images(1).expand(8, -1, -1, -1)
    result = view_of(same, *specs)(same, seeded())
    assert len(result.flatten(1).unique(dim=0)) == 8
    other = same.clone()
    other[3] = 0
    rows = (view_of(other, *specs)(other, seeded()) != result).flatten(1).any(1)
    assert rows.nonzero().flatten().tolist() == [3]


def test_to_tensor_is_added_to_images() -> None:
    batch = images()
    assert torch.equal(view_of(batch)(batch, seeded()), view_of(batch, TO_TENSOR)(batch, seeded()))
    view = view_of(batch, {"type": "Resize", "size": 9})
    assert tuple(view(batch, seeded()).shape[1:]) == (1, 10, 9)
    back = view_of(batch, TO_TENSOR, {"type": "ToPILImage"})
    assert float((back(batch, seeded()) - batch / 255).abs().max()) < 1e-6


def test_fallback_says_why_and_gives_what_torchvision_gives() -> None:
    batch = images()
    view = view_of(batch, {"type": "Resize", "size": 9, "interpolation": "hamming"}, TO_TENSOR)
    assert view.fallback_reason == "Resize with interpolation hamming has no batch form"
    assert not view.is_random
    resize = torchvision().transforms.Resize(9, torchvision().transforms.InterpolationMode.HAMMING)
    assert torch.equal(view(batch, seeded()), on_pil(batch, lambda image, _: resize(image)))


def test_compose_is_unpacked() -> None:
    batch = images()
    view = view_of(batch, {"type": "Compose", "transforms": [CROP, TO_TENSOR]})
    assert view.fallback_reason is None
    assert torch.equal(view(batch, seeded()), view_of(batch, CROP, TO_TENSOR)(batch, seeded()))


def test_deterministic_prefix_is_prepared() -> None:
    batch = images()
    view = view_of(
        batch, {"type": "Resize", "size": 9}, AFFINE, TO_TENSOR, {"type": "Normalize", "mean": 0.5, "std": 2}
    )
    assert view.prefix_is_costly
    prepared = view.prepare(batch)
    assert isinstance(prepared, torch.Tensor)
    assert tuple(prepared.shape) == (16, 1, 10, 9)
    assert torch.equal(view.finish(prepared, seeded()), view(batch, seeded()))
    assert not view_of(batch, AFFINE).prefix_is_costly
    assert not view_of(batch).is_random


def test_features_are_passed_on_as_they_are() -> None:
    features = torch.randn(5, 3)
    for specs in ([], [TO_TENSOR]):
        view = view_of(features, *specs)
        assert torch.equal(view(features, seeded()), features)
        assert not view.is_random
    with pytest.raises(DataError, match='view "test": "RandomAffine" transforms images, but'):
        view_of(features, AFFINE)


def test_images_of_floats_are_not_rescaled() -> None:
    batch = torch.randn(4, 2, 9, 9)
    assert torch.equal(view_of(batch, TO_TENSOR)(batch, seeded()), batch)
    view = view_of(batch, {**AFFINE, "fill": 0.5})
    assert view.fallback_reason is None
    assert tuple(view(batch, seeded()).shape) == (4, 2, 9, 9)
    assert tuple(view_of(batch, {"type": "RandomErasing", "p": 1})(batch, seeded()).shape) == (4, 2, 9, 9)


def test_unequal_images_need_transforms_that_even_them() -> None:
    ragged = Samples([images(1)[0], images(1, height=25)[0]])
    view = View("test", [{"type": "Resize", "size": [8, 8]}], ragged, True)
    assert view.fallback_reason == "the samples have unequal shapes"
    assert tuple(view(ragged.values, seeded()).shape) == (2, 1, 8, 8)
    with pytest.raises(DataError, match=r"unequal shapes after the transforms \(\(1, 20, 17\), \(1, 25, 17\)\)"):
        View("test", [], ragged, True)(ragged.values, seeded())


def test_images_with_an_alpha_channel_go_through_torchvision() -> None:
    batch = images(channels=4)
    view = view_of(batch, {"type": "Resize", "size": 9})
    assert view.fallback_reason == "the images have 4 channels"
    assert tuple(view(batch, seeded()).shape) == (16, 4, 10, 9)


def test_what_torchvision_refuses_is_the_users_mistake() -> None:
    batch = images()
    view = view_of(batch, ELASTIC, {"type": "RandomCrop", "size": 99})
    with pytest.raises(DataError, match='view "test": a sample cannot be transformed: Required crop size'):
        view(batch, seeded())
    with pytest.raises(DataError, match='view "test": there is no transform'):
        view_of(batch, {"type": "Nothing"})
