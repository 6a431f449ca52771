from pathlib import Path
from typing import Any

import pytest

from recombine.torchvision_classes import names
from recombine.views import base
from recombine.views.base import batch_transforms
from tests.views.compare import images, view_of

CROP = {"type": "RandomResizedCrop", "size": 12}
AFFINE = {"type": "RandomAffine", "degrees": 20}
ELASTIC = {"type": "ElasticTransform"}
TO_TENSOR = {"type": "ToTensor"}


def test_every_file_of_the_folder_is_one_transform_of_torchvision() -> None:
    stems = {path.stem for path in Path(base.__file__).parent.glob("*.py")} - {"base", "__init__"}
    assert {name.lower() for name in batch_transforms()} == {stem.replace("_", "") for stem in stems}
    assert set(batch_transforms()) <= set(names("transform"))
    assert len(stems) >= 11


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({**AFFINE, "interpolation": "bicubic"}, "RandomAffine with interpolation bicubic"),
        ({**CROP, "interpolation": "nearest"}, "RandomResizedCrop with interpolation nearest"),
        ({"type": "RandomRotation", "degrees": 3, "expand": True}, "RandomRotation with expand"),
        ({"type": "RandomApply", "transforms": [ELASTIC]}, "ElasticTransform"),
    ],
)
def test_options_without_batch_form(spec: dict[str, Any], reason: str) -> None:
    assert (view_of(images(), spec).fallback_reason or "").startswith(reason)


def test_without_antialiasing_tensors_have_no_batch_form_but_pil_images_do() -> None:
    spec = {**CROP, "antialias": False}
    assert view_of(images(), spec).fallback_reason is None
    assert view_of(images(), TO_TENSOR, spec).fallback_reason == (
        "RandomResizedCrop without antialiasing has no batch form"
    )
