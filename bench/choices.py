"""Measure what the code chooses between: one concatenated batch or several, one kernel or a loop, whose k-means.

    python -m bench.choices [--rounds 9] [--threads N] [--device cuda]

``views``: forward and backward of several views of 256 samples through a network, as one batch against one after the
other. ``optimizers``: a step over the parameters of an encoder by one kernel against torch's default. ``k_means``:
scikit-learn's on the CPU against the project's own on the device, same points and restarts. Writes
``bench/results/choices.json``; ``bench/write_speed.py`` makes the page.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from bench import common, machine
from bench.bare import BATCH, mlp
from bench.stepping import alternate, ratio
from recombine import kmeans, lloyd

_POINTS, _FEATURES, _CLUSTERS, _RESTARTS = 20_000, 10, 10, 5
_REPEATS = 3


def main() -> None:
    """Measure and write."""
    parser = machine.parser(__doc__, rounds=9)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = machine.settle(arguments, arguments.device)
    content = {
        "machine": machine.machine(device),
        "views": {
            f"{name}, {views} views": _views(network, views, arguments.rounds, device)
            for name, network in _networks(device).items()
            for views in (2, 3)
        },
        "optimizers": {name: _optimizer(name, arguments.rounds, device) for name in ("SGD", "Adam")},
        "k_means": _k_means(arguments.rounds, device),
    }
    common.write("choices.json" if device.type == "cpu" else f"choices_{device.type}.json", content)


def _networks(device: torch.device) -> dict[str, nn.Module]:
    convolutions = [nn.Conv2d(1, 32, 5, 2, 2), nn.ReLU(), nn.Conv2d(32, 64, 5, 2, 2), nn.ReLU(), nn.Flatten()]
    return {
        "linear layers 784-500-500-2000-10": mlp(784, 500, 500, 2000, 10).to(device),
        "two convolutions of 28 x 28": nn.Sequential(nn.Unflatten(1, (1, 28, 28)), *convolutions).to(device),
    }


def _views(network: nn.Module, count: int, rounds: int, device: torch.device) -> dict[str, Any]:
    views = [torch.rand(BATCH, 784, device=device) for _ in range(count)]
    weights = list(network.parameters())
    candidates = {
        "together": lambda: _backward([part for part in network(torch.cat(views)).split(BATCH)], weights),
        "apart": lambda: _backward([network(view) for view in views], weights),
    }
    return _compared(candidates, rounds, device)


def _backward(outputs: list[torch.Tensor], weights: list[nn.Parameter]) -> None:
    torch.autograd.grad(torch.stack([output.square().mean() for output in outputs]).sum(), weights)


def _optimizer(name: str, rounds: int, device: torch.device) -> dict[str, Any]:
    momentum = {"momentum": 0.9} if name == "SGD" else {}
    steps = {}
    for way, arguments in (("one kernel", {"fused": True}), ("default", {})):
        network = mlp(784, 500, 500, 2000, 10).to(device)
        for parameter in network.parameters():
            parameter.grad = torch.rand_like(parameter)
        kind = getattr(torch.optim, name)
        steps[way] = kind(network.parameters(), lr=1e-3, **momentum, **arguments).step
    return _compared(steps, rounds, device)


def _k_means(rounds: int, device: torch.device) -> dict[str, Any]:
    draws = torch.Generator().manual_seed(0)
    centres = 4 * torch.randn(_CLUSTERS, _FEATURES, generator=draws)
    labels = torch.randint(_CLUSTERS, (_POINTS,), generator=draws)
    points = centres[labels] + torch.randn(_POINTS, _FEATURES, generator=draws)
    there = points.to(device)
    candidates = {
        "own": lambda: lloyd.best_centres(there, _CLUSTERS, _RESTARTS, torch.Generator().manual_seed(0)),
        "scikit-learn": lambda: kmeans.k_means(points, _CLUSTERS, _RESTARTS, 0),
    }
    return {"points": _POINTS, "restarts": _RESTARTS, **_compared(candidates, rounds, device, 1)}


def _compared(
    candidates: dict[str, Callable[[], Any]], rounds: int, device: torch.device, repeats: int = _REPEATS
) -> dict[str, Any]:
    for call in candidates.values():
        call()
    seconds = alternate(candidates, rounds, repeats, device)
    first, second = candidates
    return {"seconds": machine.spreads(seconds), "ratios": {f"{first}/{second}": ratio(seconds, first, second)}}


if __name__ == "__main__":
    main()
