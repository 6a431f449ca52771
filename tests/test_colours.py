import colorsys

import pytest
import torch

from recombine.colours import (
    blend,
    check_channels,
    hsv_to_rgb,
    levels,
    rgb_to_hsv,
    shift_hue,
    shift_hue_of_levels,
    to_gray,
)
from recombine.errors import DataError
from tests.views.compare import functional, on_pil, seeded

GRID = torch.cartesian_prod(*[torch.linspace(0, 1, 6)] * 3)


def _pixels(colours: torch.Tensor) -> torch.Tensor:
    """Return colours ``(P, 3)`` as images ``(P, 3, 1, 1)``."""
    return colours.view(-1, 3, 1, 1)


def test_hue_saturation_and_value_are_those_of_colorsys() -> None:
    hue, saturation, value = (channel.flatten() for channel in rgb_to_hsv(_pixels(GRID)))
    expected = torch.tensor([colorsys.rgb_to_hsv(*colour) for colour in GRID.tolist()])
    between = (hue - expected[:, 0]).abs()
    torch.testing.assert_close(torch.minimum(between, 1 - between), torch.zeros_like(hue), atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.stack([saturation, value], 1), expected[:, 1:], atol=1e-6, rtol=0)
    assert bool(((hue >= 0) & (hue < 1)).all())


@pytest.mark.parametrize("turns", [0, 1, -1])
def test_colours_come_back_from_hue_also_outside_one_turn(turns: int) -> None:
    hue, saturation, value = rgb_to_hsv(_pixels(GRID))
    torch.testing.assert_close(hsv_to_rgb(hue + turns, saturation, value), _pixels(GRID), atol=2e-6, rtol=0)


@pytest.mark.parametrize("turns", [0.1, -0.3, 0.5])
def test_hue_of_tensors_is_shifted_as_in_torchvision(turns: float) -> None:
    batch = torch.rand(4, 3, 9, 9, generator=seeded())
    result = shift_hue(batch, torch.full((4, 1, 1, 1), turns))
    torch.testing.assert_close(result, functional.adjust_hue(batch, turns), atol=3e-6, rtol=0)


@pytest.mark.parametrize("turns", [0.1, -0.3, 0.5])
def test_hue_of_levels_is_shifted_as_in_pil(turns: float) -> None:
    batch = torch.randint(256, (4, 3, 30, 30), dtype=torch.uint8, generator=seeded())
    result = shift_hue_of_levels(batch.float(), torch.full((4, 1, 1, 1), turns)) / 255
    expected = on_pil(batch, lambda image, _: functional.adjust_hue(image, turns))
    differing = (result - expected).abs() > 1e-6
    assert float(differing.float().mean()) < 5e-3


def test_gray_images_have_no_hue() -> None:
    batch = torch.rand(2, 1, 4, 4)
    turns = torch.full((2, 1, 1, 1), 0.3)
    assert torch.equal(shift_hue(batch, turns), batch)
    assert torch.equal(shift_hue_of_levels(batch, turns), batch)
    torch.testing.assert_close(shift_hue(batch.expand(-1, 3, -1, -1), turns), batch.expand(-1, 3, -1, -1))


def test_black_has_a_finite_hue() -> None:
    assert all(not channel.any() for channel in rgb_to_hsv(torch.zeros(1, 3, 2, 2)))


def test_brightness() -> None:
    primaries = _pixels(torch.eye(3))
    torch.testing.assert_close(to_gray(primaries, True).flatten(), torch.tensor([0.299, 0.587, 0.114]))
    torch.testing.assert_close(to_gray(primaries, False).flatten(), torch.tensor([0.2989, 0.587, 0.114]))


def test_mixtures_are_cut() -> None:
    images, other = torch.full((3, 1, 1, 1), 0.8), torch.tensor([0.2])
    share = torch.tensor([0.5, 2, 0]).view(-1, 1, 1, 1)
    torch.testing.assert_close(blend(images, other, share).flatten(), torch.tensor([0.5, 1, 0.2]))
    torch.testing.assert_close(blend(images, other, share, 255).flatten(), torch.tensor([0.5, 1.4, 0.2]))


def test_levels_are_the_bytes() -> None:
    assert torch.equal(levels(torch.arange(256) / 255), torch.arange(256.0))


def test_channels_are_checked() -> None:
    check_channels("Any", torch.zeros(1, 1, 2, 2))
    check_channels("Any", torch.zeros(1, 3, 2, 2))
    with pytest.raises(DataError, match="^Any takes images of 1 or 3 channels, not of 2$"):
        check_channels("Any", torch.zeros(1, 2, 2, 2))
