"""Labels change no bit of the quickstart, unless the method lets them choose."""

import json
from dataclasses import replace
from pathlib import Path

import torch

from recombine.batch import BatchOptions, prepare
from recombine.callbacks.base import Callback
from recombine.execute import RunOptions, execute
from recombine.keeper import SavingOptions
from recombine.load import load_dict
from recombine.logs import LogOptions
from tests.test_configurations import shortened

QUICKSTART = Path(__file__).resolve().parent.parent / "configurations" / "quickstart" / "digits.json"
OWN = object()
ON_ACC = {"performance_evaluation_acc_gt": 0.3}


class Evaluations(Callback):
    """Keeps the scores of every evaluation within a phase."""

    def __init__(self):
        self.scores = []

    def evaluated(self, phase, state, performance):
        if performance is not None:
            self.scores.append(performance.scores and performance.scores.acc)


def method(**criteria):
    """Return the quickstart of a second, which evaluates at every other iteration."""
    short = shortened(json.loads(QUICKSTART.read_text(encoding="utf-8")))
    for phase in short["phases"]:
        phase["performance_evaluation_interval"] = 2
        phase["exit_criteria"]["iterations"] = 8
    short["phases"][-1]["exit_criteria"] |= criteria
    short["datasets"][0]["index_of_last_sample_to_use"] = 299
    return short


def outcome(description, folder, labels=OWN):
    """Run a method, with other labels in place of the digits' own; return its result and the scores on the way."""
    job, problems = prepare(load_dict(description), BatchOptions(LogOptions(folder)), {})
    assert job is not None, problems
    if labels is not OWN:
        job = replace(job, samples={name: replace(found, labels=labels) for name, found in job.samples.items()})
    evaluations, options = Evaluations(), RunOptions(SavingOptions(0, 0), shares_phases=False)
    result, error = execute(job, LogOptions(folder), lambda line: None, [evaluations], options)
    assert error is None
    return result, evaluations.scores


def digits_labels():
    """Return the labels of the first 300 digits, and three others for as many samples."""
    job, _ = prepare(load_dict(method()), BatchOptions(LogOptions(Path())), {})
    (found,) = job.samples.values()
    draws = torch.Generator().manual_seed(0)
    swapped = found.labels[torch.randperm(300, generator=draws)]
    return found.labels, {"shuffled": swapped, "reversed": found.labels.flip(0), "all one": torch.zeros_like(swapped)}


def test_other_labels_change_scores_and_nothing_else(tmp_path):
    own, others = digits_labels()
    given, scores = outcome(method(), tmp_path)
    assert len(own) == 300
    assert len(scores) >= 4
    assert given.datasets["Digits"].oracle == ()
    for labels in others.values():
        found, other_scores = outcome(method(), tmp_path, labels)
        assert (found.folder, found.identity) != (given.folder, given.identity)
        assert other_scores != scores
        assert found.datasets["Digits"].scores != given.datasets["Digits"].scores
        assert found.parameters == given.parameters
        for name in ("clusters", "confidence"):
            mine, theirs = getattr(found.datasets["Digits"], name), getattr(given.datasets["Digits"], name)
            assert mine.tobytes() == theirs.tobytes()


def test_a_method_that_lets_labels_choose_is_seen(tmp_path):
    _, others = digits_labels()
    chosen = method(**ON_ACC)
    given, scores = outcome(chosen, tmp_path)
    assert max(scores) > ON_ACC["performance_evaluation_acc_gt"]
    found, _ = outcome(chosen, tmp_path, others["shuffled"])
    assert found.parameters != given.parameters
    (reason,) = found.datasets["Digits"].oracle
    assert reason == 'phase "finetuning" may end by performance_evaluation_acc_gt'


def test_without_labels_the_bits_are_the_same(tmp_path):
    given, _ = outcome(method(), tmp_path)
    found, scores = outcome(method(), tmp_path, None)
    assert set(scores) == {None}
    assert found.datasets["Digits"].scores is None
    assert found.parameters == given.parameters


def test_one_iteration_more_changes_bits(tmp_path):
    longer = method()
    longer["phases"][-1]["exit_criteria"]["iterations"] += 1
    assert outcome(longer, tmp_path)[0].parameters != outcome(method(), tmp_path)[0].parameters
