import pytest
import torch

from recombine import points as module
from recombine.errors import DataError
from recombine.points import Points


def test_bytes_of_images_stay_bytes_of_255():
    images = torch.randint(256, (9, 1, 3, 2), generator=torch.Generator().manual_seed(0)).byte()
    points = Points(images, None, "images")
    assert (len(points), points.dimension, points.unit) == (9, 6, 255)
    assert points.words() == "6 bytes of an image each"
    assert torch.equal(points.between(2, 5), images[2:5].flatten(1).float())
    assert torch.equal(points.at(torch.tensor([8, 0])), images[[8, 0]].flatten(1).double())
    assert torch.allclose(points.mean, images.flatten(1).double().mean(0))
    assert points.largest == images.max()


@pytest.mark.parametrize(("last", "expected"), [(-4.0, True), (0.5, False)])
def test_knows_whole_numbers(last, expected, monkeypatch):
    monkeypatch.setattr(module, "_READ_AT_ONCE", 2)
    values = torch.tensor([[1.0, 2], [3, 4], [5, last]])
    assert Points(values, None, "points").is_whole is expected
    assert Points(values[:2], None, "points").is_whole


def test_a_table_of_bytes_is_numbers():
    points = Points(torch.zeros(3, 4, dtype=torch.uint8), None, "table")
    assert (points.unit, points.words()) == (1, "4 numbers each")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(torch.float32, torch.float32), (torch.float16, torch.float32), (torch.int16, torch.float32)]
    + [(torch.bool, torch.float32), (torch.float64, torch.float64), (torch.int32, torch.float64)],
)
def test_numbers_are_held_as_they_are(kind, expected):
    points = Points(torch.tensor([[1, 0], [0, 1]]).to(kind), None, "points")
    assert points.between(0, 2).dtype == expected
    assert points.at(torch.tensor([1])).tolist() == [[0, 1]]


def test_large_integers_keep_their_last_digit():
    assert Points(torch.tensor([[2**40 + 1]]), None, "points").at(torch.tensor([0])).item() == 2**40 + 1


def test_everything_is_read_in_blocks(monkeypatch):
    monkeypatch.setattr(module, "_READ_AT_ONCE", 6)
    values = torch.randn(7, 3)
    points = Points(values, None, "points")
    assert [(start, len(block)) for start, block in points.blocks()] == [(0, 2), (2, 2), (4, 2), (6, 1)]
    assert torch.allclose(points.mean, values.double().mean(0))
    assert points.largest == values.abs().max()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_says_which_number_is_not_finite(value, monkeypatch):
    monkeypatch.setattr(module, "_READ_AT_ONCE", 6)
    values = torch.zeros(9, 3)
    values[5, 1] = value
    expected = f'^dataset "A": number 1 of sample 5 \\(both from 0\\) is {value}, and what is NaN or infinite has no'
    with pytest.raises(DataError, match=expected):
        Points(values, None, 'dataset "A"')


def test_refuses_ragged_samples():
    samples = [torch.zeros(1, 4, 4), torch.zeros(1, 5, 4), torch.zeros(1, 4, 4)]
    expected = r"^photos: the samples have unequal shapes or types \(\(1, 4, 4\) torch.float32 and \(1, 5, 4\) torch"
    with pytest.raises(DataError, match=expected):
        Points(samples, None, "photos")


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_refuses_nothing(shape):
    with pytest.raises(DataError, match=r"^points: there are no numbers in values of shape \("):
        Points(torch.zeros(shape), None, "points")
