import pytest
import torch

from recombine.errors import DataError
from tests.views.compare import compiled, functional, on_pil, seeded

BYTES = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)


@pytest.mark.parametrize("bits", range(1, 9))
def test_bytes_are_those_of_pil(bits: int) -> None:
    expected = on_pil(BYTES, lambda image, _: functional.posterize(image, bits))
    result = compiled(type="RandomPosterize", bits=bits, p=1)(BYTES.float() / 255, seeded())
    torch.testing.assert_close(result, expected, atol=1e-6, rtol=0)


def test_mistakes() -> None:
    with pytest.raises(DataError, match="^RandomPosterize needs an image of bytes: put it before ToTensor$"):
        compiled(type="RandomPosterize", bits=3, on_pil=False)
    with pytest.raises(DataError, match="^RandomPosterize keeps 1 to 8 bits, not 9$"):
        compiled(type="RandomPosterize", bits=9)
