import json
import math
import time

import pytest
import torch

from recombine.callbacks.base import Callback
from recombine.callbacks.events import EventFile
from recombine.datasets.base import Samples
from recombine.errors import DivergedError, RecombineError
from recombine.objective import LossValue
from tests.runs import config_of, made, method, train


def _events(tmp_path, description, samples=None, error=None):
    path = tmp_path / "events.jsonl"
    observer = EventFile(path)
    trained = train(description, [observer], samples)
    observer.run_ended(error)
    return trained, [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _without_time(event):
    return {key: value for key, value in event.items() if key != "time"}


def test_one_line_for_each_event(tmp_path):
    described = method(seed=7, phase={"exit_criteria": {"iterations": 4}, "performance_evaluation_interval": 2})
    described["phases"][0]["design_patterns"][0]["loss_report_interval"] = 3
    started = time.time()
    trained, events = _events(tmp_path, described)
    assert all(started <= event["time"] <= time.time() for event in events)
    place = {"dataset": "made", "phase": "training"}
    scores = trained.scored[0].evaluation.scores.as_dict()
    label_free = trained.scored[0].evaluation.label_free.as_dict()
    losses = events[4]["losses"]
    assert losses.keys() == {"reconstruction"}
    first, last = events[3], events[5]
    assert [_without_time(event) for event in events] == [
        {"event": "run_started", "method": "tiny", "seed": 7, "device": f"cpu ({torch.get_num_threads()} threads)"},
        {"event": "dataset_started", "dataset": "made", "num_samples": 23},
        {"event": "phase_started", **place, "iteration": 0},
        {
            "event": "evaluation",
            **place,
            "iteration": 2,
            "scores": first["scores"],
            "label_free": first["label_free"],
            "reassignment_ratio": None,
        },
        {"event": "losses", **place, "iteration": 3, "losses": losses},
        {
            "event": "evaluation",
            **place,
            "iteration": 4,
            "scores": scores,
            "label_free": label_free,
            "reassignment_ratio": last["reassignment_ratio"],
        },
        {"event": "phase_ended", **place, "iteration": 4, "reason": "4 iterations are done", "notes": []},
        {"event": "dataset_scored", "dataset": "made", "scores": scores, "label_free": label_free, "oracle": []},
        {"event": "run_ended", "error": None},
    ]
    assert first["scores"].keys() == {"acc", "nmi", "ari"}
    assert first["label_free"].keys() == label_free.keys()
    assert 0 <= last["reassignment_ratio"] <= 1


def test_losses_without_an_interval_are_kept_every_hundred_iterations(tmp_path):
    _, events = _events(tmp_path, method(phase={"exit_criteria": {"iterations": 205}}))
    assert [event["iteration"] for event in events if event["event"] == "losses"] == [100, 200]


def test_unlabelled_data_have_no_scores(tmp_path):
    described = method(phase={"performance_evaluation_interval": 5})
    trained, events = _events(tmp_path, described, {"made": Samples(made().values)})
    by_kind = {event["event"]: event for event in events}
    assert by_kind["evaluation"]["scores"] is None
    assert by_kind["dataset_scored"]["scores"] is None
    label_free = trained.scored[0].evaluation.label_free.as_dict()
    assert by_kind["evaluation"]["label_free"] == by_kind["dataset_scored"]["label_free"] == label_free


def test_before_there_are_assignments_there_is_nothing_to_score(tmp_path):
    strategy = {
        "type": "k_means_after_phase",
        "classical_clustering_in_feature_space_after_phase": "training",
        "classical_clustering_in_feature_space_after_phase_num_restarts": 1,
    }
    described = method(phase={"performance_evaluation_interval": 5}, cluster_assignment_strategy=strategy)
    _, events = _events(tmp_path, described)
    evaluation = next(event for event in events if event["event"] == "evaluation")
    assert (evaluation["scores"], evaluation["label_free"], evaluation["reassignment_ratio"]) == (None, None, None)


def test_reasons_to_distrust_are_kept(tmp_path):
    criteria = {"iterations": 2, "performance_evaluation_acc_gt": 0.99}
    _, events = _events(tmp_path, method(phase={"exit_criteria": criteria, "performance_evaluation_interval": 1}))
    scored = next(event for event in events if event["event"] == "dataset_scored")
    assert scored["oracle"] == ['phase "training" may end by performance_evaluation_acc_gt']


def test_errors_are_kept(tmp_path):
    _, events = _events(tmp_path, method(), error=DivergedError("too far"))
    assert events[-1]["error"] == "DivergedError: too far"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_numbers_that_json_does_not_know_are_null(tmp_path, bad):
    path = tmp_path / "events.jsonl"

    class Faulty(EventFile):
        def iteration_done(self, phase, state, losses):
            super().iteration_done(phase, state, [LossValue("l", torch.tensor(bad), 1, 1)])

    train(method(phase={"exit_criteria": {"iterations": 1}}), [Faulty(path)])
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event["losses"] for event in events if event["event"] == "losses"] == [{"l": None}]


