"""Measure how long ``recombine results`` takes for a folder of finished runs.

    python -m bench.aggregation [--runs 1000] [--rounds 5]

Makes folders of runs as the command line leaves them, ten seeds to a configuration and one configuration in ten with
a failed run, and lets ``main.py results`` put them together in a process of its own, in two formats. Beside it, as the
yardstick, stands a process that does nothing but read the same files with ``json.load``; and ``main.py --help``, the
start-up. All files are in the cache, as each command runs once before it is measured. Writes
``bench/results/aggregation.json`` and says the times.
"""

import argparse
import hashlib
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import common, machine
from bench.startup import Command
from bench.stepping import alternate

_SEEDS, _FAILING, _LIMIT_SECONDS = 10, 10, 3.0
_READ = """
import json, pathlib, sys
files = pathlib.Path(sys.argv[1]).glob("*/result.json")
sys.stdout.write(f"{len([json.load(file.open()) for file in files])}\\n")
"""
_METRICS = ("acc", "nmi", "ari", "ami", "homogeneity", "completeness", "v_measure", "fowlkes_mallows", "purity")
_LABEL_FREE = ("silhouette", "davies_bouldin", "calinski_harabasz", "assignment_entropy")


def main() -> None:
    """Measure, write and say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="folders of runs")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each command")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        write_runs(Path(place), arguments.runs)
        seconds = _measured(Path(place), arguments.rounds)
    common.write("aggregation.json", {"machine": machine.machine(), "runs": arguments.runs, "seconds": seconds})
    for name, spread in seconds.items():
        sys.stdout.write("{:20}{median:6.2f} s ({lowest:.2f} to {highest:.2f})\n".format(name, **spread))
    sys.stdout.write(f"the limit for 1,000 runs is {_LIMIT_SECONDS:g} s\n")


def _measured(log_dir: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Return the seconds of each command, start-up included."""
    results = [sys.executable, "main.py", "results", str(log_dir)]
    commands = {
        "results, table": Command(results),
        "results, json, all": Command([*results, "--format", "json", "--score", "all"]),
        "json.load alone": Command([sys.executable, "-c", _READ, str(log_dir)]),
        "--help": Command([sys.executable, "main.py", "--help"]),
    }
    for command in commands.values():
        command()
    return machine.spreads(alternate(commands, rounds, 1))


def write_runs(log_dir: Path, num: int) -> None:
    """Write the folders of ``num`` runs, all of one dataset."""
    draws = random.Random(0)  # noqa: S311  (scores, not secrets)
    for index in range(num):
        configuration, seed = divmod(index, _SEEDS)
        fails = configuration % _FAILING == 0 and seed == 0
        content = _result(configuration, seed, _dataset(draws), fails)
        folder = log_dir / f"2026-01-01_{index:06}_dec_{content['identity'][:8]}"
        folder.mkdir()
        parts = {
            "configuration": content["config_hash"],
            "data": _DATA,
            "inputs": {},
            "seed": seed,
            "results_version": 1,
        }
        started = {**{key: content[key] for key in _STARTED}, "folder": "/methods", "parts": parts}
        for name, value in (("run.json", started), ("result.json", content)):
            (folder / name).write_text(json.dumps(value, indent=2), encoding="utf-8")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


_STARTED = ("method", "source", "overrides", "identity", "generation")
_DATA = {"Digits": {"samples": _digest("samples"), "labels": _digest("labels")}}


def _result(configuration: int, seed: int, dataset: dict[str, Any], fails: bool) -> dict[str, Any]:
    """Return what ``result.json`` of a run says."""
    return {
        "method": f"dec_{configuration % 5}",
        "source": "configurations/dec.json",
        "overrides": [f"/phases/1/optimizers/0/lr={configuration / 1000}"],
        "status": "failed" if fails else "finished",
        "error": "DivergedError: a loss became NaN" if fails else None,
        "seed": seed,
        "seconds": 12.3,
        "identity": _digest(f"{configuration} {seed}"),
        "config_hash": _digest(str(configuration)),
        "results_version": 1,
        "generation": 1,
        "parameters": _digest("parameters"),
        "reused": [{"dataset": "Digits", "phase": "pretraining", "seconds": 8.1}],
        "packages": {"recombine": "0.1.0", "torch": "2.13.0", "numpy": "2.4.6", "scipy": "1.17.1"},
        "datasets": {} if fails else {"Digits": dataset},
    }


def _dataset(draws: random.Random) -> dict[str, Any]:
    """Return what ``result.json`` says of a dataset."""
    moment = {"phase": "finetuning", "iteration": 800}
    scores = {metric: draws.gauss(0.8, 0.02) for metric in _METRICS}
    best = {metric: {"value": scores[metric] + 0.01, **moment} for metric in _METRICS[:3]}
    return {
        "num_samples": 1797,
        "num_clusters": 10,
        "samples_digest": _digest("samples"),
        "labels_digest": _digest("labels"),
        "scored_on": "all samples, evaluation mode, plain view",
        "oracle": [],
        "assignments": "Digits/assignments.csv",
        "scores": {**scores, "num_used_clusters": 10},
        "label_free": {metric: draws.random() for metric in _LABEL_FREE}
        | {"sample_size": 1797, "space": "output of encoder"},
        "chosen": {"by": "silhouette", "value": draws.random(), **moment, "scores": {k: scores[k] for k in best}},
        "best": best,
        "num_evaluations": 12,
    }


if __name__ == "__main__":
    main()
