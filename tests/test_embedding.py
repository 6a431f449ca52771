import torch

from recombine import embedding
from recombine.build import build_data
from recombine.embedding import embed
from recombine.engines.single import SingleDevice
from recombine.evaluate import evaluate, features
from recombine.label_free import sample_positions
from recombine.loop import Run, new_state
from recombine.state import Origin
from tests.runs import config_of, made, method, train

FLIP = {"type": "RandomHorizontalFlip"}


def trained(count=23, **changes):
    """Return trained networks and the data that they were trained on."""
    samples = made(count)
    described = method(**changes)
    run = train(described, samples={"made": samples})
    config = config_of(described)
    return run.method, build_data(config.datasets[0], samples, config.seed, torch.device("cpu"))


def test_the_features_are_those_of_a_full_pass():
    networks, data = trained()
    found = embed(networks, data)
    assert found.positions.tolist() == list(range(23))
    assert torch.allclose(found.features, features(networks, data, "encoder"), atol=1e-6)
    assert torch.equal(found.clusters, evaluate(networks, data).clusters)
    assert (found.features.dtype, found.clusters.dtype) == (torch.float32, torch.int64)
    assert not found.features.requires_grad


def test_without_assignments_there_are_no_clusters():
    config = config_of(method())
    run = Run(config, {"made": made()}, SingleDevice("cpu"), (), None)
    data = build_data(config.datasets[0], run.samples["made"], config.seed, torch.device("cpu"))
    assert embed(new_state(run, Origin(3, data.sample_shape())).method, data).clusters is None


def test_the_sample_is_that_of_the_scores_without_labels(monkeypatch):
    monkeypatch.setattr(embedding, "SAMPLE_SIZE", 9)
    networks, data = trained()
    found = embed(networks, data)
    assert torch.equal(found.positions, sample_positions(23, 0, "made", 9))
    assert torch.allclose(found.features, features(networks, data, "encoder")[found.positions], atol=1e-6)


def test_of_samples_with_many_features_there_are_fewer(monkeypatch):
    monkeypatch.setattr(embedding, "MOST_NUMBERS", 15)
    networks, data = trained()
    found = embed(networks, data)
    assert found.features.shape == (7, 2)
    assert torch.equal(found.positions, sample_positions(23, 0, "made", 7))


def test_nothing_changes_but_what_is_returned():
    networks, data = trained(dataset={"transforms": [FLIP]})
    networks.train()
    before, draws = networks.digest(), torch.get_rng_state()
    first, second = embed(networks, data), embed(networks, data)
    assert torch.equal(first.features, second.features)
    assert networks.training
    assert (networks.digest(), torch.equal(torch.get_rng_state(), draws)) == (before, True)
