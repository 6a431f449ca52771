from collections.abc import Sequence
from typing import Any

import pytest
import torch
from scipy.stats import ks_2samp

from tests.views.compare import compiled, functional, images, on_pil, seeded, torchvision

FULL = {"brightness": 0.5, "contrast": 0.6, "saturation": 0.7, "hue": 0.3}
OPTIONS = [FULL, *({key: value} for key, value in FULL.items()), {"contrast": [0.2, 3], "hue": [-0.5, -0.1]}, {}]


def _jittered(image: Any, kinds: Sequence[int], factors: Sequence[float]) -> Any:
    names = ("brightness", "contrast", "saturation", "hue")
    for kind, factor in zip(kinds, factors, strict=True):
        image = getattr(functional, f"adjust_{names[kind]}")(image, factor)
    return image


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_of_pil(options: dict[str, Any], channels: int) -> None:
    batch = images(60, channels=channels)
    jitter = compiled(type="ColorJitter", **options)
    kinds, factors = (values.tolist() for values in jitter.draw(60, seeded()))
    expected = on_pil(batch, lambda image, i: _jittered(image, kinds[i], factors[i]))
    difference = (jitter(batch.float() / 255, seeded()) - expected).abs()
    assert float((difference > 1e-6).float().mean()) < 5e-3
    assert float(difference.mean()) < 1e-4


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_of_torchvision_on_tensors(options: dict[str, Any], channels: int) -> None:
    batch = images(60, channels=channels).float() / 255
    jitter = compiled(type="ColorJitter", **options, on_pil=False)
    drawn = (values.tolist() for values in jitter.draw(60, seeded()))
    expected = torch.stack([_jittered(*one) for one in zip(batch, *drawn, strict=True)])
    torch.testing.assert_close(jitter(batch, seeded()), expected, atol=1e-5, rtol=0)


def test_factors_and_orders_are_distributed_as_torchvision_draws_them() -> None:
    jitter = compiled(type="ColorJitter", **FULL)
    kinds, factors = jitter.draw(3000, seeded())
    reference = torchvision().transforms.ColorJitter(**FULL)
    ranges = [getattr(reference, name) for name in FULL]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = [reference.get_params(*ranges) for _ in range(3000)]
    by_kind = factors.gather(1, kinds.argsort(1))
    for kind in range(4):
        assert ks_2samp(by_kind[:, kind].numpy(), [made[kind + 1] for made in theirs]).pvalue > 0.01
        places = kinds.argsort(1)[:, kind]
        expected = [made[0].tolist().index(kind) for made in theirs]
        assert ks_2samp(places.numpy(), expected).pvalue > 0.01


def test_every_order_is_as_likely() -> None:
    kinds = compiled(type="ColorJitter", **FULL).draw(24_000, seeded()).kinds
    orders, counts = kinds.unique(dim=0, return_counts=True)
    assert len(orders) == 24
    assert bool(((counts - 1000).abs() < 130).all())


def test_what_stays_the_same_is_no_step() -> None:
    jitter = compiled(type="ColorJitter", saturation=0.5, hue=0.1)
    assert set(jitter.draw(9, seeded()).kinds.unique().tolist()) == {2, 3}
    batch = images().float() / 255
    assert torch.equal(compiled(type="ColorJitter", on_pil=False)(batch, seeded()), batch)
