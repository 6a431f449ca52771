"""What there is to say of the sets of an evaluation: every score, for every number of clusters, beside baselines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recombine import set_baselines
from recombine.assignment.set_clustering import SetClustering
from recombine.data import Data
from recombine.method import Method
from recombine.randomness import derive
from recombine.set_analyses import CountUncertainty, Hierarchies, count_uncertainty, hierarchies
from recombine.set_data import SetData
from recombine.set_examples import SetExample
from recombine.set_metrics import SetScores, Spread, set_scores, summary
from recombine.step import Forward

#: The row of the scores that count.
CHOSEN = "chosen k"
#: The row of the scores for a network that is told the true number of clusters, as the baselines are: oracle.
TRUE = "true k"
_K_MEANS = "k-means with true k"
_NEIGHBORS, _FACTOR = 4, 2.0

Labels = NDArray[np.int64]
Clustering = Callable[[Labels, NDArray[np.float64]], Labels]


@dataclass(frozen=True)
class SetReport:
    """What there is to say of S sets that were clustered one by one.

    Attributes:
        table: Mean and population standard deviation of every score over the sets, by what clustered them:
            :data:`CHOSEN`, :data:`TRUE`, a number of clusters for all sets, or a baseline.
        num_sets: S.
        count_accuracy: Share of the sets whose number of clusters is told rightly, in [0, 1].
        counts: How many sets have a number of clusters (rows) and were told to have one (columns), both from the
            least to the greatest that occurs, as ``{true: {told: sets}}``.
        examples: The first of the sets, with everything that the network says of them.
        scores: For each of the examples, the scores for each number of clusters.
        set_sizes: Objects of each set.
        index: Position of each object in the dataset, ``(N,)``, set by set.
        uncertainty: How sure the number of clusters is, for a few test sets, or () where nobody asked.
        hierarchies: Hierarchical clusterings of a test set in the space of the extractor, or None.
    """

    table: Mapping[str, Mapping[str, Spread]]
    num_sets: int
    count_accuracy: float
    counts: Mapping[int, Mapping[int, int]]
    examples: Sequence[SetExample]
    scores: Sequence[Mapping[int, SetScores]]
    set_sizes: Sequence[int]
    index: Tensor
    uncertainty: Sequence[CountUncertainty] = ()
    hierarchies: Hierarchies | None = None

    def __str__(self) -> str:
        """Return what stands out, as the log writes it."""
        rates = {name: row["misclassification_rate"] for name, row in self.table.items()}
        told = f"the number of clusters is right in {self.count_accuracy:.1%} of {self.num_sets} sets"
        given = {"with the true number": rates.get(TRUE), "k-means with it": rates.get(f"{_K_MEANS}, features")}
        words = [f"{name} {rate.mean:.3f}" for name, rate in given.items() if rate is not None]
        return f"Misclassification rate {rates[CHOSEN]}; {told}; {', '.join(words)}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as ``result.json`` has them."""
        return {
            "num_sets": self.num_sets,
            "count_accuracy": self.count_accuracy,
            "counts": {str(true): {str(told): n for told, n in row.items()} for true, row in self.counts.items()},
            "scores": {
                name: {metric: {"mean": found.mean, "std": found.std} for metric, found in row.items()}
                for name, row in self.table.items()
            },
        }


def set_report(method: Method, data: Data, clusters: Tensor) -> SetReport:
    """Return what there is to say of the sets of an evaluation; the networks are in evaluation mode.

    Args:
        method: The networks.
        data: The dataset, which makes sets.
        clusters: The cluster of each object, ``(N,)``, int64, on the CPU.
    """
    if not isinstance(data, SetData):
        raise TypeError("a report on sets is asked for, and the dataset makes none")
    collected = _collected(method, data)
    labels = [part.numpy() for part in torch.split(data.labels, data.set_sizes)]
    chosen = [part.numpy() for part in torch.split(clusters, data.set_sizes)]
    rows = {
        CHOSEN: chosen,
        **_with_true_count(labels, collected.by_count),
        **collected.by_count,
        **_baselines(labels, collected, derive(data.options.seed, "baselines")),
    }
    true = [len(np.unique(own)) for own in labels]
    told = collected.told or [len(np.unique(own)) for own in chosen]
    strategy = method.assignment
    passes = strategy.count_uncertainty_passes if isinstance(strategy, SetClustering) else 0
    return SetReport(
        {name: summary(_scores(labels, row)) for name, row in rows.items()},
        len(labels),
        float(np.mean(np.equal(true, told))),
        _counted(true, told),
        collected.examples,
        [_of_example(example) for example in collected.examples],
        data.set_sizes,
        data.evaluated_index,
        count_uncertainty(method, data, passes) if passes and collected.examples else (),
        hierarchies(method, data) if collected.examples else None,
    )


