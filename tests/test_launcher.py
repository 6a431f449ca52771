import json
import os
import signal
from dataclasses import dataclass, field, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import pytest
import torch

from recombine import launcher
from recombine.batch import NOT_RUN, BatchOptions, Outcome, Report, check_jobs, exit_status, run_batch
from recombine.board import Board
from recombine.environment import usable_processors
from recombine.execute import RunOptions
from recombine.interruption import InterruptedRunError
from recombine.keeper import SavingOptions
from recombine.launcher import Launcher, run_all
from recombine.logs import LogOptions
from recombine.overrides import combinations
from recombine.results import Result
from recombine.seeds import parse_seeds
from recombine.worker import Message, Progress
from tests import strange_worker
from tests.methods import DIVERGING, small, written
from tests.runs import method
from tests.stops import content_of, job_of

# --- processes that do what a script says -------------------------------------------------------------------------


class FakeProcess:
    """Stands for a process: with every look of the launcher, it sends the next message of its script.

    Attributes:
        pid: A number that no process has.
        exitcode: How it ended, or None.
        got: Signals that it got.
    """

    def __init__(self, stage, order, connection):
        self.stage, self.order = stage, order
        self.connection = Connection(os.dup(connection.fileno()), readable=False)
        self.script = iter(stage.scripts[order.resolved["name"]])
        self.pid, self.exitcode, self.got = 10**9 + len(stage.processes), None, []

    def start(self):
        """Begin."""
        self.stage.processes.append(self)
        self.stage.begun.append(self.order.resolved["name"])

    def go_on(self):
        """Do the next part of the script: a message, an exit code, or something to call with the process."""
        for part in self.script:
            if callable(part):
                part(self)
            elif isinstance(part, int):
                break
            else:
                self.connection.send(part)
                return
        else:
            part = 0
        self.exitcode = part
        self.connection.close()

    def is_alive(self):
        """Tell whether it has not ended."""
        return self.exitcode is None

    def join(self, timeout=None):
        """Do nothing: it has ended."""

    def kill(self):
        """End it."""
        self.got.append(signal.SIGKILL)


@dataclass(eq=False)
class Stage:
    """Where fake processes play.

    Attributes:
        scripts: The parts of each method, by its name.
        processes: Those that started, in order.
        begun: Their methods.
        at_once: The methods that ran at each look.
    """

    scripts: dict
    processes: list = field(default_factory=list)
    begun: list = field(default_factory=list)
    at_once: list = field(default_factory=list)

    Pipe = staticmethod(Pipe)

    def Process(self, target, args):
        """Return a process that is not started."""
        return FakeProcess(self, *args)

    def wait(self, connections, timeout):
        """Let each process go on by one step."""
        running = [process for process in self.processes if process.is_alive()]
        self.at_once.append([process.order.resolved["name"] for process in running])
        for process in running:
            process.go_on()

    def named(self, name):
        """Return the process of a method."""
        return self.processes[self.begun.index(name)]


@dataclass
class Played:
    """What came of a play: outcomes, and what was said."""

    outcomes: list = field(default_factory=list)
    lines: list = field(default_factory=list)
    failures: list = field(default_factory=list)

    @property
    def statuses(self):
        """The statuses, in order."""
        return [outcome.status for outcome in self.outcomes]


@pytest.fixture
def play(monkeypatch, tmp_path):
    """Return what lets scripted methods run at once."""

    def run(scripts, count=2, jobs=None, goes_on=True, shares=False):
        stage, played = Stage(scripts), Played()
        monkeypatch.setattr(launcher.multiprocessing, "get_context", lambda _: stage)
        monkeypatch.setattr(launcher, "_start_method", lambda: "fake")
        monkeypatch.setattr(launcher, "wait", stage.wait)
        monkeypatch.setattr(os, "kill", lambda pid, number: stage.processes[pid - 10**9].got.append(number))
        log = LogOptions(tmp_path / "logs")
        options = BatchOptions(log, resume_on_error=goes_on, run=RunOptions(shares_phases=shares))
        report = Report([].append, played.lines.append, played.failures.append)
        given = jobs if jobs is not None else [named(name, seed) for seed, name in enumerate(scripts)]
        stage.launcher = Launcher(options, report, Board(played.lines.append), count)
        played.outcomes = stage.launcher.run(given)
        return stage, played

    return run


