"""Run the recombination of the README: DEC's target distribution in the finetuning of the quickstart, by weight.

    python -m bench.recombination [--seeds 3]

Writes ``bench/results/recombination.json``; ``bench/write_results.py`` makes the table.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import recombine
from bench import common

_METHOD = common.ROOT / "configurations/quickstart/digits.json"
_WEIGHTS = (1.0, 0.1, 0.01)
_REPLACED = ("assignment_statistics", "assignment_entropy")


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for weight in _WEIGHTS:
            runs = [recombine.run(recombined(weight), seed=seed, log_dir=folder) for seed in seeds]
            rows.append({"weight": weight, "runs": [common.summary(run.folder / "result.json") for run in runs]})
    common.write("recombination.json", rows)


def recombined(weight: float) -> dict[str, Any]:
    """Return the quickstart with the target distribution in place of the contrast between clusters."""
    method: dict[str, Any] = json.loads(Path(_METHOD).read_text(encoding="utf-8"))
    finetuning = method["phases"][1]
    kept = [block for block in finetuning["design_patterns"] if block["pattern"] not in _REPLACED]
    target = {"pattern": "target_distribution", "target_distribution_recalculation_interval": 100}
    finetuning["design_patterns"] = [*kept, target | {"loss_weight": weight}]
    return method


if __name__ == "__main__":
    main()
