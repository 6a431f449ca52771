from typing import Any

import pytest
import torch
from scipy.stats import ks_2samp

from recombine.errors import DataError
from recombine.views.base import NotCompilableError
from recombine.views.random_perspective import inverse_perspective
from tests.views.compare import compiled, functional, images, on_pil, seeded, torchvision

START = [[0, 0], [16, 0], [16, 19], [0, 19]]
#: Share of the pixels that lie exactly between two others or on the edge of such small images: rounding decides there.
TIES = 5e-3


def _perspective(**options: Any) -> Any:
    return compiled(type="RandomPerspective", **{"p": 1, **options})


def _ends(perspective: Any, batch: torch.Tensor) -> Any:
    generator = seeded()
    torch.rand(len(batch), 1, 1, 1, generator=generator)
    return perspective.draw(len(batch), 20, 17, generator).long().tolist()


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("fill", [0, 100, [10, 200, 30]])
def test_pixels_are_those_of_pil(mode: str, fill: Any) -> None:
    batch = images(60, channels=3)
    perspective = _perspective(interpolation=mode, fill=fill)
    ends = _ends(perspective, batch)
    interpolation = torchvision().transforms.InterpolationMode(mode)
    expected = on_pil(batch, lambda image, i: functional.perspective(image, START, ends[i], interpolation, fill))
    tolerance = 1e-6 if mode == "nearest" else 1.01 / 255
    differing = (perspective(batch.float() / 255, seeded()) - expected).abs().amax(1) > tolerance
    assert float(differing.float().mean()) < TIES


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("fill", [0.0, 0.5])
def test_pixels_are_those_of_torchvision_on_tensors(mode: str, fill: float) -> None:
    batch = images(60, channels=3).float() / 255
    perspective = _perspective(interpolation=mode, fill=fill, on_pil=False)
    interpolation = torchvision().transforms.InterpolationMode(mode)
    ends = _ends(perspective, batch)
    expected = torch.stack(
        [
            functional.perspective(image, START, end, interpolation, [fill] * 3)
            for image, end in zip(batch, ends, strict=True)
        ]
    )
    differing = (perspective(batch, seeded()) - expected).abs().amax(1) > 1e-4
    assert float(differing.float().mean()) < TIES


def test_maps_are_those_of_torchvision() -> None:
    corners = _perspective().draw(50, 20, 17, seeded())
    matrices = inverse_perspective(corners, 20, 17).view(50, 9)
    expected = [[*functional._get_perspective_coeffs(START, end), 1] for end in corners.long().tolist()]
    torch.testing.assert_close(matrices.float(), torch.tensor(expected), atol=1e-5, rtol=1e-5)


def test_no_distortion_changes_nothing() -> None:
    batch = images().float() / 255
    torch.testing.assert_close(_perspective(distortion_scale=0)(batch, seeded()), batch, atol=1e-5, rtol=0)
    result = _perspective(distortion_scale=0, interpolation="nearest")(batch, seeded())
    torch.testing.assert_close(result, batch, atol=1e-7, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(28, 41), (7, 3)])
def test_corners_are_distributed_as_torchvision_draws_them(height: int, width: int) -> None:
    drawn = _perspective(distortion_scale=0.7).draw(3000, height, width, seeded())
    reference = torchvision().transforms.RandomPerspective
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = torch.tensor([reference.get_params(width, height, 0.7)[1] for _ in range(3000)])
    for ours, expected in zip(drawn.view(-1, 8).unbind(1), theirs.view(-1, 8).unbind(1), strict=True):
        assert ks_2samp(ours.numpy(), expected.numpy()).pvalue > 0.01
        assert (ours.min(), ours.max()) == (expected.min(), expected.max())


def test_corners_on_one_line_leave_the_image() -> None:
    corners = torch.tensor([[[0, 0], [5, 5], [9, 9], [0, 9]], [[0, 0], [9, 0], [9, 9], [0, 9]]]).double()
    matrices = inverse_perspective(corners, 10, 10)
    torch.testing.assert_close(matrices, torch.eye(3).double().expand(2, -1, -1))
    result = _perspective(distortion_scale=1)(images(2000, height=4, width=4).float() / 255, seeded())
    assert bool(result.isfinite().all())


def test_mistakes() -> None:
    with pytest.raises(DataError, match="a fill of 3 values does not suit images of 1 channels"):
        _perspective(fill=[1, 2, 3])(images().float(), seeded())
    with pytest.raises(NotCompilableError, match="^RandomPerspective with interpolation bicubic has no batch form$"):
        _perspective(interpolation="bicubic")
