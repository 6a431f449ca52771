import pytest
import torch

from recombine import exact_neighbors as module
from recombine import point_blocks
from recombine.exact_neighbors import exact_neighbors, search_again, squared_distances
from recombine.points import Points
from tests.neighborhoods import by_differences, hard_points

HARD = hard_points()
CPU = torch.device("cpu")


def search(values, k, queries=None):
    found = exact_neighbors(points(values), None if queries is None else points(queries), k)
    return found.values, found.columns


def points(values):
    return Points(values, None, "points")


@pytest.fixture(params=[64, 256, 2048])
def side(request, monkeypatch):
    monkeypatch.setattr(point_blocks, "_LEAST", request.param)
    monkeypatch.setattr(point_blocks, "_MOST_ON_CPU", request.param)
    return request.param


@pytest.fixture
def searched_again(monkeypatch):
    """Return the list of how many points each second search is for."""
    counts = []
    search_part = module._search_part

    def counted(found, some, *points):
        counts.append(len(some))
        search_part(found, some, *points)

    monkeypatch.setattr(module, "_search_part", counted)
    return counts


@pytest.mark.parametrize("kind", HARD)
@pytest.mark.parametrize("k", [1, 10, 40])
def test_finds_what_differences_find(kind, k, side):
    values, columns = search(HARD[kind], k)
    lowest, order = by_differences(HARD[kind], k)
    assert torch.equal(columns, order)
    assert torch.equal(values, lowest)


@pytest.mark.parametrize("kind", HARD)
def test_finds_what_differences_find_among_others(kind, side):
    queries = HARD[kind][100:200]
    values, columns = search(HARD[kind], 7, queries)
    lowest, order = by_differences(HARD[kind], 7, queries)
    assert torch.equal(columns, order)
    assert torch.equal(values, lowest)


def test_most_points_are_searched_once(searched_again):
    search(HARD["normal"], 10)
    search(HARD["bytes"], 10)
    assert searched_again == []
    search(HARD["all alike"], 10)
    assert searched_again == [700]


def test_without_the_second_search_ties_would_be_wrong(monkeypatch):
    """The second search is needed: the float32 candidates of equal distances are any of them."""
    monkeypatch.setattr(module, "_search_part", lambda *given: None)
    _, columns = search(HARD["ten, many times"], 10)
    assert not torch.equal(columns, by_differences(HARD["ten, many times"], 10)[1])


@pytest.mark.parametrize("num", [2, 3, 31, 32, 33, 64, 65])
def test_few_points(num, side):
    values = torch.randn(num, 4, generator=torch.Generator().manual_seed(num))
    for k in {1, num // 2, num - 1}:
        assert torch.equal(search(values, k)[1], by_differences(values, k)[1])
    assert torch.equal(search(values, num, values[:1])[1], by_differences(values, num, values[:1])[1])


def test_a_point_is_not_its_own_neighbour_and_its_duplicate_is():
    values = torch.tensor([[0.0, 0], [5, 5], [0, 0], [1, 0]])
    lowest, columns = search(values, 2)
    assert columns.tolist() == [[2, 3], [3, 0], [0, 3], [0, 2]]
    assert lowest.tolist() == [[0, 1], [41, 50], [0, 1], [1, 1]]


def test_reduced_precision_of_the_user_changes_nothing():
    values = torch.randn(600, 64, generator=torch.Generator().manual_seed(0))
    backend = torch.backends.mkldnn.matmul
    before, backend.fp32_precision = backend.fp32_precision, "bf16"
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            columns = search(values, 5)[1]
        assert backend.fp32_precision == "bf16"
    finally:
        backend.fp32_precision = before
    assert torch.equal(columns, by_differences(values, 5)[1])


def test_products_have_the_error_that_is_allowed_for():
    values = torch.randn(500, 300, generator=torch.Generator().manual_seed(0)) + 3
    products = (values @ values.T).mul_(-2) + values.square().sum(1) + values.square().sum(1)[:, None]
    every = torch.arange(500).repeat_interleave(500), torch.arange(500).repeat(500)
    exact = squared_distances(points(values), every[0], points(values), every[1])
    far = (products.flatten().double() - exact).abs()
    allowed = module._error(values.norm(dim=1)[every[0]], exact, 300)
    assert (far <= allowed).all()
    assert far.max() > allowed.min() / 1000


def test_whole_numbers_that_are_too_large_take_differences():
    for largest, expected in ((2**24, True), (2**25, False)):
        values = points(torch.tensor([[largest, 0], [0, 1], [1, 1], [2, 5], [3, 4]]).expand(5, 2).repeat(1, 4))
        assert module._products_are_exact(values, values) is expected
    fractions = points(torch.rand(5, 2))
    assert not module._products_are_exact(fractions, fractions)


def test_squared_distances_are_those_of_pairs(monkeypatch):
    monkeypatch.setattr(module, "_PAIR_ELEMENTS", 12)
    first, second = torch.rand(5, 4), torch.rand(6, 4)
    rows, columns = torch.tensor([0, 4, 2, 2, 1]), torch.tensor([5, 5, 0, 3, 1])
    found = squared_distances(points(first), rows, points(second), columns)
    expected = [(first[r].double() - second[c].double()).square().sum() for r, c in zip(rows, columns, strict=True)]
    assert found.dtype == torch.float64
    assert torch.allclose(found, torch.stack(expected), rtol=1e-15)
    assert squared_distances(points(first), rows[:0], points(second), columns[:0]).shape == (0,)


def test_a_search_from_nothing_finds_all():
    values = points(HARD["normal"])
    found = module.Best(700, 5, torch.float64, CPU)
    search_again(found, torch.tensor([3, 500]), values, None)
    lowest, order = by_differences(HARD["normal"], 5)
    assert torch.equal(found.columns[[3, 500]], order[[3, 500]])
    assert found.values[0].isinf().all()


def test_gradients_are_left_alone():
    values = torch.randn(50, 3, requires_grad=True)
    found, _ = search(values, 2)
    assert not found.requires_grad
