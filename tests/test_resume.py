"""Runs that are stopped anywhere and go on leave behind the same as runs that are not, bit for bit."""

import copy
import functools
import json
import shutil
import signal
from pathlib import Path

import pytest
import torch

from recombine import checked_files, registry
from recombine.execute import RunOptions
from recombine.keeper import SavingOptions
from tests.runs import PIXELS, made, method
from tests.set_methods import OF_POINTS, digits, of_points
from tests.stops import (
    MOMENTS,
    Killed,
    Listener,
    Stop,
    carried_on,
    checkpoints_of,
    events_of,
    job_of,
    left_behind,
    start,
)

FLIP = {"type": "RandomHorizontalFlip"}
AUTOENCODER = {"encoder_name": "encoder", "decoder_name": "decoder"}
RECONSTRUCTION = {"pattern": "reconstruction", **AUTOENCODER, "loss_report_interval": 2}
TRAINED = {"trained_mapping_names": ["encoder", "decoder"]}
K_MEANS = {
    "type": "k_means_after_phase",
    "classical_clustering_in_feature_space_after_phase": "training",
    "classical_clustering_in_feature_space_after_phase_num_restarts": 1,
}
#: A phase in which an autoencoder and a critic train against each other.
RIVALS = {
    "name": "second",
    "order": 1,
    "exit_criteria": {"iterations": 4},
    "performance_evaluation_interval": 3,
    "design_patterns": [
        {
            "pattern": "adversarial_interpolation",
            **AUTOENCODER,
            "critic_name": "critic",
            "autoencoder_loss_optimizer_group_name": "a",
            "critic_loss_optimizer_group_name": "c",
        }
    ],
    "optimizers": [
        {"type": "Adam", "name": "A", "lr": 0.01, "group_name": "a", **TRAINED},
        {"type": "Adagrad", "name": "C", "lr": 0.01, "group_name": "c", "trained_mapping_names": ["critic"]},
    ],
}
CLASSIFIER_LAYERS = [{"type": "Linear", "in_features": 2, "out_features": 3}, {"type": "Softmax", "dim": 1}]


def _classifier(name):
    return {"name": name, "type": "feature_space_classifier", "layers": copy.deepcopy(CLASSIFIER_LAYERS)}


def _layers_that_remember():
    """Return a method with batch norm, dropout, and lazy layers of which some first work in the second phase."""
    described = method(
        phase={
            "exit_criteria": {"iterations": 6},
            "design_patterns": [RECONSTRUCTION],
            "optimizers": [{"type": "SGD", "lr": 0.01, "momentum": 0.9, "weight_decay": 0.01, **TRAINED}],
        }
    )
    described["mappings"][0]["layers"] = [
        {"type": "Flatten"},
        {"type": "LazyLinear", "out_features": 4},
        {"type": "BatchNorm1d", "num_features": 4},
        {"type": "Dropout", "p": 0.3},
        {"type": "Linear", "in_features": 4, "out_features": 2},
    ]
    late = [{"type": "LazyLinear", "out_features": 3}, {"type": "LazyBatchNorm1d"}, {"type": "Dropout", "p": 0.2}]
    described["mappings"].append({"name": "late", "type": "design_pattern_specific", "layers": late})
    described["mappings"][2]["prior_mapping_name"] = "encoder"
    second = {
        "name": "contrast",
        "order": 1,
        "exit_criteria": {"iterations": 5},
        "performance_evaluation_interval": 2,
        "design_patterns": [
            {
                "pattern": "contrastive",
                "contrastive_learning_head_name": "late",
                "batch_augmentation_name_1": "flipped",
                "batch_augmentation_name_2": "plain",
            }
        ],
        "optimizers": [{"type": "Adam", "lr": 0.01, "trained_mapping_names": ["encoder", "late"]}],
    }
    described["phases"].append(second)
    described["datasets"][0]["batch_augmentations"] = [{"name": "flipped", "transforms": [FLIP]}]
    return described


