import sys
import types

import numpy as np
import pytest
import torch

from recombine import approximate_neighbors as module
from recombine.approximate_neighbors import approximate_neighbors
from recombine.errors import DataError, UsageError
from recombine.exact_neighbors import exact_neighbors
from recombine.points import Points


def points(num, seed=0):
    return Points(torch.randn(num, 5, generator=torch.Generator().manual_seed(seed)), None, "points")


class Library:
    """Finds what it is told to find."""

    def __init__(self, graph):
        self.graph = graph
        self.seen = []

    def __call__(self, array, **options):
        self.seen.append((array.shape, array.dtype, options))
        return types.SimpleNamespace(neighbor_graph=(self.graph, None), query=self.query)

    def query(self, array, **options):
        self.seen.append((array.shape, array.dtype, options))
        return self.graph, None


@pytest.fixture
def library(monkeypatch):
    """Return what installs a library that finds a given graph."""
    monkeypatch.setattr(module, "FEWEST", 20)

    def install(graph):
        found = Library(graph)
        monkeypatch.setitem(sys.modules, "pynndescent", types.SimpleNamespace(NNDescent=found))
        return found

    return install


def test_distances_and_order_are_exact_whatever_the_library_says(library):
    references = points(60)
    exact = exact_neighbors(references, None, 9)
    shuffled = exact.columns[:, torch.randperm(9, generator=torch.Generator().manual_seed(0))]
    own = torch.arange(60)[:, None]
    installed = library(torch.cat([shuffled, own, shuffled[:, :2]], 1).int().numpy())
    found = approximate_neighbors(references, None, 5, 2**40 + 3)
    assert torch.equal(found.columns, exact.columns[:, :5])
    assert torch.equal(found.values, exact.values[:, :5])
    options = {"n_neighbors": 12, "random_state": 3, "n_jobs": 1}
    assert installed.seen == [((60, 5), np.float32, options)]


def test_points_with_too_few_are_searched_exactly(library):
    references = points(60)
    exact = exact_neighbors(references, None, 3)
    graph = exact.columns.numpy().copy()
    graph[7] = -1
    graph[8, 1] = -1
    graph[9] = 9
    library(graph)
    found = approximate_neighbors(references, None, 3, 0)
    assert torch.equal(found.columns, exact.columns)
    assert torch.equal(found.values, exact.values)


def test_others_are_looked_up(library):
    references, queries = points(60), points(7, seed=1)
    exact = exact_neighbors(references, queries, 4)
    installed = library(exact.columns.flip(1).numpy())
    found = approximate_neighbors(references, queries, 4, 0)
    assert torch.equal(found.columns, exact.columns)
    assert installed.seen[1] == ((7, 5), np.float32, {"k": 11, "epsilon": 0.2})


def test_a_neighbour_that_was_missed_is_missed(library):
    """What the library finds is taken: this is no exact search."""
    references = points(60)
    exact = exact_neighbors(references, None, 5)
    library(exact.columns[:, 1:].numpy())
    found = approximate_neighbors(references, None, 4, 0)
    assert torch.equal(found.columns, exact.columns[:, 1:])


def test_few_points_are_searched_exactly_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynndescent", None)
    references = points(60)
    found = approximate_neighbors(references, None, 5, 0)
    assert torch.equal(found.columns, exact_neighbors(references, None, 5).columns)


def test_without_the_library_the_remedy_is_named(library, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynndescent", None)
    expected = r"^the approximate search for neighbours needs pynndescent, which is not installed: pip install pynndesc"
    with pytest.raises(UsageError, match=expected):
        approximate_neighbors(points(60), None, 5, 0)


def test_what_does_not_fit_in_memory_is_refused(library, monkeypatch):
    library(np.zeros((60, 5), dtype=np.int32))
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", "1000")
    expected = r"needs all samples as float32 in memory: 0\.0 MiB, and 0\.0 MiB may be used\. Search among the features"
    with pytest.raises(DataError, match=expected):
        approximate_neighbors(points(60), None, 5, 0)


def test_the_library_finds_nearly_all():
    pytest.importorskip("pynndescent")
    draws = torch.Generator().manual_seed(0)
    centres = 10 * torch.randn(10, 20, generator=draws)
    values = centres[torch.randint(10, (5000,), generator=draws)] + torch.randn(5000, 20, generator=draws)
    references = Points(values, None, "points")
    exact = exact_neighbors(references, None, 10)
    found = approximate_neighbors(references, None, 10, 3)
    again = approximate_neighbors(references, None, 10, 3)
    assert torch.equal(found.columns, again.columns)
    assert (found.values >= exact.values).all()
    assert (found.values == exact.values).double().mean() > 0.95
    queries = Points(values[:100] + 0.01, None, "points")
    looked_up = approximate_neighbors(references, queries, 10, 3)
    assert (looked_up.values == exact_neighbors(references, queries, 10).values).double().mean() > 0.9
