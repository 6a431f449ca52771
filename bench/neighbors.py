"""Measure the search for exact nearest neighbours beside scikit-learn's brute force, and on a million samples.

    python -m bench.neighbors [--data-root DIR] [--rounds 2] [--threads N] [--seconds 300] [--parts images ...]

``images``: the 10 nearest neighbours of MNIST's 60,000 training images among themselves, 784 numbers each, float32; of
as many made images without a data root. Both searches take turns in one process, with as many threads.

``million`` and ``themselves``, each in a process of its own, which says how much memory it held at most, on made
samples of 64 numbers: the neighbours of 20,000 queries among 1,000,000 references; and those of samples among
themselves, of as many as a trial on 50,000 says can be searched in the given time, a million at most.

Writes each part into ``bench/results/neighbors.json`` when it is done; the other parts there stay as they are.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits
from torch import Tensor

from bench import common, machine
from bench.stepping import alternate, ratio
from recombine.neighbors import Search, nearest_neighbors

_K, _IMAGES, _WARM_UP = 10, 60_000, 3_000
_REFERENCES, _QUERIES, _NUMBERS, _CENTRES, _TRIAL = 1_000_000, 20_000, 64, 100, 50_000
_BYTE, _KILO, _MARGIN = 255, 1024, 0.9
_PARTS = ("images", "million", "themselves")
_SEARCH = Search(_K, "exact", 0)

Found = tuple[NDArray[Any], NDArray[Any]]


def main() -> None:
    """Measure and write, or be the process that is measured."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    if arguments.references is not None:
        sys.stdout.write(json.dumps(_alone(arguments.references, arguments.queries)))
        return
    for name in arguments.parts:
        with threadpool_limits(arguments.threads):
            found = _part(name, arguments)
        # Written at once: a part takes minutes, and what is done is not to be lost with what is not.
        common.write("neighbors.json", {**(common.read("neighbors.json") or {}), name: found})


def _part(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what one part measures, and on what machine."""
    if name == "images":
        found = _beside(arguments.data_root, arguments.rounds)
    elif name == "million":
        found = _measured(_REFERENCES, _QUERIES, arguments.threads)
    else:
        found = _measured(_fitting(arguments.seconds, arguments.threads), 0, arguments.threads)
    return {"machine": machine.machine(), "k": _K, **found}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, default=os.environ.get("RECOMBINE_DATA_ROOT"), help="holds MNIST")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each search; one takes minutes")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=300.0, help="what the search among themselves may take")
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=_PARTS, help="what to measure")
    parser.add_argument("--references", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--queries", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def _beside(data_root: Path | None, rounds: int) -> dict[str, Any]:
    """Return what both searches took, and how far they agree."""
    samples = machine.made_images(_IMAGES) if data_root is None else machine.mnist(data_root)
    values = samples.tensor().flatten(1).float() / _BYTE
    for search in (_by_recombine, _by_scikit_learn):
        search(values[:_WARM_UP])
    searches = {"recombine": _Kept(_by_recombine, values), "scikit-learn": _Kept(_by_scikit_learn, values)}
    seconds = alternate(searches, rounds, 1)
    indices, distances = searches["recombine"].result
    other_indices, other_distances = searches["scikit-learn"].result
    return {
        "data": "made" if data_root is None else "MNIST, train",
        "samples": len(values),
        "numbers": values.shape[1],
        "seconds": machine.spreads(seconds),
        "recombine/scikit-learn": ratio(seconds, "recombine", "scikit-learn"),
        "share_of_equal_indices": float((indices == other_indices).mean()),
        "largest_difference_of_distances": float(np.abs(distances - other_distances).max()),
    }


class _Kept:
    """A search that keeps what it found last."""

    def __init__(self, search: Callable[[Tensor], Found], values: Tensor) -> None:
        self._search = search
        self._values = values
        self.result: Found

    def __call__(self) -> None:
        self.result = self._search(self._values)


def _by_recombine(values: Tensor) -> Found:
    found = nearest_neighbors(values, _SEARCH)
    return found.indices.numpy(), found.distances.numpy()


def _by_scikit_learn(values: Tensor) -> Found:
    distances, indices = NearestNeighbors(n_neighbors=_K, algorithm="brute").fit(values.numpy()).kneighbors()
    return indices, distances


def _fitting(seconds: float, threads: int) -> int:
    """Return how many samples can be searched among themselves in some seconds: the time grows with their square."""
    trial = _measured(_TRIAL, 0, threads)
    return min(_REFERENCES, int(_TRIAL * math.sqrt(_MARGIN * seconds / trial["seconds"])))


def _measured(references: int, queries: int, threads: int) -> dict[str, Any]:
    """Return what a search took in a process of its own."""
    command = [sys.executable, "-m", "bench.neighbors", "--threads", str(threads)]
    command += ["--references", str(references), "--queries", str(queries)]
    done = subprocess.run(command, cwd=common.ROOT, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise SystemExit(f"the search among {references} samples ended with {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _alone(references: int, queries: int) -> dict[str, Any]:
    """Return what a search takes in this process, among themselves where there are no queries."""
    draws = torch.Generator().manual_seed(0)
    centres = torch.randn(_CENTRES, _NUMBERS, generator=draws)
    values, others = _made(references, centres, draws), _made(queries, centres, draws) if queries else None
    before, started = _peak_bytes(), time.perf_counter()
    nearest_neighbors(values, _SEARCH, others)
    seconds = time.perf_counter() - started
    return {
        "references": references,
        "queries": queries or references,
        "numbers": _NUMBERS,
        "seconds": seconds,
        "peak_rss_bytes": _peak_bytes(),
        "rss_bytes_before": before,
        "bytes_of_samples": values.nbytes,
    }


def _made(num: int, centres: Tensor, draws: torch.Generator) -> Tensor:
    """Return samples around some centres, ``(num, D)``."""
    which = torch.randint(len(centres), (num,), generator=draws)
    return torch.randn(num, centres.shape[1], generator=draws).add_(centres[which])


def _peak_bytes() -> int:
    """Return the most memory that this process has held, as Linux counts it; what came before its start is left out."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(peak) * _KILO


if __name__ == "__main__":
    main()
