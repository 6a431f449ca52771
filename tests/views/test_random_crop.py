from typing import Any

import pytest
import torch

from recombine.errors import DataError
from recombine.views.base import NotCompilableError
from tests.views.compare import compiled, functional, images, on_pil, seeded


def _places(batch: int, height: int, width: int) -> list[tuple[int, int]]:
    draws = seeded()
    top = torch.randint(height, (batch,), generator=draws)
    left = torch.randint(width, (batch,), generator=draws)
    return list(zip(top.tolist(), left.tolist(), strict=True))


@pytest.mark.parametrize(
    "options",
    [
        {"padding": 4},
        {"padding": [1, 2], "fill": 80},
        {"padding": [1, 2, 3, 4], "padding_mode": "edge"},
        {"padding": 5, "padding_mode": "reflect"},
        {},
    ],
)
def test_pixels_are_those_of_pil(options: dict[str, Any]) -> None:
    batch = images(30)
    crop = compiled(type="RandomCrop", size=[12, 9], **options)
    padding = options.get("padding", 0)
    mode, fill = options.get("padding_mode", "constant"), options.get("fill", 0)
    padded = on_pil(batch, lambda image, _: functional.pad(image, padding, fill, mode))
    places = _places(30, padded.shape[2] - 11, padded.shape[3] - 8)
    expected = torch.stack([padded[i, :, y : y + 12, x : x + 9] for i, (y, x) in enumerate(places)])
    torch.testing.assert_close(crop(batch.float() / 255, seeded()), expected, atol=1e-6, rtol=0)


def test_pad_if_needed() -> None:
    crop = compiled(type="RandomCrop", size=[24, 9], pad_if_needed=True)
    assert tuple(crop(images().float(), seeded()).shape) == (16, 1, 24, 9)


def test_images_that_are_too_small() -> None:
    with pytest.raises(DataError, match="takes 24 x 9 pixels of images of only 20 x 17"):
        compiled(type="RandomCrop", size=[24, 9])(images().float(), seeded())
    with pytest.raises(DataError, match="cannot reflect a border of 17 pixels"):
        compiled(type="RandomCrop", size=9, padding=17, padding_mode="reflect")(images().float(), seeded())


def test_every_place_is_as_likely() -> None:
    ramp = torch.arange(12.0).view(1, 1, 3, 4).expand(6000, -1, -1, -1)
    corner = compiled(type="RandomCrop", size=2)(ramp, seeded())[:, 0, 0, 0].long()
    counts = corner.bincount(minlength=12)[[0, 1, 2, 4, 5, 6]]
    assert int(counts.sum()) == 6000
    assert bool(((counts - 1000).abs() < 120).all())


def test_symmetric_borders_have_no_batch_form() -> None:
    with pytest.raises(NotCompilableError, match="padding_mode symmetric"):
        compiled(type="RandomCrop", size=2, padding=1, padding_mode="symmetric")
