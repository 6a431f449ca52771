"""Kill a run at random moments, resume it, and compare what it leaves behind with that of a run that was never killed.

    python -m bench.kills [--kills 100] [--seed 0] [--sets]

The method is ``bench/every_pattern.json``, or with ``--sets`` ``bench/every_set_pattern.json``. Each trial starts a
process, ends it by SIGKILL after a random time, and starts it again until it finishes; trials in which the run was over
by then do not count. Parameters, scores, assignments, saved files and the history of events (but for their times) must
be the same, bit for bit. Writes ``bench/results/kills.json`` or ``kills_of_sets.json``; ``bench/write_reliability.py``
makes the page of the former.
"""

import argparse
import hashlib
import json
import mmap
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import common
from recombine import registry
from recombine.batch import BatchOptions, Report, prepare, run_one
from recombine.callbacks.base import Callback, DatasetView, PhaseView, Scored
from recombine.config import MethodConfig
from recombine.criteria import Performance
from recombine.execute import RunOptions
from recombine.job import Job
from recombine.keeper import SavingOptions
from recombine.load import load_file
from recombine.logs import LogOptions
from recombine.objective import LossValue
from recombine.problems import Problem
from recombine.state import RunState

METHOD = common.ROOT / "bench" / "every_pattern.json"
SET_METHOD = METHOD.with_name("every_set_pattern.json")
_BOARD_BYTES = 256
_INTERVAL = 7
_AFTER_THE_END = 1.02
_TOO_LATE = "after the end"


class Place(Callback):
    """Writes where a run is to memory that the killer shares.

    Args:
        board: The memory.
    """

    def __init__(self, board: mmap.mmap) -> None:
        self.board = board
        self.dataset = ""

    def run_started(self, config: MethodConfig, device: str, folder: Path) -> None:
        """Note the start."""
        self._note("before the first phase")

    def dataset_started(self, dataset: DatasetView) -> None:
        """Note the dataset."""
        self.dataset = dataset.config.name
        self._note("before a phase")

    def phase_started(self, phase: PhaseView, state: RunState) -> None:
        """Note the phase."""
        self._note(f"{phase.config.name}: training", state)

    def iteration_done(self, phase: PhaseView, state: RunState, losses: Sequence[LossValue]) -> None:
        """Note the iteration, and whether an evaluation follows."""
        interval = phase.config.performance_evaluation_interval
        follows = interval is not None and state.clock.is_due(interval)
        self._note(f"{phase.config.name}: {'evaluation' if follows else 'training'}", state)

    def evaluated(self, phase: PhaseView, state: RunState, performance: Performance | None) -> None:
        """Note that training goes on."""
        self._note(f"{phase.config.name}: training", state)

    def phase_ended(self, phase: PhaseView, state: RunState, reason: str) -> None:
        """Note the time between phases."""
        self._note("after a phase")

    def dataset_scored(self, scored: Scored) -> None:
        """Note the time between datasets."""
        self._note("after a dataset is scored")

    def run_ended(self, error: BaseException | None) -> None:
        """Note the end."""
        self._note("writing the result")

    def _note(self, where: str, state: RunState | None = None) -> None:
        text = json.dumps([self.dataset, where, state.clock.iteration if state is not None else None])
        self.board[:_BOARD_BYTES] = text.encode().ljust(_BOARD_BYTES)


