"""Hazards of processes: two on one run, and signals at random moments."""

import json
import random
import signal
import time
from collections.abc import Callable

from bench.trials import Ended, Finding, Lab, Trial, wait_until

_BUSY = "another process works on this run"
_BEFORE, _SCORED, _OVER = "before it ran", "after the result was written", "after the end of the program"
_LONGEST_GAP, _LONGEST_WAIT = 0.02, 0.05
_BEFORE_IT_RUNS, _START_SECONDS = 0.2, 3.0


def findings(lab: Lab, draws: random.Random, pairs: int, signals: int) -> list[Finding]:
    """Try every hazard.

    Args:
        lab: Makes trials.
        draws: Draws moments.
        pairs: How often two processes start at once.
        signals: How many runs each signal ends.
    """
    return [
        _at_once(lab, pairs, lab.trial, "no folder yet"),
        _at_once(lab, pairs, lab.stopped, "a killed run"),
        *_signalled(lab, draws, signals),
    ]


def _at_once(lab: Lab, count: int, make: Callable[[], Trial], what: str) -> Finding:
    finding = Finding(
        f"two processes on one run ({what})",
        f"two processes are started on the same run at the same moment, and a third one 0.7 s later, {count} times",
        "one runs; each of the others says so and leaves with exit status 1, and nothing is damaged",
    )
    for _ in range(count):
        trial = make()
        pair = [trial.start(), trial.start()]
        time.sleep(0.7)
        ended = [started.wait() for started in (*pair, trial.start())]
        refused = [end for end in ended if end.status != 0]
        finding.check("exactly one runs", len(refused) == 2 and len(trial.run_folders) == 1)  # noqa: PLR2004
        for end in refused:
            finding.check("exit status 1", end.status == 1)
            finding.check_said(trial, end, _BUSY)
        finding.check("bits as undisturbed", trial.left() == lab.whole)
    return finding


def _signalled(lab: Lab, draws: random.Random, count: int) -> list[Finding]:
    trial = lab.trial()
    trial.command().wait()
    size = _size(trial)
    findings = []
    for number, name in ((signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")):
        for trials, is_twice in ((count, False), (max(1, count // 4), True)):
            finding = _signal_finding(name, trials, is_twice)
            findings.append(finding)
            for _ in range(trials):
                moment = draws.uniform(-_BEFORE_IT_RUNS, 1)
                gap = draws.uniform(0, _LONGEST_GAP) if is_twice else None
                _end_by(finding, lab, (moment, moment * size, draws.uniform(0, _LONGEST_WAIT)), number, gap)
    return findings


def _signal_finding(name: str, count: int, is_twice: bool) -> Finding:
    number = 130 if name == "Ctrl-C" else 143
    if is_twice:
        return Finding(
            f"{name} twice",
            f"{count} whole programs get a second {name} within {_LONGEST_GAP * 1000:.0f} ms",
            f"exit status {number}, at once; what is there is consistent: it goes on",
        )
    return Finding(
        f"{name} at random moments",
        f"{count} whole programs are ended by {name} and started again; a sixth of the moments fall into the start of "
        "the program, the others anywhere in the history of the run",
        f"exit status {number}, a result that says `interrupted` where the run had begun; it goes on",
    )


def _end_by(finding: Finding, lab: Lab, moment: tuple[float, float, float], number: int, gap: float | None) -> None:
    """End a program at a moment, and start it again.

    Args:
        finding: Takes what is found.
        lab: Makes trials.
        moment: Below 0 a part of the start-up; how many bytes of history have to be there; seconds to wait then.
        number: The signal.
        gap: Seconds until it comes again, or None.
    """
    trial = lab.trial()
    started = trial.command()
    if moment[0] < 0:
        time.sleep(-moment[0] / _BEFORE_IT_RUNS * _START_SECONDS)
    else:
        wait_until(lambda: _size(trial) >= moment[1])
        time.sleep(moment[2])
    started.kill(number)
    if gap is not None:
        time.sleep(gap)
        started.kill(number)
    ended = started.wait()
    where = _where(trial, ended)
    finding.where[where] = finding.where.get(where, 0) + 1
    if where != _OVER:
        finding.check(f"exit status {128 + number}", ended.status == 128 + number)
        finding.check("no traceback", ended.is_clear)
        finding.said = finding.said or ("" if ended.is_clear else ended.said[-1500:])
    if gap is None and where not in (_BEFORE, _SCORED, _OVER):
        finding.check("the result says interrupted", _status(trial) == "interrupted")
    finding.check_end(lab, trial, trial.run())


def _where(trial: Trial, ended: Ended) -> str:
    """Return where a run was ended: in which phase, or when else."""
    if ended.status == 0:
        return _OVER
    events = [json.loads(line) for file in trial.logs.glob("*/events.jsonl") for line in file.open(encoding="utf-8")]
    if not events:
        return _BEFORE
    if _status(trial) == "finished":
        return _SCORED
    return next((f"in phase {event['phase']}" for event in reversed(events) if "phase" in event), "before its phases")


def _size(trial: Trial) -> int:
    """Return how many bytes of history the run has."""
    return sum(file.stat().st_size for file in trial.logs.glob("*/events.jsonl"))


def _status(trial: Trial) -> str:
    file = trial.run_folder / "result.json"
    return str(json.loads(file.read_text(encoding="utf-8"))["status"]) if file.exists() else "none"
