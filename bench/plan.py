"""Compare what ``recombine plan --measure`` estimates with what runs take: memory at its peak, and time.

    python -m bench.plan [--only PART_OF_A_NAME ...] [--data-root DIR] [--iterations 100] [--minutes 25] [--limit 120]

Each shipped configuration is planned in a process of its own, then run by ``recombine run`` in another, with the logs
in a temporary folder. Both get the same changes: phases last ``--iterations`` iterations, with an evaluation after the
last one where the file asks for evaluations, and no parameters are read from or written to files. The estimate does
fewer steps than the run, and is never told what the run took. The kernel tells the most memory that the process of the
run had (``ru_maxrss``); this script imports nothing large, as a new process inherits that number from its parent. Both
go one after the other on one thread. No process may take longer than ``--limit`` seconds, and none is begun after
``--minutes``: the first configuration of each folder comes first. Writes ``bench/results/plan.json`` with what was left
out and why; rows of an earlier call stay.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import common

_KIBI = 1024
_CRITERIA, _EVALUATION = "exit_criteria", "performance_evaluation_interval"
_FILES = ("load_mapping_parameters", "save_mapping_parameters", "save_centroids")
_REASON = re.compile(r"error RC\d+ at [^:]*: (.*)")
_CONFIGURATIONS = common.ROOT / "configurations"


class LeftOut(Exception):
    """A configuration cannot be compared here."""


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="parts of names of configurations")
    parser.add_argument("--data-root", type=Path, default=os.environ.get("RECOMBINE_DATA_ROOT"))
    parser.add_argument("--iterations", type=int, default=100, help="how many every phase lasts")
    parser.add_argument("--minutes", type=float, default=25.0, help="begin no process after so many minutes")
    parser.add_argument("--limit", type=float, default=120.0, help="the most seconds of a process")
    arguments = parser.parse_args()
    before = common.read("plan.json") or {}
    rows = {row["configuration"]: row for row in before.get("rows", []) if (_file(row["configuration"])).exists()}
    left_out = {row["configuration"]: row for row in before.get("left_out", [])}
    ends = time.monotonic() + 60 * arguments.minutes
    for name in names():
        if arguments.only is not None and not any(part in name for part in arguments.only):
            continue
        try:
            if time.monotonic() > ends:
                raise LeftOut("not reached in the time given")
            rows[name] = _compared(name, arguments)
            left_out.pop(name, None)
        except LeftOut as reason:
            if name not in rows:
                left_out[name] = {"configuration": name, "reason": str(reason)}
        _write(rows, left_out)


def _write(rows: dict[str, Any], left_out: dict[str, Any]) -> None:
    found, missing = ([table[name] for name in sorted(table)] for table in (rows, left_out))
    common.write("plan.json", {**_machine(), "rows": found, "left_out": missing})


def _file(name: str) -> Path:
    return _CONFIGURATIONS / f"{name}.json"


def names() -> list[str]:
    """Return the names of all shipped configurations, the first of every folder first, then the second of each."""
    places: dict[Path, list[str]] = {}
    for file in sorted(_CONFIGURATIONS.rglob("*.json")):
        if "phases" in json.loads(file.read_text(encoding="utf-8")):
            places.setdefault(file.parent, []).append(file.relative_to(_CONFIGURATIONS).with_suffix("").as_posix())
    return [name for _, _, name in sorted((i, place, own[i]) for place, own in places.items() for i in range(len(own)))]


def changes_of(name: str, iterations: int) -> dict[str, Any]:
    """Return the values that make a configuration short, by pointer; the same for the plan and for the run."""
    changes: dict[str, Any] = {}
    for i, phase in enumerate(json.loads(_file(name).read_text(encoding="utf-8"))["phases"]):
        changes[f"/phases/{i}/{_CRITERIA}"] = {"iterations": iterations}
        if phase.get(_EVALUATION) is not None:
            changes[f"/phases/{i}/{_EVALUATION}"] = iterations
        changes |= {f"/phases/{i}/{key}": [] for key in _FILES if phase.get(key)}
    return changes


def _machine() -> dict[str, Any]:
    return {
        "machine": {"processor": platform.machine(), "processors": os.cpu_count(), "threads": 1},
        "packages": {name: version(name) for name in ("torch", "numpy", "scikit-learn")},
    }


def _compared(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what was estimated for a configuration, and what its run took.

    Raises:
        LeftOut: It cannot be run here, or takes too long.
    """
    data_root, limit = arguments.data_root, arguments.limit
    changes = changes_of(name, arguments.iterations)
    sets = [part for pointer, value in changes.items() for part in ("--set", f"{pointer}={json.dumps(value)}")]
    root = ["--data-root", str(data_root)] if data_root is not None else []
    given = [str(_file(name)), *sets, "--device", "cpu", *root]
    with tempfile.TemporaryDirectory() as folder:
        _run(["plan", *given, "--measure", "--format", "json"], Path(folder, "plan"), limit)
        measured = json.loads(Path(folder, "plan.out").read_text(encoding="utf-8"))["methods"][0]["measured"]
        started = time.perf_counter()
        peak = _run(["run", *given, "--log-dir", folder, "--no-log-files"], Path(folder, "run"), limit)
        seconds = time.perf_counter() - started
    return {
        "configuration": name,
        "iterations": arguments.iterations,
        "changes": changes,
        "estimated_peak_bytes": measured["peak_bytes"],
        "peak_bytes": peak,
        "memory_ratio": measured["peak_bytes"] / peak,
        "estimated_seconds": measured["seconds"],
        "seconds": seconds,
        "memory": measured["memory"],
    }


def _run(arguments: list[str], output: Path, limit: float) -> int:
    """Run a command in a process of its own, its output to files; return the most memory that it had, in bytes.

    Raises:
        LeftOut: It fails, or takes more than ``limit`` seconds.
    """
    command = [sys.executable, str(common.ROOT / "main.py"), *arguments]
    said, errors = output.with_suffix(".out"), output.with_suffix(".err")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with said.open("w", encoding="utf-8") as out, errors.open("w", encoding="utf-8") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)  # noqa: S603
        timer = threading.Timer(limit, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        raise LeftOut(f"its {arguments[0]} took longer than {limit:g} s, or was ended by signal {-code}")
    if code != 0:
        raise LeftOut(_reason(errors.read_text(encoding="utf-8")))
    return usage.ru_maxrss * _KIBI


def _reason(text: str) -> str:
    """Return why a command failed, without paths of the machine it ran on."""
    if "RC501" in text:
        return "its data is not at hand"
    found = _REASON.search(text)
    return found[1] if found is not None else "it failed: " + (text.strip().splitlines() or ["no words"])[-1]


if __name__ == "__main__":
    main()
