from typing import Any

import pytest
import torch
from scipy.stats import ks_2samp

from recombine.errors import DataError
from recombine.imaging import inverse_affine
from tests.views.compare import compiled, functional, images, on_pil, seeded, torchvision

SPEC: dict[str, Any] = {
    "type": "RandomAffine",
    "degrees": [-40, 70],
    "translate": [0.2, 0.1],
    "scale": [0.7, 1.4],
    "shear": [-10, 20, -5, 15],
}


def _arguments(affine: Any, batch: torch.Tensor) -> list[dict[str, Any]]:
    drawn = affine.draw(len(batch), batch.shape[-2], batch.shape[-1], seeded())
    return [
        {"angle": angle, "translate": [int(x), int(y)], "scale": scale, "shear": [shear_x, shear_y]}
        for angle, x, y, scale, shear_x, shear_y in zip(*(value.tolist() for value in drawn), strict=True)
    ]


def test_matrices_are_those_of_torchvision() -> None:
    batch = images(30)
    affine = compiled(**SPEC)
    matrices = inverse_affine(affine.draw(30, 20, 17, seeded()), (2.0, -3.0)).view(30, 6)
    expected = [functional._get_inverse_affine_matrix([2.0, -3.0], **one) for one in _arguments(affine, batch)]
    torch.testing.assert_close(matrices, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("fill", [0, 100, [10, 200, 30]])
@pytest.mark.parametrize("center", [None, [3, 5]])
def test_nearest_pixels_are_those_of_pil(fill: Any, center: Any) -> None:
    batch = images(40, channels=3)
    affine = compiled(**SPEC, fill=fill, center=center)
    arguments = _arguments(affine, batch)
    expected = on_pil(batch, lambda image, i: functional.affine(image, **arguments[i], fill=fill, center=center))
    differing = (affine(batch.float() / 255, seeded()) - expected).abs().amax(1) > 1e-6
    assert float(differing.float().mean()) < 5e-4


@pytest.mark.parametrize("fill", [0, 100])
def test_bilinear_pixels_are_those_of_pil(fill: int) -> None:
    batch = images(40)
    affine = compiled(**SPEC, fill=fill, interpolation="bilinear")
    arguments = _arguments(affine, batch)
    mode = torchvision().transforms.InterpolationMode.BILINEAR
    expected = on_pil(batch, lambda image, i: functional.affine(image, **arguments[i], interpolation=mode, fill=fill))
    differing = (affine(batch.float() / 255, seeded()) - expected).abs() > 1.01 / 255
    assert float(differing.float().mean()) < 5e-4


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("fill", [0, 0.5])
def test_pixels_are_those_of_torchvision_on_tensors(mode: str, fill: float) -> None:
    batch = images(40).float() / 255
    affine = compiled(**SPEC, fill=fill, interpolation=mode, on_pil=False)
    interpolation = torchvision().transforms.InterpolationMode(mode)
    arguments = _arguments(affine, batch)
    expected = torch.stack(
        [
            functional.affine(image, **one, interpolation=interpolation, fill=[float(fill)])
            for image, one in zip(batch, arguments, strict=True)
        ]
    )
    differing = (affine(batch, seeded()) - expected).abs() > 1e-4
    assert float(differing.float().mean()) < 5e-4


def test_halves_go_where_pil_takes_them() -> None:
    batch = images(2, height=16, width=16)
    affine = compiled(type="RandomAffine", degrees=[0, 0], scale=[0.5, 0.5])
    expected = on_pil(batch, lambda image, _: functional.affine(image, 0, [0, 0], 0.5, [0, 0]))
    torch.testing.assert_close(affine(batch.float() / 255, seeded()), expected, atol=1e-6, rtol=0)


def test_no_motion_changes_nothing() -> None:
    batch = images().float() / 255
    assert torch.equal(compiled(type="RandomAffine", degrees=0)(batch, seeded()), batch)


def test_parameters_are_distributed_as_torchvision_draws_them() -> None:
    affine = compiled(**SPEC)
    drawn = affine.draw(1500, 28, 40, seeded())
    reference = torchvision().transforms.RandomAffine
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = [
            reference.get_params(SPEC["degrees"], SPEC["translate"], SPEC["scale"], SPEC["shear"], [40, 28])
            for _ in range(1500)
        ]
    theirs = torch.tensor([[angle, *shift, scale, *shear] for angle, shift, scale, shear in made]).T
    for our_values, their_values in zip(drawn, theirs, strict=True):
        assert ks_2samp(our_values.numpy(), their_values.numpy()).pvalue > 0.01
    assert torch.equal(drawn.shift_x, drawn.shift_x.round())


def test_colours_must_fit_the_channels() -> None:
    with pytest.raises(DataError, match="a fill of 3 values does not suit images of 1 channels"):
        compiled(type="RandomAffine", degrees=3, fill=[1, 2, 3])(images().float(), seeded())