def _rates_and_turns():
    """Return a method with two groups, a cycle of optimizers, and schedulers of which two watch something."""
    entropy = {"pattern": "assignment_entropy", "loss_weight_schedule": {"warm_up_iterations": 5}}
    of_a = {"type": "Adam", "name": "A", "lr": 0.01, "group_name": "a", **TRAINED}
    of_b = {"type": "RMSprop", "name": "B", "lr": 0.01, "group_name": "b", "trained_mapping_names": ["encoder"]}
    return method(
        phase={
            "exit_criteria": {"epochs": 4},
            "performance_evaluation_interval": 3,
            "design_patterns": [
                {**RECONSTRUCTION, "loss_optimizer_group_name": "a"},
                {**entropy, "loss_optimizer_group_name": "b"},
            ],
            "optimizers": [of_a, {**of_b, "optimizes_centroids": True}],
            "optimizer_cycle": [
                {"active_optimizer_names": ["A", "B"], "num_iterations": 3},
                {"active_optimizer_names": ["B"], "num_iterations": 2},
            ],
            "optimizer_learning_rate_schedulers": [
                {"type": "ReduceLROnPlateau", "optimizer_name": "A", "patience": 0, "factor": 0.5},
                {"type": "ReduceLROnPlateau", "optimizer_name": "B", "patience": 0, "metric": "nmi"},
                {"type": "CosineAnnealingLR", "optimizer_name": "B", "T_max": 5},
            ],
        },
        dataset={"drop_last": False},
    )


def _moving_centroids():
    """Return a method with annealed, learnt and recalculated centroids, a target, and files that it saves."""
    saving = {"saving_interval": 4, "path_to_file_or_dir": "saved/", "keep_old_files": False}
    strategy = {
        "type": "centroid_similarity",
        "similarity_measure": "gaussian",
        "gaussian_similarity_measure_inverse_temperature": {
            "annealing_initial_value": 0.5,
            "annealing_final_value": 2,
            "annealing_iterations_per_value": 3,
        },
        "use_centroids_during_phases": ["training"],
        "centroid_initialization_classical_clustering_num_restarts": 1,
        "centroid_recalculation_strategy": "classical_clustering",
        "centroid_recalculation_classical_clustering_num_restarts": 1,
        "centroid_recalculation_interval": 5,
    }
    return method(
        phase={
            "exit_criteria": {"iterations": 11, "performance_evaluation_cluster_reassignment_ratio_lt": 0},
            "performance_evaluation_interval": 3,
            "design_patterns": [
                RECONSTRUCTION,
                {"pattern": "target_distribution", "target_distribution_recalculation_interval": 4},
            ],
            "optimizers": [{"type": "Adam", "lr": 0.01, "amsgrad": True, **TRAINED, "optimizes_centroids": True}],
            "save_mapping_parameters": [{"mapping_name": "encoder", **saving}],
            "save_centroids": [saving],
        },
        dataset={"transforms": [FLIP]},
        cluster_assignment_strategy=strategy,
    )


def _choosing(criterion):
    """Return a method that chooses among classifiers by the scores of its evaluations, in two phases."""
    phase = {
        "exit_criteria": {"iterations": 5},
        "performance_evaluation_interval": 2,
        "design_patterns": [
            {"pattern": "assignment_entropy", "classifier_name": name, "loss_weight": weight}
            for name, weight in (("one", 1), ("two", -1))
        ],
        "optimizers": [{"type": "SGD", "lr": 0.1, "trained_mapping_names": ["encoder", "one", "two"]}],
    }
    described = method(
        phase=phase,
        more_mappings=[_classifier("one"), _classifier("two")],
        cluster_assignment_strategy={"type": "classifier", "classifier_selection_criterion": criterion},
    )
    described["phases"].append({**described["phases"][0], "name": "more", "order": 1})
    return described


