import errno
import os

import pytest
import torch

from recombine import checkpoint, keeper
from recombine.callbacks.base import Callback
from recombine.callbacks.events import EventFile
from recombine.checkpoint import Checkpoints
from recombine.clock import Clock
from recombine.execute import RunOptions
from recombine.interruption import Interruption
from recombine.keeper import FileKeeper, Keeper, SavingOptions
from recombine.state import RunState
from tests.runs import method, same, train, train_unobserved
from tests.stops import Killed, Listener, Stop, checkpoints_of, content_of, job_of, left_behind, start

EVERY_SECOND = RunOptions(SavingOptions(0, 2), shares_phases=False)
TWO_EPOCHS = {"exit_criteria": {"iterations": 8}, "performance_evaluation_interval": 3}


class Seen(Listener):
    """Notes the checkpoints that are there after each iteration."""

    def __init__(self, folder):
        self.folder, self.numbers = folder, []

    def heard(self, moment, *details):
        if moment == "iteration_done":
            self.numbers.append([int(file.name[:6]) for file in sorted(self.folder.glob("20*/checkpoints/*.pt"))])


def _run(folder, options, description=None, watchers=()):
    return start(job_of(description or method(phase=TWO_EPOCHS), folder), folder / "logs", None, options, watchers)


# --- when ---------------------------------------------------------------------------------------------------------


def test_checkpoints_come_by_iterations_and_the_last_two_stay(tmp_path):
    seen = Seen(tmp_path / "logs")
    _run(tmp_path, EVERY_SECOND, watchers=[seen])
    # What is seen after an iteration was written before it.
    assert seen.numbers == [[], [], [1], [1], [1, 2], [1, 2], [2, 3], [2, 3]]


