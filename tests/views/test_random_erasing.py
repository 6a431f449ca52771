from typing import Any

import pytest
import torch
from scipy.stats import ks_2samp

from recombine.errors import DataError
from tests.views.compare import compiled, functional, images, seeded, torchvision


def _erasing(**options: Any) -> Any:
    return compiled(type="RandomErasing", **{"p": 1, **options}, on_pil=False)


@pytest.mark.parametrize("value", [0, 0.7, [0.1, 0.2, 0.3], [0.4]])
def test_pixels_are_those_of_torchvision(value: Any) -> None:
    batch = images(60, channels=3).float() / 255
    erasing = _erasing(value=value)
    generator = seeded()
    torch.rand(60, 1, 1, 1, generator=generator)
    boxes = zip(*(box.tolist() for box in erasing.draw(60, 20, 17, generator)), strict=True)
    colour = torch.tensor(value).view(-1, 1, 1)
    expected = torch.stack([functional.erase(image, *box, colour) for image, box in zip(batch, boxes, strict=True)])
    assert torch.equal(erasing(batch, seeded()), expected)


def test_noise_is_normal_inside_and_nothing_changes_outside() -> None:
    batch = torch.full((400, 3, 20, 17), 9.0)
    result = _erasing(value="random")(batch, seeded())
    is_noise = result != 9
    assert torch.equal(is_noise.any(1), is_noise.all(1))
    noise = result[is_noise]
    assert len(noise) > 10_000
    assert len(noise.unique()) > 0.9 * len(noise)
    assert ks_2samp(noise.numpy(), torch.randn(50_000, generator=seeded(1)).numpy()).pvalue > 0.01


@pytest.mark.parametrize("options", [{}, {"scale": [0.3, 0.9], "ratio": [0.5, 1]}])
def test_boxes_are_distributed_as_torchvision_draws_them(options: dict[str, Any]) -> None:
    drawn = torch.stack(_erasing(**options).draw(3000, 28, 40, seeded()), 1)
    reference = torchvision().transforms.RandomErasing(**options)
    blank = torch.zeros(1, 28, 40)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = [reference.get_params(blank, reference.scale, reference.ratio, [0.0])[:4] for _ in range(3000)]
    theirs = torch.tensor([(0, 0, 0, 0) if box == (0, 0, 28, 40) else box for box in made])
    for ours, expected in zip(drawn.unbind(1), theirs.unbind(1), strict=True):
        assert ks_2samp(ours.numpy(), expected.numpy()).pvalue > 0.01


def test_boxes_are_smaller_than_the_image_and_inside() -> None:
    box = _erasing(scale=[0.5, 1], ratio=[1, 1]).draw(2000, 20, 17, seeded())
    assert bool(((box.height < 20) & (box.width < 17)).all())
    assert bool(((box.top >= 0) & (box.left >= 0)).all())
    assert bool(((box.top + box.height <= 20) & (box.left + box.width <= 17)).all())
    assert int(box.width.max()) == 16


def test_image_stays_where_none_of_ten_boxes_fits() -> None:
    batch = images().float()
    assert torch.equal(_erasing(scale=[1, 1], value=7)(batch, seeded()), batch)


def test_mistakes() -> None:
    with pytest.raises(DataError, match="^RandomErasing needs a tensor: put ToTensor before it$"):
        compiled(type="RandomErasing")
    with pytest.raises(DataError, match="^RandomErasing has a value of 3 numbers for 1 channels$"):
        _erasing(value=[1, 2, 3])(images().float(), seeded())
    with pytest.raises(DataError, match="^RandomErasing needs a ratio above 0, not 0.0$"):
        _erasing(ratio=[0, 1])
