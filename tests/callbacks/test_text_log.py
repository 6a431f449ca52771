import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recombine.callbacks import text_log
from recombine.callbacks.base import DatasetView
from recombine.callbacks.text_log import TextLog
from recombine.datasets.base import Samples
from recombine.errors import DivergedError
from recombine.workers import SlowView
from tests.runs import config_of, made, method, train


def test_a_run_in_words():
    described = method(phase={"exit_criteria": {"epochs": 1}, "performance_evaluation_interval": 2})
    described["phases"][0]["design_patterns"][0]["loss_report_interval"] = 3
    trained = train(described)
    loss, first, second = trained.log[4], trained.log[3], trained.log[5]
    scores = str(trained.scored[0].evaluation.scores)
    assert trained.log == [
        f'Method "tiny", seed 0, on cpu ({torch.get_num_threads()} threads); files in .',
        'Dataset "made": 23 samples, 3 clusters, batches of 5',
        'Phase "training" on dataset "made": at most 4 iterations',
        first,
        loss,
        second,
        'Phase "training" ended after 4 iterations: 1 epoch is done',
        f'Final performance on dataset "made": {scores}',
    ]
    assert first.startswith("Evaluation after 2 iterations: ACC 0.")
    assert "reassigned" not in first
    assert loss.startswith("Iteration 3: reconstruction ")
    assert float(loss.split()[-1]) > 0
    assert second.startswith(f"Evaluation after 4 iterations: {scores}, reassigned 0")


def test_a_view_without_batch_form_is_said_once():
    described = method(phase={"exit_criteria": {"epochs": 2}})
    elastic = {"type": "ElasticTransform", "sigma": 0.1}
    described["datasets"][0] |= {"batch_augmentations": [{"name": "bent", "transforms": [elastic]}], "num_workers": 0}
    described["phases"][0]["design_patterns"][0]["batch_augmentation_name"] = "bent"
    slow = [line for line in train(described).log if "slow" in line]
    assert len(slow) == 1
    beginning = (
        'View "bent" is slow: it runs sample by sample through torchvision, as ElasticTransform has no batch form'
    )
    assert re.fullmatch(beginning + r": [\d.]+ ms a sample, \d+ ms a batch, in the main process", slow[0])


@pytest.mark.parametrize(
    ("workers", "obstacle", "where"),
    [
        (3, None, "spread over 3 processes"),
        (1, None, "spread over 1 process"),
        (0, "OSError: no room", "in the main process, as no other can be started (OSError: no room)"),
    ],
)
def test_a_slow_view_in_words(workers, obstacle, where):
    lines = []
    config = config_of(method())
    view = SlowView("x", "Y has no batch form", 2.13, workers, obstacle)
    TextLog(lines.append).dataset_started(DatasetView(config.datasets[0], 23, range(0), (view,)))
    assert lines[1] == (
        'View "x" is slow: it runs sample by sample through torchvision, as Y has no batch form: '
        f"2.1 ms a sample, 11 ms a batch, {where}"
    )


@pytest.mark.parametrize(("size", "cost"), [(20, "213 ms"), ([2, 10], "106 ms")])
def test_a_batch_of_sets_has_all_their_objects(size, cost):
    lines = []
    sets = {"num_objects": size, "min_clusters": 1, "num_evaluation_sets": 3}
    dataset = replace(config_of(method()).datasets[0], sets=sets)
    TextLog(lines.append).dataset_started(DatasetView(dataset, 60, range(0), (SlowView("x", "Y", 2.13, 0, None),)))
    assert f"2.1 ms a sample, {cost} a batch" in lines[1]


def test_the_final_line_is_exact():
    line = train(method()).log[-1]
    assert line.startswith('Final performance on dataset "made": ACC 0.')
    words = line.removeprefix('Final performance on dataset "made": ').replace(",", "").split()
    assert words[::2] == ["ACC", "NMI", "ARI"]
    assert [len(number.lstrip("-")) for number in words[1::2]] == [5, 5, 5]


def test_losses_have_their_own_intervals_and_names():
    described = method(phase={"exit_criteria": {"iterations": 6}})
    entropy = {"pattern": "assignment_entropy"}
    described["phases"][0]["design_patterns"] += [
        entropy | {"loss_report_interval": 2},
        entropy | {"loss_report_interval": 3, "loss_weight": 0.0},
    ]
    lines = [line for line in train(described).log if line.startswith("Iteration")]
    names = [[word for word in line.replace(",", "").split()[2:][::2]] for line in lines]
    assert [line.split(":")[0] for line in lines] == [f"Iteration {i}" for i in (2, 3, 4, 6)]
    assert names == [
        ["assignment_entropy"],
        ["assignment_entropy_2"],
        ["assignment_entropy"],
        ["assignment_entropy", "assignment_entropy_2"],
    ]


