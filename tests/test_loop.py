"""Whole runs of a tiny method: when phases end, what decides every bit, and what must not touch any."""

import json
import math

import pytest
import torch

from recombine.callbacks.base import Callback
from recombine.callbacks.events import EventFile
from recombine.callbacks.progress import PlainProgress
from recombine.callbacks.saving import ParameterSaver
from recombine.data import Data
from recombine.errors import DivergedError
from recombine.evaluate import Evaluation
from recombine.metrics import Scores
from recombine.patterns.assignment_entropy import AssignmentEntropy
from recombine.places import Places
from tests.runs import PIXELS, made, method, same, train, train_unobserved

INTERVAL = 2
METRICS = [(0, "acc"), (1, "nmi"), (2, "ari")]
FLIP = {"type": "RandomHorizontalFlip"}


ENCODER = {
    "name": "encoder",
    "type": "feature_extractor",
    "layers": [
        {"type": "Flatten"},
        {"type": "Linear", "in_features": PIXELS, "out_features": 4},
        {"type": "BatchNorm1d", "num_features": 4},
        {"type": "Dropout", "p": 0.3},
        {"type": "Linear", "in_features": 4, "out_features": 2},
    ],
}
PAIR = {
    "encoder_layer_names": ["Flatten_0", "Linear_1", "BatchNorm1d_2", "Dropout_3", "Linear_4"],
    "decoder_layer_names": ["Linear_0"],
    "train_for_iterations": 7,
}
AUTOENCODER = {"encoder_name": "encoder", "decoder_name": "decoder"}
TRAINED = {"trained_mapping_names": ["encoder", "decoder"], "optimizes_centroids": True}


def rich(**changes):
    """Return a method with everything that could draw, remember or be annealed."""
    phase = {
        "exit_criteria": {"iterations": 13},
        "design_patterns": [
            {"pattern": "reconstruction", **AUTOENCODER},
            {"pattern": "target_distribution", "target_distribution_recalculation_interval": 3},
            {"pattern": "assignment_entropy", "batch_augmentation_name": "flipped"},
            {
                "pattern": "layer_wise_pretraining",
                "dropout_rate": 0.2,
                "encoder_decoder_layer_pairs": [PAIR],
                **AUTOENCODER,
            },
        ],
        "optimizers": [{"type": "Adam", "lr": 0.01, **TRAINED}],
    }
    dataset = {"transforms": [FLIP], "batch_augmentations": [{"name": "flipped", "transforms": [FLIP]}]}
    described = method(phase=phase, dataset=dataset)
    described["mappings"][0] = ENCODER
    described["phases"][0] |= changes.pop("phase", {})
    return described | changes


class _Script:
    """Stands for the evaluation of a dataset: gives prepared scores and clusters, one after the other."""

    def __init__(self, scores=None, clusters=None):
        self.count = 0
        self.scores, self.clusters = scores, clusters

    def __call__(self, assigner, trained, data):
        at, self.count = self.count, self.count + 1
        clusters = torch.zeros(data.num_samples, dtype=torch.int64)
        if self.clusters is not None:
            clusters[: self.clusters[at]] = 1
        scores = Scores(*self.scores[at]) if self.scores is not None else None
        return Evaluation(clusters, torch.ones(data.num_samples), scores)


def _train_until(monkeypatch, criteria, **script):
    evaluate = _Script(**script)
    monkeypatch.setattr("recombine.phase.evaluate_by", evaluate)
    phase = {"exit_criteria": criteria, "performance_evaluation_interval": INTERVAL}
    trained = train(method(phase=phase))
    assert f'Phase "training" ended after {trained.lengths[0]} iterations: {trained.reasons[0]}' in trained.log
    return trained.lengths[0], trained.reasons[0]


