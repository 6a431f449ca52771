import pytest

from recombine.oracle import oracle_reasons
from tests.runs import CLASSES, config_of, method
from tests.set_methods import of_points

NESTED = {"pattern": "nested_clusterings", "assignment_head_name": "assignment_head", "max_clusters": 3}

CLASSIFIER = {
    "name": "classifier",
    "type": "feature_space_classifier",
    "layers": [{"type": "Linear", "in_features": 2, "out_features": CLASSES}],
}


def _reasons(description, dataset=0):
    config = config_of(description)
    return oracle_reasons(config, config.datasets[dataset])


def test_nothing_that_uses_labels_is_no_oracle():
    phase = {
        "performance_evaluation_interval": 1,
        "exit_criteria": {"iterations": 2, "performance_evaluation_cluster_reassignment_ratio_lt": 0.1},
        "optimizer_learning_rate_schedulers": [{"type": "ReduceLROnPlateau", "optimizer_name": "SGD_0"}],
    }
    assert _reasons(method(phase=phase)) == ()


@pytest.mark.parametrize("span", ["last", "average"])
@pytest.mark.parametrize("metric", ["acc", "nmi", "ari"])
def test_choosing_classifiers_by_score(span, metric):
    criterion = f"highest_{span}_{metric}"
    strategy = {"type": "classifier", "classifier_selection_criterion": criterion}
    reasons = _reasons(method(more_mappings=[CLASSIFIER], cluster_assignment_strategy=strategy))
    assert reasons == (f"the strategy chooses by {criterion}",)


@pytest.mark.parametrize("criterion", ["first_declared", "average"])
def test_choosing_classifiers_otherwise(criterion):
    strategy = {"type": "classifier", "classifier_selection_criterion": criterion}
    assert _reasons(method(more_mappings=[CLASSIFIER], cluster_assignment_strategy=strategy)) == ()


@pytest.mark.parametrize("metric", ["acc", "nmi", "ari"])
def test_ending_by_score(metric):
    hopeless = f"performance_evaluation_{metric}_lt_after_iterations"
    criteria = {
        "iterations": 5,
        f"performance_evaluation_{metric}_gt": 0.5,
        hopeless: {"value": 0.1, "iterations": 3},
    }
    phase = {"exit_criteria": criteria, "performance_evaluation_interval": 2}
    assert _reasons(method(phase=phase)) == (
        f'phase "training" may end by performance_evaluation_{metric}_gt',
        f'phase "training" may end by {hopeless}',
    )


def test_scheduling_by_score():
    plateau = {"type": "ReduceLROnPlateau", "optimizer_name": "SGD_0", "metric": "nmi"}
    phase = {"optimizer_learning_rate_schedulers": [plateau], "performance_evaluation_interval": 1}
    assert _reasons(method(phase=phase)) == ('a scheduler of phase "training" watches nmi',)


def test_only_phases_behind_a_dataset_count():
    description = method()
    criteria = {"iterations": 5, "performance_evaluation_acc_gt": 0.5}
    judged = description["phases"][0] | {
        "exit_criteria": criteria,
        "performance_evaluation_interval": 1,
        "name": "judged",
    }
    description["phases"].append(judged)
    first = description["datasets"][0]
    description["datasets"] = [
        first | {"name": "plain", "phases": ["training"]},
        first | {"name": "both"},
        first | {"name": "kept", "phases": [], "reinitialize_mappings": False},
        first | {"name": "anew", "phases": ["training"]},
    ]
    expected = ('phase "judged" may end by performance_evaluation_acc_gt',)
    assert [_reasons(description, i) for i in range(4)] == [(), expected, expected, ()]


def test_patterns_that_learn_from_labels():
    described = of_points({"/phases/0/design_patterns/2": NESTED, "/phases/0/design_patterns/0/enabled": False})
    assert _reasons(described) == ('the pattern "pairwise_clustering" of phase "training" is supervised',)
    assert _reasons(of_points({"/phases/0/design_patterns": [NESTED]})) == ()


def test_what_a_supervised_phase_shaped_is_marked_on_later_datasets():
    first = of_points()["datasets"][0]
    later = {**first, "name": "later", "order": 1, "phases": [], "reinitialize_mappings": False}
    kept = of_points({"/datasets/0/order": 0, "/datasets/1": later})
    assert len(_reasons(kept, 1)) == 2
    anew = of_points({"/datasets/0/order": 0, "/datasets/1": {**later, "reinitialize_mappings": True}})
    assert _reasons(anew, 1) == ()
