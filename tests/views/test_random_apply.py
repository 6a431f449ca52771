import pytest
import torch

from recombine.errors import DataError
from tests.views.compare import compiled, images, seeded

FLIPS = [{"type": "RandomHorizontalFlip", "p": 1}, {"type": "RandomVerticalFlip", "p": 1}]


def test_all_transforms_or_none() -> None:
    batch = images(4000, height=3, width=3).float()
    result = compiled(type="RandomApply", transforms=FLIPS, p=0.25)(batch, seeded())
    applied = (result == batch.flip(2, 3)).flatten(1).all(1)
    kept = (result == batch).flatten(1).all(1)
    assert bool((applied | kept).all())
    assert abs(float((applied & ~kept).float().mean()) - 0.25) < 0.03
    assert torch.equal(compiled(type="RandomApply", transforms=FLIPS, p=1)(batch, seeded()), batch.flip(2, 3))


def test_sizes_must_stay() -> None:
    crop = [{"type": "CenterCrop", "size": 3}]
    with pytest.raises(DataError, match="unequal sizes"):
        compiled(type="RandomApply", transforms=crop)(images().float(), seeded())