@dataclass
class _Collected:
    """What one pass over the sets of an evaluation leaves behind; each list has an entry for each set.

    Attributes:
        inputs: The objects as the plain view shows them, ``(n, D)``.
        features: The extractor's output for them, ``(n, D)``.
        by_count: Clusters ``(n,)`` for every number of clusters, by the name of the row.
        told: The number of clusters that the network tells; empty where it tells none.
        examples: The first sets.
    """

    inputs: list[NDArray[np.float64]] = field(default_factory=list)
    features: list[NDArray[np.float64]] = field(default_factory=list)
    by_count: dict[str, list[Labels]] = field(default_factory=dict)
    told: list[int] = field(default_factory=list)
    examples: list[SetExample] = field(default_factory=list)


def _collected(method: Method, data: SetData) -> _Collected:
    found = _Collected()
    classes = iter(torch.split(data.labels, data.set_sizes))
    for batch in data.evaluation_batches(0):
        forward = Forward(method, batch)
        sets, size = batch.num_sets or 1, batch.set_size
        found.inputs += list(forward.view().flatten(1).view(sets, size, -1).cpu().double().numpy())
        found.features += list(forward.features(method.extractor).view(sets, size, -1).cpu().double().numpy())
        if isinstance(method.assignment, SetClustering):
            _collect_outputs(found, method.assignment, forward, classes, data)
    return found


def _collect_outputs(found: _Collected, strategy: SetClustering, forward: Forward, classes: Any, data: SetData) -> None:
    """Collect what the network says of the sets of a batch."""
    outputs, batch = strategy.outputs(forward), forward.batch
    counts = tuple(outputs.counts)
    found.told += [counts[position] for position in outputs.count_log_probs.argmax(1).tolist()]
    for k, log_probs in zip(counts, outputs.cluster_log_probs, strict=True):
        found.by_count.setdefault(f"k = {k}", []).extend(log_probs.argmax(2).cpu().numpy())
    for i in range(batch.num_sets or 1):
        own = next(classes)
        if len(found.examples) < data.sets.num_examples:
            rows = slice(i * batch.set_size, (i + 1) * batch.set_size)
            found.examples.append(
                SetExample(
                    len(found.examples),
                    batch.index[rows].cpu(),
                    forward.view()[rows].float().cpu(),
                    own,
                    counts,
                    outputs.count_log_probs[i].exp().float().cpu(),
                    tuple(log_probs[i].exp().float().cpu() for log_probs in outputs.cluster_log_probs),
                    data.class_names,
                )
            )


def _with_true_count(labels: Sequence[Labels], by_count: Mapping[str, Sequence[Labels]]) -> dict[str, list[Labels]]:
    """Return the clusters of the network for the true number of each set; nothing where it does not know them all."""
    names = [f"k = {len(np.unique(own))}" for own in labels]
    if not by_count.keys() >= set(names):
        return {}
    return {TRUE: [by_count[name][i] for i, name in enumerate(names)]}


def _baselines(labels: Sequence[Labels], found: _Collected, seed: int) -> dict[str, list[Labels]]:
    """Return the clusters of each set by methods that nobody trained; k-means and chance are told the true number."""
    draws = np.random.default_rng(seed)
    counts = [len(np.unique(own)) for own in labels]
    spaces = {"input": found.inputs, "features": found.features}
    rows = {}
    for space, points in spaces.items():
        pairs = list(zip(points, counts, strict=True))
        rows[f"{_K_MEANS}, {space}"] = [set_baselines.k_means(own, k, seed) for own, k in pairs]
        rows[f"DBSCAN, {space}"] = [_dbscan(own) for own in points]
    rows["random with true k"] = [
        set_baselines.random_assignment(len(own), k, 1, draws) for own, k in zip(labels, counts, strict=True)
    ]
    return rows


def _dbscan(points: NDArray[np.float64]) -> Labels:
    """Return the clusters of DBSCAN, its distance twice the median of that to the fourth neighbour of a point."""
    neighbors = min(_NEIGHBORS, len(points) - 1)
    eps = set_baselines.neighbor_eps(points, neighbors, _FACTOR)
    smallest = float(np.finfo(np.float32).tiny)
    return set_baselines.dbscan(points, max(eps, smallest), neighbors + 1, "one_cluster")


def _scores(labels: Sequence[Labels], clusters: Sequence[Labels]) -> list[SetScores]:
    return [set_scores(own, found) for own, found in zip(labels, clusters, strict=True)]


def _of_example(example: SetExample) -> dict[int, SetScores]:
    classes = example.classes.numpy()
    return {k: set_scores(classes, example.clusters(k).numpy()) for k in example.counts}


def _counted(true: Sequence[int], told: Sequence[int]) -> dict[int, dict[int, int]]:
    pairs = torch.tensor([true, told])
    values = range(int(pairs.min()), int(pairs.max()) + 1)
    return {own: {k: int(((pairs[0] == own) & (pairs[1] == k)).sum()) for k in values} for own in sorted(set(true))}
