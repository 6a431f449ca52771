"""The section of ``docs/results.md`` on clustering sets; ``bench/write_results.py`` writes the page."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench import common

_METRICS = {"misclassification_rate": "MR", "nmi_geometric": "NMI", "ari": "ARI", "bbn_normalized": "BBN norm."}
_CHOSEN, _TRUE = "chosen k", "true k"
_MOMENTS = 6
_WORDS = (
    "`configurations/learning_to_cluster`. Training is supervised by classes that no evaluated set has (points are "
    "made afresh), so all scores are marked *oracle*. Mean ± population standard deviation over the test sets of a "
    "run; MR is the misclassification rate by the best one-to-one matching, NMI is normalised by the geometric mean. "
    "k-means and random assignment are told the true number of clusters; DBSCAN takes "
    "twice the median distance to the fourth neighbour of a point.\n",
    "Settings of the networks for points were looked at on other sets, those for images (dropout, turned classes) on "
    "the same test classes. Six classes are few to learn from: on images, k-means on the features that the network "
    "learnt does better when it is told the true number.\n",
)
Table = Callable[[Sequence[str], Sequence[Sequence[object]]], str]


def section(table: Table) -> list[str]:
    """Return the section, or nothing where nothing was measured."""
    runs = common.read("sets.json")
    if not runs:
        return []
    parts = [*_runs(runs, table), *_curves(runs, table), *_every_count(runs, table)]
    return ["## Learning to Cluster (Meier et al.)\n", *_WORDS, *parts]


def _runs(runs: Sequence[dict[str, Any]], table: Table) -> Iterator[str]:
    rows = []
    for run in runs:
        for name, scored in run["datasets"].items():
            drawn, sets = scored["drawn"], scored["sets"]
            least, most = drawn["clusters"]
            what = f"{name}: {sets['num_sets']} sets of {_size(drawn['num_objects'])}, {least} to {most} clusters"
            place = [run["method"], run["seed"], what, f"{run['iterations']:,}", f"{run['seconds'] / 60:.0f}"]
            for clustering, scores in sets["scores"].items():
                if clustering.startswith("k = "):
                    continue
                right = f"{sets['count_accuracy']:.3f}" if clustering == _CHOSEN else ""
                who = {_CHOSEN: "the network", _TRUE: "the network, told the true k"}.get(clustering, clustering)
                rows.append([*place, who, *(_spread(scores[metric]) for metric in _METRICS), right])
                place = [""] * len(place)
    head = ["configuration", "seed", "test sets", "iterations", "minutes", "clusters by", *_METRICS.values()]
    yield table([*head, "right count"], rows)
    machine = runs[0]["machine"]
    yield f"{machine['threads']} thread each, of {machine['processors']} shared cores.\n"


def _curves(runs: Sequence[dict[str, Any]], table: Table) -> Iterator[str]:
    yield "Accuracy (1 - MR) on the test sets over the training:\n"
    rows = []
    for run in runs:
        points = list(run["history"].items())
        step = max(1, len(points) // _MOMENTS)
        shown = [f"{int(key.split(':')[-1]):,}: {scores['acc']:.3f}" for key, scores in points[step - 1 :: step]]
        rows.append([run["method"], run["seed"], ", ".join(shown)])
    yield table(["configuration", "seed", "iteration: ACC"], rows)


def _every_count(runs: Sequence[dict[str, Any]], table: Table) -> Iterator[str]:
    yield "MR for the number of clusters that the network chose, and for each number for all sets:\n"
    rows = []
    for run in runs:
        for name, scored in run["datasets"].items():
            scores = scored["sets"]["scores"]
            found = {key: row for key, row in scores.items() if key == _CHOSEN or key.startswith("k = ")}
            cells = ", ".join(f"{key}: {row['misclassification_rate']['mean']:.3f}" for key, row in found.items())
            rows.append([run["method"], run["seed"], name, cells])
    yield table(["configuration", "seed", "dataset", "MR"], rows)


def _size(size: int | list[int]) -> str:
    return str(size) if isinstance(size, int) else f"{size[0]} to {size[1]}"


def _spread(found: dict[str, float]) -> str:
    return f"{found['mean']:.3f} ± {found['std']:.3f}"