def _several_datasets():
    """Return a method with four datasets: the second goes on, the third starts anew, the last is only scored."""
    described = method(
        phase={"exit_criteria": {"iterations": 5}, "performance_evaluation_interval": 4},
        dataset={"drop_last": False, "name": "first"},
        cluster_assignment_strategy=K_MEANS,
    )
    described["phases"].append({**described["phases"][0], "name": "late", "exit_criteria": {"epochs": 1}, "order": 1})
    first = described["datasets"][0]
    described["datasets"] += [
        {**first, "name": "goes on", "order": 1, "reinitialize_mappings": False, "phases": ["training"]},
        {**first, "name": "anew", "order": 2, "batch_size": 7},
        {**first, "name": "scored", "order": 3, "reinitialize_mappings": False, "phases": []},
    ]
    return described


def _stages():
    """Return a method with layer pairs trained one after the other, a critic, and k-means between two phases."""
    pairs = [
        {"encoder_layer_names": [a], "decoder_layer_names": [b], "train_for_iterations": 3}
        for a, b in (("first", "b"), ("last", "a"))
    ]
    layer_wise = {"pattern": "layer_wise_pretraining", "dropout_rate": 0.2, "encoder_decoder_layer_pairs": pairs}
    described = method(
        phase={
            "exit_criteria": {"iterations": 8},
            "design_patterns": [layer_wise | AUTOENCODER],
            "optimizers": [{"type": "SGD", "lr": 0.01, "momentum": 0.9, **TRAINED}],
        },
        cluster_assignment_strategy=K_MEANS,
    )
    described["mappings"][1]["layers"] = [
        {"type": "Linear", "name": "a", "in_features": 2, "out_features": 4},
        {"type": "Linear", "name": "b", "in_features": 4, "out_features": PIXELS},
    ]
    critic = [{"type": "Flatten"}, {"type": "Linear", "in_features": PIXELS, "out_features": 1}]
    described["mappings"].append({"name": "critic", "type": "design_pattern_specific", "layers": critic})
    described["phases"].append(RIVALS)
    return described


def _running_means():
    """Return a method whose centroids follow their samples, with k-means for every evaluation and for the labels."""
    follow = {
        "pattern": "reinforcement",
        "loss_type": "euclidean",
        "sample_selection_criterion": "all_samples",
        "cluster_selection_criterion": "nearest_centroid",
        "sample_representation": "feature_representation",
        "cluster_representation": "centroid",
        "centroid_update": "running_means",
        "centroid_update_initial_count": 2,
    }
    target = {"pattern": "target_distribution", "target_distribution_recalculation_interval": {"epochs": 1}}
    return method(
        phase={
            "exit_criteria": {"iterations": 11, "performance_evaluation_cluster_reassignment_ratio_lt": 0},
            "performance_evaluation_interval": {"epochs": 1},
            "design_patterns": [RECONSTRUCTION, follow, {**target, "reduction": "sum"}],
            "optimizers": [{"type": "SGD", "lr": 0.01, "momentum": 0.9, "nesterov": True, **TRAINED}],
        },
        cluster_assignment_strategy={
            "type": "k_means_after_phase",
            "classical_clustering_in_feature_space_after_phase": "training",
            "classical_clustering_in_feature_space_after_phase_num_restarts": 1,
            "classical_clustering_in_feature_space_at_evaluations_num_restarts": 2,
            "use_centroids_during_phases": ["training"],
            "centroid_initialization_classical_clustering_num_restarts": 1,
        },
    )


