from typing import Any

import pytest
import torch

from recombine.errors import DataError
from recombine.views.base import NotCompilableError
from tests.views.compare import compiled, functional, images, on_pil, seeded

BORDERS = [0, 4, [3], [1, 2], [1, 2, 3, 4], [0, 5, 0, 0]]
MODES = ["constant", "edge", "reflect", "symmetric"]


@pytest.mark.parametrize("padding", BORDERS)
@pytest.mark.parametrize("mode", MODES)
def test_pixels_are_those_of_torchvision(padding: Any, mode: str) -> None:
    batch = images(channels=3)
    floats = batch.float() / 255
    expected = on_pil(batch, lambda image, _: functional.pad(image, padding, [10, 20, 30], mode))
    pad = compiled(type="Pad", padding=padding, fill=[10, 20, 30], padding_mode=mode)
    torch.testing.assert_close(pad(floats, seeded()), expected, atol=1e-6, rtol=0)
    expected = functional.pad(floats, padding, 0.3, mode)
    pad = compiled(type="Pad", padding=padding, fill=0.3, padding_mode=mode, on_pil=False)
    assert torch.equal(pad(floats, seeded()), expected)


@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric"])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_borders_wider_than_a_pil_image(mode: str, width: int) -> None:
    batch = images(width=width)
    expected = on_pil(batch, lambda image, _: functional.pad(image, 7, 0, mode))
    result = compiled(type="Pad", padding=7, padding_mode=mode)(batch.float() / 255, seeded())
    torch.testing.assert_close(result, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("mode", "most"), [("reflect", 16), ("symmetric", 17)])
def test_borders_wider_than_a_tensor(mode: str, most: int) -> None:
    batch = images().float()
    fits, too_wide = (
        compiled(type="Pad", padding=[padding, 0], padding_mode=mode, on_pil=False) for padding in (most, most + 1)
    )
    assert tuple(fits(batch, seeded()).shape) == (16, 1, 20, 17 + 2 * most)
    message = rf"^Pad cannot mirror \({mode}\) a border of {most + 1} pixels of tensors of 20 x 17$"
    with pytest.raises(DataError, match=message):
        too_wide(batch, seeded())


def test_is_not_random() -> None:
    assert not compiled(type="Pad", padding=1).is_random


def test_mistakes() -> None:
    with pytest.raises(DataError, match="a fill of 3 values does not suit images of 1 channels"):
        compiled(type="Pad", padding=1, fill=[1, 2, 3])(images().float(), seeded())
    with pytest.raises(DataError, match="Pad takes one number as fill for tensors"):
        compiled(type="Pad", padding=1, fill=[1, 2, 3], on_pil=False)
    with pytest.raises(DataError, match="Pad takes whole pixels, not 1.5"):
        compiled(type="Pad", padding=1.5)
    with pytest.raises(NotCompilableError, match="^Pad with negative padding has no batch form$"):
        compiled(type="Pad", padding=[1, -1])
