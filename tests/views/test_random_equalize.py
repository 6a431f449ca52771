import pytest
import torch

from recombine.errors import DataError
from tests.views.compare import compiled, functional, images, on_pil, seeded


@pytest.mark.parametrize("size", [5, 20, 60])
def test_bytes_are_those_of_pil(size: int) -> None:
    batch = images(channels=3, height=size, width=size) // 3
    batch[0] = 9
    batch[1, :, 0, 0] = 255
    expected = on_pil(batch, lambda image, _: functional.equalize(image))
    result = compiled(type="RandomEqualize", p=1)(batch.float() / 255, seeded())
    torch.testing.assert_close(result, expected, atol=1e-6, rtol=0)


def test_tensors_are_refused() -> None:
    with pytest.raises(DataError, match="^RandomEqualize needs an image of bytes: put it before ToTensor$"):
        compiled(type="RandomEqualize", on_pil=False)
