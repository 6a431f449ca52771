"""Measure the iterations of a convolutional autoencoder against the same ones written by hand, in alternation.

    python -m bench.convolutions [--rounds 15] [--repeats 2] [--samples 10000] [--device cpu] [--threads N]

The method is architecture 1 of Clustering with Deep Learning for MNIST: pretraining, and the clustering by the target
distribution, whose recomputation is left out on both sides. Made images stand in for MNIST's. By hand, kernels are
stored as torch does unless told otherwise; a second one stores them channels last. Writes
``bench/results/convolutions.json``, or ``convolutions_<device>.json``; ``bench/write_speed.py`` makes the page.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench import common, machine
from bench.stepping import Loop, alternate, ratio, read_method
from bench.steps import without_k_means

_METHOD = common.ROOT / "configurations" / "dcjc" / "mnist" / "architecture_1_kl.json"
_BATCH, _CLUSTERS, _LATENT, _DECAY = 100, 10, 120, 5e-5
_WARM_UP, _NEVER, _KERNEL_DIMENSIONS = 3, 10**6, 4


class Autoencoder(nn.Module):
    """Architecture 1 for MNIST and its mirror image."""

    def __init__(self) -> None:
        super().__init__()
        normalised = partial(nn.BatchNorm2d, eps=1e-4)
        self.first = nn.Sequential(nn.Conv2d(1, 50, 5, bias=False), normalised(50), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(50, 50, 5, bias=False), normalised(50), nn.ReLU())
        self.third = nn.Sequential(nn.Conv2d(50, 120, 4, bias=False), normalised(120))
        self.third_back = nn.Sequential(nn.ConvTranspose2d(120, 50, 4, bias=False), normalised(50))
        self.second_back = nn.Sequential(nn.ConvTranspose2d(50, 50, 5, bias=False), normalised(50), nn.ReLU())
        self.first_back = nn.Sequential(nn.ConvTranspose2d(50, 1, 5), nn.ReLU())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return features ``(B, 120)`` and reconstructions ``(B, 1, 28, 28)`` of images."""
        hidden, outer = F.max_pool2d_with_indices(self.first(x), (2, 2))
        hidden, inner = F.max_pool2d_with_indices(self.second(hidden), (2, 2))
        features = self.third(hidden)
        hidden = F.max_unpool2d(self.third_back(features), inner, [2, 2])
        hidden = F.max_unpool2d(self.second_back(hidden), outer, [2, 2])
        return features.flatten(1), self.first_back(hidden)


class ByHand:
    """The steps of both phases, without options, checks or a log.

    Args:
        images: Images ``(N, 1, 28, 28)``, uint8.
        device: Where to compute.
        memory_format: How kernels are stored.
    """

    def __init__(self, images: Tensor, device: torch.device, memory_format: torch.memory_format) -> None:
        self.images = images.to(device).float() / 255
        self.network = Autoencoder().to(device)
        for parameter in self.network.parameters():
            if parameter.ndim == _KERNEL_DIMENSIONS:
                parameter.data = parameter.data.contiguous(memory_format=memory_format)
        self.kernels = [value for name, value in self.network.named_parameters() if name.endswith("weight")]
        self.centroids = nn.Parameter(torch.randn(_CLUSTERS, _LATENT, device=device))
        self.target = torch.rand(len(images), _CLUSTERS, device=device).softmax(1)
        self.order = torch.randperm(len(images)).to(device)
        self.position = 0

    def steps(self) -> dict[str, Callable[[], None]]:
        """Return the step of each phase, with an optimizer of its own."""
        networks = list(self.network.parameters())
        make = partial(torch.optim.SGD, lr=0.01, momentum=0.9, nesterov=True)
        return {
            "pretraining": partial(self.pretrain, make(networks)),
            "clustering": partial(self.cluster, make([*networks, self.centroids])),
        }

    def pretrain(self, optimizer: torch.optim.Optimizer) -> None:
        """Reconstruct a batch by small kernels."""
        x = self.images[self._next()]
        decay = torch.stack([kernel.square().sum() for kernel in self.kernels]).sum()
        _descend(F.mse_loss(self.network(x)[1], x) + _DECAY * decay, optimizer)

    def cluster(self, optimizer: torch.optim.Optimizer) -> None:
        """Reconstruct a batch, and draw its soft assignments to their target."""
        index = self._next()
        x = self.images[index]
        features, reconstructed = self.network(x)
        norms = features.square().sum(1, keepdim=True) + self.centroids.square().sum(1)
        distances = torch.addmm(norms, features, self.centroids.T, alpha=-2).clamp_min(0)
        log_q = (-torch.log1p(distances)).log_softmax(1)
        _descend(F.mse_loss(reconstructed, x) + F.kl_div(log_q, self.target[index], reduction="sum"), optimizer)

    def _next(self) -> Tensor:
        start = self.position * _BATCH
        self.position = (self.position + 1) % (len(self.images) // _BATCH)
        return self.order[start : start + _BATCH]


def main() -> None:
    """Measure and write."""
    parser = machine.parser(__doc__, rounds=15)
    parser.add_argument("--repeats", type=int, default=2, help="iterations in one turn")
    parser.add_argument("--samples", type=int, default=10_000, help="made images")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = machine.settle(arguments, arguments.device)
    images = machine.made_images(arguments.samples)
    usual = ByHand(images.tensor(), device, torch.contiguous_format).steps()
    channels_last = ByHand(images.tensor(), device, torch.channels_last).steps()
    phases = {}
    for phase in usual:
        candidates = {
            "loop": Loop(once_drawn(), images, phase, arguments.device).step,
            "by_hand": usual[phase],
            "by_hand_channels_last": channels_last[phase],
        }
        phases[phase] = _phase(candidates, (arguments.rounds, arguments.repeats), device)
    described = {"machine": machine.machine(device), "samples": arguments.samples, "repeats": arguments.repeats}
    name = "convolutions.json" if device.type == "cpu" else f"convolutions_{device.type}.json"
    common.write(name, {**described, "phases": phases})


def once_drawn() -> dict[str, Any]:
    """Return the method with a target distribution that is never recomputed."""
    method = without_k_means(read_method(_METHOD))
    for mapping in method["mappings"]:
        if "architecture" in mapping:
            mapping["architecture"]["path_to_file"] = str(_METHOD.parent / mapping["architecture"]["path_to_file"])
    for block in method["phases"][1]["design_patterns"]:
        if "target_distribution_recalculation_interval" in block:
            block["target_distribution_recalculation_interval"] = _NEVER
    return method


def _phase(
    candidates: dict[str, Callable[[], None]], turns: tuple[int, int], device: torch.device
) -> dict[str, dict[str, Any]]:
    for call in candidates.values():
        for _ in range(_WARM_UP):
            call()
    seconds = alternate(candidates, *turns, device)
    ratios = {f"loop/{name}": ratio(seconds, "loop", name) for name in candidates if name != "loop"}
    return {"seconds": machine.spreads(seconds), "ratios": ratios}


def _descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


if __name__ == "__main__":
    main()