@pytest.mark.parametrize(
    ("criteria", "length", "reason"),
    [
        ({"iterations": 1}, 1, "1 iteration is done"),
        ({"iterations": 7}, 7, "7 iterations are done"),
        ({"epochs": 3}, 12, "3 epochs are done"),
        ({"epochs": 1, "iterations": 5}, 4, "1 epoch is done"),
        ({"epochs": 2, "iterations": 5}, 5, "5 iterations are done"),
    ],
)
def test_iterations_and_epochs_end_a_phase_exactly(criteria, length, reason):
    trained = train(method(phase={"exit_criteria": criteria}))
    assert (trained.lengths, trained.reasons) == ([length], [reason])
    assert f'Phase "training" ended after {length} iterations: {reason}' in trained.log
    assert trained.state.clock.iteration == length


def test_an_epoch_with_its_last_partial_batch_is_longer():
    phase, dataset = {"exit_criteria": {"epochs": 2}}, {"drop_last": False}
    assert train(method(phase=phase, dataset=dataset)).lengths == [10]


@pytest.mark.parametrize(("position", "metric"), METRICS)
def test_a_score_above_a_bound_ends_a_phase(monkeypatch, position, metric):
    values = [0.3, 0.5, 0.6, 0.9]
    scores = [[values[at] if i == position else 0.99 - at / 100 for i in range(3)] for at in range(4)]
    criteria = {"iterations": 50, f"performance_evaluation_{metric}_gt": 0.5}
    ended = _train_until(monkeypatch, criteria, scores=scores)
    assert ended == (3 * INTERVAL, f"{metric.upper()} 0.6 is above 0.5")


@pytest.mark.parametrize(("position", "metric"), METRICS)
@pytest.mark.parametrize(
    ("values", "length", "value"),
    [
        ([0.4, 0.4, 0.9], 5, "0.4"),  # the last score is too low when the iteration comes
        ([0.1, 0.5, 0.49, 0.9], 6, "0.49"),  # the bound itself is not below it
        ([0.1, 0.9, 0.6, 0.2], 8, "0.2"),  # low again later
    ],
)
def test_a_hopeless_score_ends_a_phase(monkeypatch, position, metric, values, length, value):
    scores = [[value if i == position else 0.1 for i in range(3)] for value in values]
    bound = {"value": 0.5, "iterations": 5}
    criteria = {"iterations": 50, f"performance_evaluation_{metric}_lt_after_iterations": bound}
    ended = _train_until(monkeypatch, criteria, scores=scores)
    assert ended == (length, f"{metric.upper()} {value} is below 0.5 after 5 iterations")


def test_few_reassignments_end_a_phase(monkeypatch):
    changed = [0, 10, 5, 4, 4]  # of 23 samples: 10, 5, 1 and none change cluster
    criteria = {"iterations": 50, "performance_evaluation_cluster_reassignment_ratio_lt": 5 / 23}
    length, reason = _train_until(monkeypatch, criteria, clusters=changed)
    assert length == 4 * INTERVAL
    assert reason == f"the cluster reassignment ratio {1 / 23:.6g} is below {5 / 23}"


def test_no_reassignment_ratio_is_below_zero(monkeypatch):
    criteria = {"iterations": 7, "performance_evaluation_cluster_reassignment_ratio_lt": 0}
    assert _train_until(monkeypatch, criteria, clusters=[3, 3, 3]) == (7, "7 iterations are done")


def test_the_criterion_written_first_is_named_where_two_hold(monkeypatch):
    criteria = {"performance_evaluation_acc_gt": 0.5, "iterations": 4}
    ended = _train_until(monkeypatch, criteria, scores=[[0.1, 0.1, 0.1], [0.7, 0.1, 0.1]])
    assert ended == (4, "ACC 0.7 is above 0.5")


def test_each_phase_starts_without_the_scores_of_the_one_before():
    hopeless = {"value": 1, "iterations": 0}
    phases = [
        {
            "name": name,
            "order": order,
            "performance_evaluation_interval": 3,
            "exit_criteria": {"iterations": 20, "performance_evaluation_acc_lt_after_iterations": hopeless},
        }
        for order, name in enumerate(["training", "more"])
    ]
    assert train(method(phases=phases)).lengths == [3, 3]