def _held_out():
    """Return a method whose rates follow losses on held-out samples, and whose phase ends when one is low enough."""
    plateau = {"type": "ReduceLROnPlateau", "factor": 0.1, "patience": 0}
    critic = [{"type": "Flatten"}, {"type": "Linear", "in_features": PIXELS, "out_features": 1}]
    of_a, of_c = RIVALS["optimizers"]
    target = {"pattern": "target_distribution", "target_distribution_recalculation_interval": 4}
    return method(
        phase={
            "exit_criteria": {
                "learning_rate_le": {"optimizer_name": "A", "value": 1e-5},
                "validation_lt": {"metric": "validation_reconstruction", "value": 1e-9},
            },
            "validation": {"fraction": 0.3, "interval": 2},
            "design_patterns": [
                {**RECONSTRUCTION, "loss_optimizer_group_name": "a"},
                *RIVALS["design_patterns"],
                {**target, "loss_optimizer_group_name": "a", "batch_augmentation_name": "flipped"},
            ],
            "optimizers": [{**of_a, "lr": 0.1}, of_c],
            "optimizer_learning_rate_schedulers": [
                {**plateau, "optimizer_name": "A", "metric": "validation_loss", "interval": 2},
                {**plateau, "optimizer_name": "A", "interval": 5, "patience": 1},
                {**plateau, "optimizer_name": "C", "metric": "validation_adversarial_interpolation.critic"},
            ],
        },
        dataset={"batch_augmentations": [{"name": "flipped", "transforms": [FLIP]}]},
        more_mappings=[{"name": "critic", "type": "design_pattern_specific", "layers": critic}],
    )


def _neighborhoods():
    """Return a method whose batches are made by neighbourhoods among features that move, as are its affinities."""
    near = {"source": "features", "mapping_name": "encoder", "neighborhood": "dataset", "num_neighbors": 3}
    return method(
        phase={
            "exit_criteria": {"iterations": 9},
            "sampling": {"type": "by_neighborhoods", "source": "features", "mapping_name": "encoder"},
            "design_patterns": [
                {"pattern": "siamese_contrastive", "encoder_name": "encoder", "neighbors": near},
                {
                    "pattern": "normalized_cut",
                    "affinity": {**near, "scale_num_samples": 9},
                    "temperature": {"type": "exponential", "rate": 0.1, "interval": 2},
                },
                {"pattern": "normalized_cut", "affinity": {**near, "scale": "local"}, "gumbel_noise": False},
            ],
        },
        cluster_assignment_strategy={
            "type": "centroid_similarity",
            "use_centroids_during_phases": ["training"],
            "centroid_initialization_classical_clustering_num_restarts": 1,
        },
    )


def _sets():
    """Return a method that clusters sets of points, and whose phase ends by patience with its best parameters."""
    return of_points(
        {
            "/phases/0/exit_criteria": {"patience": 4, "iterations": 30},
            "/phases/0/validation": {"num_sets": 3, "interval": 2, "restore_best": True},
            "/phases/0/performance_evaluation_interval": 3,
            "/phases/0/optimizers/0/lr": 0.2,
            "/phases/1": {**OF_POINTS["phases"][0], "name": "more", "order": 1, "exit_criteria": {"iterations": 2}},
            "/cluster_assignment_strategy/count_uncertainty_passes": 2,
        }
    )


def _held_out_with_patience():
    """Return a method with batch norm that ends by patience with the parameters of its best validation."""
    described = _layers_that_remember()
    described["phases"] = described["phases"][:1]
    described["phases"][0] |= {
        "exit_criteria": {"patience": 3, "epochs": 9},
        "validation": {"fraction": 0.3, "interval": 1, "restore_best": True, "metric": "validation_reconstruction"},
        "optimizers": [{"type": "Adam", "lr": 0.3, **TRAINED}],
    }
    return described