def test_samples_that_never_train_are_told():
    told = "Samples 20 to 22 make no whole batch and are never trained on"
    assert told in train(method(dataset={"shuffle": False})).log
    assert told not in train(method(dataset={"shuffle": False, "drop_last": False})).log
    assert told not in train(method(dataset={"shuffle": True})).log
    holding_out = method(phase={"validation": {"fraction": 0.3}}, dataset={"shuffle": False})
    assert told not in train(holding_out).log
    holding_out["phases"].append({**method()["phases"][0], "name": "another", "order": 1})
    assert told in train(holding_out).log
    evaluated = method()
    test = evaluated["datasets"][0] | {"name": "test", "phases": [], "shuffle": False, "reinitialize_mappings": False}
    evaluated["datasets"].append(test)
    assert told not in train(evaluated).log


def test_a_phase_without_bound_says_so():
    criteria = {"performance_evaluation_acc_gt": 0}
    trained = train(method(phase={"exit_criteria": criteria, "performance_evaluation_interval": 3}))
    assert 'Phase "training" on dataset "made": until a score is reached' in trained.log
    assert any(line.startswith('Phase "training" ended after 3 iterations: ACC 0.') for line in trained.log)


def test_a_phase_that_neither_time_nor_a_score_ends_says_so():
    phase = {"exit_criteria": {"validation_lt": {"value": 1e9}}, "validation": {"fraction": 0.3, "interval": 2}}
    trained = train(method(phase=phase))
    place = 'Phase "training" on dataset "made"'
    assert f"{place}: until an exit criterion holds; 7 of 23 samples are held out" in trained.log


def test_data_without_labels():
    described = method(phase={"performance_evaluation_interval": 5})
    trained = train(described, samples={"made": Samples(made().values)})
    used = len(set(trained.scored[0].evaluation.clusters.tolist()))
    label_free = trained.scored[0].evaluation.label_free
    assert str(label_free).startswith("silhouette ")
    assert "(on 23 samples, output of encoder), assignment entropy 0." in str(label_free)
    assert f"Evaluation after 5 iterations: no labels to score against; {label_free}" in trained.log
    words = f"23 samples in {used} clusters, no labels to score against; {label_free}"
    assert trained.log[-1] == f'Dataset "made": {words}'


@pytest.mark.parametrize(
    ("strategy", "told"),
    [
        ({}, False),
        ({"centroid_initialization_strategy": "classical_clustering"}, True),
        ({"centroid_recalculation_strategy": "classical_clustering", "centroid_recalculation_interval": 2}, True),
        ({"type": "k_means_after_phase", "classical_clustering_in_feature_space_after_phase": "training"}, True),
    ],
)
def test_k_means_on_a_part_of_many_samples_is_told(monkeypatch, strategy, told):
    described = method()
    if "type" in strategy:
        described["cluster_assignment_strategy"] = {}
    described["cluster_assignment_strategy"] |= strategy
    assert not any("k-means" in line for line in train(described).log)
    monkeypatch.setattr(text_log, "SAMPLE_LIMIT", 10)
    assert ("k-means is fitted on a random 10 of the 23 samples" in train(described).log) is told


def test_stages_are_told_when_they_begin():
    pair = {"encoder_layer_names": ["first"], "decoder_layer_names": ["only"], "train_for_iterations": 3}
    pattern = {
        "pattern": "layer_wise_pretraining",
        "encoder_name": "encoder",
        "decoder_name": "decoder",
        "dropout_rate": 0.5,
        "encoder_decoder_layer_pairs": [pair],
    }
    described = method(phase={"design_patterns": [pattern]})
    described["mappings"][1]["layers"] = [{"type": "Linear", "name": "only", "in_features": 4, "out_features": 6}]
    lines = [line for line in train(described).log if "layer pair" in line]
    assert lines == [
        "Iteration 0: layer_wise_pretraining: layer pair 1 of 1",
        "Iteration 3: layer_wise_pretraining: all layer pairs trained",
    ]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DivergedError("a loss became NaN"), "Failed: a loss became NaN"),
        (ZeroDivisionError("of ours"), "Failed: ZeroDivisionError: of ours"),
    ],
)
def test_failures(error, expected):
    lines = []
    TextLog(lines.append).run_ended(error)
    assert lines == [expected]


@pytest.mark.parametrize(("error", "word"), [(None, "Finished in "), (KeyboardInterrupt(), "Interrupted after ")])
def test_the_end(monkeypatch, error, word):
    lines = []
    log = TextLog(lines.append)
    times = iter([100.0, 112.34])
    monkeypatch.setattr("recombine.callbacks.text_log.time.monotonic", lambda: next(times))
    log.run_started(config_of(method()), "cpu", Path())
    log.run_ended(error)
    assert lines[-1] == f"{word}12.3 s"