def test_scores_of_real_evaluations_end_a_phase():
    phase = {"exit_criteria": {"iterations": 5}, "performance_evaluation_interval": 1}
    scores = []

    class Listener(Callback):
        def evaluated(self, phase, state, performance):
            scores.append(performance.scores.acc)

    train(method(phase=phase), [Listener()])
    bound = scores[0] - 0.01
    criteria = {"iterations": 5, "performance_evaluation_acc_gt": bound}
    trained = train(method(phase=phase | {"exit_criteria": criteria}))
    assert trained.lengths == [1]
    assert trained.reasons == [f"ACC {scores[0]:.6g} is above {bound}"]


def test_same_seed_same_bits_and_the_seed_decides():
    first, second, other = (train(rich(seed=seed)).bits() for seed in (3, 3, 4))
    assert same(first, second)
    for name in ("_mappings.0.layers.1.weight", "_mappings.1.layers.0.weight", "centroids.positions", "confidence"):
        assert not torch.equal(first[name], other[name]), name


def test_leaves_the_global_generator_as_it_was():
    torch.manual_seed(11)
    before = torch.get_rng_state()
    train(rich())
    assert torch.equal(torch.get_rng_state(), before)


def test_does_not_depend_on_the_global_generator():
    torch.manual_seed(1)
    first = train(rich()).bits()
    torch.manual_seed(2)
    assert same(first, train(rich()).bits())


def test_every_iteration_has_draws_of_its_own():
    class Listener(Callback):
        def __init__(self):
            self.seeds = []

        def iteration_done(self, phase, state, losses):
            self.seeds.append(torch.initial_seed())

    described = rich()
    described["phases"].append(described["phases"][0] | {"name": "more", "order": 1})
    described["datasets"].append(described["datasets"][0] | {"name": "other"})
    described["cluster_assignment_strategy"]["use_centroids_during_phases"] = ["training", "more"]
    listeners = [Listener(), Listener()]
    for listener in listeners:
        train(described, [listener])
    assert len(set(listeners[0].seeds)) == len(listeners[0].seeds) == 4 * 13
    assert listeners[0].seeds == listeners[1].seeds


@pytest.mark.parametrize("interval", [1, 2, 5])
def test_evaluating_changes_no_bit(interval):
    expected = train(rich()).bits()
    evaluated = train(rich(phase={"performance_evaluation_interval": interval}))
    assert sum("Evaluation after" in line for line in evaluated.log) == 13 // interval
    assert same(evaluated.bits(), expected)


def test_evaluations_may_come_by_epochs():
    trained = train(rich(phase={"performance_evaluation_interval": {"epochs": 2}}))  # epochs of four iterations
    evaluations = [line.split(":")[0] for line in trained.log if "Evaluation after" in line]
    assert evaluations == ["Evaluation after 8 iterations"]
    assert same(trained.bits(), train(rich()).bits())


def test_reporting_losses_changes_no_bit():
    description = rich()
    for pattern in description["phases"][0]["design_patterns"]:
        pattern["loss_report_interval"] = 1
    reported = train(description)
    assert sum(line.startswith("Iteration ") and "reconstruction" in line for line in reported.log) == 13
    assert same(reported.bits(), train(rich()).bits())


def test_callbacks_and_saving_change_no_bit(tmp_path):
    saving = {"saving_interval": 2, "path_to_file_or_dir": f"{tmp_path}/saved/", "keep_old_files": True}
    phase = {
        "save_mapping_parameters": [{"mapping_name": "encoder", **saving}],
        "save_centroids": [saving],
        "performance_evaluation_interval": 3,
    }
    observers = [
        EventFile(tmp_path / "events.jsonl"),
        ParameterSaver(Places(tmp_path, ())),
        PlainProgress(lambda line: None),
    ]
    observed = train(rich(phase=phase), observers, folder=tmp_path)
    assert len(list((tmp_path / "saved").iterdir())) == 2
    assert (tmp_path / "events.jsonl").stat().st_size > 0
    assert same(observed.bits(), train_unobserved(rich(phase=phase)).bits())
    assert same(observed.bits(), train_unobserved(rich()).bits())


