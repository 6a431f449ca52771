"""Run 200 small runs at once, among them 20 that fail in five ways, and hold what is said of them against the truth.

    python -m bench.many_runs [--fine 41] [--rounds 5] [--only-jobs]

All through ``main.py DIR --jobs 2 --seeds 4 --resume-on-error``. The ways: a loss that becomes NaN; a process that is
ended by SIGKILL; a file of parameters, and a dataset, that vanish between the check and the run; an error of ours,
raised inside the training of two seeds by a ``sitecustomize`` of this script. Beside them there are four runs whose
folder becomes read-only under them (where mounting is allowed), and two files that are no methods. Then the same
command is started again, without options, and with ``--retry-failed``. Writes ``bench/results/many_runs.json``;
``bench/write_reliability.py`` makes the page.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import common, machine
from bench.hazards_files import digests
from bench.stepping import alternate, ratio, read_method
from bench.trials import can_mount, make_read_only, make_writable

_METHOD = common.ROOT / "bench" / "small_method.json"
_SEEDS = 4
_POLL_SECONDS = 0.02
_SAMPLED = 5
_FINE, _SLOW = 40, 600
_FAULT = '''
"""Raises an error inside the training of some runs."""

import os

if os.environ.get("BENCH_FAULT"):
    import recombine.loop

    _run_method, _train_step, _seeds = recombine.loop.run_method, recombine.loop.train_step, []

    def run_method(run):
        _seeds[:] = [run.config.seed] if run.config.name.startswith("faulty") else []
        return _run_method(run)

    def train_step(phase):
        if _seeds in ([1], [3]) and phase.state.clock.iteration == 20:
            raise ValueError("an error of ours")
        return _train_step(phase)

    recombine.loop.run_method, recombine.loop.train_step = run_method, train_step
'''


@dataclass(frozen=True)
class Way:
    """A way to fail.

    Attributes:
        name: What happens, in words.
        methods: The names of the methods to which it happens.
        seeds: To which of their seeds.
        cause: Words that must stand in the result as its cause.
        status: How such a run ends.
    """

    name: str
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    cause: str
    status: str = "failed"

    def runs(self) -> set[tuple[str, int]]:
        """Return its runs by method and seed."""
        return {(method, seed) for method in self.methods for seed in self.seeds}


_ALL = tuple(range(_SEEDS))
WAYS = (
    Way("a loss becomes NaN", ("diverging",), _ALL, "NaN"),
    Way("SIGKILL ends the process", ("killed_1", "killed_2"), (0, 2), "SIGKILL"),
    Way("a file of parameters vanishes", ("loading",), _ALL, "given.pth"),
    Way("the dataset vanishes", ("z_tabular",), _ALL, "table.npz"),
    Way("an error of ours", ("faulty_1", "faulty_2"), (1, 3), "ValueError: an error of ours"),
)
UNWRITABLE = Way("the run's folder becomes read-only", ("locked_1", "locked_2"), (0, 1), "", "interrupted")


@dataclass
class Batch:
    """A folder of methods and the runs of it.

    Attributes:
        folder: Holds the methods, the logs, and what the methods read.
        can_mount: Whether folders can be made read-only.
        checks: What was looked at, and whether it held.
    """

    folder: Path
    can_mount: bool
    checks: dict[str, bool] = field(default_factory=dict)

    @property
    def logs(self) -> Path:
        """The log folder."""
        return self.folder / "logs"

    @property
    def ways(self) -> tuple[Way, ...]:
        """All that happens to runs."""
        return (*WAYS, UNWRITABLE) if self.can_mount else WAYS

    def write(self, fine: int) -> None:
        """Write the methods, and what they read."""
        (self.folder / "methods").mkdir()
        for number in range(fine):
            self._method(f"fine_{number:02}", {"/lr": 0.0005 * (1 + number)})
        for name in (*WAYS[1].methods, *WAYS[4].methods, *UNWRITABLE.methods):
            self._method(name, {"/iterations": _SLOW, "/lr": 0.0007 + 0.0001 * int(name[-1])})
        self._method("diverging", {"/lr": 1e30})
        self._method("loading", {"/load": str(self.folder / "given.pth")})
        self._method("z_tabular", {"/root": str(self.folder / "table.npz")})
        for number, text in enumerate(("{", json.dumps({**read_method(_METHOD), "phases": []}))):
            (self.folder / "methods" / f"invalid_{number}.json").write_text(text, encoding="utf-8")
        (self.folder / "site").mkdir()
        (self.folder / "site" / "sitecustomize.py").write_text(_FAULT, encoding="utf-8")
        self.restore()

    def _method(self, name: str, changes: dict[str, Any]) -> None:
        method = {**read_method(_METHOD), "name": name}
        finetuning = method["phases"][1]
        finetuning["optimizers"][0]["lr"] = changes.get("/lr", 0.001)
        finetuning["exit_criteria"]["iterations"] = changes.get("/iterations", _FINE)
        if "/load" in changes:
            block = {"mapping_name": "encoder", "path_to_file": changes["/load"]}
            method["phases"][0]["load_mapping_parameters"] = [block]
        if "/root" in changes:
            method["datasets"][0] |= {"dataset": "Table", "root": changes["/root"], "label_key": "labels"}
        (self.folder / "methods" / f"{name}.json").write_text(json.dumps(method, indent=1), encoding="utf-8")

    def restore(self) -> None:
        """Write what vanishes."""
        digits = machine.digits()
        torch.manual_seed(0)
        layers = (torch.nn.Flatten(), torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 8))
        state = {f"layers.{name}": value for name, value in torch.nn.Sequential(*layers).state_dict().items()}
        torch.save(state, self.folder / "given.pth")
        images, labels = np.asarray(digits.values).reshape(-1, 64), np.asarray(digits.labels)
        np.savez(self.folder / "table.npz", features=images.astype("float32"), labels=labels)

    def start(self, *options: str, fault: bool = False, logs: Path | None = None, jobs: int = 2) -> "Done":
        """Run the command over all methods."""
        words = [str(self.folder / "methods"), "--seeds", str(_SEEDS), "--resume-on-error", *options]
        return command([*words, "--jobs", str(jobs), "--log-dir", str(logs or self.logs)], self._variables(fault))

    def _variables(self, fault: bool) -> dict[str, str]:
        path = os.pathsep.join([str(self.folder / "site"), str(common.ROOT)])
        return {**os.environ, "PYTHONPATH": path, "BENCH_FAULT": "1" if fault else ""}

    def check(self, name: str, holds: bool) -> None:
        """Note whether something holds."""
        self.checks[name] = self.checks.get(name, True) and bool(holds)


@dataclass(frozen=True)
class Done:
    """A command that ended.

    Attributes:
        status: Its exit status.
        said: All that it said.
        seconds: How long it took.
    """

    status: int
    said: str
    seconds: float

    def table(self) -> dict[str, int]:
        """Return how many rows of its last table have which status."""
        cells = [[cell.strip() for cell in line.split("│")] for line in self.said.splitlines() if line.startswith("│")]
        return dict(Counter(row[2] for row in cells if row[2]))


def command(words: list[str], variables: dict[str, str]) -> Done:
    """Run ``main.py`` with further words."""
    started = time.monotonic()
    done = subprocess.run(  # noqa: S603  (our own command)
        [sys.executable, "main.py", *words],
        cwd=common.ROOT,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Done(done.returncode, done.stdout, time.monotonic() - started)


class Harm:
    """Does harm to runs while it is entered, from a thread of its own.

    Args:
        batch: The runs.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._is_over = threading.Event()
        self._done: set[Path] = set()
        self._mounted: list[Path] = []
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> "Harm":
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        """Stop, and make folders writable again."""
        self._is_over.set()
        self._thread.join()
        for folder in self._mounted:
            make_writable(folder)

    def _work(self) -> None:
        while not self._is_over.wait(_POLL_SECONDS):
            for folder, method, seed in found_runs(self._batch.logs):
                if folder not in self._done and "finetuning" in _text(folder / "events.jsonl"):
                    self._done.add(folder)
                    self._harm(folder, (method, seed))

    def _harm(self, folder: Path, run: tuple[str, int]) -> None:
        for name in ("given.pth", "table.npz"):
            (self._batch.folder / name).unlink(missing_ok=True)
        if run in WAYS[1].runs():
            os.kill(_holder(folder / ".lock"), signal.SIGKILL)
        elif run in UNWRITABLE.runs() and self._batch.can_mount:
            make_read_only(folder)
            self._mounted.append(folder)


