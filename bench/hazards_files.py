"""Hazards of files that somebody, or something, changed; and of the clock."""

import hashlib
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from itertools import cycle
from pathlib import Path
from typing import Any

import torch

from bench.trials import Finding, Lab, Trial, before_call, stop_here
from recombine import keeper

_PASSED_OVER, _FROM_START = "is passed over", "starts from the beginning"
_HOUR, _DAY = 3600, 86400
_FLIPS = 10


def findings(lab: Lab, draws: random.Random) -> list[Finding]:
    """Try every hazard."""
    return [
        _truncated(lab),
        _flipped(lab, draws),
        _both(lab),
        _foreign(lab),
        _pickled(lab),
        _shared(lab, draws),
        _run_json(lab),
        _result_json(lab),
        _tables(lab),
        _events(lab),
        _changed(lab),
        _clock_between(lab),
        _clock_within(lab),
    ]


def _truncated(lab: Lab) -> Finding:
    finding = Finding(
        "truncated checkpoint",
        "the newest checkpoint of a killed run is cut to nothing, to half, and by one byte",
        "it is named and passed over for the one before",
    )
    for kept in (0, 0.5, 1):
        trial = lab.stopped()
        newest = trial.checkpoints[-1]
        os.truncate(newest, max(0, int(kept * newest.stat().st_size) - 1))
        _go_on(finding, lab, trial, f"{newest.name} {_PASSED_OVER}")
    return finding


def _flipped(lab: Lab, draws: random.Random) -> Finding:
    finding = Finding(
        "one flipped bit in a checkpoint",
        f"one bit of the newest checkpoint of a killed run is flipped, at {_FLIPS} random places",
        "it is named and passed over for the one before",
    )
    for _ in range(_FLIPS):
        trial = lab.stopped()
        newest = trial.checkpoints[-1]
        _flip(newest, draws)
        _go_on(finding, lab, trial, f"{newest.name} {_PASSED_OVER}")
    return finding