def test_another_mapping_leaves_the_initialisation_of_the_others():
    more = {"name": "head", "type": "design_pattern_specific", "layers": [{"type": "LazyLinear", "out_features": 3}]}
    few, many = method(), method()
    many["mappings"] = [more, *many["mappings"]]
    first, second = train(few).method.mappings, train(many).method.mappings
    for name in ("encoder", "decoder"):
        assert same(first[name].state_dict(), second[name].state_dict())


@pytest.mark.parametrize(("interval", "noticed"), [(None, 100), (2, 2)])
def test_a_loss_that_is_no_number_ends_the_run(interval, noticed):
    optimizers = [{"type": "SGD", "lr": 1e30, "trained_mapping_names": ["encoder", "decoder"]}]
    phase = {"optimizers": optimizers, "exit_criteria": {"iterations": 1000}}
    if interval is not None:
        phase["performance_evaluation_interval"] = interval
    seen = []

    class Listener(Callback):
        def iteration_done(self, phase, state, losses):
            seen.append(float(losses[0].value))

        def phase_ended(self, phase, state, reason):
            raise AssertionError("a diverged phase does not end, it fails")

    with pytest.raises(DivergedError) as raised:
        train(method(phase=phase), [Listener()])
    assert math.isfinite(seen[0])
    assert not math.isfinite(seen[1])
    assert str(raised.value) == (
        'a loss became NaN or infinite in iteration 2 of phase "training" on dataset "made"; a smaller learning '
        "rate or weight often helps"
    )
    assert len(seen) == (noticed if interval is not None else noticed - 1)


def test_a_loss_that_diverges_just_before_the_end_is_noticed():
    optimizers = [{"type": "SGD", "lr": 1e30, "trained_mapping_names": ["encoder", "decoder"]}]
    with pytest.raises(DivergedError, match='in iteration [23] of phase "training" on dataset "made"'):
        train(method(phase={"optimizers": optimizers, "exit_criteria": {"iterations": 4}}))


def test_features_that_are_no_numbers_end_the_run():
    optimizers = [{"type": "SGD", "lr": 1e38, "trained_mapping_names": ["encoder", "decoder"]}]
    strategy = {
        "type": "k_means_after_phase",
        "classical_clustering_in_feature_space_after_phase": "training",
        "classical_clustering_in_feature_space_after_phase_num_restarts": 1,
    }
    phase = {"optimizers": optimizers, "exit_criteria": {"iterations": 1}}
    with pytest.raises(DivergedError) as raised:
        train(method(phase=phase, cluster_assignment_strategy=strategy))
    assert str(raised.value) == (
        "k-means cannot work on features that are NaN or infinite: the feature extractor diverged (after iteration 1 "
        'of phase "training" on dataset "made")'
    )


def test_assignments_that_are_no_numbers_end_the_run():
    optimizers = [{"type": "SGD", "lr": 1e38, "trained_mapping_names": ["encoder", "decoder"]}]
    phase = {"optimizers": optimizers, "exit_criteria": {"iterations": 1}}
    message = 'the assignments of dataset "made" are NaN or infinite: the training diverged'
    with pytest.raises(DivergedError, match=message):
        train(method(phase=phase))


def test_callbacks_hear_everything_in_order(tmp_path):
    path = tmp_path / "events.jsonl"
    train(method(phase={"exit_criteria": {"iterations": 2}, "performance_evaluation_interval": 2}), [EventFile(path)])
    events = [json.loads(line)["event"] for line in path.read_text().splitlines()]
    assert events == [
        "run_started",
        "dataset_started",
        "phase_started",
        "evaluation",
        "phase_ended",
        "dataset_scored",
    ]


