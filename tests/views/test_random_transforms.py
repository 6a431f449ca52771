"""What holds for every transform with a probability or a parameter of its own for each image."""

from typing import Any

import pytest
import torch

from recombine.errors import DataError
from tests.views.compare import compiled, images, seeded, view_of

JITTER = {"type": "ColorJitter", "brightness": 0.5, "contrast": 0.5, "saturation": 0.5, "hue": 0.3}
#: Transforms with a probability ``p``, and whether they belong before ToTensor.
WITH_PROBABILITY: list[tuple[dict[str, Any], bool]] = [
    ({"type": "RandomGrayscale"}, True),
    ({"type": "RandomInvert"}, True),
    ({"type": "RandomSolarize", "threshold": 100}, True),
    ({"type": "RandomPosterize", "bits": 3}, True),
    ({"type": "RandomAdjustSharpness", "sharpness_factor": 0}, True),
    ({"type": "RandomAutocontrast"}, True),
    ({"type": "RandomEqualize"}, True),
    ({"type": "RandomErasing", "value": 5}, False),
    ({"type": "RandomErasing", "value": "random"}, False),
    ({"type": "RandomPerspective"}, True),
]
WITH_PARAMETERS: list[tuple[dict[str, Any], bool]] = [
    ({"type": "RandomErasing", "p": 1, "value": 5}, False),
    ({"type": "RandomErasing", "p": 1, "value": "random"}, False),
    ({"type": "RandomPerspective", "p": 1}, True),
    (JITTER, True),
    ({"type": "GaussianBlur", "kernel_size": 5}, True),
    ({"type": "RandomChoice", "transforms": [JITTER, {"type": "GaussianBlur", "kernel_size": 3}]}, True),
    ({"type": "RandomOrder", "transforms": [JITTER, {"type": "GaussianBlur", "kernel_size": 3}]}, True),
]
PLAIN = ["ColorJitter", "Grayscale", "RandomGrayscale", "RandomInvert", "RandomAutocontrast"]


def _batch(size: int, name: str) -> torch.Tensor:
    sides = (28, 25) if name in ("RandomPerspective", "RandomErasing") else (20, 17)
    return images(1, 3, *sides).float().expand(size, -1, -1, -1) / 255


@pytest.mark.parametrize(("spec", "on_pil"), WITH_PROBABILITY)
def test_probability(spec: dict[str, Any], on_pil: bool) -> None:
    batch = _batch(1000, spec["type"])
    never = compiled(**spec, p=0, on_pil=on_pil)(batch, seeded())
    assert torch.equal(never, batch)
    changed = [
        float((compiled(**spec, p=p, on_pil=on_pil)(batch, seeded()) != batch).flatten(1).any(1).float().mean())
        for p in (1, 0.3)
    ]
    assert changed[0] > 0.995
    assert abs(changed[1] - 0.3) < 0.05


@pytest.mark.parametrize(("spec", "on_pil"), [*WITH_PROBABILITY, *WITH_PARAMETERS])
def test_same_seed_same_bits(spec: dict[str, Any], on_pil: bool) -> None:
    transform = compiled(**spec, on_pil=on_pil)
    batch = _batch(12, spec["type"])
    first = transform(batch, seeded(4))
    torch.manual_seed(99)
    assert torch.equal(transform(batch, seeded(4)), first)
    assert not torch.equal(transform(batch, seeded(5)), first)
    assert torch.equal(batch, _batch(12, spec["type"]))


@pytest.mark.parametrize(("spec", "on_pil"), [*WITH_PROBABILITY, *WITH_PARAMETERS])
def test_draws_are_made_on_the_cpu_and_do_not_depend_on_the_device(spec: dict[str, Any], on_pil: bool) -> None:
    transform = compiled(**spec, on_pil=on_pil)
    batch = _batch(12, spec["type"])
    here, there = seeded(), seeded()
    result = transform(batch, here)
    elsewhere = transform(batch.to("meta"), there)
    assert elsewhere.device.type == "meta"
    assert elsewhere.shape == result.shape
    assert torch.equal(here.get_state(), there.get_state())


@pytest.mark.parametrize(("spec", "on_pil"), WITH_PARAMETERS)
def test_every_image_has_parameters_of_its_own(spec: dict[str, Any], on_pil: bool) -> None:
    result = compiled(**spec, on_pil=on_pil)(_batch(8, spec["type"]), seeded(1))
    assert len(result.flatten(1).unique(dim=0)) == 8


@pytest.mark.parametrize(("spec", "on_pil"), [*WITH_PROBABILITY, *WITH_PARAMETERS])
def test_images_stay_in_place_and_do_not_touch_each_other(spec: dict[str, Any], on_pil: bool) -> None:
    transform = compiled(**spec, on_pil=on_pil)
    batch = _batch(8, spec["type"])
    other = batch.clone()
    other[3] = other[3].flip(1).flip(2)
    rows = (transform(batch, seeded(1)) - transform(other, seeded(1))).flatten(1).abs().amax(1) > 1e-5
    assert rows.nonzero().flatten().tolist() == [3]


def test_views_of_images_run_in_batches() -> None:
    batch = images(channels=3)
    before = [
        {"type": "Pad", "padding": 2},
        *(spec for spec, on_pil in [*WITH_PROBABILITY, *WITH_PARAMETERS] if on_pil),
    ]
    behind = [spec for spec, on_pil in WITH_PARAMETERS if not on_pil]
    dtype = {"type": "ConvertImageDtype", "dtype": "float32"}
    view = view_of(batch, *before, {"type": "ToTensor"}, dtype, *behind, {"type": "Grayscale"})
    assert view.fallback_reason is None
    assert tuple(view(batch, seeded()).shape) == (16, 1, 24, 21)


@pytest.mark.parametrize("name", PLAIN)
def test_images_of_two_channels_are_refused(name: str) -> None:
    with pytest.raises(DataError, match=f"^{name} takes images of 1 or 3 channels, not of 2$"):
        compiled(type=name, on_pil=False)(torch.zeros(2, 2, 4, 4), seeded())
