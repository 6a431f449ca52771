from itertools import permutations
from typing import Any

import pytest
import torch

from recombine.errors import DataError
from recombine.views.base import NotCompilableError
from tests.views.compare import compiled, images, seeded

PAD = {"type": "Pad", "padding": [3, 0, 0, 0], "fill": 100}
INVERT = {"type": "RandomInvert", "p": 1}
FLIP = {"type": "RandomHorizontalFlip", "p": 1}


def _order(*parts: dict[str, Any], **options: Any) -> Any:
    return compiled(type="RandomOrder", transforms=list(parts), **options)


def test_every_image_takes_an_order_of_its_own() -> None:
    batch = images(600).float() / 255
    parts = [PAD, INVERT, FLIP]
    result = _order(*parts)(batch, seeded())
    outcomes = []
    for order in permutations(parts):
        outcome = batch
        for part in order:
            outcome = compiled(**part)(outcome, seeded())
        outcomes.append(outcome)
    distinct = torch.stack(outcomes).unique(dim=0)
    which = torch.stack([(result - one).flatten(1).abs().amax(1) < 1e-6 for one in distinct], 1)
    assert len(distinct) == 4
    assert bool((which.sum(1) == 1).all())
    shares = which.float().mean(0).sort().values
    assert float((shares - torch.tensor([1, 1, 2, 2]) / 6).abs().max()) < 0.05


def test_every_order_is_as_likely() -> None:
    orders, counts = _order(PAD, INVERT, FLIP).draw(6000, seeded()).unique(dim=0, return_counts=True)
    assert sorted(map(tuple, orders.tolist())) == sorted(permutations(range(3)))
    assert bool(((counts - 1000).abs() < 120).all())


def test_sizes_may_change_on_the_way() -> None:
    crop = {"type": "RandomCrop", "size": 8}
    assert tuple(_order(crop, INVERT, FLIP)(images().float(), seeded()).shape) == (16, 1, 8, 8)
    with pytest.raises(DataError, match="RandomOrder around transforms that change the images' size gives unequal"):
        _order({"type": "CenterCrop", "size": 8}, PAD)(images().float(), seeded())


def test_without_transforms_nothing_changes() -> None:
    batch = images().float()
    assert torch.equal(_order()(batch, seeded()), batch)


def test_what_has_no_batch_form() -> None:
    with pytest.raises(NotCompilableError, match="^RandomOrder around ToTensor has no batch form$"):
        _order(INVERT, {"type": "Compose", "transforms": [{"type": "ToTensor"}]})
