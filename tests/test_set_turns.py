"""Sets of images of which turned ones are further classes."""

import pytest
import torch

from recombine.batch_requests import BatchOptions
from recombine.datasets.base import Samples
from recombine.errors import DataError
from recombine.set_data import SetData
from recombine.set_draws import SetOptions

TO_TENSOR = {"plain": [{"type": "ToTensor"}]}


def data_of(values, quarter_turns, views=TO_TENSOR):
    """Return sets of 6 objects of two of the four classes."""
    classes = {"train": [0, 1], "validation": [], "test": [2, 3], "quarter_turns": quarter_turns, "seed": 0}
    options = SetOptions((6, 6), (1, 2), 1, True, classes, 5, 0)
    samples = Samples(values, torch.arange(len(values)) % 4)
    batches = BatchOptions(batch_size=50, shuffle=False, drop_last=True, seed=0)
    return SetData("images", samples, views, batches, torch.device("cpu"), options)


def images(height=5, width=5):
    """Return 80 images in bytes."""
    draws = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (80, 1, height, width), dtype=torch.uint8, generator=draws)


@pytest.mark.parametrize("views", [TO_TENSOR, {"plain": [{"type": "RandomHorizontalFlip", "p": 0.0}]}])
def test_objects_are_turned_before_their_view(views):
    values = images()
    batch = data_of(values, [1, 2], views).training_batch("phase", 0, ["plain"])
    turns, upright = batch.index // 80, batch.index % 80
    assert set(turns.tolist()) == {0, 1, 2}
    for seen, turn, position in zip(batch.views["plain"], turns.tolist(), upright.tolist(), strict=True):
        assert torch.equal(seen, values[position].rot90(turn, (1, 2)).float() / 255)


def test_test_sets_stand_upright():
    values = images()
    (batch,) = data_of(values, [1, 2, 3]).evaluation_batches(0)
    assert torch.equal(batch.views["plain"], values[batch.index].float() / 255)


def test_only_square_images_can_be_turned():
    reason = r'dataset "images" has no square images of one size to turn into more classes'
    for values in (images(4, 5), torch.rand(80, 7)):
        with pytest.raises(DataError, match=reason):
            data_of(values, [1], {"plain": []})
