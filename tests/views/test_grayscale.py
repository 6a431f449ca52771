import pytest
import torch

from recombine.errors import DataError
from tests.views.compare import compiled, functional, images, on_pil, seeded


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("wanted", [1, 3])
def test_pixels_are_those_of_torchvision(channels: int, wanted: int) -> None:
    batch = images(channels=channels)
    floats = batch.float() / 255
    gray = compiled(type="Grayscale", num_output_channels=wanted)
    expected = on_pil(batch, lambda image, _: functional.rgb_to_grayscale(image, wanted))
    torch.testing.assert_close(gray(floats, seeded()), expected, atol=0.51 / 255, rtol=0)
    gray = compiled(type="Grayscale", num_output_channels=wanted, on_pil=False)
    expected = torch.stack([functional.rgb_to_grayscale(image, wanted) for image in floats])
    torch.testing.assert_close(gray(floats, seeded()), expected, atol=1e-6, rtol=0)


def test_is_not_random() -> None:
    assert not compiled(type="Grayscale").is_random


def test_two_channels_cannot_come_out() -> None:
    with pytest.raises(DataError, match="^Grayscale gives 1 or 3 channels, not 2$"):
        compiled(type="Grayscale", num_output_channels=2)