class Lab:
    """Runs the method in processes of their own.

    Args:
        folder: Where the method file, what it saves, and the logs lie.
        method: The method file.
    """

    def __init__(self, folder: Path, method: Path) -> None:
        self.folder = folder
        self.board = mmap.mmap(-1, _BOARD_BYTES)
        self.job = _job(folder, method)

    def start(self, log_dir: Path) -> int:
        """Start a run in a process; return its number."""
        self.board[:_BOARD_BYTES] = b'["", "finding the run", null]'.ljust(_BOARD_BYTES)
        number = os.fork()
        if number:
            return number
        try:
            options = BatchOptions(
                LogOptions(log_dir), run=RunOptions(SavingOptions(0, _INTERVAL), shares_phases=False)
            )
            outcome = run_one(self.job, options, Report(_ignore, _ignore, _show, lambda: [Place(self.board)]))
            os._exit(outcome.error is not None)
        finally:
            os._exit(2)

    def place(self) -> list[Any]:
        """Return dataset, place and iteration of the run that was started last."""
        found: list[Any] = json.loads(self.board[:_BOARD_BYTES].decode())
        return found

    def trial(self, log_dir: Path, seconds: float) -> dict[str, Any]:
        """Kill a run after ``seconds``, then run it to its end; return where it was, and what it left behind."""
        number = self.start(log_dir)
        time.sleep(seconds)
        os.kill(number, signal.SIGKILL)
        _, status = os.waitpid(number, 0)
        killed = os.WIFSIGNALED(status)
        dataset, where, iteration = self.place()
        part = any(log_dir.rglob("*.part"))
        left = self.finish(log_dir)
        where = where if killed else _TOO_LATE
        place = {"dataset": dataset, "where": where, "iteration": iteration, "while_writing": part}
        return {"seconds": seconds, **place, "left": left}

    def finish(self, log_dir: Path) -> dict[str, Any]:
        """Run to the end; return what was left behind."""
        _, status = os.waitpid(self.start(log_dir), 0)
        if status != 0:
            raise RuntimeError(f"a run that was resumed failed: {log_dir}")
        return left_behind(log_dir, self.folder / "saved")


def _job(folder: Path, method: Path) -> Job:
    file = folder / method.name
    shutil.copy(method, file)
    job, problems = prepare(load_file(file), BatchOptions(LogOptions(folder)), {})
    if job is None:
        raise RuntimeError(str(problems))
    missing = registry.patterns().keys() - _used(METHOD) - _used(SET_METHOD)
    if missing:
        raise RuntimeError(f"{METHOD.name} and {SET_METHOD.name} lack the patterns {sorted(missing)}")
    return replace(job, source=method.name)


def _used(method: Path) -> set[str]:
    phases = json.loads(method.read_text(encoding="utf-8"))["phases"]
    return {block["pattern"] for phase in phases for block in phase["design_patterns"]}


def left_behind(log_dir: Path, saved: Path) -> dict[str, Any]:
    """Return what identifies the outcome of a run: parameters, scores, and digests of files."""
    (folder,) = [path for path in log_dir.iterdir() if (path / "result.json").exists()]
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    timeless = [{key: value for key, value in event.items() if key != "time"} for event in events]
    tables = [*sorted(folder.glob("*/*.csv")), *sorted(folder.glob("*/sets/*.*"))]
    files = {str(file.relative_to(folder)): file for file in tables}
    files |= {f"{saved.name}/{file.name}": file for file in sorted(saved.iterdir())}
    return {
        "status": result["status"],
        "parameters": result["parameters"],
        "datasets": _digest(json.dumps(result["datasets"]).encode()),
        "events": _digest(json.dumps(timeless).encode()),
        "files": {name: _digest(file.read_bytes()) for name, file in files.items()},
    }


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _ignore(line: str | Problem) -> None:
    del line


def _show(text: str) -> None:
    os.write(2, text.encode())


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sets", action="store_true")
    arguments = parser.parse_args()
    method, table = (SET_METHOD, "kills_of_sets.json") if arguments.sets else (METHOD, "kills.json")
    draws = random.Random(arguments.seed)  # noqa: S311
    with tempfile.TemporaryDirectory() as name:
        lab, folder = Lab(Path(name), method), Path(name)
        started = time.monotonic()
        whole = lab.finish(folder / "whole")
        longest = (time.monotonic() - started) * _AFTER_THE_END
        trials: list[dict[str, Any]] = []
        while sum(trial["where"] != _TOO_LATE for trial in trials) < arguments.kills:
            log_dir = folder / f"killed_{len(trials)}"
            trials.append(lab.trial(log_dir, draws.uniform(0, longest)))
            shutil.rmtree(log_dir)
    for trial in trials:
        trial["same"] = {key: trial["left"][key] == whole[key] for key in whole}
        del trial["left"]
    common.write(table, {"interval": _INTERVAL, "seed": arguments.seed, "trials": trials})
    same = sum(all(trial["same"].values()) for trial in trials)
    os.write(1, f"{same} of {len(trials)} resumed runs are the same as the one that was never killed\n".encode())


if __name__ == "__main__":
    main()
