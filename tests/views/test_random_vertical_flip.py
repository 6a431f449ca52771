import torch

from tests.views.compare import compiled, images, seeded


def test_each_image_is_mirrored_or_not() -> None:
    batch = images(4000, height=3, width=3).float()
    result = compiled(type="RandomVerticalFlip", p=0.3)(batch, seeded())
    mirrored = (result == batch.flip(2)).flatten(1).all(1)
    kept = (result == batch).flatten(1).all(1)
    assert bool((mirrored | kept).all())
    assert abs(float((mirrored & ~kept).float().mean()) - 0.3) < 0.03


def test_certain_flips() -> None:
    batch = images().float()
    assert torch.equal(compiled(type="RandomVerticalFlip", p=1)(batch, seeded()), batch.flip(2))
    assert torch.equal(compiled(type="RandomVerticalFlip", p=0)(batch, seeded()), batch)
