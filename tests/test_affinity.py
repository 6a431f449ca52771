"""Affinities, against their formula written out."""

import math

import pytest
import torch

from recombine.affinity import Affinity, gaussian, squared_scales, symmetric
from recombine.graph import Graph
from tests.patterns.world import SAMPLES, World

DEFAULTS = {
    "source": "input",
    "graph": "nearest_neighbors",
    "num_neighbors": 2,
    "neighborhood": "batch",
    "search": "exact",
    "scale": "global",
    "scale_neighbor": 4,
    "scale_num_samples": 256,
    "self_loops": True,
}
INDEX = [3, 17, 5, 0, 9, 22, 14, 8]


def weights_of(world, index=INDEX, **options):
    """Return the weights of a batch and what made them."""
    affinity = Affinity({**DEFAULTS, **options})
    step = world.step(index)
    affinity.prepare(step)
    return affinity.weights(step), affinity


def nearest(points, i, count):
    """Return the nearest others of a point with their distances."""
    others = sorted((math.dist(points[i], other), j) for j, other in enumerate(points.tolist()) if j != i)
    return others[:count]


def test_neighbours_in_the_batch_with_a_global_scale():
    world = World()
    weights, affinity = weights_of(world)
    points = world.views["plain"]
    scales = sorted(nearest(points, i, 4)[-1][0] for i in range(SAMPLES))
    scale = scales[(SAMPLES - 1) // 2]  # torch's median of an even number is the lower one
    directed = torch.zeros(8, 8, dtype=torch.float64)
    for i in range(8):
        for distance, j in nearest(points[INDEX], i, 2):
            directed[i, j] = math.exp(-(distance**2) / (2 * scale**2))
    expected = (directed + directed.T) / 2
    expected.fill_diagonal_(1)
    torch.testing.assert_close(weights, expected)
    assert len(affinity.memory) == 1


def test_has_the_acceptance_properties():
    world = World()
    affinity = Affinity(DEFAULTS)
    step = world.step(INDEX)
    affinity.prepare(step)
    _, chosen = affinity.neighbors.edges(step)
    assert (chosen.sum(1) + 1 == 3).all(), "with itself, three"
    weights = affinity.weights(step)
    assert torch.equal(weights, weights.T)
    assert (weights.diagonal() == 1).all()
    assert ((weights >= 0) & (weights <= 1)).all()
    assert not weights.requires_grad


def test_a_full_graph_with_local_scales_and_without_loops():
    world = World()
    weights, _ = weights_of(world, graph="full", scale="local", scale_neighbor=3, self_loops=False)
    points = world.views["plain"][INDEX]
    for i in range(8):
        for j in range(8):
            distance = math.dist(points[i], points[j])
            both = [nearest(points, one, 3)[-1][0] for one in (i, j)]
            mean = sum(math.exp(-(distance**2) / (2 * scale**2)) for scale in both) / 2
            assert weights[i, j].item() == pytest.approx(0 if i == j else mean)


def test_neighbours_in_the_dataset_with_local_scales():
    world = World()
    weights, affinity = weights_of(world, neighborhood="dataset", scale="local", num_neighbors=3, scale_neighbor=5)
    points = world.views["plain"]
    directed = torch.zeros(8, 8, dtype=torch.float64)
    for row, i in enumerate(INDEX):
        scale = nearest(points, i, 5)[-1][0]
        for distance, j in nearest(points, i, 3):
            if j in INDEX:
                directed[row, INDEX.index(j)] = math.exp(-(distance**2) / (2 * scale**2))
    expected = ((directed + directed.T) / 2).fill_diagonal_(1)
    torch.testing.assert_close(weights.double(), expected, rtol=1e-4, atol=1e-6)
    assert len(affinity.memory) == 2


def test_features_of_a_mapping_carry_no_gradient():
    world = World()
    encoder = world.mappings["encoder"]
    weights, _ = weights_of(world, source="features", mapping=encoder)
    assert not weights.requires_grad
    with torch.no_grad():
        features = encoder(world.views["plain"])
    scale = squared_scales(torch.cdist(features, features).square(), 4).median()
    squared = torch.cdist(features[INDEX], features[INDEX]).square()
    nearest_two = squared.clone().fill_diagonal_(torch.inf).topk(2, largest=False).indices
    chosen = torch.zeros(8, 8, dtype=torch.float64).scatter_(1, nearest_two, 1)
    torch.testing.assert_close(weights, symmetric(gaussian(squared, scale) * chosen, True))


@pytest.mark.parametrize("graph", ["full", "nearest_neighbors"])
@pytest.mark.parametrize("scale", ["global", "local"])
def test_features_that_stay_are_computed_once(graph, scale):
    world = World()
    options = {"source": "features", "mapping": world.mappings["encoder"], "graph": graph, "scale": scale}
    live, _ = weights_of(world, **options)
    affinity = Affinity({**DEFAULTS, **options})
    affinity.prepare(world.step(INDEX, trained=["decoder"]))
    with torch.no_grad():
        for parameter in world.mappings["encoder"].parameters():
            parameter.zero_()
    torch.testing.assert_close(affinity.weights(world.step(INDEX, trained=["decoder"])), live)
    assert len(affinity.memory) == (2 if scale == "global" else 1)


@pytest.mark.parametrize("trained", ["encoder", "classifier"])
def test_features_of_a_trained_mapping_move_with_it(trained):
    """A classifier gets the encoder's features: its own change with either."""
    world = World()
    affinity = Affinity({**DEFAULTS, "source": "features", "mapping": world.mappings["classifier"], "graph": "full"})
    affinity.prepare(world.step(INDEX, trained=[trained]))
    before = affinity.weights(world.step(INDEX, trained=[trained]))
    with torch.no_grad():
        for parameter in world.mappings[trained].parameters():
            parameter.mul_(2)
    assert not torch.allclose(affinity.weights(world.step(INDEX, trained=[trained])), before)


def test_what_was_found_is_found_once_and_survives():
    world = World()
    affinity = Affinity({**DEFAULTS, "neighborhood": "dataset"})
    affinity.prepare(world.step(INDEX))
    state, memory = affinity.state_dict(), affinity.memory
    world.views["plain"] = world.views["plain"].flip(0)
    affinity.prepare(world.step(INDEX))
    assert affinity.memory == memory
    again = Affinity({**DEFAULTS, "neighborhood": "dataset"})
    again.load_state_dict(state)
    again.prepare(world.step(INDEX))
    assert torch.equal(again.weights(world.step(INDEX)), affinity.weights(world.step(INDEX)))


def test_a_sample_of_the_dataset_gives_the_scale():
    world = World()
    _, whole = weights_of(world)
    _, part = weights_of(world, scale_num_samples=6)
    assert whole.state_dict()["squared_scale"] < part.state_dict()["squared_scale"], "fewer samples lie farther apart"


@pytest.mark.parametrize("scale", ["global", "local"])
@pytest.mark.parametrize("graph", ["full", "nearest_neighbors"])
def test_duplicates_and_a_scale_of_zero_give_finite_weights(scale, graph):
    world = World()
    world.views["plain"][:20] = world.views["plain"][0]
    weights, _ = weights_of(world, [0, 1, 2, 3, 4, 21, 22, 23], scale=scale, graph=graph)
    assert weights.isfinite().all()
    assert (weights[:5, :5].sum(1) > 1).all()
    if scale == "global":
        assert (weights[:5, 5:] == 0).all()


def test_a_batch_smaller_than_the_neighbourhood_takes_what_there_is():
    world = World()
    weights, _ = weights_of(world, [1, 2, 3], num_neighbors=7, scale_neighbor=30, scale="local")
    assert (weights > 0).all()


def test_a_graph_of_the_dataset():
    world = World()
    edges = torch.tensor([3, 17, 5]), torch.tensor([17, 3, 0])
    world.graph = Graph.of_edges(*edges, torch.tensor([0.5, 0.5, 0.25]), SAMPLES)
    weights, affinity = weights_of(world, source="precomputed", self_loops=False)
    expected = torch.zeros(8, 8)
    expected[0, 1] = expected[1, 0] = 0.5
    expected[2, 3] = expected[3, 2] = 0.125
    assert torch.equal(weights, expected)
    assert affinity.memory == ()
