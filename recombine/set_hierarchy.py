"""Hierarchical clustering of a set's embeddings, scored against labels at every height of the tree."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recombine.errors import DivergedError
from recombine.metrics import Labels, Table, contingency, homogeneity_and_completeness
from recombine.set_metrics import misclassification_rate

Floats = NDArray[np.float64]
Metric = Literal["cosine", "euclidean"]
Linkage = Literal["single", "complete", "average"]


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """A tree of merges over n objects, and how well its cuts agree with the classes.

    To cut the tree at a threshold is to make all merges up to that height. Merges of one height are made together, so
    there are T <= n different cuts; where all heights differ and are above 0, T = n.

    Attributes:
        merges: The tree as scipy's linkage matrix, ``(n - 1, 4)``: the two clusters merged, the height, the size; for
            :func:`scipy.cluster.hierarchy.dendrogram`.
        thresholds: 0 and the heights of the merges, ascending, each once, ``(T,)``.
        num_clusters: Number of clusters of each cut, from at most n down to 1, ``(T,)``, int64.
        misclassification_rate: Of each cut, in [0, 1), ``(T,)``.
        homogeneity: Of each cut, in [0, 1], ``(T,)``.
        completeness: Of each cut, in [0, 1], ``(T,)``.
    """

    merges: Floats
    thresholds: Floats
    num_clusters: NDArray[np.int64]
    misclassification_rate: Floats
    homogeneity: Floats
    completeness: Floats

    @property
    def best_threshold(self) -> float:
        """Oracle: the threshold with the lowest misclassification rate, chosen by labels; of several the lowest."""
        return float(self.thresholds[self.misclassification_rate.argmin()])

    @property
    def best_misclassification_rate(self) -> float:
        """Oracle: the misclassification rate at the threshold that labels choose."""
        return float(self.misclassification_rate.min())


def hierarchy(
    features: NDArray[np.floating], labels: Labels, metric: Metric, linkage: Linkage = "complete"
) -> Hierarchy:
    """Merge the objects of a set step by step, and score every cut of the tree.

    Args:
        features: Embeddings of the objects, ``(n, D)``, n >= 1.
        labels: Their classes in the same order, ``(n,)`` integers; they score the cuts and have no part in the tree.
        metric: Distance of two objects: "cosine" (see :func:`cosine_distances`) or "euclidean".
        linkage: Distance of two clusters: that of the farthest two objects ("complete"), the nearest two ("single"), or
            the mean over all pairs ("average").

    Raises:
        ValueError: ``features`` is not ``(n, D)``, or ``labels`` not ``(n,)``; or another metric or linkage.
        DivergedError: A feature is NaN or infinite.
    """
    if features.shape[:-1] != labels.shape or labels.ndim != 1 or not labels.size:
        raise ValueError(f"features {features.shape} and labels {labels.shape} are not (n, D) and (n,) with n >= 1")
    if not np.isfinite(features).all():
        raise DivergedError("a hierarchy needs distances, but a feature is NaN or infinite")
    merges = _merges(condensed_distances(features, metric), linkage)
    return _scored(merges, labels)


def condensed_distances(features: NDArray[np.floating], metric: Metric) -> Floats:
    """Return the distances of all pairs i < j of ``features (n, D)``, row by row, ``(n (n - 1) / 2,)``.

    Raises:
        ValueError: Another metric.
    """
    from scipy.spatial.distance import pdist  # here, as it takes long to import and validation needs none

    if metric not in ("cosine", "euclidean"):
        raise ValueError(f'metric is "{metric}": it can be "cosine" or "euclidean"')
    points = features.astype(np.float64)
    return cosine_distances(points) if metric == "cosine" else pdist(points)


def cosine_distances(features: Floats) -> Floats:
    """Return 1 - cos of the angle for all pairs i < j of ``features (n, D)``, in [0, 2], ``(n (n - 1) / 2,)``.

    A zero vector has no direction: its distance to every vector, another zero vector as well, is 1, as at a right
    angle. Other vectors are scaled to length 1, where 1 - cos is half of the squared Euclidean distance: the same
    vectors are at 0 exactly.
    """
    from scipy.spatial.distance import pdist

    largest = np.abs(features).max(1, initial=0, keepdims=True)
    is_zero = largest[:, 0] == 0
    scaled = features / np.where(largest > 0, largest, 1)  # squares of tiny or huge numbers would leave the range
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    halves = pdist(scaled / np.where(lengths > 0, lengths, 1), "sqeuclidean") / 2
    first, second = np.triu_indices(len(features), 1)
    return np.where(is_zero[first] | is_zero[second], 1.0, np.minimum(halves, 2.0))


def _merges(distances: Floats, method: Linkage) -> Floats:
    """Return the linkage matrix ``(n - 1, 4)`` of condensed distances; without a pair there is no merge."""
    from scipy.cluster.hierarchy import linkage

    if method not in ("single", "complete", "average"):
        raise ValueError(f'linkage is "{method}": it can be "single", "complete" or "average"')
    return linkage(distances, method) if len(distances) else np.empty((0, 4))


def _scored(merges: Floats, labels: Labels) -> Hierarchy:
    """Score the cuts of a tree by ``labels (n,)``."""
    thresholds, done = _cuts(merges[:, 2])
    tables = _tables(merges, labels, done)
    explained = [homogeneity_and_completeness(table) for table in tables]
    return Hierarchy(
        merges=merges,
        thresholds=thresholds,
        num_clusters=len(labels) - done,
        misclassification_rate=np.array([misclassification_rate(table) for table in tables]),
        homogeneity=np.array([homogeneity for homogeneity, _ in explained]),
        completeness=np.array([completeness for _, completeness in explained]),
    )


def _cuts(heights: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return the thresholds ``(T,)`` of ascending heights ``(n - 1,)``, and how many merges each makes, ``(T,)``."""
    thresholds = np.unique(np.append(0.0, heights))
    return thresholds, np.searchsorted(heights, thresholds, side="right").astype(np.int64)


def _tables(merges: Floats, labels: Labels, done: NDArray[np.int64]) -> list[Table]:
    """Return the table of classes and clusters after each number of merges in ``done (T,)``, ascending."""
    num_objects, clusters = len(labels), np.arange(len(labels))
    tables = []
    for start, stop in pairwise([0, *done.tolist()]):
        for step in range(start, stop):
            clusters[np.isin(clusters, merges[step, :2])] = num_objects + step
        tables.append(contingency(labels, clusters))
    return tables
