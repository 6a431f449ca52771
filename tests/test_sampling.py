"""Batches that hold neighbours."""

import copy

import pytest
import torch

import recombine
from recombine.build import build_data
from recombine.load import load_dict
from recombine.neighbor_graph import neighborhoods_of
from recombine.phase import training_data
from recombine.sampling import neighborhoods, num_seeds
from tests.methods import found_with_data, small

NEIGHBORS = torch.tensor([[(i + 1) % 20, (i + 2) % 20, (i - 1) % 20] for i in range(20)])
SAMPLING = {"type": "by_neighborhoods", "num_neighbors": 3, "neighbors_per_seed": 2}


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(ahead, size=9, per_seed=2, seed=0):
    return neighborhoods(torch.tensor(ahead), size, NEIGHBORS, per_seed, draws(seed)).tolist()


def test_seeds_come_first_and_their_neighbours_after_them():
    found = batch([0, 6, 13, 3, 9, 16, 10, 11, 12], seed=1)
    assert found[:3] == [0, 6, 13]
    assert len(set(found)) == 9
    for place, seed in enumerate(found[:3]):
        drawn = found[3 + 2 * place : 5 + 2 * place]
        assert set(drawn) < set(NEIGHBORS[seed].tolist())


def test_what_two_seeds_share_leaves_room_for_the_next_samples():
    for seed in range(20):
        found = batch([5, 6, 7, 15, 1, 10, 18, 12, 3], seed=seed)
        assert found[:3] == [5, 6, 7]
        assert len(found) == len(set(found)) == 9
        near = {j for i in (5, 6, 7) for j in NEIGHBORS[i].tolist()}
        others = [i for i in found[3:] if i not in near]
        assert others == [15, 1, 10, 18, 12, 3][: len(others)]


def test_every_neighbour_is_drawn_as_often():
    counts = dict.fromkeys(NEIGHBORS[4].tolist(), 0)
    for seed in range(300):
        for one in batch([4, 12], size=3, per_seed=1, seed=seed)[1:2]:
            counts[one] += 1
    assert min(counts.values()) > 70


@pytest.mark.parametrize(("size", "per_seed", "seeds"), [(9, 2, 3), (10, 2, 3), (256, 1, 128), (3, 5, 1)])
def test_number_of_seeds(size, per_seed, seeds):
    assert num_seeds(size, per_seed) == seeds


def data_of(sampling, **phase):
    """Return the data of the small method's first phase, and the neighbours of its samples by a search by hand."""
    changes = {f"/phases/0/{key}": value for key, value in {"sampling": sampling, **phase}.items()}
    config = load_dict(small({**changes, "/datasets/0/shuffle": True})).require()
    dataset = config.datasets[0]
    from recombine.build import load_samples

    samples = load_samples(dataset, config.folder, None)
    data = training_data(config.phases[0], build_data(dataset, samples, 0, torch.device("cpu")))
    return data, samples.tensor().flatten(1).float() / samples.scale


def nearest(points, k):
    return torch.cdist(points, points).fill_diagonal_(torch.inf).topk(k, largest=False).indices


def test_an_epoch_has_each_sample_once_as_a_seed():
    data, points = data_of(SAMPLING)
    data.neighbors = nearest(points, 3)
    seeds = num_seeds(data.options.batch_size, 2)
    assert data.batches_per_epoch == len(points) // seeds
    for epoch in range(2):
        found = []
        for position in range(data.batches_per_epoch):
            index = data.training_batch("phase", epoch * data.batches_per_epoch + position, ["plain"]).index
            assert len(index) == len(set(index.tolist())) == data.options.batch_size
            found += index[:seeds].tolist()
        assert len(found) == len(set(found))


def test_batches_are_a_function_of_the_iteration():
    data, points = data_of(SAMPLING)
    data.neighbors = nearest(points, 3)
    first = [data.training_batch("phase", iteration, ["plain"]).index for iteration in range(7)]
    again = [data.training_batch("phase", iteration, ["plain"]).index for iteration in reversed(range(7))]
    assert all(torch.equal(one, other) for one, other in zip(first, reversed(again), strict=True))


