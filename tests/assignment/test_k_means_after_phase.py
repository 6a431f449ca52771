import copy

import pytest
import torch
from torch import nn

from recombine.assignment.base import StrategyContext
from recombine.assignment.centroid_similarity import CentroidSimilarity, annealed
from recombine.assignment.centroids import Centroids
from recombine.assignment.k_means_after_phase import KMeansAfterPhase
from recombine.clock import Clock
from recombine.kmeans import k_means
from recombine.mapping import Mapping
from recombine.method import Method
from recombine.randomness import derive
from recombine.step import Batch, Forward
from tests.runs import made, method, same, train

PHASE_KEY = "classical_clustering_in_feature_space_after_phase"
EVALUATIONS_KEY = "classical_clustering_in_feature_space_at_evaluations_num_restarts"
STRATEGY = {"type": PHASE_KEY, PHASE_KEY: "training", f"{PHASE_KEY}_num_restarts": 2}


def _strategy(clusters=3, seed=0, centroids=None, **changes):
    encoder = centroids.extractor if centroids is not None else _extractor()
    context = StrategyContext({"encoder": encoder}, encoder, clusters, 2, seed, centroids, ("training",))
    options = {
        "similarity_measure": None,
        "gaussian_similarity_measure_inverse_temperature": None,
        "classical_clustering_method_after_phase": "k_means",
        PHASE_KEY: "training",
        f"{PHASE_KEY}_num_restarts": 3,
        EVALUATIONS_KEY: None,
    }
    return KMeansAfterPhase(context, **options | changes), encoder


def _extractor():
    return Mapping("encoder", "feature_extractor", [("flatten", nn.Flatten())])


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


@pytest.mark.parametrize(
    ("measure", "temperature"), [("student_t", {"fixed_value": 1}), ("gaussian", {"fixed_value": 3})]
)
def test_centroids_give_soft_assignments_as_those_of_centroid_similarity(measure, temperature):
    options = {"similarity_measure": measure, "gaussian_similarity_measure_inverse_temperature": temperature}
    centroids = Centroids(_extractor(), 3, 2)
    centroids.place(torch.tensor([[0.0, 1.0], [1.0, 0.0], [-1.0, -1.0]]))
    strategy, encoder = _strategy(centroids=centroids, **options)
    context = StrategyContext({"encoder": encoder}, encoder, 3, 2, 0, centroids, ("training",))
    method = Method([encoder], strategy, centroids)
    forward = Forward(method, Batch(torch.arange(30), {"plain": _points(), "other": 2 * _points()}))
    for view in ("plain", "other"):
        expected = CentroidSimilarity(context, **options).log_probs(forward, view)
        assert torch.equal(strategy.log_probs(forward, view), expected)
    assert not strategy.is_ready  # labels are those of k-means


def test_the_temperature_of_soft_assignments_is_annealed():
    temperature = {"annealing_initial_value": 1, "annealing_final_value": 9, "annealing_iterations_per_value": 2}
    options = {"similarity_measure": "gaussian", "gaussian_similarity_measure_inverse_temperature": temperature}
    strategy, _ = _strategy(centroids=Centroids(_extractor(), 3, 2), **options)
    strategy.update(Clock("training", 2, 0, 10))
    assert strategy.soft.inverse_temperature.item() == pytest.approx(annealed(temperature, 2))
    without, _ = _strategy()
    without.update(Clock("training", 2, 0, 10))
    assert without.soft is None


def test_evaluations_fit_for_themselves_and_leave_nothing_behind():
    strategy, encoder = _strategy(**{EVALUATIONS_KEY: 3})
    before = {name: copy.deepcopy(value) for name, value in strategy.state_dict().items()}
    assigner = strategy.at_evaluation(lambda mapping: _points())
    assert not strategy.is_ready
    assert same_state(strategy.state_dict(), before)
    found = assigner.assign(_forward(strategy, encoder, _points(50)))
    strategy.finish_phase("training", lambda mapping: _points())
    expected = strategy.assign(_forward(strategy, encoder, _points(50)))
    assert torch.equal(found.labels, expected.labels)
    assert torch.equal(found.confidence, expected.confidence)
    assert (assigner.keeps_numbers, strategy.keeps_numbers) == (False, True)


def test_evaluations_otherwise_use_the_centres_once_they_are_there():
    strategy, _ = _strategy()
    assert strategy.at_evaluation(lambda mapping: pytest.fail("not needed")) is None
    strategy.finish_phase("training", lambda mapping: _points())
    assert strategy.at_evaluation(lambda mapping: pytest.fail("not needed")) is strategy


def same_state(first, second):
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) if torch.is_tensor(first[name]) else first[name] == second[name]
        for name in first
    )


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


def test_evaluations_that_cluster_change_no_bit():
    phase = {"exit_criteria": {"iterations": 12}}
    expected = train(method(phase=phase, cluster_assignment_strategy=STRATEGY))
    for interval in (1, 5, {"epochs": 1}):
        observed = method(phase=phase | {"performance_evaluation_interval": interval})
        observed["cluster_assignment_strategy"] = STRATEGY | {EVALUATIONS_KEY: 2}
        assert same(train(observed).bits(), expected.bits())


def test_the_evaluation_at_the_end_of_the_phase_is_the_final_word():
    described = method(phase={"exit_criteria": {"iterations": 6}, "performance_evaluation_interval": 3})
    trained = train(described | {"cluster_assignment_strategy": STRATEGY | {EVALUATIONS_KEY: 2}})
    evaluations = [line for line in trained.log if line.startswith("Evaluation")]
    assert [line.split(":")[0] for line in evaluations] == [
        "Evaluation after 3 iterations",
        "Evaluation after 6 iterations",
    ]
    assert f": {trained.scored[0].evaluation.scores}, reassigned " in evaluations[1]


def test_a_run_may_train_on_soft_assignments_and_end_with_k_means():
    target = {"pattern": "target_distribution", "target_distribution_recalculation_interval": {"epochs": 1}}
    described = method(phase={"exit_criteria": {"iterations": 9}})
    described["phases"][0]["design_patterns"].append(target)
    described["phases"][0]["optimizers"][0]["optimizes_centroids"] = True
    described["cluster_assignment_strategy"] = STRATEGY | {"use_centroids_during_phases": ["training"]}
    trained = train(described)
    encoder, strategy = trained.method.mappings["encoder"].eval(), trained.method.assignment
    features = encoder(made().values.float() / 255).detach()
    seed = derive(trained.method.assignment._seed, "k-means after phase", "training")
    torch.testing.assert_close(strategy.centres, k_means(features, 3, 2, seed))
    assert trained.scored[0].evaluation.clusters.equal(torch.cdist(features, strategy.centres).argmin(1))
    assert not torch.allclose(trained.method.centroids.positions, strategy.centres, atol=1e-3)


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
