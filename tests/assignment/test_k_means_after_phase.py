import pytest
import torch
from torch import nn

from recombine.assignment.base import StrategyContext
from recombine.assignment.k_means_after_phase import KMeansAfterPhase
from recombine.kmeans import k_means
from recombine.mapping import Mapping
from recombine.method import Method
from recombine.randomness import derive
from recombine.step import Batch, Forward
from tests.runs import made, method, train

PHASE_KEY = "classical_clustering_in_feature_space_after_phase"
STRATEGY = {"type": PHASE_KEY, PHASE_KEY: "training", f"{PHASE_KEY}_num_restarts": 2}


def _strategy(clusters=3, seed=0):
    encoder = Mapping("encoder", "feature_extractor", [("flatten", nn.Flatten())])
    context = StrategyContext({"encoder": encoder}, encoder, clusters, 2, seed)
    options = {"classical_clustering_method_after_phase": "k_means", PHASE_KEY: "training"}
    return KMeansAfterPhase(context, **options, **{f"{PHASE_KEY}_num_restarts": 3}), encoder


def _points(count=30):
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(0))


def _forward(strategy, encoder, points):
    return Forward(Method([encoder], strategy), Batch(torch.arange(len(points)), {"plain": points}))


def test_fits_after_its_phase_alone():
    strategy, encoder = _strategy()
    strategy.finish_phase("pretraining", lambda mapping: _points())
    assert not strategy.is_ready
    asked = []
    strategy.finish_phase("training", lambda mapping: asked.append(mapping) or _points())
    assert strategy.is_ready
    assert asked == [encoder]
    expected = k_means(_points(), 3, 3, derive(0, "k-means after phase", "training"))
    assert torch.equal(strategy.centres, expected)


def test_assigns_to_the_nearest_centre_with_a_confidence():
    strategy, encoder = _strategy()
    strategy.finish_phase("training", lambda mapping: _points())
    points = _points(50)
    assignment = strategy.assign(_forward(strategy, encoder, points))
    distances = torch.tensor([[(z - mu).norm() for mu in strategy.centres] for z in points])
    ordered = distances.sort(1).values
    assert assignment.labels.equal(distances.argmin(1))
    torch.testing.assert_close(assignment.confidence, 1 - ordered[:, 0] / ordered[:, 1], rtol=1e-4, atol=1e-4)
    assert assignment.log_probs is None


def test_confidence_is_one_on_a_centre_and_zero_between_two():
    strategy, encoder = _strategy(2)
    strategy.centres.copy_(torch.tensor([[0.0, 0.0], [2.0, 0.0]]))
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 7.0]])
    assert strategy.assign(_forward(strategy, encoder, points)).confidence.tolist() == [1, 0, 0]


def test_there_are_no_soft_assignments():
    strategy, encoder = _strategy()
    with pytest.raises(TypeError, match="k-means assigns samples to clusters hard"):
        strategy.log_probs(_forward(strategy, encoder, _points()))


def test_centres_survive_in_the_state():
    strategy, _ = _strategy()
    strategy.finish_phase("training", lambda mapping: _points())
    other, _ = _strategy(seed=5)
    other.load_state_dict(strategy.state_dict())
    assert other.is_ready
    assert torch.equal(other.centres, strategy.centres)


# --- whole runs ---------------------------------------------------------------------------------------------------


def test_a_run_has_no_assignment_until_the_phase_is_over():
    first = method()["phases"][0] | {"performance_evaluation_interval": 5}
    second = first | {"name": "more", "order": 1}
    trained = train(method(phases=[first, second], cluster_assignment_strategy=STRATEGY))
    evaluations = [line for line in trained.log if line.startswith("Evaluation")]
    assert evaluations[0] == "Evaluation after 5 iterations: no assignments yet"
    assert evaluations[1].startswith("Evaluation after 5 iterations: ACC ")


def test_other_datasets_are_predicted_with_the_centres_of_the_first():
    described = method(cluster_assignment_strategy=STRATEGY)
    first = described["datasets"][0]
    described["datasets"].append(first | {"name": "test", "phases": [], "reinitialize_mappings": False})
    trained = train(described, samples={"test": made(31, seed=9)})
    alone = train(method(cluster_assignment_strategy=STRATEGY))
    assert torch.equal(trained.method.assignment.centres, alone.method.assignment.centres)
    encoder, centres = trained.method.mappings["encoder"].eval(), trained.method.assignment.centres
    features = encoder(made(31, seed=9).values.float() / 255).detach()
    expected = torch.cdist(features, centres).argmin(1)
    assert trained.scored[1].evaluation.clusters.equal(expected)
    assert trained.scored[1].evaluation.scores is not None


def test_a_dataset_with_new_networks_has_no_assignment():
    described = method(cluster_assignment_strategy=STRATEGY)
    described["datasets"].append(described["datasets"][0] | {"name": "test", "phases": []})
    trained = train(described)
    assert trained.scored[1].evaluation is None
    assert trained.log[-1] == 'Dataset "test": no assignments yet'
