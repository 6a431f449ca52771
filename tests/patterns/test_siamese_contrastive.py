"""Contrast between pairs of neighbours and others."""

import math

import pytest
import torch

from recombine.patterns.siamese_contrastive import drawn_others
from tests.patterns.world import SEED, World

INDEX = [3, 17, 5, 0, 9, 22, 14, 8]
BLOCK = {"pattern": "siamese_contrastive", "encoder_name": "encoder"}


def neighbours(points, count):
    """Return the indices of the nearest others of each point."""
    squared = torch.cdist(points, points).fill_diagonal_(torch.inf)
    return squared.argsort(1)[:, :count].tolist()


def pairs_of(world, pattern):
    """Return which pairs the pattern takes as neighbours and which as others, in a step like that of the losses."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        _, positives = pattern.neighbors.edges(world.step(INDEX))
        return positives, drawn_others(positives)


def euclidean(one, other):
    return math.sqrt(max(float((one - other).square().sum()), 1e-7))


def cosine(one, other):
    return 1 - float(one @ other) / math.sqrt(float(one @ one) * float(other @ other))


@pytest.mark.parametrize("distance_of", [euclidean, cosine])
@pytest.mark.parametrize(("positive", "negative"), [(0.05, 1.0), (0.5, 3.0)])
def test_is_the_mean_over_pairs(positive, negative, distance_of):
    world = World()
    margins = {"positive_margin": positive, "negative_margin": negative}
    pattern = world.build({**BLOCK, **margins, "distance": distance_of.__name__})
    loss = world.losses(pattern, index=INDEX)["siamese_contrastive"]
    positives, negatives = pairs_of(world, pattern)
    features = world.step(INDEX).features(world.mappings["encoder"]).detach()
    near = neighbours(world.views["plain"][INDEX], 2)
    terms = []
    for i in range(8):
        assert positives[i].nonzero().flatten().tolist() == sorted(near[i])
        assert negatives[i].sum() == 2
        for j in range(8):
            distance = distance_of(features[i], features[j])
            if positives[i, j]:
                terms.append(max(distance - positive, 0) ** 2)
            if negatives[i, j]:
                terms.append(max(negative - distance, 0) ** 2)
    assert len(terms) == 32
    assert loss.item() == pytest.approx(sum(terms) / 32)


def test_neighbours_over_the_dataset_and_another_view():
    world = World()
    pattern = world.build(
        {**BLOCK, "neighbors": {"neighborhood": "dataset", "num_neighbors": 4}, "batch_augmentation_name": "view_1"}
    )
    world.losses(pattern, index=INDEX)
    positives, _ = pairs_of(world, pattern)
    near = neighbours(world.views["plain"], 4)
    expected = [[j in near[i] for j in INDEX] for i in INDEX]
    assert positives.tolist() == expected


def test_others_are_drawn_evenly_and_are_never_neighbours():
    neighbors = torch.zeros(6, 6, dtype=torch.bool)
    neighbors[0, [1, 2]] = neighbors[1, [0]] = True
    counts = torch.zeros(6, 6)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(600):
            drawn = drawn_others(neighbors)
            assert drawn.sum(1).tolist() == [2, 1, 0, 0, 0, 0]
            counts += drawn
    assert counts[0, :3].tolist() == [0, 0, 0]
    assert counts[0, 3:].tolist() == pytest.approx([400] * 3, abs=50)
    assert counts[1, :2].tolist() == [0, 0]
    assert counts[1, 2:].tolist() == pytest.approx([150] * 4, abs=50)


def test_where_there_are_fewer_others_all_are_taken():
    neighbors = torch.ones(4, 4, dtype=torch.bool).fill_diagonal_(False)
    neighbors[0, 3] = False
    assert drawn_others(neighbors).nonzero().tolist() == [[0, 3]]


def test_a_batch_without_neighbours_gives_zero_and_a_finite_gradient():
    world = World()
    pattern = world.build({**BLOCK, "neighbors": {"neighborhood": "dataset", "num_neighbors": 1}})
    near = neighbours(world.views["plain"], 1)
    alone = [0, next(j for j in range(1, 24) if near[j] != [0] and near[0] != [j]), 0]
    index = alone[:2] + [next(j for j in range(1, 24) if j not in alone and near[j][0] not in (*alone, j))]
    index = [i for i in index if near[i][0] not in index]
    loss = world.losses(pattern, index=index)["siamese_contrastive"]
    assert loss.item() == 0
    gradients = torch.autograd.grad(loss, list(world.mappings["encoder"].parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("are_zero", [False, True])
def test_duplicates_have_finite_gradients(distance, are_zero):
    world = World()
    world.views["plain"][:] = world.views["plain"][0]
    if are_zero:
        for parameter in world.mappings["encoder"].parameters():
            parameter.data.zero_()
    loss = world.losses(world.build({**BLOCK, "distance": distance}), index=INDEX)["siamese_contrastive"]
    gradients = torch.autograd.grad(loss, list(world.mappings["encoder"].parameters()))
    assert loss.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_the_gradient_equals_finite_differences(distance):
    world = World()
    pattern = world.build({**BLOCK, "distance": distance})
    weight = world.mappings["encoder"].layers[0].weight

    def loss(values):
        weight.data = values
        return world.losses(pattern, index=INDEX)["siamese_contrastive"]

    start, step = weight.data.clone(), 1e-6
    value = loss(start)
    (gradient,) = torch.autograd.grad(value, weight)
    for place in ((0, 0), (3, 5), (7, 11)):
        moved = [start.clone(), start.clone()]
        moved[0][place] += step
        moved[1][place] -= step
        numeric = (loss(moved[0]) - loss(moved[1])).item() / (2 * step)
        assert gradient[place].item() == pytest.approx(numeric, rel=1e-4, abs=1e-9)


def test_neighbours_survive():
    world = World()
    block = {**BLOCK, "neighbors": {"neighborhood": "dataset"}}
    pattern = world.build(block)
    loss = world.losses(pattern, index=INDEX)["siamese_contrastive"]
    again = world.build(block)
    again.load_state_dict(pattern.state_dict())
    assert torch.equal(world.losses(again, index=INDEX)["siamese_contrastive"], loss)
    assert pattern.recording_key(world.step().clock) != ()