def test_held_out_samples_are_nobodys_neighbours():
    data, points = data_of(SAMPLING, validation={"fraction": 0.3})
    data.neighbors = neighborhoods_of(points, data.parts, 3, "exact").indices
    held_out = set(data.held_out.tolist())
    assert held_out
    assert held_out.isdisjoint(data.neighbors[data.parts[0]].flatten().tolist())
    for iteration in range(2 * data.batches_per_epoch):
        assert held_out.isdisjoint(data.training_batch("phase", iteration, ["plain"]).index.tolist())


def test_held_out_samples_come_with_their_neighbours_among_themselves():
    data, points = data_of(SAMPLING, validation={"fraction": 0.3})
    data.neighbors = neighborhoods_of(points, data.parts, 3, "exact").indices
    batches = [part.tolist() for part in data.held_out_parts()]
    held_out, size = data.held_out.tolist(), min(data.options.batch_size, len(data.held_out))
    assert all(len(set(batch)) == len(batch) == size for batch in batches)
    assert {position for batch in batches for position in batch} == set(held_out)
    seeds = num_seeds(data.options.batch_size, 2)
    assert [position for batch in batches for position in batch[:seeds]][: len(held_out)] == held_out
    assert [part.tolist() for part in data.held_out_parts()] == batches


@pytest.mark.parametrize("source", [{}, {"source": "features", "mapping_name": "encoder"}])
def test_a_run_finds_neighbours_when_the_phase_begins(tmp_path, source):
    method = small({"/phases/0/sampling": {**SAMPLING, **source}})
    first, again = (recombine.run(copy.deepcopy(method), log_dir=tmp_path / name) for name in ("one", "two"))
    assert first.status == "finished"
    assert first.datasets["Digits"].scores == again.datasets["Digits"].scores


@pytest.mark.parametrize(
    ("sampling", "problem"),
    [
        ({**SAMPLING, "num_neighbors": 60}, "RC502 at /phases/0/sampling/num_neighbors: dataset"),
        ({**SAMPLING, "num_neighbors": 30, "neighbors_per_seed": 25}, "RC405 at /phases/0/sampling/neighbors_per_seed"),
    ],
)
def test_what_cannot_be_sampled_is_told(tmp_path, sampling, problem):
    (found,) = found_with_data(small({"/phases/0/sampling": sampling}), tmp_path)
    assert problem in found


@pytest.mark.parametrize(
    ("sampling", "problem"),
    [
        ({"type": "by_neighborhoods", "neighbors_per_seed": 3}, "RC104 at /phases/0/sampling/neighbors_per_seed: 3 "),
        ({"type": "uniform", "num_neighbors": 2}, "RC101"),
        ({"type": "by_neighbours"}, 'Did you mean "by_neighborhoods"?'),
        ({**SAMPLING, "source": "features"}, "distances are measured between the outputs of a mapping"),
        ({**SAMPLING, "mapping_name": "encoder"}, "only the source features measures outputs of a mapping"),
        ({**SAMPLING, "source": "features", "mapping_name": "encodr"}, 'Did you mean "encoder"?'),
    ],
)
def test_mistakes_in_the_block(sampling, problem):
    (found,) = load_dict(small({"/phases/0/sampling": sampling})).problems
    assert problem in str(found)


def test_patterns_ask_for_no_more_neighbours_than_there_are(tmp_path):
    block = {"pattern": "siamese_contrastive", "encoder_name": "encoder"}
    place = "/phases/0/design_patterns/1/neighbors/num_neighbors"
    for neighbors, problem in (
        ({"num_neighbors": 60, "neighborhood": "dataset"}, f'RC502 at {place}: dataset "Digits" has 60 samples'),
        ({"num_neighbors": 20}, f"RC405 at {place}: 20 neighbours beside each sample"),
    ):
        method = small({"/phases/0/design_patterns/1": {**block, "neighbors": neighbors}})
        (found,) = found_with_data(method, tmp_path)
        assert problem in found
