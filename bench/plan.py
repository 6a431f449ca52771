"""Compare what ``recombine plan --measure`` estimates with what runs take: memory at its peak, and time.

    python -m bench.plan [--only PART_OF_A_NAME ...] [--data-root DIR]

Each configuration is planned in a process of its own, then run in another, long ones for fewer iterations, with the
logs in a temporary folder. The kernel tells the most memory that the process of the run had (``ru_maxrss``); this
script imports nothing large, as a new process inherits that number from its parent. Both go one after the other on
one thread. Writes ``bench/results/plan.json``; with ``--only``, the other rows stay.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import common

_KIBI = 1024
_CRITERIA = "exit_criteria"
#: Changes that make long runs short, by configuration; the same for the plan and for the run.
RUNS: dict[str, dict[str, Any]] = {
    "quickstart/digits": {},
    "cnc/two_triangles": {},
    "dcjc/digits_kl": {},
    "learning_to_cluster/points_small_attention": {f"/phases/0/{_CRITERIA}/iterations": 1100},
    "dec_cc_hybrid/mnist_adam": {
        f"/phases/0/{_CRITERIA}/iterations": 100,
        f"/phases/1/{_CRITERIA}/iterations": 100,
        "/phases/1/performance_evaluation_interval": 100,
    },
    "dcjc/mnist/architecture_1_pretraining": {
        f"/phases/0/{_CRITERIA}": {"iterations": 60},
        "/phases/0/performance_evaluation_interval": 60,
    },
}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="parts of names of configurations")
    parser.add_argument("--data-root", type=Path, default=os.environ.get("RECOMBINE_DATA_ROOT"))
    arguments = parser.parse_args()
    rows = {row["configuration"]: row for row in (common.read("plan.json") or {"rows": []})["rows"]}
    for name, changes in RUNS.items():
        if arguments.only is None or any(part in name for part in arguments.only):
            rows[name] = _compared(name, changes, arguments.data_root)
            common.write("plan.json", {**_machine(), "rows": [rows[one] for one in RUNS if one in rows]})


def _machine() -> dict[str, Any]:
    return {
        "machine": {"processor": platform.machine(), "processors": os.cpu_count(), "threads": 1},
        "packages": {name: version(name) for name in ("torch", "numpy", "scikit-learn")},
    }


def _compared(name: str, changes: dict[str, Any], data_root: Path | None) -> dict[str, Any]:
    """Return what was estimated for a configuration, and what its run took."""
    file = common.ROOT / "configurations" / f"{name}.json"
    sets = [part for pointer, value in changes.items() for part in ("--set", f"{pointer}={json.dumps(value)}")]
    given = [str(file), *sets, "--device", "cpu", *(["--data-root", str(data_root)] if data_root is not None else [])]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "plan.json")
        _run(["plan", *given, "--measure", "--format", "json"], output)
        measured = json.loads(output.read_text(encoding="utf-8"))["methods"][0]["measured"]
        started = time.perf_counter()
        peak = _run(["run", *given, "--log-dir", folder, "--no-log-files"], Path(folder, "run.txt"))
        seconds = time.perf_counter() - started
    return {
        "configuration": name,
        "changes": changes,
        "estimated_peak_bytes": measured["peak_bytes"],
        "peak_bytes": peak,
        "memory_ratio": measured["peak_bytes"] / peak,
        "estimated_seconds": measured["seconds"],
        "seconds": seconds,
        "memory": measured["memory"],
    }


def _run(arguments: list[str], output: Path) -> int:
    """Run a command in a process of its own, its output to a file; return the most memory that it had, in bytes."""
    command = [sys.executable, str(common.ROOT / "main.py"), *arguments]
    with output.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(command, stdout=file, env={**os.environ, "OMP_NUM_THREADS": "1"})  # noqa: S603
        _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss * _KIBI


if __name__ == "__main__":
    main()
