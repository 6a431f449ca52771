"""Neighbours in a batch and in a dataset, against a search by hand."""

import pytest
import torch

from recombine.graph import Graph
from recombine.neighbor_graph import between, nearest_in_batch, neighborhoods_of

POINTS = torch.randn(12, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def by_hand(points, count):
    """Return for each point the indices of its nearest others."""
    found = []
    for i, point in enumerate(points):
        distances = [(float((point - other).square().sum()), j) for j, other in enumerate(points) if j != i]
        found.append([j for _, j in sorted(distances)[:count]])
    return found


@pytest.mark.parametrize("count", [1, 3, 11])
def test_nearest_in_a_batch(count):
    squared, chosen = nearest_in_batch(POINTS, count)
    assert [sorted(row.nonzero().flatten().tolist()) for row in chosen] == [
        sorted(row) for row in by_hand(POINTS, count)
    ]
    torch.testing.assert_close(squared, torch.cdist(POINTS, POINTS).square())
    assert (squared.diagonal() == 0).all()


def test_in_a_small_batch_all_others_are_neighbours():
    _, chosen = nearest_in_batch(POINTS[:3], 5)
    assert chosen.tolist() == [[False, True, True], [True, False, True], [True, True, False]]


def test_duplicates_are_neighbours_and_never_their_own():
    points = POINTS[[0, 0, 0, 5]]
    squared, chosen = nearest_in_batch(points, 2)
    assert not chosen.diagonal().any()
    assert chosen.sum(1).tolist() == [2, 2, 2, 2]
    assert (squared[:3, :3] == 0).all()
    assert (between(points) >= 0).all()


def test_edges_over_the_dataset_within_a_batch():
    found = neighborhoods_of(POINTS, (), 4, "exact")
    assert found.indices.tolist() == by_hand(POINTS, 4)
    index = torch.tensor([7, 2, 9, 0])
    for count in (2, 4):
        squared, chosen = found.within(index, count)
        for row, i in enumerate(index.tolist()):
            for column, j in enumerate(index.tolist()):
                is_neighbor = j in by_hand(POINTS, count)[i]
                assert bool(chosen[row, column]) == is_neighbor
                if is_neighbor:
                    assert squared[row, column].item() == pytest.approx(
                        float((POINTS[i] - POINTS[j]).square().sum()), 1e-5
                    )
    assert found.squared_distance(index, 2).tolist() == found.distances[index, 1].square().tolist()
    assert found.squared_distance(index, 9).tolist() == found.distances[index, 3].square().tolist()


def test_there_are_no_neighbours_across_parts():
    parts = (torch.tensor([1, 3, 4, 6, 7, 8, 10]), torch.tensor([0, 2, 5, 9]), torch.tensor([11]))
    found = neighborhoods_of(POINTS, parts, 4, "exact")
    for part in parts:
        for place, position in enumerate(part.tolist()):
            own = [part[j].item() for j in by_hand(POINTS[part], 4)[place]]
            padded = own + own[-1:] * (4 - len(own)) if own else [position] * 4
            assert found.indices[position].tolist() == padded
    _, chosen = found.within(torch.tensor([11, 0, 2, 5, 9]), 4)
    assert chosen[0].tolist() == [False] * 5, "nobody's neighbour, not even its own"
    assert (chosen.sum(1)[1:] == 3).all()


def test_a_graph_within_a_batch():
    sources, targets = torch.tensor([0, 0, 1, 3, 3, 0]), torch.tensor([1, 2, 0, 0, 2, 1])
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 0.5])
    graph = Graph.of_edges(sources, targets, weights, 5)
    assert len(graph) == 5
    assert graph.counts.tolist() == [2, 1, 0, 2, 0]
    dense = torch.zeros(5, 5)
    dense[0, 1], dense[0, 2], dense[1, 0], dense[3, 0], dense[3, 2] = 1.5, 2, 3, 4, 5
    for index in ([0, 1, 2, 3, 4], [3, 0], [4, 2], [2, 3, 1]):
        positions = torch.tensor(index)
        assert torch.equal(graph.within(positions), dense[positions][:, positions])
    part = graph.part(1, 4)
    assert torch.equal(part.within(torch.arange(3)), dense[1:4, 1:4])
