import pytest
import torch

from recombine.distances import euclidean_distances, squared_distances, sums_of_nearest


def broadcast(x, y):
    return (x[:, None] - y[None]).square().sum(2)


@pytest.fixture
def points():
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(7, 5, generator=draws, dtype=torch.float64)
    y = torch.randn(3, 5, generator=draws, dtype=torch.float64)
    return x.requires_grad_(), y.requires_grad_()


def test_pinned_distances():
    x, y = torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([[0.0, 0.0], [3.0, 0.0], [-1.0, 1.0]])
    expected = torch.tensor([[0.0, 9.0, 2.0], [25.0, 16.0, 25.0]])
    torch.testing.assert_close(squared_distances(x, y), expected)


def test_equals_the_broadcast(points):
    torch.testing.assert_close(squared_distances(*points), broadcast(*points))


def test_gradient_equals_that_of_the_broadcast(points):
    weights = torch.arange(21, dtype=torch.float64).reshape(7, 3)
    found = torch.autograd.grad((weights * squared_distances(*points)).sum(), points)
    expected = torch.autograd.grad((weights * broadcast(*points)).sum(), points)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_precise_far_from_the_origin(points):
    x, y = ((point.detach() + 1000).float() for point in points)
    torch.testing.assert_close(
        squared_distances(x, y).double(), broadcast(x.double(), y.double()), rtol=1e-5, atol=1e-5
    )


def test_never_negative():
    x = torch.randn(200, 64, generator=torch.Generator().manual_seed(1))
    distances = squared_distances(x, x)
    assert (distances >= 0).all()
    assert distances.diagonal().max() < 1e-3


def test_one_point_each():
    x = torch.tensor([[1.0, 2.0]], requires_grad=True)
    distances = squared_distances(x, torch.tensor([[1.0, 2.0]]))
    assert distances.item() == 0
    assert torch.equal(torch.autograd.grad(distances.sum(), x)[0], torch.zeros(1, 2))


@pytest.mark.parametrize(("low", "high"), [(torch.bfloat16, torch.float32), (torch.float32, torch.float64)])
def test_takes_the_wider_type_also_under_autocast(low, high):
    x, y = torch.randn(4, 8).to(low), torch.randn(2, 8).to(high)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        distances = squared_distances(x, y)
    assert distances.dtype == high
    torch.testing.assert_close(distances.double(), broadcast(x.double(), y.double()), rtol=1e-5, atol=1e-5)


def test_shapes_can_be_planned_on_the_meta_device():
    x, y = torch.empty(7, 5, device="meta"), torch.empty(3, 5, device="meta")
    assert squared_distances(x, y).shape == (7, 3)


def test_euclidean_distances_are_the_roots_of_squared_ones(points):
    torch.testing.assert_close(euclidean_distances(*points), broadcast(*points).sqrt())
    found = torch.autograd.grad(euclidean_distances(*points).square().sum(), points)
    expected = torch.autograd.grad(broadcast(*points).sum(), points)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_euclidean_distances_take_the_wider_type(points):
    assert euclidean_distances(points[0].float(), points[1]).dtype == torch.float64


@pytest.mark.parametrize(("offset", "length"), [(1e-3, 1), (1e-6, 1), (0, 0)])
def test_near_a_point_the_gradient_of_the_distance_is_no_noise(offset, length):
    """In single precision, in which a squared distance by a matrix product would have lost the difference."""
    x = torch.tensor([[10 + offset, -20.0, 30.0]], requires_grad=True)
    y = torch.tensor([[10.0, -20.0, 30.0], [9.0, 9.0, 9.0]])
    (gradient,) = torch.autograd.grad(euclidean_distances(x, y)[0, 0], x)
    assert gradient.norm().item() == pytest.approx(length)


def test_sums_of_the_nearest_equal_those_one_by_one(points):
    x, y = (point.detach() for point in points)
    sums, counts = torch.zeros(3, 5, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for row in x:
        nearest = min(range(3), key=lambda k: (row - y[k]).norm().item())
        sums[nearest] += row
        counts[nearest] += 1
    found = sums_of_nearest(x, y)
    torch.testing.assert_close(found[0], sums)
    assert torch.equal(found[1], counts)


def test_of_equally_near_points_the_first_counts():
    sums, counts = sums_of_nearest(torch.tensor([[0.0], [0.0], [6.0]]), torch.tensor([[1.0], [-1.0], [9.0]]))
    assert (sums.tolist(), counts.tolist()) == ([[0.0], [0.0], [6.0]], [2, 0, 1])
