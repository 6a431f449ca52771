"""External scores of a clustering against labels.

All three follow from one table of counts, which is added up in blocks: nothing of the size of the dataset is made.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer]
Table = NDArray[np.int64]

_BLOCK = 2**18


@dataclass(frozen=True)
class Scores:
    """How well clusters agree with classes.

    Attributes:
        acc: Clustering accuracy in [0, 1]: share of samples in the best one-to-one matching of clusters to classes.
        nmi: Normalised mutual information in [0, 1], normalised by the arithmetic mean of the two entropies.
        ari: Adjusted Rand index in [-0.5, 1]; 0 is what random clusters reach on average.
    """

    acc: float
    nmi: float
    ari: float

    def as_dict(self) -> dict[str, float]:
        """Return the scores by name."""
        return asdict(self)

    def __str__(self) -> str:
        """Return the scores as the log writes them."""
        return f"ACC {self.acc:.3f}, NMI {self.nmi:.3f}, ARI {self.ari:.3f}"


def score(labels: Labels, clusters: Labels) -> Scores:
    """Compare ``clusters (N,)`` with ``labels (N,)``; the numbers of clusters and classes may differ."""
    table = contingency(labels, clusters)
    return Scores(_accuracy(table), _normalized_information(table), _adjusted_rand(table))


def clustering_accuracy(labels: Labels, clusters: Labels) -> float:
    """Return the share of samples matched by the best one-to-one matching (Kuhn 1955; rectangular where K differs)."""
    return _accuracy(contingency(labels, clusters))


def contingency(labels: Labels, clusters: Labels) -> Table:
    """Return how many samples each pair has: a row for each class that occurs, a column for each cluster."""
    classes, groups = _values(labels), _values(clusters)
    table = np.zeros(len(classes) * len(groups), dtype=np.int64)
    for ours, theirs in zip(_blocks(labels), _blocks(clusters), strict=True):
        cells = np.searchsorted(classes, ours) * len(groups) + np.searchsorted(groups, theirs)
        table += np.bincount(cells, minlength=len(table))
    return table.reshape(len(classes), len(groups))


def _values(labels: Labels) -> Labels:
    """Return the different values of ``labels (N,)`` in ascending order."""
    return np.unique(np.concatenate([np.unique(block) for block in _blocks(labels)]))


def _blocks(labels: Labels) -> Iterator[Labels]:
    for start in range(0, len(labels), _BLOCK):
        yield labels[start : start + _BLOCK]


def _accuracy(table: Table) -> float:
    from scipy.optimize import linear_sum_assignment  # here, as it takes long to import and validation needs none

    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / table.sum())


def _normalized_information(table: Table) -> float:
    """Return the mutual information over the mean of the entropies; 1 where there is one class and one cluster."""
    if table.size == 1:
        return 1.0
    joint, rows, columns = table / table.sum(), table.sum(1) / table.sum(), table.sum(0) / table.sum()
    occurs = table > 0
    expected = np.outer(rows, columns)
    information = float(np.sum(joint[occurs] * np.log(joint[occurs] / expected[occurs])))
    if information <= np.finfo(np.float64).eps:
        return 0.0
    return min(information / ((_entropy(rows) + _entropy(columns)) / 2), 1.0)


def _entropy(shares: NDArray[np.float64]) -> float:
    """Return the entropy of shares above 0, in nats."""
    return float(-np.sum(shares * np.log(shares)))


def _adjusted_rand(table: Table) -> float:
    """Return the adjusted Rand index (Hubert and Arabie 1985) from counts of ordered pairs, in exact integers."""
    total, together = int(table.sum()), _squares(table)
    of_class, of_cluster = _squares(table.sum(1)), _squares(table.sum(0))
    both, only_class, only_cluster = together - total, of_class - together, of_cluster - together
    neither = total**2 - together - only_class - only_cluster
    if only_class == only_cluster == 0:
        return 1.0
    numerator = 2 * (both * neither - only_class * only_cluster)
    either_way = (both + only_class) * (only_class + neither) + (both + only_cluster) * (only_cluster + neither)
    return numerator / either_way


def _squares(counts: Table) -> int:
    """Return the sum of the squares, which may be more than 64 bits hold."""
    return sum(count**2 for count in counts.ravel().tolist())