def found_runs(logs: Path) -> Iterator[tuple[Path, str, int]]:
    """Yield folder, method and seed of every run that was started."""
    for file in sorted(logs.glob("*/run.json")):
        content = json.loads(file.read_text(encoding="utf-8"))
        yield file.parent, content["method"], content["parts"]["seed"]


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _holder(lock: Path) -> int:
    """Return the process that has a lock file open."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) == str(lock):
                return int(link.parts[2])
        except OSError:
            continue
    raise RuntimeError(f"nobody works in {lock.parent}")


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fine", type=int, default=41, help="methods to which nothing happens")
    parser.add_argument("--rounds", type=int, default=5, help="turns of the comparison of one and two processes")
    parser.add_argument(
        "--only-jobs", action="store_true", help="only this comparison, beside what was measured before"
    )
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        batch = Batch(folder, not can_mount(folder))
        batch.write(arguments.fine)
        content = common.read("many_runs.json") if arguments.only_jobs else _all_nights(batch)
        if arguments.rounds:
            content["jobs"] = {"machine": machine.machine(), **_two_processes(batch, arguments.rounds)}
    common.write("many_runs.json", content)
    os.write(1, (json.dumps(content, indent=1) + "\n").encode())


def _all_nights(batch: Batch) -> dict[str, Any]:
    content = {"machine": machine.machine(), "can_mount": batch.can_mount, "seeds": _SEEDS, **_nights(batch)}
    return {**content, "bits": _compared_with_undisturbed(batch), "jobs": None, "checks": batch.checks}


def _nights(batch: Batch) -> dict[str, Any]:
    """Start the batch again and again; return what was said and found each time."""
    with Harm(batch):
        first = batch.start(fault=True)
    (batch.folder / "first.txt").write_text(first.said, encoding="utf-8")
    night = [_night(batch, "with all that happens", first, batch.ways)]
    _check_causes(batch)
    causes = _causes(batch)
    batch.restore()
    before = run_digests(batch)
    night.append(_night(batch, "started again", batch.start(), WAYS))
    resumed = changed(before, run_digests(batch))
    batch.check(
        "started again, it goes on with what has no result and touches nothing else", resumed == _of(batch, UNWRITABLE)
    )
    before = run_digests(batch)
    night.append(_night(batch, "started once more", batch.start(), WAYS))
    batch.check("started once more, it computes nothing", changed(before, run_digests(batch)) == set())
    night.append(
        _night(batch, "with `--retry-failed`, all mended but the NaN", batch.start("--retry-failed"), WAYS[:1])
    )
    retried = changed(before, run_digests(batch))
    batch.check(
        "`--retry-failed` starts the failed ones and nothing else",
        retried == {run for way in WAYS for run in way.runs()},
    )
    runs = sum(1 for _ in found_runs(batch.logs))
    ways = [{"name": way.name, "runs": len(way.runs()), "status": way.status} for way in batch.ways]
    return {"runs": runs, "ways": ways, "nights": night, "causes": causes}


def _night(batch: Batch, name: str, done: Done, ways: tuple[Way, ...]) -> dict[str, Any]:
    """Hold what a batch said, and what `results` says of it, against the truth."""
    expected = Counter(way.status for way in ways for _ in way.runs())
    runs = list(found_runs(batch.logs))
    expected["finished"] = len(runs) - expected.total()
    found = json.loads(command(["results", str(batch.logs), "--format", "json"], dict(os.environ)).said)
    counts: Counter[str] = Counter()
    for row in found["rows"]:
        counts.update({key: row["runs"][key] for key in ("finished", "failed", "interrupted", "running", "unreadable")})
    counts = +counts
    methods = len(list((batch.folder / "methods").glob("*.json"))) - 2
    batch.check(f"{name}: every run has a folder", len(runs) == found["attempted"] == methods * _SEEDS)
    batch.check(f"{name}: `results` says how many finished and failed", counts == +expected)
    batch.check(f"{name}: by method, too", all(_row_holds(row, ways) for row in found["rows"]))
    batch.check(f"{name}: numbers are those of finished runs alone", all(_numbers_hold(row) for row in found["rows"]))
    batch.check(f"{name}: the table of the command says the same", done.table() == {**+expected, "invalid": 2})
    os.write(2, f"{name}: {done.table()} {dict(counts)} expected {dict(expected)}, {done.seconds:.1f} s\n".encode())
    batch.check(f"{name}: exit status 2, as files are invalid", done.status == 2)  # noqa: PLR2004
    return {
        "name": name,
        "seconds": done.seconds,
        "exit_status": done.status,
        "results": dict(counts),
        "table": done.table(),
    }


def _row_holds(row: dict[str, Any], ways: tuple[Way, ...]) -> bool:
    """Tell whether a row has the right counts, and the right seeds finished."""
    lost = {seed: way.status for way in ways if row["method"] in way.methods for seed in way.seeds}
    seeds = [seed for seed in _ALL if seed not in lost]
    counts = Counter(lost.values())
    kinds = all(row["runs"][kind] == counts[kind] for kind in ("failed", "interrupted"))
    return bool(kinds and row["runs"]["attempted"] == _SEEDS and row["seeds"] == seeds)


def _numbers_hold(row: dict[str, Any]) -> bool:
    """Tell whether each number of a row is the mean over finished runs, read from their files."""
    for name, metric in row["metrics"].items():
        results = [json.loads(_text(Path(value["folder"]) / "result.json")) for value in metric["values"]]
        values = [entry["scores"][name] for result in results for entry in result["datasets"].values()]
        if any(result["status"] != "finished" for result in results) or metric["n"] != row["runs"]["finished"]:
            return False
        if values and abs(statistics.fmean(values) - metric["mean"]) > 1e-12:  # noqa: PLR2004  (rounding)
            return False
    return True


def _check_causes(batch: Batch) -> None:
    """Look up the cause of every failure in its own file."""
    results = {run: json.loads(_text(folder / "result.json") or "{}") for folder, run in _listed(batch)}
    for way in batch.ways:
        found = [results.get(run, {}) for run in way.runs()]
        said = [result.get("error") or "" for result in found]
        batch.check("each failure has its cause in its result", all(way.cause in text for text in said))
        if way.status == "failed":
            no_numbers = all(not result.get("datasets") for result in found)
            batch.check("no failed run has a score in its result", no_numbers)


def _listed(batch: Batch) -> Iterator[tuple[Path, tuple[str, int]]]:
    return ((folder, (method, seed)) for folder, method, seed in found_runs(batch.logs))


def _causes(batch: Batch) -> dict[str, str]:
    """Return the cause that a result gives, for each way to fail."""
    errors = {run: json.loads(_text(folder / "result.json") or "{}").get("error") for folder, run in _listed(batch)}
    found = {way.name: errors.get(min(way.runs())) or "" for way in WAYS}
    return {name: error.replace(f"{batch.folder}/", "") for name, error in found.items()}


def _of(batch: Batch, way: Way) -> set[tuple[str, int]]:
    return way.runs() if way in batch.ways else set()


def run_digests(batch: Batch) -> dict[tuple[str, int], dict[str, str]]:
    """Return digests of all files of every run."""
    return {(method, seed): digests(folder) for folder, method, seed in found_runs(batch.logs)}


def changed(before: dict[Any, Any], after: dict[Any, Any]) -> set[tuple[str, int]]:
    """Return the runs of which a file changed."""
    return {run for run in before.keys() | after.keys() if before.get(run) != after.get(run)}


def _compared_with_undisturbed(batch: Batch) -> dict[str, int]:
    """Run those again, alone and elsewhere, to which something happened, and compare parameters."""
    names = [name for way in batch.ways if way is not WAYS[0] for name in way.methods]
    files = [str(batch.folder / "methods" / f"{name}.json") for name in names]
    logs = batch.folder / "undisturbed"
    command([*files, "--seeds", str(_SEEDS), "--no-shared-phases", "--log-dir", str(logs)], dict(os.environ))
    alone, mended = _parameters(logs), _parameters(batch.logs)
    same = sum(mended[run] == digest and digest is not None for run, digest in alone.items())
    batch.check("what was mended has the bits of an undisturbed run", same == len(alone) == len(names) * _SEEDS)
    return {"runs": len(alone), "same": same}


def _parameters(logs: Path) -> dict[tuple[str, int], str | None]:
    return {
        (method, seed): json.loads(_text(folder / "result.json")).get("parameters")
        for folder, method, seed in found_runs(logs)
    }


def _two_processes(batch: Batch, rounds: int) -> dict[str, Any]:
    """Return the time of some runs with two processes and with one, in turns."""
    files = [str(batch.folder / "methods" / f"fine_{number:02}.json") for number in range(_SAMPLED)]
    fixed = [*files, "--seeds", str(_SEEDS), "--no-shared-phases"]
    candidates: dict[str, Callable[[], Any]] = {
        f"jobs {jobs}": _Fresh([*fixed, "--jobs", str(jobs)], batch.folder) for jobs in (1, 2)
    }
    seconds = alternate(candidates, rounds, 1)
    spreads, found = machine.spreads(seconds), ratio(seconds, "jobs 2", "jobs 1")
    return {"runs": _SAMPLED * _SEEDS, "seconds": spreads, "2/1": found}


class _Fresh:
    """Runs a command with a log folder of its own each time."""

    def __init__(self, words: list[str], folder: Path) -> None:
        self._words, self._folder = words, folder

    def __call__(self) -> None:
        with tempfile.TemporaryDirectory(dir=self._folder) as logs:
            done = command([*self._words, "--log-dir", logs], dict(os.environ))
        if done.status != 0:
            raise SystemExit(done.said)


if __name__ == "__main__":
    main()
