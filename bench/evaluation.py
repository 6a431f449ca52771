"""Measure an evaluation of MNIST's 60,000 images by dec_cc_hybrid against its matrix products alone.

    python -m bench.evaluation --data-root DIR [--rounds 7] [--device cpu] [--threads N]

The evaluation is what a run does at its interval: every image through the encoder 784-500-500-2000-10, soft assignments
to ten centroids, scores against the labels. The products are those of the encoder's four layers on batches of the same
sizes. Both take turns in one process. Writes ``bench/results/evaluation.json``, or ``evaluation_<device>.json``.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from bench import common, machine
from bench.stepping import alternate, ratio, read_method
from recombine.build import build_data, build_method
from recombine.data import Data
from recombine.datasets.base import Samples
from recombine.evaluate import batch_size, evaluate
from recombine.load import load_dict
from recombine.method import Method
from recombine.randomness import generator

_CLUSTERS = 10


def main() -> None:
    """Measure and write."""
    parser = machine.parser(__doc__, needs_data=True)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = machine.settle(arguments, arguments.device)
    method, data = _built(machine.mnist(arguments.data_root), device)
    sizes = list(_batches(data))
    factors = {rows: list(_operands(method, rows, device)) for rows in sorted(set(sizes))}
    operands = [pair for rows in sizes for pair in factors[rows]]
    candidates: dict[str, Callable[[], Any]] = {
        "evaluation": partial(evaluate, method, data),
        "products": partial(_multiply, operands),
    }
    for call in candidates.values():
        call()
    seconds = alternate(candidates, arguments.rounds, 1, device)
    content: dict[str, Any] = {
        "machine": machine.machine(device),
        "samples": data.num_samples,
        "batch_size": batch_size(data),
        "gflop_of_products": sum(2 * len(x) * w.numel() for x, w in operands) / 1e9,
        "seconds": machine.spreads(seconds),
        "evaluation/products": ratio(seconds, "evaluation", "products"),
    }
    common.write("evaluation.json" if device.type == "cpu" else f"evaluation_{device.type}.json", content)


def _built(samples: Samples, device: torch.device) -> tuple[Method, Data]:
    """Return the freshly initialised networks, centroids placed at random, and the data."""
    config = load_dict(read_method(machine.HYBRID)).require()
    data = build_data(config.datasets[0], samples, config.seed, device)
    method = build_method(config, _CLUSTERS, data.sample_shape()).to(device)
    centroids = method.require_centroids()
    draws = generator(config.seed, "bench")
    centroids.place(torch.rand(centroids.positions.shape, generator=draws).to(device))
    return method, data


def _batches(data: Data) -> Iterator[int]:
    """Yield the sizes of the batches of a full pass."""
    size = batch_size(data)
    for start in range(0, data.num_samples, size):
        yield min(size, data.num_samples - start)


def _operands(method: Method, rows: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the factors of the products of the encoder on a batch."""
    layers = [module for module in method.feature_extractor.modules() if isinstance(module, nn.Linear)]
    for layer in layers:
        yield torch.rand(rows, layer.in_features, device=device), layer.weight.detach().T


def _multiply(operands: list[tuple[Tensor, Tensor]]) -> None:
    """Do the products; each result is let go, as a network lets go of it."""
    for left, right in operands:
        torch.mm(left, right)


if __name__ == "__main__":
    main()
