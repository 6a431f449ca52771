"""Runs with folders of their own that are stopped, and go on."""

import hashlib
import json
import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path

from recombine.callbacks.base import Callback
from recombine.execute import RunOptions, execute
from recombine.job import Job
from recombine.keeper import SavingOptions
from recombine.logs import LogOptions
from recombine.places import Places
from tests.runs import config_of, made_for

#: No checkpoints but those of interruptions, and no phases of other runs.
ALONE = RunOptions(SavingOptions(0, 0), shares_phases=False)
#: What callbacks hear while a run is under way.
MOMENTS = (
    "run_started",
    "dataset_started",
    "phase_started",
    "phase_reused",
    "iteration_done",
    "evaluated",
    "phase_ended",
    "dataset_scored",
)


def job_of(description, folder, samples=None, inputs=None):
    """Return a method that is ready to run and saves below ``folder``; ``samples`` as in :func:`tests.runs.train`."""
    config = config_of(description)
    data = {dataset.name: made_for(dataset) for dataset in config.datasets} | (samples or {})
    return Job("<dict>", config, data, Places(Path(folder), ()), (), inputs or {})


class Listener(Callback):
    """Calls :meth:`heard` at each of the :data:`MOMENTS`."""

    def heard(self, moment, *details):
        """Take up what happened."""


def _hook(moment):
    return lambda self, *details: self.heard(moment, *details)


for _moment in MOMENTS:
    setattr(Listener, _moment, _hook(_moment))


class Stop(Listener):
    """Sends signals to the process when a moment comes for the ``after``-th time of this start.

    Attributes:
        done: Iterations that were done in this start, as the phases' names.
    """

    def __init__(self, after=None, moment="iteration_done", number=signal.SIGINT, times=1):
        self.after, self.moment, self.number, self.times = after, moment, number, times
        self.count, self.done = 0, []

    def heard(self, moment, *details):
        """Count, and send."""
        if moment == "iteration_done":
            self.done.append(details[0].config.name)
        self.count += moment == self.moment
        if moment == self.moment and self.count == self.after:
            for _ in range(self.times):
                signal.raise_signal(self.number)


class Killed(Listener):
    """Copies a folder at each of the moments: what kill -9 would leave there.

    Attributes:
        copies: The copies, in order.
    """

    def __init__(self, source, target, moments):
        self.source, self.target, self.moments = source, target, moments
        self.copies = []

    def heard(self, moment, *details):
        """Copy."""
        if moment in self.moments:
            self.copies.append(shutil.copytree(self.source, self.target / f"{len(self.copies)}_{moment}"))


@dataclass
class Started:
    """What came of one start of a run.

    Attributes:
        result: The result.
        error: What ended it, or None.
        lines: What was said.
        done: Iterations that were done in this start, as the phases' names.
    """

    result: object
    error: object
    lines: list = field(default_factory=list)
    done: list = field(default_factory=list)

    @property
    def folder(self):
        """The run's folder."""
        return self.result.folder


def start(job, log_dir, stop=None, options=ALONE, watchers=()):
    """Start a run, or go on with it."""
    lines, stop = [], stop or Stop()
    log = LogOptions(Path(log_dir), with_timestamps=False)
    result, error = execute(job, log, lines.append, [stop, *watchers], options)
    return Started(result, error, lines, stop.done)


def carried_on(job, log_dir, after, moment="iteration_done", options=ALONE):
    """Start a run again and again, each time stopped when a moment came for the ``after``-th time; return all starts.

    Where a start gets nowhere, this does not end: at most 500 starts are made.
    """
    starts = []
    for _ in range(500):
        starts.append(start(job, log_dir, Stop(after, moment), options))
        if starts[-1].result.status != "interrupted":
            assert starts[-1].result.status == "finished"
            return starts
    raise AssertionError("the run does not get on")


def events_of(folder):
    """Return the history of a run without times."""
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return [{key: value for key, value in json.loads(line).items() if key != "time"} for line in lines]


def content_of(folder):
    """Return what ``result.json`` says."""
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def left_behind(started, saved=None):
    """Return everything that must not depend on stops: parameters, scores, history, tables, saved files."""
    folder, result = started.folder, content_of(started.folder)
    files = [*folder.glob("*/*.csv"), *(saved.rglob("*") if saved is not None else ())]
    of_sets = {str(file.relative_to(folder)): digest_of(file) for file in folder.glob("*/sets/**/*") if file.is_file()}
    return {
        "status": result["status"],
        "parameters": result["parameters"],
        "datasets": result["datasets"],
        "events": events_of(folder),
        "files": {f"{file.parent.name}/{file.name}": digest_of(file) for file in sorted(files) if file.is_file()}
        | of_sets,
    }


def digest_of(file):
    """Return the SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def checkpoints_of(started):
    """Return the checkpoints of a run, the oldest first."""
    return sorted((started.folder / "checkpoints").glob("*.pt"))
