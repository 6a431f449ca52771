"""Keep the scores of Clustering with Deep Learning (Aljalbout et al.) for the table of results.

    python -m bench.dcjc pixels [--data-root DIR]
    python -m bench.dcjc record LOG_DIR ...

``pixels`` clusters the raw pixels of MNIST and COIL-20 by k-means with 20 restarts, a check of the data. ``record``
keeps every finished run of ``configurations/dcjc`` in folders of logs: the evaluation at the end of each phase and the
final scores. Both write ``bench/results/dcjc.json``; ``bench/write_results.py`` makes the tables.
"""

import argparse
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sklearn.cluster import KMeans

from bench import common
from recombine.build import load_samples
from recombine.load import load_file
from recombine.metrics import agreement, counts

_FOLDER = common.ROOT / "configurations" / "dcjc"
_NAME = re.compile(r"dcjc_(pretraining|kl|k_means)_(mnist|coil20)_(\d)(_views)?")
_SEEDS = {"mnist": (0,), "coil20": (0, 1, 2)}
_RESTARTS, _FILE = 20, "dcjc.json"


def main() -> None:
    """Measure or read, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("pixels").add_argument(
        "--data-root", type=Path, default=os.environ.get("RECOMBINE_DATA_ROOT"), help="holds MNIST and COIL20"
    )
    commands.add_parser("record").add_argument("logs", nargs="+", type=Path)
    arguments = parser.parse_args()
    content = common.read(_FILE) or {"pixels": [], "runs": []}
    if arguments.command == "pixels":
        content["pixels"] = [_pixels(name, seed, arguments.data_root) for name, all in _SEEDS.items() for seed in all]
    else:
        content["runs"] = sorted(recorded(arguments.logs), key=_order)
    common.write(_FILE, content)


def recorded(logs: list[Path]) -> Iterator[dict[str, Any]]:
    """Yield what is kept of each finished run of the method."""
    for result_file in sorted(file for folder in logs for file in folder.glob("*/result.json")):
        entry = common.summary(result_file)
        found = _NAME.fullmatch(entry["method"])
        if found is not None and entry["status"] == "finished":
            variant = "with views" if found[4] else "as published"
            place = {"loss": found[1], "dataset": found[2], "architecture": int(found[3]), "variant": variant}
            yield {**place, **_run(result_file, entry)}


def _run(result_file: Path, entry: dict[str, Any]) -> dict[str, Any]:
    config = json.loads((result_file.parent / "config.json").read_text(encoding="utf-8"))
    lines = (result_file.parent / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    ends = {}
    for event in events:
        if event["event"] == "evaluation":
            ends[event["phase"]] = event["scores"]
    ((_, scored),) = entry["datasets"].items()
    return {
        "seed": entry["seed"],
        "num_samples": scored["num_samples"],
        "epochs": {phase["name"]: phase["exit_criteria"]["epochs"] for phase in config["phases"]},
        "at_phase_ends": ends,
        "final": scored["scores"],
        "seconds": entry["seconds"] + _seconds_elsewhere(result_file),
        "precision": config["precision"],
        "machine": entry["machine"],
        "torch": entry["packages"]["torch"],
    }


def _seconds_elsewhere(result_file: Path) -> float:
    """Return how long another run trained the phases that this one took over."""
    reused = json.loads(result_file.read_text(encoding="utf-8"))["reused"]
    return float(sum(phase["seconds"] for phase in reused))


def _pixels(dataset: str, seed: int, data_root: Path | None) -> dict[str, Any]:
    config = load_file(_FOLDER / dataset / "architecture_0_kl.json").require()
    samples = load_samples(config.datasets[0], config.folder, data_root)
    if samples.labels is None:
        raise SystemExit(f"{dataset} has no labels")
    started = time.perf_counter()
    pixels = samples.tensor().flatten(1).float() / samples.scale
    fitted = KMeans(config.datasets[0].num_clusters, n_init=_RESTARTS, random_state=seed).fit(pixels.numpy())
    scores = agreement(counts(samples.labels.numpy(), fitted.labels_)).as_dict()
    seconds = time.perf_counter() - started
    return {"dataset": dataset, "seed": seed, "num_samples": len(samples), "scores": scores, "seconds": seconds}


def _order(run: dict[str, Any]) -> tuple[str, int, str, str, int]:
    return run["dataset"], run["architecture"], run["variant"], run["loss"], run["seed"]


if __name__ == "__main__":
    main()
