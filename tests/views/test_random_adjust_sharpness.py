import pytest
import torch

from recombine.errors import DataError
from tests.views.compare import compiled, functional, images, on_pil, seeded


@pytest.mark.parametrize("factor", [0, 0.5, 1, 2])
@pytest.mark.parametrize("height", [2, 3, 20])
def test_pixels_are_those_of_torchvision(factor: float, height: int) -> None:
    batch = images(channels=3, height=height)
    floats = batch.float() / 255
    expected = on_pil(batch, lambda image, _: functional.adjust_sharpness(image, factor))
    result = compiled(type="RandomAdjustSharpness", sharpness_factor=factor, p=1)(floats, seeded())
    torch.testing.assert_close(result, expected, atol=2.01 / 255, rtol=0)
    result = compiled(type="RandomAdjustSharpness", sharpness_factor=factor, p=1, on_pil=False)(floats, seeded())
    torch.testing.assert_close(result, functional.adjust_sharpness(floats, factor), atol=1e-6, rtol=0)


def test_negative_factors_are_refused() -> None:
    with pytest.raises(DataError, match="^RandomAdjustSharpness has a negative sharpness_factor, -1$"):
        compiled(type="RandomAdjustSharpness", sharpness_factor=-1)
