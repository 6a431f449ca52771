"""Scan weight, start and warm-up of the target distribution in dec_cc_hybrid on MNIST.

One pretraining serves all variants. Adam replaces SGD, so that a variant takes minutes instead of hours.

    python -m bench.scan_hybrid --data-root DIR [--work DIR] WEIGHT:START:WARM_UP:ITERATIONS ...

Each variant adds a row to ``bench/results/hybrid_scan.json``; ``bench/write_results.py`` makes the table.
"""

import argparse
import copy
import json
from pathlib import Path
from typing import Any

import recombine
from bench import common

_OUTPUT = "hybrid_scan.json"
_PRETRAINING = 6000
_EVALUATION_INTERVAL = 500


def main() -> None:
    """Pretrain if need be, then run every variant named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="+")
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=common.ROOT / "logs" / "scan")
    arguments = parser.parse_args()
    method = json.loads((common.ROOT / "configurations/dec_cc_hybrid/mnist.json").read_text(encoding="utf-8"))
    arguments.work.mkdir(parents=True, exist_ok=True)
    if not (arguments.work / "encoder.pth").exists():
        run(pretraining(method), arguments)
    rows = common.read(_OUTPUT) or []
    for variant in arguments.variants:
        weight, start, warm_up, iterations = variant.split(":")
        changed = finetuning(method, float(weight), int(start), int(warm_up), int(iterations))
        result = run(changed, arguments)
        row = {"weight": float(weight), "start": int(start), "warm_up": int(warm_up), "iterations": int(iterations)}
        entry = common.summary(result.folder / "result.json")
        rows.append({**row, "pretraining": _PRETRAINING, **entry, "history": common.history(result.folder)})
        common.write(_OUTPUT, rows)


def run(method: dict[str, Any], arguments: argparse.Namespace) -> recombine.Result:
    """Run a method whose parameter files lie in the work folder."""
    path = arguments.work / "method.json"
    path.write_text(json.dumps(method))
    return recombine.run(path, data_root=arguments.data_root, log_dir=arguments.work / "logs")


def pretraining(method: dict[str, Any]) -> dict[str, Any]:
    """Return the method with its pretraining only, saving encoder and decoder."""
    changed = copy.deepcopy(method)
    phase = changed["phases"][0]
    phase["exit_criteria"] = {"iterations": _PRETRAINING}
    phase["optimizers"] = [{"type": "Adam", "lr": 0.001, "trained_mapping_names": ["encoder", "decoder"]}]
    phase["save_mapping_parameters"] = [
        {
            "mapping_name": name,
            "saving_interval": _PRETRAINING,
            "path_to_file_or_dir": f"{name}.pth",
            "keep_old_files": False,
        }
        for name in ("encoder", "decoder")
    ]
    changed["phases"] = [phase]
    changed["cluster_assignment_strategy"] = {
        "type": "k_means_after_phase",
        "classical_clustering_in_feature_space_after_phase": phase["name"],
    }
    return changed


def finetuning(method: dict[str, Any], weight: float, start: int, warm_up: int, iterations: int) -> dict[str, Any]:
    """Return the method with its finetuning only, from the saved encoder, under another weight schedule."""
    changed = copy.deepcopy(method)
    phase = changed["phases"][1]
    phase["exit_criteria"] = {"iterations": iterations}
    phase["performance_evaluation_interval"] = _EVALUATION_INTERVAL
    phase["load_mapping_parameters"] = [{"mapping_name": "encoder", "path_to_file": "encoder.pth"}]
    phase["optimizers"] = [
        {"type": "Adam", "lr": 0.001, "trained_mapping_names": ["encoder", "head"], "optimizes_centroids": True}
    ]
    target = next(block for block in phase["design_patterns"] if block["pattern"] == "target_distribution")
    target["loss_weight"] = weight
    target["loss_weight_schedule"] = {"start_at_iteration": start, "warm_up_iterations": warm_up}
    changed["phases"] = [phase]
    return changed


if __name__ == "__main__":
    main()
