from typing import Any

import pytest
import torch

from tests.views.compare import compiled, functional, images, on_pil, seeded, torchvision


@pytest.mark.parametrize("options", [{"size": 9}, {"size": [31, 12]}, {"size": 20, "max_size": 21}, {"size": 17}])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_pixels_are_those_of_pil_up_to_rounding(options: dict[str, Any], mode: str) -> None:
    batch = images(8, channels=3)
    resize = compiled(type="Resize", interpolation=mode, **options)
    reference = torchvision().transforms.Resize(
        **options, interpolation=torchvision().transforms.InterpolationMode(mode)
    )
    expected = on_pil(batch, lambda image, _: reference(image))
    result = resize(batch.float() / 255, seeded())
    assert result.shape == expected.shape
    assert float((result - expected).abs().max()) <= 2.01 / 255


def test_pixels_are_those_of_torchvision_on_tensors() -> None:
    batch = images(8).float() / 255
    expected = functional.resize(batch, [7, 9], antialias=True)
    result = compiled(type="Resize", size=[7, 9], on_pil=False)(batch, seeded())
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)