def test_datasets_run_in_order_and_phases_of_each(tmp_path):
    description = method()
    description["phases"].append(description["phases"][0] | {"name": "late", "order": -1})
    description["phases"].append(description["phases"][0] | {"name": "off", "enabled": False})
    first = description["datasets"][0]
    description["datasets"] = [
        first | {"name": "second", "order": 2, "phases": []},
        first | {"name": "never", "enabled": False},
        first | {"name": "first", "order": 1, "phases": ["training", "late"]},
    ]
    trained = train(description)
    started = [line for line in trained.log if "batches of" in line or "at most" in line]
    assert [line.split(":")[0] for line in started] == [
        'Dataset "first"',
        'Phase "late" on dataset "first"',
        'Phase "training" on dataset "first"',
        'Dataset "second"',
    ]
    assert [scored.dataset.name for scored in trained.scored] == ["first", "second"]


def test_mappings_are_kept_or_made_anew():
    description = method()
    train_set, other = description["datasets"][0], {**description["datasets"][0], "name": "other", "phases": []}
    description["datasets"] = [train_set, other | {"reinitialize_mappings": False}]
    kept = train(description)
    assert same(kept.bits(), train(method()).bits())
    description["datasets"] = [train_set, other | {"reinitialize_mappings": True}]
    anew = train(description, samples={"other": made(30)})
    assert anew.scored[0].evaluation is not None
    assert anew.scored[1].evaluation is None
    assert 'Dataset "other": no assignments yet' in anew.log


def test_datasets_of_other_shapes_get_networks_of_their_own():
    description = method()
    description["mappings"][0]["layers"][1] = {"type": "LazyLinear", "name": "first", "out_features": 4}
    description["phases"][0]["design_patterns"] = [{"pattern": "assignment_entropy"}]
    description["phases"][0]["optimizers"][0]["trained_mapping_names"] = ["encoder"]
    other = {**description["datasets"][0], "name": "large", "num_clusters": 4}
    description["datasets"].append(other)
    trained = train(description, samples={"large": made(31, shape=(1, 3, 4))})
    assert trained.method.mappings["encoder"].layer("first").weight.shape == (4, 12)
    assert trained.method.centroids.positions.shape == (4, 2)
    assert [len(scored.evaluation.clusters) for scored in trained.scored] == [23, 31]


def test_views_that_no_pattern_needs_yet_are_not_computed(monkeypatch):
    asked = []
    original = Data.training_batch

    def noting(data, phase, iteration, views):
        asked.append(set(views))
        return original(data, phase, iteration, views)

    monkeypatch.setattr(Data, "training_batch", noting)
    prepared = []
    monkeypatch.setattr(AssignmentEntropy, "before_step", lambda self, step: prepared.append(step.clock.iteration))
    late = {
        "pattern": "assignment_entropy",
        "batch_augmentation_name": "flipped",
        "loss_weight_schedule": {"start_at_iteration": 2},
    }
    phase = {
        "exit_criteria": {"iterations": 4},
        "design_patterns": [{"pattern": "reconstruction", **AUTOENCODER}, late],
    }
    train(method(phase=phase, dataset={"batch_augmentations": [{"name": "flipped", "transforms": [FLIP]}]}))
    assert asked == [{"plain"}, {"plain"}, {"plain", "flipped"}, {"plain", "flipped"}]
    # Once more at the start of the phase, when what the patterns ask of the networks is found out.
    assert prepared == [0, 2, 3]


@pytest.mark.parametrize("failing", [False, True])
def test_a_dataset_is_closed_whatever_ends_it(failing, monkeypatch):
    closed = []
    monkeypatch.setattr(Data, "close", lambda data: closed.append(data.name))
    if failing:
        monkeypatch.setattr(Data, "training_batch", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(method())
    else:
        train(method())
    assert closed == ["made"]


def _interrupted(*_):
    raise KeyboardInterrupt
