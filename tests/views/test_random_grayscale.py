import pytest
import torch

from tests.views.compare import compiled, functional, images, on_pil, seeded


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_of_torchvision(channels: int) -> None:
    batch = images(channels=channels)
    floats = batch.float() / 255
    expected = on_pil(batch, lambda image, _: functional.rgb_to_grayscale(image, channels))
    result = compiled(type="RandomGrayscale", p=1)(floats, seeded())
    torch.testing.assert_close(result, expected, atol=0.51 / 255, rtol=0)
    expected = functional.rgb_to_grayscale(floats, channels)
    result = compiled(type="RandomGrayscale", p=1, on_pil=False)(floats, seeded())
    torch.testing.assert_close(result, expected, atol=1e-6, rtol=0)
