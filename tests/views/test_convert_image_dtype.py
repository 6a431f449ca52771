import pytest
import torch

from recombine.errors import DataError
from recombine.views.base import NotCompilableError
from tests.views.compare import compiled, images, seeded, view_of

TO_TENSOR = {"type": "ToTensor"}


def test_float32_changes_nothing() -> None:
    batch = images().float() / 255
    transform = compiled(type="ConvertImageDtype", dtype="float32", on_pil=False)
    assert torch.equal(transform(batch, seeded()), batch)
    assert not transform.is_random


@pytest.mark.parametrize("dtype", ["float64", "float16", "uint8"])
def test_other_formats_have_no_batch_form(dtype: str) -> None:
    with pytest.raises(NotCompilableError, match=f"^ConvertImageDtype to {dtype} has no batch form$"):
        compiled(type="ConvertImageDtype", dtype=dtype, on_pil=False)
    view = view_of(images(), TO_TENSOR, {"type": "ConvertImageDtype", "dtype": dtype})
    assert view.fallback_reason == f"ConvertImageDtype to {dtype} has no batch form"


def test_pil_images_are_refused() -> None:
    with pytest.raises(DataError, match="^ConvertImageDtype needs a tensor: put ToTensor before it$"):
        compiled(type="ConvertImageDtype", dtype="float32")
