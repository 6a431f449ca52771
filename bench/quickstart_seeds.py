"""Run the quickstart over several seeds, beside k-means on the raw pixels of the same samples.

    python -m bench.quickstart_seeds [--seeds 5]

Writes ``bench/results/quickstart.json``; ``bench/write_results.py`` makes the table.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import recombine
from bench import common
from recombine.datasets.digits import Digits
from recombine.distances import squared_distances
from recombine.kmeans import k_means
from recombine.metrics import score

_METHOD = common.ROOT / "configurations/quickstart/digits.json"
_RESTARTS = 20


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    with tempfile.TemporaryDirectory() as folder:
        runs = [_quickstart(seed, Path(folder)) for seed in seeds]
    common.write("quickstart.json", {"quickstart": runs, "k_means": [_k_means(seed) for seed in seeds]})


def _quickstart(seed: int, folder: Path) -> dict[str, Any]:
    result = recombine.run(_METHOD, seed=seed, log_dir=folder)
    return common.summary(result.folder / "result.json")


def _k_means(seed: int) -> dict[str, Any]:
    samples = Digits().decode()
    pixels = samples.tensor().flatten(1).float() / 255
    centres = k_means(pixels, num_clusters=10, num_restarts=_RESTARTS, seed=seed)
    clusters = squared_distances(pixels, centres).argmin(1)
    assert samples.labels is not None  # noqa: S101
    return {"seed": seed, "scores": score(samples.labels.numpy(), clusters.numpy()).as_dict()}


if __name__ == "__main__":
    main()
