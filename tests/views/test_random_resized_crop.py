import pytest
import torch
from scipy.stats import ks_2samp

from tests.views.compare import compiled, functional, images, on_pil, seeded, torchvision


@pytest.mark.parametrize(("mode", "tolerance"), [("bilinear", 1.51 / 255), ("bicubic", 2.51 / 255)])
@pytest.mark.parametrize("size", [[9, 8], [28, 30]])
def test_pixels_are_those_of_pil_up_to_rounding(mode: str, tolerance: float, size: list[int]) -> None:
    batch = images(40, channels=3)
    crop = compiled(type="RandomResizedCrop", size=size, interpolation=mode)
    boxes = crop.draw(40, 20, 17, seeded())
    box = torch.stack(list(boxes), 1).tolist()
    interpolation = torchvision().transforms.InterpolationMode(mode)
    expected = on_pil(batch, lambda image, i: functional.resized_crop(image, *box[i], size, interpolation))
    result = crop(batch.float() / 255, seeded())
    assert result.shape == expected.shape
    assert float((result - expected).abs().max()) <= tolerance


def test_pixels_are_those_of_torchvision_on_tensors() -> None:
    batch = images(40).float() / 255
    crop = compiled(type="RandomResizedCrop", size=12, on_pil=False)
    box = torch.stack(list(crop.draw(40, 20, 17, seeded())), 1).tolist()
    expected = [functional.resized_crop(image, *box[i], [12, 12], antialias=True) for i, image in enumerate(batch)]
    torch.testing.assert_close(crop(batch, seeded()), torch.stack(expected), atol=1e-5, rtol=0)


def test_boxes_are_distributed_as_torchvision_draws_them() -> None:
    crop = compiled(type="RandomResizedCrop", size=12)
    drawn = crop.draw(1500, 28, 40, seeded())
    reference = torchvision().transforms.RandomResizedCrop
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        image = torch.zeros(1, 28, 40)
        boxes = [reference.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(1500)]
    for ours, theirs in zip(drawn, torch.tensor(boxes).T, strict=True):
        assert ks_2samp(ours.numpy(), theirs.numpy()).pvalue > 0.01


def test_boxes_lie_in_the_image() -> None:
    top, left, height, width = compiled(type="RandomResizedCrop", size=12).draw(5000, 9, 30, seeded())
    assert int(top.min()) >= 0 and int(left.min()) >= 0
    assert int(height.min()) >= 1 and int(width.min()) >= 1
    assert int((top + height).max()) <= 9 and int((left + width).max()) <= 30


@pytest.mark.parametrize(("height", "width"), [(10, 100), (100, 10), (10, 10)])
def test_what_never_fits_is_the_middle(height: int, width: int) -> None:
    spec = {"type": "RandomResizedCrop", "size": 4, "scale": [9.0, 9.5], "ratio": [0.5, 2.0]}
    drawn = compiled(**spec).draw(3, height, width, seeded())
    image = torch.zeros(1, height, width)
    expected = torchvision().transforms.RandomResizedCrop.get_params(image, [9.0, 9.5], [0.5, 2.0])
    assert [value.tolist() for value in drawn] == [[number] * 3 for number in expected]