def _both(lab: Lab) -> Finding:
    finding = Finding(
        "both checkpoints damaged",
        "both checkpoints of a killed run are cut to half; with and without shared phases",
        "the run says so and starts from the beginning",
    )
    for options in ((), ("--no-shared-phases",)):
        trial = lab.stopped()
        for file in trial.checkpoints:
            os.truncate(file, file.stat().st_size // 2)
        _go_on(finding, lab, trial, _FROM_START, *options)
    return finding


def _foreign(lab: Lab) -> Finding:
    finding = Finding(
        "a checkpoint of another run",
        "the newest checkpoint of the same method with another seed is copied in as the newest",
        "it is named and passed over",
    )
    other, trial = lab.trial(), lab.stopped()
    other.run("--seed", "1", before=lambda: before_call(keeper.FileKeeper, "iteration_over", stop_here, 100))
    stranger = other.checkpoints[-1]
    (trial.run_folder / "checkpoints" / f"000999{stranger.name[6:]}").write_bytes(stranger.read_bytes())
    _go_on(finding, lab, trial, "it belongs to another run")
    return finding


class _Trap:
    """An object that writes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.file),)


def _pickled(lab: Lab) -> Finding:
    finding = Finding(
        "a pickled object as checkpoint",
        "a file that runs code when it is unpickled is put in as the newest checkpoint, with a fitting checksum",
        "it is named and passed over, and nothing in it runs",
    )
    trial = lab.stopped()
    folder, trap = trial.run_folder / "checkpoints", trial.folder / "sprung"
    torch.save({"state": _Trap(trap)}, folder / "new")
    checksum = hashlib.sha256((folder / "new").read_bytes()).hexdigest()[:32]
    (folder / "new").rename(folder / f"000999_{checksum}.pt")
    _go_on(finding, lab, trial, f"000999_{checksum}.pt {_PASSED_OVER}")
    finding.check("nothing in it ran", not trap.exists())
    return finding


def _shared(lab: Lab, draws: random.Random) -> Finding:
    finding = Finding(
        "damaged shared phases",
        "the checkpoints of a killed run are removed, and a bit of each phase that it left for others is flipped",
        "they are named and passed over: the phases are trained",
    )
    trial = lab.stopped()
    for file in trial.checkpoints:
        file.unlink()
    for file in (trial.logs / "shared").glob("*.pt"):
        _flip(file, draws)
    _go_on(finding, lab, trial, _PASSED_OVER)
    return finding


def _run_json(lab: Lab) -> Finding:
    finding = Finding(
        "edited run.json",
        "`run.json` of a killed run is cut to half; in a second trial its identity is changed",
        "the folder is no run of this method any more: a new one is made, the old one is left alone",
    )
    changes: tuple[Callable[[str], str], ...] = (
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"identity": "', '"identity": "0'),
    )
    for change in changes:
        trial = lab.stopped()
        folder = trial.run_folder
        file = folder / "run.json"
        file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
        before = digests(folder)
        ended = trial.run()
        finding.check("the old folder is unchanged", digests(folder) == before)
        finding.check_end(lab, trial, ended)
    return finding


def _result_json(lab: Lab) -> Finding:
    finding = Finding(
        "edited result.json",
        "`result.json` of a finished run is cut to half, emptied to `{}`, and its status changed to a word of no "
        "meaning",
        "the run counts as interrupted, and goes on from its last checkpoint",
    )
    changes: tuple[Callable[[str], str], ...] = (
        lambda text: text[: len(text) // 2],
        lambda text: "{}",
        lambda text: text.replace('"status": "finished"', '"status": "done"'),
    )
    for change in changes:
        trial = _finished(lab)
        file = trial.run_folder / "result.json"
        file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
        _go_on(finding, lab, trial, "Going on from the last checkpoint")
    return finding


def _tables(lab: Lab) -> Finding:
    finding = Finding(
        "a finished run lacks a table",
        "`assignments.csv` of a finished run is cut to half; the run is started again",
        "a sentence that names the file and the remedy, `--fresh`, and exit status 1",
    )
    trial = _finished(lab)
    file = trial.run_folder / "goes_on" / "assignments.csv"
    os.truncate(file, file.stat().st_size // 2)
    ended = trial.run()
    finding.check("exit status 1", ended.status == 1)
    finding.check_said(trial, ended, "assignments.csv cannot be read")
    _start_over(finding, lab, trial)
    return finding


def _events(lab: Lab) -> Finding:
    finding = Finding(
        "events.jsonl cut short",
        "half of `events.jsonl` of a killed run is cut off",
        "a sentence that names the remedy, `--fresh`, and exit status 1: a history with a hole is never passed off as "
        "whole",
    )
    trial = lab.stopped()
    file = trial.run_folder / "events.jsonl"
    os.truncate(file, file.stat().st_size // 2)
    ended = trial.run()
    finding.check("exit status 1", ended.status == 1)
    finding.check_said(trial, ended, "events.jsonl was cut")
    _start_over(finding, lab, trial)
    return finding


def _changed(lab: Lab) -> Finding:
    finding = Finding(
        "a changed configuration",
        "a killed run is started with another learning rate, then as it was",
        "the first is a run of its own, from its beginning; the killed one is left alone and goes on afterwards",
    )
    trial = lab.stopped()
    folder = trial.run_folder
    before = digests(folder)
    other = trial.run("--set", "/phases/3/optimizers/0/lr=0.01")
    finding.check("a run of its own finishes", other.status == 0 and len(trial.run_folders) == 2)  # noqa: PLR2004
    finding.check("the killed one is left alone", digests(folder) == before)
    (changed,) = (path for path in trial.run_folders if path != folder)
    finding.check("other bits", _parameters(changed) != lab.whole["parameters"])
    _remove(changed)
    finding.check_end(lab, trial, trial.run())
    return finding


def _clock_between(lab: Lab) -> Finding:
    finding = Finding(
        "the clock jumps between attempts",
        "a run is killed after 100 and 300 iterations; its second start is an hour before the first, its third a day "
        "after it; the times of its files are set as if",
        "it is found, and goes on",
    )
    trial = lab.trial()
    trial.run(before=lambda: _killed_at(100, _hands(0)))
    for shift, last in ((-_HOUR, False), (_DAY, True)):
        for file in trial.logs.rglob("*"):
            os.utime(file, (time.time() - shift, time.time() - shift))
        if not last:
            trial.run(before=lambda: _killed_at(200, _hands(-_HOUR)))
    ended = trial.run(before=lambda: _set_clock(_hands(_DAY)))
    _check_clock(finding, lab, trial)
    finding.check("goes on", bool(ended.line("goes on after iteration")))
    finding.check_end(lab, trial, ended)
    return finding


def _clock_within(lab: Lab) -> Finding:
    finding = Finding(
        "the clock jumps within a run",
        "every reading of the clock is an hour behind or a day ahead of the one before; checkpoints are due by time, "
        "every 0.6 s",
        "the run does not care",
    )
    trial = lab.trial()
    ended = trial.run(
        "--checkpoint-iterations",
        "0",
        "--checkpoint-minutes",
        "0.01",
        before=lambda: _set_clock(_hands(0, -_HOUR, _DAY)),
    )
    _check_clock(finding, lab, trial)
    finding.check_end(lab, trial, ended)
    return finding


def _go_on(finding: Finding, lab: Lab, trial: Trial, words: str, *options: str) -> None:
    """Start a run again, and note what is said of the hazard, and how it ends."""
    ended = trial.run(*options)
    finding.check_said(trial, ended, words)
    finding.check_end(lab, trial, ended)


def _start_over(finding: Finding, lab: Lab, trial: Trial) -> None:
    old = trial.run_folder
    ended = trial.run("--fresh", "--no-shared-phases")
    _remove(old)
    finding.check_end(lab, trial, ended)


def _finished(lab: Lab) -> Trial:
    trial = lab.stopped()
    trial.run()
    return trial


def _flip(file: Path, draws: random.Random) -> None:
    data = bytearray(file.read_bytes())
    data[draws.randrange(len(data))] ^= 1 << draws.randrange(8)
    file.write_bytes(data)


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in a folder and below, but for locks."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock"]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _parameters(folder: Path) -> Any:
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))["parameters"]


def _remove(folder: Path) -> None:
    """Move a run out of the log folder."""
    folder.rename(folder.parent.parent / f"removed_{folder.name}")


def _killed_at(iteration: int, hands: Iterator[float]) -> None:
    _set_clock(hands)
    before_call(keeper.FileKeeper, "iteration_over", stop_here, iteration)


def _hands(*shifts: float) -> Iterator[float]:
    return cycle(shifts)


class Shifted(datetime):
    """A time of day that follows ``time.time``, which can be replaced."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Shifted":
        """Return the time."""
        return cls.fromtimestamp(time.time(), tz)


def _set_clock(hands: Iterator[float]) -> None:
    """Let this process read another time of day, shifted by the next of ``hands`` seconds at each reading."""
    true_time = time.time
    time.time = lambda: true_time() + next(hands)
    for name, module in list(sys.modules.items()):
        if name.startswith("recombine") and getattr(module, "datetime", None) is datetime:
            module.datetime = Shifted  # type: ignore[attr-defined]


def _check_clock(finding: Finding, lab: Lab, trial: Trial) -> None:
    seconds = json.loads((trial.run_folder / "result.json").read_text(encoding="utf-8"))["seconds"]
    finding.check("its seconds are true", 0 < seconds < 5 * lab.seconds)  # noqa: PLR2004
    finding.check("one folder", len(trial.run_folders) == 1)
