import pytest
import torch

from tests.views.compare import compiled, functional, images, seeded


@pytest.mark.parametrize("size", [[10, 11], [25, 8], [7, 30], [25, 26], [20, 17]])
def test_pixels(size: list[int]) -> None:
    batch = images(4).float() / 255
    assert torch.equal(compiled(type="CenterCrop", size=size)(batch, seeded()), functional.center_crop(batch, size))
