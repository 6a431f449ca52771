"""Run every MNIST and Fashion-MNIST configuration from the command line with shortened phases, to the final line.

    python -m bench.real_data --data-root DIR [--iterations 60]

Writes ``bench/results/real_data.json``; ``bench/write_results.py`` makes the table.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import common

_CONFIGURATIONS = common.ROOT / "configurations"


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", required=True)
    parser.add_argument("--iterations", type=int, default=60)
    arguments = parser.parse_args()
    files = sorted(path for path in _CONFIGURATIONS.glob("*/*.json") if "mnist" in path.stem)
    rows = []
    for path in files:
        for dataset in ("MNIST", "FashionMNIST"):
            rows.append(_run(path, dataset, arguments.data_root, arguments.iterations))
    common.write("real_data.json", rows)


def _run(path: Path, dataset: str, data_root: str, iterations: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        sets = [part for text in _shortened(path, dataset, iterations) for part in ("--set", text)]
        command = [sys.executable, "main.py", str(path), "--data-root", data_root, "--log-dir", folder, *sets]
        done = subprocess.run(command, cwd=common.ROOT, capture_output=True, text=True, check=False)  # noqa: S603
        finals = [line.partition("] ")[2] for line in done.stdout.splitlines() if "Final performance" in line]
        results = list(Path(folder).glob("*/result.json"))
        result = common.summary(results[0]) if results else {"datasets": {}}
    return {
        "configuration": str(path.relative_to(common.ROOT)),
        "dataset": dataset,
        "exit_status": done.returncode,
        "iterations_per_phase": iterations,
        "last_line": finals[-1] if finals else done.stderr[-500:],
        "samples_scored": {name: entry["num_samples"] for name, entry in result["datasets"].items()},
    }


def _shortened(path: Path, dataset: str, iterations: int) -> list[str]:
    method = json.loads(path.read_text(encoding="utf-8"))
    sets = []
    for i, phase in enumerate(method["phases"]):
        sets.append(f'/phases/{i}/exit_criteria={{"iterations": {iterations}}}')
        for j, pattern in enumerate(phase["design_patterns"]):
            place = f"/phases/{i}/design_patterns/{j}"
            pairs = pattern.get("encoder_decoder_layer_pairs", [])
            each = iterations // max(len(pairs), 1)
            sets += [f"{place}/encoder_decoder_layer_pairs/{k}/train_for_iterations={each}" for k in range(len(pairs))]
    sets += [f"/datasets/{i}/dataset={dataset}" for i in range(len(method["datasets"]))]
    split = ("Train", "Test")
    return [*sets, *(f"/datasets/{i}/name={dataset}-{split[i]}" for i in range(len(method["datasets"])))]


if __name__ == "__main__":
    main()
