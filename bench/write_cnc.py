"""The section of ``docs/results.md`` on clustering by normalised cuts; ``bench/write_results.py`` writes the page."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench import common

_PUBLISHED = (0.972, 0.924)
_METRICS = ("acc", "nmi", "ari")
_WORDS = (
    "`configurations/cnc`; the scores of the paper's tables are not at hand, .972/.924 on MNIST are from memory.\n",
    "*Oracle*: networks, views, graphs and rates of the variant with local scaling were chosen by ACC on MNIST's "
    "training split with seed 0. The test split had no part in any training: its clusters come from a forward pass.\n",
)
Table = Callable[[Sequence[str], Sequence[Sequence[object]]], str]
Run = dict[str, Any]


def section(table: Table) -> list[str]:
    """Return the section, or nothing where nothing was measured."""
    content = common.read("cnc.json")
    if content is None:
        return []
    found = [text for name, write in _PARTS.items() if name in content for text in write(content[name], table)]
    return ["## Clustering by expected normalised cuts (CNC, Nazi et al.)\n", *_WORDS, *found]


def _mnist(part: dict[str, Any], table: Table) -> Iterator[str]:
    first = part["runs"][0]
    iterations = " + ".join(f"{count:,}" for count in part["iterations"])
    yield (
        f"`mnist_local_scaling.json`, {iterations} iterations of 256 samples: one siamese network (seed "
        f"{part['siamese']['seed']}), and a classifier for each seed. "
        f"{first['machine']['threads']} thread, {part['precision']}, machine busy with other things.\n"
    )
    splits = list(first["datasets"])
    rows: list[list[object]] = []
    for run in part["runs"]:
        cells = [_three(run["datasets"][name]["scores"]) for name in splits]
        rows.append([run["seed"], *cells[0], *cells[1], f"{run['seconds'] / 60:.1f}"])
    means = [_spread(part["runs"], name) for name in splits]
    rows.append(["mean ± standard deviation", *means[0], *means[1], ""])
    rows.append(["of the paper, as remembered", *(f"{value:.3f}" for value in _PUBLISHED), "", "", "", "", ""])
    head = [f"{name} ({first['datasets'][name]['num_samples']:,}) ACC" for name in splits]
    yield table(["seed", head[0], "NMI", "ARI", head[1], "NMI", "ARI", "minutes of cutting"], rows)


def _choices(part: list[Run], table: Table) -> Iterator[str]:
    yield (
        "What the first cut depends on: the same siamese features and classifier, seed 0, without the refining phase. "
        "The graph matters most: two neighbours within a batch of 256 leave it in many parts, which a network that has "
        "learnt nothing cuts apart at no cost.\n"
    )
    rows = []
    for run in part:
        (name, scored), *_ = run["datasets"].items()
        yes_or_no = ["yes" if run[key] else "no" for key in ("self_loops", "gumbel_noise")]
        rows.append([run["graph"], *yes_or_no, f"{run['iterations']:,}", name, *_three(scored["scores"])])
    yield table(
        ["graph of a batch", "edges to itself", "Gumbel noise", "iterations", "dataset", "ACC", "NMI", "ARI"], rows
    )


def _spectral(part: dict[str, Any], table: Table) -> Iterator[str]:
    yield (
        f"Graphs of {part['num_samples']:,} of the training samples each, cut in several ways: "
        f"{part['num_neighbors']} nearest neighbours by the siamese features, scales from the distance to neighbour "
        f"{part['scale_neighbor']}, no edges to themselves. The network of seed 0 never saw these graphs, only others "
        f"of all samples, with moved images and a weight on balance; then it goes on with one of them for "
        f"{part['iterations']} iterations of half its samples, with neither. Lower cuts are better.\n"
    )
    rows = []
    for row in part["rows"]:
        samples = f"{row['first']:,} to {row['first'] + part['num_samples'] - 1:,}"
        rows.append([samples, row["way"], f"{row['cut']:.3f}", *_three(row["scores"])])
    for way in dict.fromkeys(row["way"] for row in part["rows"]):
        of_it = [row for row in part["rows"] if row["way"] == way]
        means = [statistics.mean(row["scores"][name] for row in of_it) for name in _METRICS]
        cut = statistics.mean(row["cut"] for row in of_it)
        rows.append(["mean", way, *(f"{value:.3f}" for value in (cut, *means))])
    yield table(["samples", "clusters from", "normalised cut", "ACC", "NMI", "ARI"], rows)


def _record(part: list[Run], table: Table) -> Iterator[str]:
    yield "Whole runs, neighbours and siamese networks included; `cnc_mnist` is as published but for the iterations.\n"
    rows = []
    for run in part:
        iterations = " + ".join(f"{count:,}" for count in run["iterations"])
        for name, scored in run["datasets"].items():
            place = [run["method"], run["seed"], run["precision"], iterations, f"{run['seconds'] / 60:.0f}", name]
            rows.append([*place, f"{scored['num_samples']:,}", *_three(scored["scores"])])
    yield table(
        ["configuration", "seed", "precision", "iterations", "minutes", "dataset", "n", "ACC", "NMI", "ARI"], rows
    )


def _recombinations(part: list[Run], table: Table) -> Iterator[str]:
    yield (
        "Recombinations on scikit-learn's digits, mean and standard deviation over the seeds. *Oracle*: settings of "
        "CNC on digits were looked at with seed 0, those of the hybrid are the quickstart's.\n"
    )
    rows = []
    for words in dict.fromkeys(run["what"] for run in part):
        runs = [run for run in part if run["what"] == words]
        seeds = ", ".join(str(run["seed"]) for run in runs)
        seconds = statistics.mean(run["seconds"] for run in runs)
        num_samples = runs[0]["datasets"]["Digits"]["num_samples"]
        rows.append([words, f"{num_samples:,}", seeds, *_spread(runs, "Digits"), f"{seconds:.0f}"])
    yield table(["method", "n", "seeds", "ACC", "NMI", "ARI", "seconds"], rows)


def _three(scores: dict[str, float]) -> list[str]:
    return [f"{scores[name]:.3f}" for name in _METRICS]


def _spread(runs: Sequence[Run], dataset: str) -> list[str]:
    """Return mean ± standard deviation of each score."""
    found = [[run["datasets"][dataset]["scores"][name] for run in runs] for name in _METRICS]
    return [f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}" for values in found]


_PARTS: dict[str, Callable[[Any, Table], Iterator[str]]] = {
    "mnist": _mnist,
    "choices": _choices,
    "spectral": _spectral,
    "record": _record,
    "recombinations": _recombinations,
}
