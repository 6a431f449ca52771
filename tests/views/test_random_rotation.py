from typing import Any

import pytest
import torch

from tests.views.compare import compiled, functional, images, on_pil, seeded, torchvision


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("options", [{}, {"center": [3, 4]}, {"fill": 90}])
def test_pixels_are_those_of_pil(mode: str, options: dict[str, Any]) -> None:
    batch = images(40)
    rotation = compiled(type="RandomRotation", degrees=[-90, 60], interpolation=mode, **options)
    angles = rotation.draw(40, seeded()).tolist()
    interpolation = torchvision().transforms.InterpolationMode(mode)
    expected = on_pil(batch, lambda image, i: functional.rotate(image, angles[i], interpolation, **options))
    differing = (rotation(batch.float() / 255, seeded()) - expected).abs() > 1.01 / 255
    assert float(differing.float().mean()) < 1e-3


def test_a_quarter_turns_counter_clockwise() -> None:
    batch = images(3, height=12, width=12).float() / 255
    rotation = compiled(type="RandomRotation", degrees=[90, 90])
    torch.testing.assert_close(rotation(batch, seeded()), batch.rot90(1, (2, 3)), atol=1e-6, rtol=0)


def test_angles() -> None:
    angles = compiled(type="RandomRotation", degrees=[-20, 40]).draw(20000, seeded())
    assert float(angles.min()) >= -20 and float(angles.max()) < 40
    assert abs(float(angles.mean()) - 10) < 0.5
    assert abs(float(angles.std()) - 60 / 12**0.5) < 0.3
