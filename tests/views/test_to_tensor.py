import pytest
import torch

from recombine.errors import DataError
from tests.views.compare import images, on_pil, seeded, view_of


def test_bytes_become_fractions_as_in_torchvision() -> None:
    batch = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(view_of(batch, {"type": "ToTensor"})(batch, seeded()), on_pil(batch, lambda image, _: image))


def test_twice_is_a_mistake() -> None:
    with pytest.raises(DataError, match='view "test": ToTensor is applied to a tensor'):
        view_of(images(), {"type": "ToTensor"}, {"type": "ToTensor"})