METHODS = {
    "layers that remember": _layers_that_remember,
    "rates and turns": _rates_and_turns,
    "moving centroids": _moving_centroids,
    "running means": _running_means,
    "the last best classifier": functools.partial(_choosing, "highest_last_acc"),
    "the best classifier on average": functools.partial(_choosing, "highest_average_nmi"),
    "several datasets": _several_datasets,
    "stages": _stages,
    "held out": _held_out,
    "neighborhoods": _neighborhoods,
    "sets": _sets,
    "patience": _held_out_with_patience,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return what a method's uninterrupted run leaves behind, and its iterations as the phases' names."""

    @functools.cache
    def run(name):
        folder = tmp_path_factory.mktemp("whole")
        started = start(job_of(METHODS[name](), folder), folder / "logs")
        assert started.error is None
        return left_behind(started, folder / "saved"), started.done

    return run


@pytest.mark.parametrize("name", METHODS)
def test_a_run_that_is_stopped_after_every_iteration_is_the_same(name, tmp_path, whole):
    expected, done = whole(name)
    starts = carried_on(job_of(METHODS[name](), tmp_path), tmp_path / "logs", 1)
    assert [begun.done for begun in starts] == [[phase] for phase in done] + [[]]
    assert len({begun.folder for begun in starts}) == 1
    assert left_behind(starts[-1], tmp_path / "saved") == expected


@pytest.mark.parametrize("stopped", [3, 8])
@pytest.mark.parametrize("name", METHODS)
def test_a_run_that_is_stopped_once_is_the_same(name, stopped, tmp_path, whole):
    expected, done = whole(name)
    first, second = carried_on(job_of(METHODS[name](), tmp_path), tmp_path / "logs", stopped)[:2]
    assert (first.done, first.result.status) == (done[:stopped], "interrupted")
    assert second.done[: len(done) - stopped] == done[stopped : 2 * stopped]
    last = start(job_of(METHODS[name](), tmp_path), tmp_path / "logs")
    assert last.result.is_earlier
    assert left_behind(last, tmp_path / "saved") == expected


@pytest.mark.parametrize("moment", [moment for moment in MOMENTS if moment not in ("iteration_done", "phase_reused")])
@pytest.mark.parametrize("name", ["layers that remember", "several datasets"])
def test_a_run_that_is_stopped_between_iterations_is_the_same(name, moment, tmp_path, whole):
    expected, _ = whole(name)
    starts = carried_on(job_of(METHODS[name](), tmp_path), tmp_path / "logs", 1, moment)
    assert len(starts) > 1
    assert left_behind(starts[-1], tmp_path / "saved") == expected


@pytest.mark.parametrize("name", METHODS)
def test_a_run_that_is_killed_goes_on_from_the_last_checkpoint(name, tmp_path, whole):
    expected, done = whole(name)
    options = RunOptions(SavingOptions(0, 3), shares_phases=False)
    job = job_of(METHODS[name](), tmp_path)
    killed = Killed(tmp_path / "logs", tmp_path / "copies", ("iteration_done", "phase_ended"))
    start(job, tmp_path / "logs", options=options, watchers=[killed])
    assert len(killed.copies) > len(done)
    for copied in killed.copies[::6]:
        again = start(job, copied, options=options)
        assert again.error is None
        assert left_behind(again, tmp_path / "saved") == expected


def test_a_run_that_is_killed_while_a_checkpoint_is_written_goes_on_from_the_one_before(tmp_path, whole, monkeypatch):
    expected, done = whole("moving centroids")
    options = RunOptions(SavingOptions(0, 2), shares_phases=False)
    job, copies = job_of(_moving_centroids(), tmp_path), []
    real = checked_files._fill

    def fill(data, path):
        real(data[: len(data) // 2], path)
        copies.append(shutil.copytree(tmp_path / "logs", tmp_path / f"copy_{len(copies)}"))
        real(data, path)

    monkeypatch.setattr(checked_files, "_fill", fill)
    start(job, tmp_path / "logs", options=options)
    monkeypatch.setattr(checked_files, "_fill", real)
    assert len(copies) == len(done) // 2 + 1
    for number, copied in enumerate(copies[:3]):
        assert len(list(copied.rglob("*.part"))) == 1
        again = start(job, copied, options=options)
        assert again.done == done[2 * number :]
        assert left_behind(again, tmp_path / "saved") == expected


def test_the_methods_have_every_strategy_and_every_pattern_that_remembers():
    described = [build() for build in METHODS.values()]
    used = {block["pattern"] for one in described for phase in one["phases"] for block in phase["design_patterns"]}
    assert {one["cluster_assignment_strategy"]["type"] for one in described} == set(registry.strategies())
    remembering = {name for name, entry in registry.patterns().items() if "state_dict" in vars(entry.implementation())}
    assert remembering
    assert remembering <= used


@pytest.mark.parametrize("name", ["sets", "patience"])
def test_what_ends_by_patience_goes_on_to_the_same_end(name, whole):
    events, done = whole(name)[0]["events"], whole(name)[1]
    (ended,) = [event for event in events if event["event"] == "phase_ended" and event["phase"] == "training"]
    assert "iterations passed without a lower validation: the lowest validation_" in ended["reason"]
    assert any(note.startswith("The parameters that are kept are the best: ") for note in ended["notes"])
    length = ended["iteration"]
    validations = [event for event in events if event["event"] == "validation" and event["phase"] == "training"]
    losses = [event["loss"] for event in validations]
    best = validations[losses.index(min(losses))]["iteration"]
    assert best == length - {"sets": 4, "patience": 3}[name]
    assert best > 1
    assert done[:length] == ["training"] * length


# --- the methods with every pattern -------------------------------------------------------------------------------

BENCH = Path(__file__).resolve().parent.parent / "bench"
SHORT = {"layer_wise": 9, "contrast": 8, "finetuning": 8}


def _every_pattern():
    """Return the method whose runs the bench kills, with short phases and small intervals."""
    described = json.loads((BENCH / "every_pattern.json").read_text())
    for phase in described["phases"]:
        phase["exit_criteria"] = {"iterations": SHORT.get(phase["name"], 6)}
        phase |= {"performance_evaluation_interval": 3} if phase["name"] in ("contrast", "finetuning") else {}
        for block in [*phase.get("save_mapping_parameters", []), *phase.get("save_centroids", [])]:
            block["saving_interval"] = 3
    pairs = described["phases"][0]["design_patterns"][0]["encoder_decoder_layer_pairs"]
    for pair in pairs:
        pair["train_for_iterations"] = 4
    described["phases"][3]["design_patterns"][0]["target_distribution_recalculation_interval"] = 3
    described["cluster_assignment_strategy"]["centroid_recalculation_interval"] = 5
    return described


def _every_set_pattern():
    """Return the same for sets: the first phase ends by patience."""
    described = json.loads((BENCH / "every_set_pattern.json").read_text())
    first, second = described["phases"]
    first |= {"exit_criteria": {"iterations": 30, "patience": 4}, "performance_evaluation_interval": 3}
    first["validation"] |= {"interval": 2, "num_sets": 3}
    first["optimizers"][0]["lr"] = 0.05
    first["save_mapping_parameters"][0]["saving_interval"] = 3
    second |= {"exit_criteria": {"iterations": 5}, "performance_evaluation_interval": 2}
    for dataset in described["datasets"]:
        dataset["batch_size"] = 3
        dataset["sets"]["num_evaluation_sets"] = 3
    return described


EVERY = {
    "single samples": (
        _every_pattern,
        lambda: {"trained_on": made(70, 1, (1, 8, 8)), "goes_on": made(75, 2, (1, 8, 8))},
    ),
    "sets": (_every_set_pattern, lambda: {"trained_on": digits(), "goes_on": digits(150)}),
}


@pytest.mark.parametrize("name", EVERY)
def test_every_pattern_goes_on(name, tmp_path):
    describe, samples = EVERY[name]
    whole, stopped = (job_of(describe(), tmp_path / place, samples()) for place in ("whole", "stopped"))
    expected = start(whole, tmp_path / "whole" / "logs")
    starts = carried_on(stopped, tmp_path / "stopped" / "logs", 4)
    assert len(starts) > len(expected.done) // 4
    assert left_behind(starts[-1], tmp_path / "stopped" / "saved") == left_behind(
        expected, tmp_path / "whole" / "saved"
    )


def test_both_methods_together_have_every_pattern():
    phases = [phase for describe, _ in EVERY.values() for phase in describe()["phases"]]
    assert {block["pattern"] for phase in phases for block in phase["design_patterns"]} == set(registry.patterns())


# --- what is the same with and without ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "saving", [SavingOptions(0, 1), SavingOptions(0, 3), SavingOptions(1e-9, 0), SavingOptions(5, 0)]
)
@pytest.mark.parametrize("shares", [False, True])
def test_checkpoints_change_no_bit(saving, shares, tmp_path, whole):
    expected, done = whole("several datasets")
    started = start(
        job_of(_several_datasets(), tmp_path), tmp_path / "logs", options=RunOptions(saving, False, False, shares)
    )
    assert started.done == done
    assert left_behind(started, tmp_path / "saved") == expected
    assert len(checkpoints_of(started)) == 2
    assert (tmp_path / "logs" / "shared").exists() == shares


def test_with_everything_off_nothing_is_kept(tmp_path):
    started = start(job_of(_several_datasets(), tmp_path), tmp_path / "logs")
    assert not (started.folder / "checkpoints").exists()
    assert not (tmp_path / "logs" / "shared").exists()


def test_the_history_after_a_checkpoint_is_cut(tmp_path):
    job = job_of(_moving_centroids(), tmp_path)
    first = start(job, tmp_path / "logs", Stop(4, number=signal.SIGTERM))
    assert events_of(first.folder)[-1] == {
        "event": "run_ended",
        "error": "InterruptedRunError: SIGTERM ended the run",
    }
    last = start(job, tmp_path / "logs")
    assert [event["event"] for event in events_of(last.folder)].count("run_ended") == 1
    assert [event["event"] for event in events_of(last.folder)].count("run_started") == 1


def test_the_log_says_where_a_run_goes_on(tmp_path):
    job = job_of(_moving_centroids(), tmp_path)
    start(job, tmp_path / "logs", Stop(4))
    again = start(job, tmp_path / "logs")
    assert again.lines[0].startswith('Method "tiny", seed 0, on cpu')
    assert "Going on from the last checkpoint" in again.lines[:3]
    assert 'Phase "training" on dataset "made" goes on after iteration 4' in again.lines
    assert (again.folder / "run.log").read_text().count("Interrupted") == 2


def test_a_stop_leaves_the_global_generator_and_the_threads_as_they_were(tmp_path):
    job, threads = job_of(_layers_that_remember(), tmp_path), torch.get_num_threads()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    carried_on(job, tmp_path / "logs", 4)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


class _Threads(Listener):
    """Notes how many threads iterations have."""

    def __init__(self):
        self.numbers = set()

    def heard(self, moment, *details):
        self.numbers.add(torch.get_num_threads())


def test_a_run_goes_on_with_the_threads_it_had(tmp_path):
    job, before, seen = job_of(_moving_centroids(), tmp_path), torch.get_num_threads(), _Threads()
    try:
        torch.set_num_threads(1)
        start(job, tmp_path / "logs", Stop(3))
        torch.set_num_threads(2)
        again = start(job, tmp_path / "logs", watchers=[seen])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen.numbers == {1}
    assert not any("may differ" in line for line in again.lines)


def test_a_run_that_goes_on_elsewhere_says_what_its_bits_may_suffer_from(tmp_path):
    job = job_of(_moving_centroids(), tmp_path)
    file = start(job, tmp_path / "logs", Stop(3)).folder / "environment.json"
    known = json.loads(file.read_text())
    known["fingerprint"]["torch"] = "2.0.0"
    file.write_text(json.dumps(known))
    again = start(job, tmp_path / "logs")
    assert [line for line in again.lines if "may differ" in line] == [
        f"The bits may differ from those of one uninterrupted run: torch 2.0.0, now {torch.__version__}"
    ]
    assert json.loads(file.read_text()) == known
