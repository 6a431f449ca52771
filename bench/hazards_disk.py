"""Hazards of the disk: full, or read-only."""

import signal
from collections.abc import Callable
from typing import Any

from bench.trials import (
    Ended,
    Finding,
    Lab,
    Trial,
    before_call,
    fill,
    make_read_only,
    make_space,
    make_writable,
    small_disk,
    wait_until,
)
from recombine import checkpoint, environment, execute, keeper, run_folder
from recombine.callbacks.events import EventFile

_MEGABYTES = 3
_LESS_THAN_A_CHECKPOINT = 20_000
_FULL, _READ_ONLY, _NO_CHECKPOINT = "No space left on device", "Read-only file system", "No checkpoint is written"


def findings(lab: Lab) -> list[Finding]:
    """Try every hazard."""
    hazards = (
        _checkpoint_while_running,
        _checkpoint_and_killed,
        _events,
        _result,
        _start,
        _read_only_logs,
        _read_only_run,
        _read_only_during,
    )
    return [hazard(lab) for hazard in hazards]


def _checkpoint_while_running(lab: Lab) -> Finding:
    finding = Finding(
        "full disk: a checkpoint",
        "before the 60th checkpoint the disk is filled but for 20 kB; space is made while the run goes on",
        "the run goes on with the checkpoints it has, and finishes",
    )
    trial = lab.trial()
    with small_disk(trial.logs, _MEGABYTES):
        started = trial.start(before=_full_before(trial, checkpoint, "write", 60, _LESS_THAN_A_CHECKPOINT))
        wait_until(lambda: _NO_CHECKPOINT in started.output.read_text(encoding="utf-8"))
        make_space(trial.logs)
        ended = started.wait()
        finding.check_said(trial, ended, _NO_CHECKPOINT)
        finding.check_end(lab, trial, ended)
    return finding


def _checkpoint_and_killed(lab: Lab) -> Finding:
    finding = Finding(
        "full disk: a checkpoint, then kill -9",
        "as before, but the run is killed while the disk is full; space is made, and it is started again",
        "it goes on from the last checkpoint that was written",
    )
    trial = lab.trial()
    with small_disk(trial.logs, _MEGABYTES):
        started = trial.start(before=_full_before(trial, checkpoint, "write", 60, _LESS_THAN_A_CHECKPOINT))
        wait_until(lambda: _NO_CHECKPOINT in started.output.read_text(encoding="utf-8"))
        started.kill(signal.SIGKILL)
        finding.check_said(trial, started.wait(), _NO_CHECKPOINT)
        finding.check("two checkpoints are left", len(trial.checkpoints) == 2)  # noqa: PLR2004
        make_space(trial.logs)
        finding.check_end(lab, trial, trial.run())
    return finding


def _events(lab: Lab) -> Finding:
    finding = Finding(
        "full disk: events",
        "before the 20th event the disk is filled to the last byte; space is made, and it is started again",
        "the run ends with a sentence, exit status 1 and no result; it goes on from the last checkpoint",
    )
    trial = lab.trial()
    with small_disk(trial.logs, _MEGABYTES):
        ended = trial.run(before=_full_before(trial, EventFile, "_write", 20))
        _check_failed(finding, trial, ended, _FULL)
        make_space(trial.logs)
        finding.check_end(lab, trial, trial.run("--retry-failed"))
    return finding


def _result(lab: Lab) -> Finding:
    finding = Finding(
        "full disk: the result",
        "before `result.json` is written the disk is filled to the last byte; space is made, and it is started again",
        "the run does not count as finished: a sentence, exit status 1, no result; started again it writes it",
    )
    trial = lab.trial()
    with small_disk(trial.logs, _MEGABYTES):
        ended = trial.run(before=_full_before(trial, execute, "write_result"))
        _check_failed(finding, trial, ended, _FULL)
        make_space(trial.logs)
        finding.check_end(lab, trial, trial.run())
    return finding


def _start(lab: Lab) -> Finding:
    finding = Finding(
        "full disk: the run's first files",
        "before `run.json`, `config.json` or `environment.json` is written the disk is filled to the last byte",
        "a sentence and exit status 1; started again with space, it runs",
    )
    for module in (run_folder, execute, environment):
        trial = lab.trial()
        with small_disk(trial.logs, _MEGABYTES):
            ended = trial.run(before=_full_before(trial, module, "write_json"))
            _check_failed(finding, trial, ended, _FULL)
            make_space(trial.logs)
            finding.check_end(lab, trial, trial.run())
    return finding


def _read_only_logs(lab: Lab) -> Finding:
    finding = Finding(
        "read-only log folder",
        "the log folder is mounted read-only before the start",
        "a sentence and exit status 2, before anything runs",
    )
    trial = lab.trial()
    trial.logs.mkdir()
    make_read_only(trial.logs)
    ended = trial.run()
    make_writable(trial.logs)
    finding.check("exit status 2", ended.status == 2)  # noqa: PLR2004
    finding.check_said(trial, ended, _READ_ONLY)
    finding.check_end(lab, trial, trial.run())
    return finding


def _read_only_run(lab: Lab) -> Finding:
    finding = Finding(
        "read-only run folder, before",
        "the folder of a run that was killed is mounted read-only before it is started again",
        "a sentence and exit status 1; once it is writable, the run goes on",
    )
    trial = lab.stopped()
    make_read_only(trial.run_folder)
    ended = trial.run()
    make_writable(trial.run_folder)
    _check_failed(finding, trial, ended, _READ_ONLY)
    finding.check_end(lab, trial, trial.run())
    return finding


def _read_only_during(lab: Lab) -> Finding:
    finding = Finding(
        "read-only run folder, during",
        "the run's folder becomes read-only after 300 iterations",
        "the run ends with a sentence and exit status 1; once it is writable, it goes on",
    )
    trial = lab.trial()
    ended = trial.run(
        before=lambda: before_call(
            keeper.FileKeeper, "iteration_over", lambda: make_read_only(trial.run_folder), at=300
        )
    )
    make_writable(trial.run_folder)
    _check_failed(finding, trial, ended, _READ_ONLY)
    finding.check_end(lab, trial, trial.run("--retry-failed"))
    return finding


def _full_before(trial: Trial, holder: Any, name: str, at: int = 1, free: int = 0) -> Callable[[], None]:
    """Return what lets the disk be full before the ``at``-th call of a function."""
    return lambda: before_call(holder, name, lambda: fill(trial.logs, free), at)


def _check_failed(finding: Finding, trial: Trial, ended: Ended, words: str) -> None:
    """Note whether a run ended with a sentence, and without anything that could be taken for a result."""
    finding.check("exit status 1", ended.status == 1)
    finding.check_said(trial, ended, words)
    finding.check("no result and nothing half written", not any(_suspects(trial)))


def _suspects(trial: Trial) -> list[str]:
    return [path.name for path in trial.logs.rglob("*") if path.name == "result.json" or path.suffix == ".part"]
