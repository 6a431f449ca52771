import pytest
import torch

from recombine.imaging import cubic, resampling_matrix, resized_shape, round_to_int, triangle


def test_filters() -> None:
    x = torch.tensor([-2.5, -1.5, -1.0, -0.5, 0.0, 0.25, 1.0, 1.5, 2.0])
    torch.testing.assert_close(triangle(x), torch.tensor([0, 0, 0, 0.5, 1, 0.75, 0, 0, 0]))
    torch.testing.assert_close(cubic(x), torch.tensor([0, -0.0625, 0, 0.5625, 1, 0.8671875, 0, -0.0625, 0]))


@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
def test_weights_sum_to_one_over_the_part(name: str) -> None:
    start, length = torch.tensor([0, 3, 9]), torch.tensor([10, 5, 1])
    weights = resampling_matrix(start, length, 10, 4, name)
    torch.testing.assert_close(weights.sum(2), torch.ones(3, 4))
    assert not weights[1, :, :3].any()
    assert not weights[1, :, 8:].any()
    assert torch.equal(weights[2, :, 9], torch.ones(4))


def test_weights_of_a_halving() -> None:
    weights = resampling_matrix(torch.tensor([0]), torch.tensor([4]), 4, 2, "bilinear")
    expected = torch.tensor([[3, 3, 1, 0], [0, 1, 3, 3]]) / 7
    torch.testing.assert_close(weights[0], expected)


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [((9,), None, (10, 9)), ((20, 3), None, (20, 3)), ((20,), 21, (21, 18)), ((17,), None, (20, 17))],
)
def test_shapes_of_a_resize(size: tuple[int, ...], longest: int | None, expected: tuple[int, int]) -> None:
    assert resized_shape(20, 17, size, longest) == expected
    assert resized_shape(17, 20, size, longest) == (expected[::-1] if len(size) == 1 else expected)


def test_halves_are_rounded_to_even() -> None:
    values = [0.5, 1.5, 2.5, -0.5, 1.4]
    assert round_to_int(torch.tensor(values)).tolist() == [round(value) for value in values]
