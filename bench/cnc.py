"""Measure clustering by normalised cuts (Nazi et al. 2019) for the tables of results.

    python -m bench.cnc mnist --data-root DIR --log-dir DIR [--seeds 0 1 2] [--precision bfloat16]
    python -m bench.cnc choices --data-root DIR --log-dir DIR
    python -m bench.cnc spectral --data-root DIR --log-dir DIR
    python -m bench.cnc recombinations [--seeds 0 1 2 3 4] [--only CNC ...]
    python -m bench.cnc record LOG_DIR ...

``mnist`` trains the siamese network of ``configurations/cnc/mnist_local_scaling.json`` once, with the first seed, and
cuts with every seed. ``choices`` cuts by other graphs, with and without edges of samples to themselves, and noise.
``spectral`` takes three times 5,000 of MNIST's training samples and the graphs of those siamese features, and cuts them
by scikit-learn's spectral clustering, by the first seed's network, and by that network trained on a graph for some
iterations more. ``recombinations`` runs the methods on digits,
beside the same ones without normalised cuts. ``record`` keeps finished runs of the other configurations. Each
writes its part of ``bench/results/cnc.json``; ``bench/write_results.py`` makes the tables.
"""

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.cluster import SpectralClustering
from torch import Tensor

from bench import common
from recombine.affinity import gaussian
from recombine.build import build_mapping, load_samples
from recombine.datasets.base import Samples
from recombine.load import load_file
from recombine.metrics import agreement, counts
from recombine.neighbors import Search, nearest_neighbors
from recombine.parameter_files import load_parameters

_FOLDER = common.ROOT / "configurations" / "cnc"
_FILE, _METHOD, _PARAMETERS = "cnc.json", "mnist_local_scaling.json", "siamese.pt"
_CLASSIFIER = "classifier.pt"
_SUBSET, _SUBSETS, _NEIGHBORS, _SCALE_NEIGHBOR, _TUNING = 5_000, 3, 10, 4, 150
_ASSIGNING = ("kmeans", "cluster_qr")
_FEATURES = {"source": "features", "mapping_name": "siamese"}
_GRAPHS: dict[str, dict[str, Any]] = {"2 nearest neighbours": {"num_neighbors": 2}, "full": {"graph": "full"}}
_RECORDED = ("cnc_mnist_local_scaling", "cnc_fashion_mnist", "cnc_mnist")

Labels = NDArray[Any]
Graph = Any  # a scipy.sparse.csr_matrix, which has no types


def main() -> None:
    """Measure or read, and write."""
    arguments = _arguments()
    found = {
        "mnist": _mnist,
        "choices": _choices,
        "spectral": _spectral,
        "recombinations": _recombinations,
        "record": _recorded,
    }
    part = found[arguments.command](arguments)
    common.write(_FILE, {**(common.read(_FILE) or {}), arguments.command: part})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("mnist", "choices", "spectral"):
        command = commands.add_parser(name)
        command.add_argument("--data-root", type=Path, default=os.environ.get("RECOMBINE_DATA_ROOT"))
        command.add_argument("--log-dir", type=Path, required=True, help="keeps the runs, and the siamese network")
        command.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
        command.add_argument("--precision", default="float32")
    recombinations = commands.add_parser("recombinations")
    recombinations.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    recombinations.add_argument("--only", nargs="+", help="the methods to run; the others stay as they were measured")
    commands.add_parser("record").add_argument("logs", type=Path, nargs="+")
    return parser.parse_args()


def _mnist(arguments: argparse.Namespace) -> dict[str, Any]:
    method = _method(_METHOD)
    method["precision"] = arguments.precision
    learning, cutting = method["phases"][:2], method["phases"][2:]
    folder = arguments.log_dir / "methods"
    folder.mkdir(parents=True, exist_ok=True)
    saving = {"name": "saving", "order": 2, "exit_criteria": {"iterations": 1}, "design_patterns": []}
    saving["save_mapping_parameters"] = [_saved("siamese", _PARAMETERS)]
    once = {**method, "name": "cnc_siamese", "phases": [*learning, saving]}
    _run(once, folder, arguments, arguments.seeds[0])
    cutting[0]["load_mapping_parameters"] = [{"mapping_name": "siamese", "path_to_file": _PARAMETERS}]
    again = {**method, "phases": cutting}
    runs = []
    for seed in arguments.seeds:
        is_first = seed == arguments.seeds[0]
        cutting[-1]["save_mapping_parameters"] = [_saved("classifier", _CLASSIFIER)] if is_first else []
        runs.append(_run(again, folder, arguments, seed))
    return {
        "iterations": [phase["exit_criteria"]["iterations"] for phase in (*learning, *cutting)],
        "siamese": {"seed": arguments.seeds[0]},
        "precision": arguments.precision,
        "runs": runs,
    }


