"""Keep the scores of runs of Learning to Cluster for the table of results.

    python -m bench.sets LOG_DIR ...

Adds each finished run below the folders to ``bench/results/sets.json``, in place of an earlier one of the same
configuration and seed; ``bench/write_results.py`` makes the tables.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from bench import common


def main() -> None:
    """Read and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", type=Path, nargs="+")
    kept = {(run["method"], run["seed"]): run for run in common.read("sets.json") or []}
    for logs in parser.parse_args().logs:
        for result in sorted(logs.glob("*/result.json")):
            content = json.loads(result.read_text(encoding="utf-8"))
            if content["status"] == "finished":
                kept[content["method"], content["seed"]] = _recorded(result)
    common.write("sets.json", sorted(kept.values(), key=lambda run: (run["method"], run["seed"])))


def _recorded(result: Path) -> dict[str, Any]:
    config = json.loads((result.parent / "config.json").read_text(encoding="utf-8"))
    lines = (result.parent / "events.jsonl").read_text(encoding="utf-8").splitlines()
    ended = [event for event in map(json.loads, lines) if event["event"] == "phase_ended"]
    datasets = {
        dataset["name"]: {
            "num_objects": dataset["sets"]["num_objects"],
            "clusters": [dataset["sets"]["min_clusters"], dataset["num_clusters"]],
            "batch_size": dataset["batch_size"],
            "classes": dataset["sets"]["classes"] if dataset["dataset"] != "PointSets" else None,
        }
        for dataset in config["datasets"]
    }
    found = common.summary(result)
    for name, sets in datasets.items():
        found["datasets"][name]["drawn"] = sets
    return {**found, "iterations": sum(event["iteration"] for event in ended), "history": common.history(result.parent)}


if __name__ == "__main__":
    main()
