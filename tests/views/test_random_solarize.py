import pytest
import torch

from recombine.errors import DataError
from tests.views.compare import compiled, functional, on_pil, seeded

BYTES = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)


@pytest.mark.parametrize("threshold", [0, 1, 100, 127.5, 128, 255, 256])
def test_bytes_are_those_of_pil(threshold: float) -> None:
    expected = on_pil(BYTES, lambda image, _: functional.solarize(image, threshold))
    result = compiled(type="RandomSolarize", threshold=threshold, p=1)(BYTES.float() / 255, seeded())
    torch.testing.assert_close(result, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("threshold", [0, 0.3, 1 / 255, 0.5, 1])
def test_values_are_those_of_torchvision_on_tensors(threshold: float) -> None:
    values = BYTES.float() / 255
    result = compiled(type="RandomSolarize", threshold=threshold, p=1, on_pil=False)(values, seeded())
    assert torch.equal(result, functional.solarize(values, threshold))


def test_what_is_between_two_bytes_is_rounded_as_pil_would() -> None:
    values = torch.tensor([127.4, 127.6]).view(1, 1, 1, 2) / 255
    result = compiled(type="RandomSolarize", threshold=128, p=1)(values, seeded())
    torch.testing.assert_close(result.flatten() * 255, torch.tensor([127.4, 255 - 127.6]))


def test_thresholds_of_bytes_do_not_suit_tensors() -> None:
    with pytest.raises(DataError, match="a threshold of 128, but tensors reach from 0 to 1: divide it by 255"):
        compiled(type="RandomSolarize", threshold=128, on_pil=False)
