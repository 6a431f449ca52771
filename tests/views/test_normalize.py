import pytest
import torch

from recombine.errors import DataError
from tests.views.compare import compiled, functional, images, seeded


def test_values() -> None:
    batch = images(channels=3).float() / 255
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]
    result = compiled(type="Normalize", mean=mean, std=std, on_pil=False)(batch, seeded())
    assert torch.equal(result, functional.normalize(batch, mean, std))


def test_mistakes() -> None:
    with pytest.raises(DataError, match="put ToTensor before it"):
        compiled(type="Normalize", mean=[0.1], std=[1], on_pil=True)
    with pytest.raises(DataError, match="a mean of 3 values for 1 channels"):
        compiled(type="Normalize", mean=[0.1] * 3, std=[1] * 3, on_pil=False)(images().float(), seeded())
    with pytest.raises(DataError, match="a std of 0"):
        compiled(type="Normalize", mean=[0.1], std=[0], on_pil=False)