# --- runs that go on ----------------------------------------------------------------------------------------------


def test_what_came_after_a_checkpoint_is_cut_off(tmp_path):
    events = EventFile(tmp_path / "events.jsonl")
    train(method(), [events])
    state, text = events.state_dict(), events.path.read_text()
    assert state["size"] == len(text.encode())
    events.append('{"event": "later"}\n{"half of a li')
    again = EventFile(events.path)
    again.load_state_dict(json.loads(json.dumps(state)))
    assert events.path.read_text() == text
    assert again.state_dict() == state
    assert again.of_phase() == events.of_phase()


def test_the_lines_of_a_phase_are_those_since_it_began(tmp_path):
    events, found = EventFile(tmp_path / "events.jsonl"), []

    class Listener(Callback):
        def phase_ended(self, phase, state, reason):
            found.append([json.loads(line)["event"] for line in events.of_phase().splitlines()])

    described = method(name="tïny", phase={"performance_evaluation_interval": 5})
    described["phases"].append({**method()["phases"][0], "name": "secönd", "order": 1})
    train(described, [events, Listener()])
    assert found == [["phase_started", "evaluation", "phase_ended"], ["phase_started", "phase_ended"]]


def test_a_history_that_lost_something_is_no_history(tmp_path):
    events = EventFile(tmp_path / "events.jsonl")
    train(method(), [events])
    state = events.state_dict()
    for spoil in (lambda: events.path.write_bytes(events.path.read_bytes()[:-1]), events.path.unlink):
        spoil()
        with pytest.raises(RecombineError) as caught:
            events.load_state_dict(state)
        assert str(caught.value) == (
            f"{events.path} was cut: the run cannot go on without its history; --fresh starts over"
        )


def test_going_on_writes_nothing_and_starting_begins_anew(tmp_path):
    events = EventFile(tmp_path / "events.jsonl")
    train(method(), [events])
    text, config = events.path.read_text(), config_of(method())
    events.run_resumed(config, "cpu", tmp_path)
    events.dataset_resumed(None)
    events.phase_resumed(None, None)
    assert events.path.read_text() == text
    events.run_started(config, "cpu", tmp_path)
    assert [json.loads(line)["event"] for line in events.path.read_text().splitlines()] == ["run_started"]


def test_losses_on_held_out_samples_are_events(tmp_path):
    described = method(phase={"exit_criteria": {"iterations": 3}, "validation": {"fraction": 0.3}})
    described["phases"][0]["design_patterns"][0]["loss_weight"] = 0.5
    _, events = _events(tmp_path, described)
    (event,) = [event for event in events if event["event"] == "validation"]
    place = {"event": "validation", "dataset": "made", "phase": "training", "iteration": 3}
    loss = event["losses"]["reconstruction"]
    assert _without_time(event) == {**place, "loss": loss / 2, "losses": {"reconstruction": loss}}
