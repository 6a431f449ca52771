"""Keep the scores of long runs for the table of results.

    python -m bench.record_run [--name NAME] RUN_FOLDER ...

Adds each finished run to ``bench/results/long_runs.json``, under the name of its method or another that says what was
different; ``bench/write_results.py`` makes the table.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from bench import common


def main() -> None:
    """Read and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--name", help="instead of the method's name")
    arguments = parser.parse_args()
    kept = common.read("long_runs.json") or []
    for folder in arguments.folders:
        recorded = _record(folder)
        kept.append({**recorded, "method": arguments.name or recorded["method"]})
    common.write("long_runs.json", kept)


def _record(folder: Path) -> dict[str, Any]:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    iterations = {phase["name"]: phase["exit_criteria"].get("iterations") for phase in config["phases"]}
    optimizers = {phase["name"]: [o["type"] for o in phase["optimizers"]] for phase in config["phases"]}
    entry = common.summary(folder / "result.json")
    return {**entry, "iterations": iterations, "optimizers": optimizers, "history": common.history(folder)}


if __name__ == "__main__":
    main()