@pytest.mark.parametrize(
    ("minutes", "expected"), [(1.0, [[], [], [], [1], [1], [1], [1, 2], [1, 2]]), (100.0, [[]] * 8), (0, [[]] * 8)]
)
def test_checkpoints_come_by_time(minutes, expected, tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(keeper.time, "monotonic", lambda: now[0])

    class Slow(Callback):
        def iteration_done(self, phase, state, losses):
            now[0] += 21

    seen = Seen(tmp_path / "logs")
    _run(tmp_path, RunOptions(SavingOptions(minutes, 0), shares_phases=False), watchers=[seen, Slow()])
    assert seen.numbers == expected


def test_saving_is_on_where_anything_asks_for_it():
    assert [SavingOptions(*given).is_on for given in ((0, 0), (0, 1), (0.1, 0), (5, 3))] == [False, True, True, True]


def test_the_seconds_of_all_starts_count(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(keeper.time, "monotonic", lambda: now[0])

    class Slow(Callback):
        def iteration_done(self, phase, state, losses):
            now[0] += 10

    job = job_of(method(phase=TWO_EPOCHS), tmp_path)
    starts = [start(job, tmp_path / "logs", Stop(after), watchers=[Slow()]) for after in (3, 2, None)]
    assert [begun.result.seconds for begun in starts] == [30, 50, 80]
    assert content_of(starts[-1].folder)["seconds"] == 80
    assert start(job, tmp_path / "logs").result.seconds == 80


# --- what harms nothing -------------------------------------------------------------------------------------------


def test_a_full_disk_is_told_and_tried_again_and_harms_nothing(tmp_path, monkeypatch):
    whole, real, calls = _run(tmp_path / "whole", EVERY_SECOND), checkpoint.write, []

    def write(folder, *rest):
        calls.append(folder)
        if len(calls) in (2, 3):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(folder, *rest)

    monkeypatch.setattr(checkpoint, "write", write)
    killed = Killed(tmp_path / "full" / "logs", tmp_path / "copies", ("iteration_done",))
    job = job_of(method(phase=TWO_EPOCHS), tmp_path / "full")
    started = start(job, tmp_path / "full" / "logs", None, EVERY_SECOND, [killed])
    assert started.error is None
    assert left_behind(started) == left_behind(whole)
    told = "No checkpoint is written: No space left on device; those before it stay"
    assert started.lines.count(told) == 2
    assert len(calls) == 5
    again = start(job, killed.copies[6], options=EVERY_SECOND)
    assert len(again.done) == 6  # from the second iteration on, the only one that could be written
    assert left_behind(again) == left_behind(whole)


def test_an_interruption_with_a_full_disk_goes_on_from_the_checkpoint_before(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class Full(Listener):
        def heard(self, moment, *details):
            if moment == "iteration_done" and details[1].clock.iteration == 5:
                monkeypatch.setattr(checkpoint, "write", fail)

    whole, job = _run(tmp_path / "whole", EVERY_SECOND), job_of(method(phase=TWO_EPOCHS), tmp_path)
    first = start(job, tmp_path / "logs", Stop(5), EVERY_SECOND, [Full()])
    assert first.result.status == "interrupted"
    assert any(line.startswith("No checkpoint is written") for line in first.lines)
    monkeypatch.undo()
    again = start(job, tmp_path / "logs", options=EVERY_SECOND)
    assert len(again.done) == 4
    assert left_behind(again) == left_behind(whole)


@pytest.mark.parametrize("spoilt", [1, 2])
def test_damaged_checkpoints_are_named_in_the_log_and_cost_only_time(spoilt, tmp_path):
    whole, job = _run(tmp_path / "whole", EVERY_SECOND), job_of(method(phase=TWO_EPOCHS), tmp_path)
    first = start(job, tmp_path / "logs", Stop(5), EVERY_SECOND)
    files = checkpoints_of(first)
    for file in files[-spoilt:]:
        file.write_bytes(file.read_bytes()[:-1])
    again = start(job, tmp_path / "logs", options=EVERY_SECOND)
    assert len(again.done) == (4 if spoilt == 1 else 8)
    reason = "it is damaged: its bytes do not match the checksum in its name"
    assert [line for line in again.lines if "passed over" in line] == [
        f"{file.name} is passed over: {reason}" for file in reversed(files[-spoilt:])
    ]
    assert ("No checkpoint can be used: the run starts from the beginning" in again.lines) == (spoilt == 2)
    assert left_behind(again) == left_behind(whole)


def test_a_run_without_its_history_does_not_go_on(tmp_path):
    job = job_of(method(phase=TWO_EPOCHS), tmp_path)
    first = start(job, tmp_path / "logs", Stop(5))
    (first.folder / "events.jsonl").write_text("")
    again = start(job, tmp_path / "logs")
    assert again.result.status == "failed"
    assert str(again.error) == (
        f"{first.folder}/events.jsonl was cut: the run cannot go on without its history; --fresh starts over"
    )


# --- divergence ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [EVERY_SECOND, RunOptions(SavingOptions(0, 3), shares_phases=False)])
def test_nothing_is_saved_after_a_loss_that_is_no_number(options, tmp_path):
    optimizers = [{"type": "SGD", "lr": 1e30, "trained_mapping_names": ["encoder", "decoder"]}]
    phase = {"optimizers": optimizers, "exit_criteria": {"iterations": 50}}
    started = _run(tmp_path, options, method(phase=phase))
    assert started.result.status == "failed"
    assert "a loss became NaN or infinite in iteration 2" in str(started.error)
    assert checkpoints_of(started) == []


def test_a_run_that_diverges_later_is_noticed_after_a_stop_too(tmp_path):
    optimizers = [{"type": "SGD", "lr": 0.01, "trained_mapping_names": ["encoder", "decoder"]}]
    rise = {"type": "MultiStepLR", "optimizer_name": "SGD_0", "milestones": [1], "gamma": 1e35}
    phase = {"optimizers": optimizers, "optimizer_learning_rate_schedulers": [rise]}
    job = job_of(method(phase=phase | {"exit_criteria": {"iterations": 9}}), tmp_path)
    assert start(job, tmp_path / "logs", Stop(3)).result.status == "interrupted"
    again = start(job, tmp_path / "logs")
    expected = start(job, tmp_path / "whole")
    assert str(again.error) == str(expected.error)
    assert "in iteration 6 of phase" in str(again.error)


# --- nothing ------------------------------------------------------------------------------------------------------


def test_by_default_nothing_is_kept():
    assert Keeper().origin is None
    assert Keeper().adopt(RunState(torch.nn.Module(), Clock("", 0, 0, 1)), "d", "p") is None
    assert same(train(method()).bits(), train_unobserved(method()).bits())


def test_what_cannot_happen_is_an_error_of_ours(tmp_path):
    parts = Checkpoints(tmp_path, "me"), SavingOptions(0, 1), None, Interruption(print), EventFile(tmp_path / "e")
    found = FileKeeper(*parts, (), print)
    state = RunState(torch.nn.Module(), Clock("", 0, 0, 1))
    with pytest.raises(RuntimeError, match="there is no checkpoint to go on from"):
        found.restore(state)
    with pytest.raises(RuntimeError, match="the state of a trial is saved, which nobody can go on from"):
        found.dataset_over(state)
