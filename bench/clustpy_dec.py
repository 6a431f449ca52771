"""Measure epochs of DEC against ClustPy's, in alternation and in one process.

    python3 -m venv FOLDER && FOLDER/bin/pip install -e . clustpy
    FOLDER/bin/python -m bench.clustpy_dec --data-root DIR [--rounds 5] [--samples 12800] [--device cpu]

Same images of MNIST, network (784-500-500-2000-10 and back, LeakyReLU, ClustPy's own default), batches of 256 with the
incomplete last one, optimizer (Adam), and losses. Theirs is timed as it ships: ``FeedforwardAutoencoder.fit`` for an
epoch of pretraining and ``_DEC_Module.fit``, which DEC calls, for an epoch of clustering, both fed by ClustPy's own
DataLoader, progress bar included. Ours is the general loop with the log and the events of a run. ClustPy takes the
target distribution from the batch alone. Ours belongs to the whole dataset: ``ours`` keeps the one of the first
iteration, so that both do the same work in an epoch, and ``ours with pass`` recomputes it once an epoch, which ClustPy
never does. Writes ``bench/results/clustpy_dec.json``; ``bench/write_speed.py`` makes the page.
"""

import importlib
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from bench import common, machine
from bench.stepping import Loop, alternate, ratio
from recombine.datasets.base import Samples

_SIZES, _BATCH, _CLUSTERS = (784, 500, 500, 2000, 10), 256, 10
_RATES = {"pretraining": 0.001, "clustering": 0.0001}
_NEVER = 10**6


def main() -> None:
    """Measure and write."""
    parser = machine.parser(__doc__, rounds=5, needs_data=True)
    parser.add_argument("--samples", type=int, default=12_800, help="the first so many images")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = machine.settle(arguments, arguments.device)
    samples = machine.mnist(arguments.data_root).subset(0, arguments.samples - 1)
    theirs = Theirs(samples.tensor().flatten(1).float() / 255, device)
    every_epoch = -(-arguments.samples // _BATCH)
    phases: dict[str, dict[str, Callable[[], None]]] = {
        "pretraining": {"theirs": theirs.pretrain, "ours": Epoch("pretraining", samples, _NEVER, device)},
        "clustering": {
            "theirs": theirs.cluster,
            "ours": Epoch("clustering", samples, _NEVER, device),
            "ours with pass": Epoch("clustering", samples, every_epoch, device),
        },
    }
    measured = {name: _measure(candidates, arguments.rounds, device) for name, candidates in phases.items()}
    described = {"machine": machine.machine(device), "clustpy": version("clustpy"), "samples": arguments.samples}
    content = {**described, "batch": _BATCH, "sizes": _SIZES, "epochs": measured}
    common.write("clustpy_dec.json" if device.type == "cpu" else f"clustpy_dec_{device.type}.json", content)


class Theirs:
    """ClustPy's autoencoder and DEC.

    Args:
        images: Images ``(N, 784)``, float32 in [0, 1].
        device: Where to compute.
    """

    def __init__(self, images: Tensor, device: torch.device) -> None:
        self._device = device
        self._network = _clustpy("deep.neural_networks").FeedforwardAutoencoder(list(_SIZES)).to(device)
        self._loader = _clustpy("deep").get_dataloader(images, _BATCH, shuffle=True)
        centroids = torch.rand(_CLUSTERS, _SIZES[-1]).numpy()
        self._dec = _clustpy("deep.dec")._DEC_Module(centroids, alpha=1.0).to(device)
        parameters = [*self._network.parameters(), *self._dec.parameters()]
        self._optimizer = torch.optim.Adam(parameters, lr=_RATES["clustering"])

    def pretrain(self) -> None:
        """Do an epoch of pretraining."""
        self._network.fit(n_epochs=1, optimizer_params={"lr": _RATES["pretraining"]}, dataloader=self._loader)

    def cluster(self) -> None:
        """Do an epoch of clustering, without reconstruction, as DEC does it."""
        unused = nn.functional.mse_loss
        self._dec.fit(self._network, self._loader, 1, self._device, self._optimizer, unused, 1.0, 0.0)


def method(recalculation_interval: int) -> dict[str, Any]:
    """Return DEC as a method, with the settings of ClustPy."""
    return {
        "name": "dec_like_clustpy",
        "mappings": [_mapping("encoder", _SIZES), _mapping("decoder", _SIZES[::-1])],
        "phases": [
            _phase(
                "pretraining",
                0,
                {"pattern": "reconstruction", "encoder_name": "encoder", "decoder_name": "decoder"},
                {"trained_mapping_names": ["encoder", "decoder"]},
            ),
            _phase(
                "clustering",
                1,
                {
                    "pattern": "target_distribution",
                    "target_distribution_recalculation_interval": recalculation_interval,
                },
                {"trained_mapping_names": ["encoder"], "optimizes_centroids": True},
            ),
        ],
        "cluster_assignment_strategy": {
            "type": "centroid_similarity",
            "similarity_measure": "student_t",
            "use_centroids_during_phases": ["clustering"],
            "centroid_initialization_strategy": "random_feature_representations",
            "centroid_recalculation_strategy": "recalculation_by_design_pattern",
        },
        "datasets": [
            {
                "name": "MNIST",
                "dataset": "MNIST",
                "root": ".",
                "batch_size": _BATCH,
                "num_clusters": _CLUSTERS,
                "shuffle": True,
                "drop_last": False,
            }
        ],
    }


def _mapping(name: str, sizes: tuple[int, ...]) -> dict[str, Any]:
    layers: list[dict[str, Any]] = [{"type": "Flatten"}]
    for size, following in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [{"type": "Linear", "in_features": size, "out_features": following}, {"type": "LeakyReLU"}]
    kind = "feature_extractor" if name == "encoder" else "design_pattern_specific"
    return {"name": name, "type": kind, "layers": layers[:-1]}


def _phase(name: str, order: int, pattern: dict[str, Any], trained: dict[str, Any]) -> dict[str, Any]:
    optimizer = {"type": "Adam", "lr": _RATES[name], **trained}
    criteria = {"iterations": _NEVER}
    described = {"name": name, "order": order, "exit_criteria": criteria}
    return {**described, "design_patterns": [pattern], "optimizers": [optimizer]}


class Epoch:
    """Does epochs of a phase in the general loop.

    Args:
        phase: The phase's name.
        samples: What to train on.
        recalculation_interval: Iterations between two passes that recompute the target distribution.
        device: Where to compute.
    """

    def __init__(self, phase: str, samples: Samples, recalculation_interval: int, device: torch.device) -> None:
        self._loop = Loop(method(recalculation_interval), samples, phase, str(device))

    def __call__(self) -> None:
        """Do as many iterations as there are batches."""
        for _ in range(self._loop.phase.data.batches_per_epoch):
            self._loop.step()


def _measure(candidates: dict[str, Callable[[], None]], rounds: int, device: torch.device) -> dict[str, Any]:
    for call in candidates.values():
        call()
    seconds = alternate(candidates, rounds, 1, device)
    ratios = {f"theirs/{name}": ratio(seconds, "theirs", name) for name in candidates if name != "theirs"}
    return {"seconds": machine.spreads(seconds), "ratios": ratios}


def _clustpy(module: str) -> Any:
    """Return a module of ClustPy, which is no dependency of this project."""
    try:
        return importlib.import_module(f"clustpy.{module}")
    except ImportError as error:
        raise SystemExit(f"ClustPy cannot be imported ({error}); its place is an environment of its own") from error


if __name__ == "__main__":
    main()