def named(name, seed=0, **changes):
    """Return a job whose method has a name."""
    return replace(job_of(method(name=name, seed=seed, **changes), "."), source=f"{name}.json")


def done(name="x", error=None, status="finished", number=None):
    """Return the last message of a run."""
    result = Result(name, f"{name}.json", 0, status, "folder", error=error)
    return Message("done", Outcome(f"{name}.json", (), result, error, number))


def at(phase="training", iteration=1, place=(0, 0)):
    """Return a message of a run under way."""
    return Message("progress", Progress(phase, iteration, 5, "", place))


# --- scripted -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_so_many_run_at_once_and_outcomes_keep_the_order_of_the_jobs(play, count):
    scripts = {name: [at()] * steps + [done(name)] for name, steps in (("a", 5), ("b", 1), ("c", 2), ("d", 0))}
    stage, played = play(scripts, count)
    assert max(map(len, stage.at_once)) == min(count, 4)
    assert stage.begun == ["a", "b", "c", "d"]
    assert [outcome.source for outcome in played.outcomes] == ["a.json", "b.json", "c.json", "d.json"]
    assert played.statuses == ["finished"] * 4


def test_a_place_that_becomes_free_is_taken_at_once(play):
    scripts = {name: [at()] * steps + [done(name)] for name, steps in (("a", 6), ("b", 0), ("c", 0), ("d", 0))}
    stage, _ = play(scripts)
    assert [running for running in stage.at_once if len(running) == 2] == [
        ["a", name] for name in "bcd" for _ in ("its word", "its end")
    ]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (-9, "its process was ended by SIGKILL, perhaps for lack of memory"),
        (-11, "its process was ended by SIGSEGV"),
        (3, "its process ended without a result (exit status 3)"),
        (0, "its process ended without a result (exit status 0)"),
    ],
)
def test_a_process_that_ends_without_a_word_is_a_failure_with_a_cause(play, code, error, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_text('{"generation": 3}')
    scripts = {"early": [code], "late": [Message("started", folder), at(), code], "fine": [at(), at(), done("fine")]}
    _, played = play(scripts)
    early, late, fine = played.outcomes
    assert (early.status, early.error, early.signal) == ("failed", error, None)
    assert content_of(early.result.folder)["error"] == error
    assert (late.status, late.error, late.result.folder) == ("failed", error, folder)
    assert fine.status == "finished"
    written_down = content_of(folder)
    assert (written_down["status"], written_down["error"], written_down["seed"]) == ("failed", error, 1)
    assert (written_down["generation"], written_down["datasets"]) == (3, {})
    assert written_down["identity"] == named("late", 1).identity.digest()
    assert exit_status(played.outcomes) == 1
    assert f"late.json, seed 1: failed: {error}" in played.lines


def test_a_result_that_was_written_before_the_end_counts(play, tmp_path):
    (tmp_path / "run").mkdir()
    whole = {"method": "m", "source": "s", "overrides": [], "status": "finished", "error": None, "seed": 0}
    whole |= {"seconds": 1, "identity": "i", "generation": 1, "parameters": "p", "reused": [], "datasets": {}}

    def write(process):
        (tmp_path / "run" / "result.json").write_text(json.dumps(whole))

    _, played = play({"a": [Message("started", tmp_path / "run"), write, -15]})
    assert played.statuses == ["finished"]
    assert played.outcomes[0].error is None
    assert content_of(tmp_path / "run") == whole


def test_a_failure_ends_the_batch_once_those_that_run_are_done(play):
    scripts = {
        "fails": [at(), done("fails", "no luck", "failed")],
        "runs": [at()] * 4 + [done("runs")],
        "waits": [done("waits")],
    }
    stage, played = play(scripts, goes_on=False)
    assert stage.begun == ["fails", "runs"]
    assert played.statuses == ["failed", "finished", NOT_RUN]
    stage, played = play(scripts, goes_on=True)
    assert stage.begun == ["fails", "runs", "waits"]
    assert played.statuses == ["failed", "finished", "finished"]


def test_bad_files_keep_their_place_among_the_outcomes(play):
    bad = Outcome("bad.json", error="invalid: 1 error")
    _, played = play({"a": [done("a")], "b": [done("b")]}, jobs=[named("a"), bad, named("b")])
    assert played.outcomes[1] is bad
    assert [outcome.source for outcome in played.outcomes] == ["a.json", "bad.json", "b.json"]


def test_tracebacks_of_runs_are_handed_on(play):
    _, played = play({"a": [Message("failure", "Traceback: oh"), done("a", "KeyError: 'oh'", "failed")]})
    assert played.failures == ["Traceback: oh"]


def test_the_same_run_twice_runs_once_and_then_again(play):
    stage, played = play(
        {"a": [at(), done("a")], "b": [at()] * 9 + [done("b")]}, 3, [named("a"), named("a"), named("b")]
    )
    assert stage.begun == ["a", "b", "a"]
    assert not any(running.count("a") > 1 for running in stage.at_once)
    assert played.statuses == ["finished"] * 3


# --- phases in common ---------------------------------------------------------------------------------------------


def _two_phases(name, rate=0.01, seed=0):
    found = method(name=name, seed=seed)
    found["phases"].insert(0, {**found["phases"][0], "name": "pretraining", "order": -1})
    found["phases"][1] = found["phases"][1] | {"optimizers": [found["phases"][1]["optimizers"][0] | {"lr": rate}]}
    return replace(job_of(found, "."), source=f"{name}.json")


def test_runs_wait_for_a_phase_that_both_share(play):
    first = [at("pretraining")] * 3 + [at("training", 1, (0, 1))] * 3 + [done("first")]
    jobs = [_two_phases("first"), _two_phases("second", 0.02), _two_phases("other", 0.02, seed=1)]
    scripts = {"first": first, "second": [at("training", 1, (0, 1)), done("second")], "other": [at(), done("other")]}
    stage, _ = play(scripts, 3, jobs, shares=True)
    assert stage.begun == ["first", "other", "second"]
    # It starts as soon as the phase is left, not when the run is over.
    assert stage.at_once.index(["first", "second"]) == 4
    alone, _ = play(scripts, 3, jobs, shares=False)
    assert alone.begun == ["first", "second", "other"]
    assert alone.at_once[0] == ["first", "second", "other"]


def test_a_run_that_crashes_before_it_left_the_phase_keeps_nobody_waiting(play):
    jobs = [_two_phases("first"), _two_phases("second", 0.02)]
    stage, played = play({"first": [at("pretraining"), -9], "second": [done("second")]}, 2, jobs, shares=True)
    assert stage.begun == ["first", "second"]
    assert played.statuses == ["failed", "finished"]
    assert not any(len(running) > 1 for running in stage.at_once)


# --- signals ------------------------------------------------------------------------------------------------------


def _raises(number):
    return lambda process: signal.raise_signal(number)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_passed_on_and_those_that_wait_are_not_run(play, number, status):
    scripts = {
        "a": [at(), _raises(number), at(), at(), done("a", "ended", "interrupted", number)],
        "b": [at(), at(), at(), at(), -number],
        "c": [done("c")],
    }
    stage, played = play(scripts)
    assert stage.begun == ["a", "b"]
    assert [process.got for process in stage.processes] == [[number], [number]]
    assert played.statuses == ["interrupted", NOT_RUN, NOT_RUN]
    assert exit_status(played.outcomes) == status
    assert (
        played.lines.count(
            "Interrupted: the iteration is finished and saved first; interrupt once more to leave at once"
        )
        == 1
    )


def test_a_process_that_was_ended_by_that_signal_in_a_run_was_interrupted(play, tmp_path):
    (tmp_path / "run").mkdir()
    scripts = {"a": [Message("started", tmp_path / "run"), _raises(signal.SIGINT), at(), -signal.SIGINT]}
    _, played = play(scripts)
    assert played.statuses == ["interrupted"]
    assert content_of(tmp_path / "run")["status"] == "interrupted"
    assert exit_status(played.outcomes) == 130


def test_a_signal_that_comes_when_nothing_runs_any_more_still_counts(play):
    _, played = play({"a": [at(), _raises(signal.SIGINT), done("a")], "b": [done("b")]}, 1)
    assert played.statuses == ["finished", NOT_RUN]
    assert exit_status(played.outcomes) == 130


def test_a_second_signal_leaves_at_once(play):
    processes = []

    def twice(process):
        processes.append(process)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(InterruptedRunError, match="SIGINT ended the run"):
        play({"a": [at(), twice, at(), twice, at()], "b": [at()] * 50, "c": [done("c")]})
    (stage,) = {process.stage for process in processes}
    assert stage.begun == ["a", "b"]
    assert [process.got for process in stage.processes] == [[signal.SIGINT, signal.SIGTERM, signal.SIGKILL]] * 2


# --- shares -------------------------------------------------------------------------------------------------------


def test_cores_are_shared_out(play):
    stage, _ = play({"a": [done("a")], "b": [done("b")]})
    assert [process.order.threads for process in stage.processes] == [max(1, usable_processors() // 2)] * 2
    stage, _ = play({"a": [done("a")]}, 10_000)
    assert stage.processes[0].order.threads == 1


def test_gpus_are_shared_out(play, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    scripts = {"a": [at(), at(), at(), done("a")], "b": [done("b")], "c": [done("c")]}
    jobs = [named("a", device="cuda"), named("b", device="cuda_if_available"), named("c", device="cuda")]
    stage, _ = play(scripts, jobs=jobs)
    assert {name: stage.named(name).order.gpu for name in "abc"} == {"a": "0", "b": "1", "c": "1"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 5,7")
    stage, _ = play(scripts, 4, jobs)
    assert {name: stage.named(name).order.gpu for name in "abc"} == {"a": "3", "b": "5", "c": "7"}
    # Whoever names a device gets that one.
    stage, _ = play(scripts, 4, [named("a", device="cuda:2"), named("b", device="cpu")])
    assert [process.order.gpu for process in stage.processes] == [None, None]


def test_without_gpus_there_is_nothing_to_share_out(play, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    stage, _ = play({"a": [done("a")]})
    assert stage.processes[0].order.gpu is None


def test_one_job_or_bad_files_need_no_process(tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "Launcher", None)
    log, said = LogOptions(tmp_path / "logs"), []
    report = Report(said.append, said.append, said.append)
    files = [written(tmp_path, small()), written(tmp_path, small({"/datasets/0/batch_size": None}), "b.json")]
    alone = check_jobs(files[:1], [()], BatchOptions(log), report)
    assert [outcome.status for outcome in run_all(alone, BatchOptions(log), report, 4)] == ["finished"]
    both = check_jobs(files, [()], BatchOptions(log), report)
    assert [outcome.status for outcome in run_all(both, BatchOptions(log), report, 4)] == [NOT_RUN, "invalid"]


# --- real processes -----------------------------------------------------------------------------------------------


@pytest.fixture
def strange(monkeypatch):
    """Let the methods called ``killed`` and ``bug`` come to such an end."""
    monkeypatch.setattr(launcher, "work", strange_worker.work)
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, usable_processors() // 2))
    yield
    torch.set_num_threads(before)


def _batch(folder, options):
    """Return five jobs: two of a sweep over a second phase around three that fail in different ways."""
    folder.mkdir()
    second = {**small()["phases"][0], "name": "second", "order": 1}
    fine = {"/phases/0/exit_criteria/iterations": 6, "/phases/1": second}
    for name, changes in (
        ("fine", fine),
        ("killed", {"/phases/0/exit_criteria/iterations": 60}),
        ("bug", {}),
        ("diverging", DIVERGING),
    ):
        written(folder, small({**changes, "/name": name}), f"{name}.json")
    said = []
    report = Report(said.append, said.append, said.append)
    rates = combinations(["/phases/1/optimizers/0/lr=0.01,0.02"])
    files = sorted(file for file in folder.iterdir() if file.stem != "fine")
    first, last = check_jobs([folder / "fine.json"], rates, options, report)
    return [first, *check_jobs(files, [()], options, report), last]


def _left(outcomes):
    """Return what a batch left that does not depend on times."""
    return [
        (outcome.source, outcome.status, outcome.result.seed, outcome.result.parameters, outcome.error)
        for outcome in outcomes
    ]


def test_runs_in_processes_are_those_of_one_after_the_other(tmp_path, strange):
    said, kept = [], SavingOptions(0, 0)
    report = Report(said.append, said.append, said.append)
    options = BatchOptions(LogOptions(tmp_path / "logs"), resume_on_error=True, run=RunOptions(kept))
    jobs = _batch(tmp_path / "methods", options)
    outcomes = list(run_all(jobs, options, report, 2))
    first, bug, diverging, killed, last = outcomes
    assert [outcome.status for outcome in outcomes] == ["finished", "failed", "failed", "failed", "finished"]
    assert bug.error == "KeyError: 'bug'"
    assert "a loss became NaN or infinite" in diverging.error
    assert killed.error == "its process was ended by SIGKILL, perhaps for lack of memory"
    assert content_of(killed.result.folder)["status"] == "failed"
    (traceback,) = [text for text in said if text.startswith("Traceback")]
    assert traceback.endswith("KeyError: 'bug'\n")
    # The phase that both have in common is trained by one of them.
    assert sorted(len(outcome.result.reused) for outcome in (first, last)) == [0, 1]
    alone = replace(options, log=LogOptions(tmp_path / "alone"), run=RunOptions(kept, shares_phases=False))
    expected = list(run_batch([jobs[0], jobs[-1]], alone, report))
    assert _left([first, last]) == _left(expected)
    for mine, theirs in zip((first, last), expected, strict=True):
        assert mine.result.datasets["Digits"].scores == theirs.result.datasets["Digits"].scores
    again = list(run_batch(jobs, options, report))
    assert [outcome.result.is_earlier for outcome in again] == [True] * 5
    assert _left(again) == _left(outcomes)


def test_a_signal_reaches_real_runs_which_save(tmp_path, strange, monkeypatch):
    said, told = [], set()
    report = Report(said.append, said.append, said.append)
    options = BatchOptions(LogOptions(tmp_path / "logs"), run=RunOptions(SavingOptions(0, 0), shares_phases=False))
    path = written(tmp_path, small({"/phases/0/exit_criteria/iterations": 100_000}))
    jobs = check_jobs([path], [()], options, report, parse_seeds("3"))
    real = Launcher._heard

    def heard(self, run, message):
        real(self, run, message)
        told.update({run.position} if message.kind == "progress" and message.content.iteration else ())
        if told == {0, 1}:
            told.add("sent")
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Launcher, "_heard", heard)
    outcomes = list(run_all(jobs, options, report, 2))
    assert [outcome.status for outcome in outcomes] == ["interrupted", "interrupted", NOT_RUN]
    assert exit_status(outcomes) == 130
    for outcome in outcomes[:2]:
        assert content_of(outcome.result.folder)["error"] == "SIGINT ended the run"
        assert len(list((outcome.result.folder / "checkpoints").glob("*.pt"))) == 1