def _saved(mapping: str, file: str) -> dict[str, Any]:
    return {
        "mapping_name": mapping,
        "path_to_file_or_dir": file,
        "saving_interval": 1_000_000,
        "keep_old_files": False,
    }


def _choices(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Cut by other graphs, with the siamese network that ``mnist`` left."""
    method, rows = _method(_METHOD), []
    method["precision"] = arguments.precision
    phase = method["phases"][2]
    phase["load_mapping_parameters"] = [{"mapping_name": "siamese", "path_to_file": _PARAMETERS}]
    method |= {"name": "cnc_choices", "phases": [phase]}
    for words, graph in _GRAPHS.items():
        for loops, noise in ((True, True), (True, False), (False, True), (False, False)):
            (block,) = phase["design_patterns"]
            block["affinity"] = {**_FEATURES, **graph, "self_loops": loops}
            block["gumbel_noise"] = noise
            found = _run(method, arguments.log_dir / "methods", arguments, arguments.seeds[0])
            place = {"graph": words, "self_loops": loops, "gumbel_noise": noise}
            rows.append({**place, "iterations": phase["exit_criteria"]["iterations"], **found})
    return rows


def _run(method: dict[str, Any], folder: Path, arguments: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Run a method from the command line; return its summary with the scores at each evaluation."""
    path = folder / f"{method['name']}.json"
    path.write_text(json.dumps(method, indent=2), encoding="utf-8")
    before = set(arguments.log_dir.glob("*/result.json"))
    command = [sys.executable, "main.py", str(path), "--log-dir", str(arguments.log_dir), "--seed", str(seed)]
    command += ["--data-root", str(arguments.data_root)] if arguments.data_root is not None else []
    subprocess.run(command, cwd=common.ROOT, check=True)  # noqa: S603
    (result,) = set(arguments.log_dir.glob("*/result.json")) - before
    return {**common.summary(result), "history": common.history(result.parent)}


def _spectral(arguments: argparse.Namespace) -> dict[str, Any]:
    """Cut graphs of parts of the training samples in several ways."""
    config = load_file(_FOLDER / _METHOD).require()
    samples = load_samples(config.datasets[0], config.folder, arguments.data_root)
    siamese = build_mapping(config.mappings[0], seed=0)
    load_parameters(siamese, arguments.log_dir / "methods" / _PARAMETERS)
    result = min(arguments.log_dir.glob("*_cnc_mnist_local_scaling_*/result.json"))
    rows = []
    for part in range(_SUBSETS):
        first, end = part * _SUBSET, (part + 1) * _SUBSET
        images, labels = samples.tensor()[first:end].float() / samples.scale, _labels(samples)[first:end].numpy()
        with torch.no_grad():
            graph = _graph(torch.cat([siamese(each) for each in torch.split(images, 1_000)]))
        ways = {
            "CNC, trained on all 60,000": _assigned(result)[first:end],
            "CNC, then trained on this graph": _tuned(arguments, first, end),
            **{f"spectral clustering, {by}": _spectrally(graph, by) for by in _ASSIGNING},
            "classes": labels,
        }
        for way, clusters in ways.items():
            scores = agreement(counts(labels, clusters)).as_dict()
            rows.append({"first": first, "way": way, "cut": normalized_cut(graph, clusters), "scores": scores})
    return {
        "num_samples": _SUBSET,
        "num_neighbors": _NEIGHBORS,
        "scale_neighbor": _SCALE_NEIGHBOR,
        "iterations": _TUNING,
        "rows": rows,
    }


def _tuned(arguments: argparse.Namespace, first: int, end: int) -> Labels:
    """Return the clusters after training the first seed's network on the graph of a part of the samples."""
    method = _method(_METHOD)
    phase = {**method["phases"][-1], "order": 0, "exit_criteria": {"iterations": _TUNING}}
    del phase["sampling"]
    phase["load_mapping_parameters"] = [
        {"mapping_name": "siamese", "path_to_file": _PARAMETERS},
        {"mapping_name": "classifier", "path_to_file": _CLASSIFIER},
    ]
    phase["design_patterns"] = [{**phase["design_patterns"][0], "imbalance_loss_weight": 0}]
    del phase["design_patterns"][0]["batch_augmentation_name"]
    phase["optimizer_learning_rate_schedulers"] = [
        {**block, "T_max": _TUNING} for block in phase["optimizer_learning_rate_schedulers"]
    ]
    places = {"index_of_first_sample_to_use": first, "index_of_last_sample_to_use": end - 1}
    dataset = {**method["datasets"][0], **places, "batch_size": (end - first) // 2}
    del dataset["batch_augmentations"]
    tuned = {**method, "name": f"cnc_tuned_{first}", "phases": [phase], "datasets": [dataset]}
    _run(tuned, arguments.log_dir / "methods", arguments, arguments.seeds[0])
    return _assigned(max(arguments.log_dir.glob(f"*_cnc_tuned_{first}_*/result.json")))


def normalized_cut(graph: Graph, clusters: Labels) -> float:
    """Return the sum over clusters of the weight of edges that leave it, divided by its volume."""
    one_hot = np.eye(clusters.max() + 1)[clusters]
    one_hot = one_hot[:, one_hot.any(0)]
    within, volumes = (one_hot * (graph @ one_hot)).sum(0), np.asarray(graph.sum(1)).ravel() @ one_hot
    return float((1 - within / volumes).sum())


def _graph(points: Tensor) -> Graph:
    """Return the affinities of points as the refining phase has them: nearest neighbours, local scales, no loops."""
    found = nearest_neighbors(points, Search(_NEIGHBORS, "exact", 0))
    squared = found.distances.square()
    weights = gaussian(squared, squared[:, _SCALE_NEIGHBOR - 1 : _SCALE_NEIGHBOR])
    rows = np.repeat(np.arange(len(points)), _NEIGHBORS)
    shape = (len(points), len(points))
    directed = csr_matrix((weights.flatten().double().numpy(), (rows, found.indices.flatten().numpy())), shape=shape)
    symmetric: Graph = (directed + directed.T) / 2
    return symmetric


def _spectrally(graph: Graph, assign: str) -> Labels:
    made = SpectralClustering(10, affinity="precomputed", assign_labels=assign, random_state=0)
    clusters: Labels = made.fit_predict(graph)
    return clusters


def _labels(samples: Samples) -> Tensor:
    if samples.labels is None:
        raise SystemExit("the samples have no labels")
    return samples.labels


def _assigned(result: Path) -> Labels:
    """Return the clusters of the training samples, as a run kept them."""
    datasets = json.loads(result.read_text(encoding="utf-8"))["datasets"]
    (file,) = [entry["assignments"] for name, entry in datasets.items() if "train" in name]
    return np.loadtxt(result.parent / file, delimiter=",", skiprows=1, usecols=1, dtype=np.int64)


def _recombinations(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    of_dec, in_hybrid = _method("digits_cut_of_dec_features.json"), _method("digits_cut_in_hybrid.json")
    methods = {
        "DEC": _without_cuts(of_dec, ()),
        "DEC, then the normalised cut of its features": of_dec,
        "hybrid, with the target distribution": _without_cuts(in_hybrid, ("target_distribution",)),
        "hybrid, with the normalised cut in its place": in_hybrid,
        "CNC": _method("digits.json"),
    }
    known = (common.read(_FILE) or {}).get("recombinations", [])
    wanted = arguments.only or list(methods)
    rows = [row for row in known if row["what"] not in wanted]
    for words, method in ((words, methods[words]) for words in wanted):
        for seed in arguments.seeds:
            with tempfile.TemporaryDirectory() as folder:
                options = argparse.Namespace(log_dir=Path(folder), data_root=None)
                rows.append({"what": words, **_run(method, Path(folder), options, seed)})
    return rows


def _without_cuts(method: dict[str, Any], instead: Sequence[str]) -> dict[str, Any]:
    """Return a method without its normalised cuts: with other patterns for the same views, or none and no phase."""
    changed = copy.deepcopy(method)
    for phase in changed["phases"]:
        kept = []
        for block in phase["design_patterns"]:
            if block["pattern"] != "normalized_cut":
                kept.append(block)
            for name in instead if block["pattern"] == "normalized_cut" else ():
                kept.append({key: block[key] for key in ("batch_augmentation_name", "loss_weight")} | {"pattern": name})
                kept[-1]["target_distribution_recalculation_interval"] = 50
        phase["design_patterns"] = kept
    if not instead:
        changed["phases"] = [phase for phase in changed["phases"] if phase["name"] != "cutting"]
        changed["cluster_assignment_strategy"]["use_centroids_during_phases"].remove("cutting")
    return changed


def _recorded(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    files = [file for folder in arguments.logs for file in sorted(folder.glob("*/result.json"))]
    found = [{**common.summary(file), "history": common.history(file.parent)} for file in files]
    for entry, file in zip(found, files, strict=True):
        config = json.loads((file.parent / "config.json").read_text(encoding="utf-8"))
        entry["iterations"] = [
            phase["exit_criteria"]["iterations"] for phase in config["phases"] if "iterations" in phase["exit_criteria"]
        ]
        entry["precision"] = config["precision"]
    return [entry for entry in found if entry["method"] in _RECORDED and entry["status"] == "finished"]


def _method(name: str) -> dict[str, Any]:
    method: dict[str, Any] = json.loads((_FOLDER / name).read_text(encoding="utf-8"))
    del method["$schema"]
    return method


if __name__ == "__main__":
    main()
