from typing import Any

import pytest
import torch

from recombine.errors import DataError
from recombine.views.base import NotCompilableError
from tests.views.compare import compiled, images, seeded

FLIP = {"type": "RandomHorizontalFlip", "p": 1}
PARTS: list[dict[str, Any]] = [FLIP, {"type": "RandomVerticalFlip", "p": 1}, {"type": "RandomInvert", "p": 1}]


def _choice(*parts: dict[str, Any], **options: Any) -> Any:
    return compiled(type="RandomChoice", transforms=list(parts), **options)


@pytest.mark.parametrize(("p", "shares"), [(None, [1 / 3, 1 / 3, 1 / 3]), ([1, 0, 3], [0.25, 0, 0.75])])
def test_one_transform_for_each_image(p: list[float] | None, shares: list[float]) -> None:
    batch = torch.rand(4000, 1, 3, 3, generator=seeded(1))
    result = _choice(*PARTS, p=p)(batch, seeded())
    outcomes = [batch.flip(3), batch.flip(2), 1 - batch]
    which = torch.stack([(result == outcome).flatten(1).all(1) for outcome in outcomes], 1)
    assert bool((which.sum(1) == 1).all())
    assert float((which.float().mean(0) - torch.tensor(shares)).abs().max()) < 0.03


def test_parts_may_be_lists_and_change_the_size_alike() -> None:
    batch = images()
    crop, both = {"type": "CenterCrop", "size": 8}, {"type": "Compose", "transforms": [{"type": "Resize", "size": 9}]}
    both["transforms"] += [{"type": "CenterCrop", "size": 8}]
    result = _choice(crop, both)(batch.float() / 255, seeded())
    expected = [compiled(**crop)(batch.float() / 255, seeded())]
    expected += [compiled(**crop)(compiled(type="Resize", size=9)(batch.float() / 255, seeded()), seeded())]
    which = torch.stack([(result - one).flatten(1).abs().amax(1) < 1e-6 for one in expected], 1)
    assert bool((which.sum(1) == 1).all())
    assert bool(which.any(0).all())


def test_unequal_sizes_are_refused() -> None:
    with pytest.raises(DataError, match="RandomChoice around transforms that change the images' size gives unequal"):
        _choice(FLIP, {"type": "CenterCrop", "size": 8})(images().float(), seeded())


def test_what_has_no_batch_form() -> None:
    with pytest.raises(NotCompilableError, match="^RandomChoice around ToTensor has no batch form$"):
        _choice(FLIP, {"type": "ToTensor"})
    with pytest.raises(NotCompilableError, match="^ElasticTransform has no batch form$"):
        _choice(FLIP, {"type": "ElasticTransform"})


def test_mistakes() -> None:
    with pytest.raises(DataError, match="^RandomChoice has no transforms to choose from$"):
        _choice()
    with pytest.raises(DataError, match="^RandomChoice has 1 weights for 2 transforms$"):
        _choice(FLIP, FLIP, p=[1])
    with pytest.raises(DataError, match="^RandomChoice needs weights of at least 0, one of them above$"):
        _choice(FLIP, FLIP, p=[0, 0])
