"""Measure how much memory a run holds by the number of its samples, which lie in a file.

    python -m bench.memory [--samples 60000 600000 6000000] [--folder DIR] [--threads 1]

Each number of made images of 28 x 28 bytes is written to a file of its own in ``DIR`` (4.7 GB for 6,000,000, deleted
afterwards) and clustered in a process of its own by the dataset ``Images``: a small encoder 784-128-10 is pretrained
for 20 iterations, centroids are placed by k-means, the target distribution is computed twice in 20 more, the clusters
are evaluated once in training and scored in the end. The kernel is asked every 20 ms for the memory that the process
holds and that is no copy of a file (``RssAnon``). Linux alone tells. Writes ``bench/results/memory.json``.

Beside what every run holds, a sample may take 8 bytes for its place in the order and 4 (K + D) for target and features.
Few samples are also held as float32, up to 1 GiB, which is why 600,000 take less than 60,000 do.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import common, machine
from recombine.api import run
from recombine.kmeans import SAMPLE_LIMIT

_PIXELS, _SIDE, _CLUSTERS, _FEATURES, _HIDDEN = 784, 28, 10, 10, 128
_BLOCK, _POLL_SECONDS = 50_000, 0.02
_ORDER_BYTES, _FLOAT_BYTES = 8, 4


def main() -> None:
    """Measure and write, or be the process that is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[60_000, 600_000, 6_000_000])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="has room for the images")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.run is not None:
        run(method(arguments.run), log_dir=arguments.run / "logs")
        return
    rows = [_measured(count, arguments.folder, arguments.threads) for count in sorted(arguments.samples)]
    content = {
        "machine": machine.machine(),
        "encoder": [_PIXELS, _HIDDEN, _FEATURES],
        "k_means_sample_limit": SAMPLE_LIMIT,
        "rows": rows,
        "differences": [_difference(fewer, rows[-1]) for fewer in rows[:-1]],
    }
    common.write("memory.json", content)


def method(folder: Path) -> dict[str, Any]:
    """Return the method that is measured, on the images of a folder."""
    wide = {"type": "Linear", "in_features": _PIXELS, "out_features": _HIDDEN}
    encoder = [wide, {"type": "ReLU"}, {"type": "Linear", "in_features": _HIDDEN, "out_features": _FEATURES}]
    back = {"type": "Linear", "in_features": _HIDDEN, "out_features": _PIXELS}
    decoder = [{"type": "Linear", "in_features": _FEATURES, "out_features": _HIDDEN}, {"type": "ReLU"}, back]
    names = {"encoder_name": "encoder", "decoder_name": "decoder"}
    both = {"type": "Adam", "lr": 0.001, "trained_mapping_names": ["encoder", "decoder"]}
    one = {"type": "Adam", "lr": 0.001, "trained_mapping_names": ["encoder"], "optimizes_centroids": True}
    phases = [
        _phase("pretraining", {"pattern": "reconstruction", **names}, both),
        _phase("finetuning", {"pattern": "target_distribution", "target_distribution_recalculation_interval": 10}, one),
    ]
    dataset = {"dataset": "Images", "root": str(folder / "images.npy"), "labels": "labels.npy", "shuffle": True}
    return {
        "name": "memory",
        "device": "cpu",
        "mappings": [
            {"name": "encoder", "type": "feature_extractor", "layers": [{"type": "Flatten"}, *encoder]},
            {"name": "decoder", "type": "design_pattern_specific", "layers": decoder},
        ],
        "phases": [{**phase, "order": order} for order, phase in enumerate(phases)],
        "cluster_assignment_strategy": {"type": "centroid_similarity", "use_centroids_during_phases": ["finetuning"]},
        "datasets": [{**dataset, "batch_size": 256, "num_clusters": _CLUSTERS}],
    }


def _phase(name: str, pattern: dict[str, Any], optimizer: dict[str, Any]) -> dict[str, Any]:
    """Return a phase of 20 iterations; the target, where there is one, is computed twice."""
    return {
        "name": name,
        "exit_criteria": {"iterations": 20},
        "performance_evaluation_interval": 20,
        "design_patterns": [pattern],
        "optimizers": [optimizer],
    }


def _measured(count: int, folder: Path, threads: int) -> dict[str, Any]:
    """Return what a run on ``count`` samples held."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        _write_images(Path(place), count)
        started = time.monotonic()
        command = [sys.executable, "-m", "bench.memory", "--run", place, "--threads", str(threads)]
        child = subprocess.Popen(command, cwd=common.ROOT)  # noqa: S603
        peak = 0
        while child.poll() is None:
            peak = max(peak, _anonymous(child.pid))
            time.sleep(_POLL_SECONDS)
        if child.returncode != 0:
            raise SystemExit(f"the run on {count} samples ended with {child.returncode}")
    return {"samples": count, "peak_anonymous_bytes": peak, "seconds": time.monotonic() - started}


def _write_images(folder: Path, count: int) -> None:
    """Write images of ten classes, each a pattern under noise, and their labels, a block at a time."""
    draws = np.random.default_rng(0)
    patterns = draws.integers(0, 128, (_CLUSTERS, _SIDE, _SIDE), dtype=np.uint8)
    labels = draws.integers(0, _CLUSTERS, count, dtype=np.uint8)
    np.save(folder / "labels.npy", labels)
    shape = (count, _SIDE, _SIDE)
    images = np.lib.format.open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
    noise = draws.integers(0, 128, (_BLOCK, _SIDE, _SIDE), dtype=np.uint8)
    for start in range(0, count, _BLOCK):
        block = labels[start : start + _BLOCK]
        images[start : start + _BLOCK] = patterns[block] + noise[: len(block)]
    images.flush()


def _anonymous(process: int) -> int:
    """Return the bytes that a process holds and that are no copy of a file; 0 where it has just ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return 0
    found = [line.split()[1] for line in lines if line.startswith("RssAnon:")]
    return int(found[0]) * 1024 if found else 0


def _difference(fewer: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Return what more samples took beside what fewer took, and what they may take."""
    samples = more["samples"] - fewer["samples"]
    grown = more["peak_anonymous_bytes"] - fewer["peak_anonymous_bytes"]
    return {
        "from_samples": fewer["samples"],
        "to_samples": more["samples"],
        "bytes_per_sample": grown / samples,
        "allowed_bytes_per_sample": _ORDER_BYTES + _FLOAT_BYTES * (_CLUSTERS + _FEATURES),
    }


if __name__ == "__main__":
    main()
