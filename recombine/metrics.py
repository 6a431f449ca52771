"""External scores of a clustering against labels.

All of them follow from one table of counts, which is added up in blocks: nothing of the size of the dataset is made.
Information is measured in nats; what normalises it is the arithmetic mean of the two entropies unless said otherwise.
Functions of a table take it as :func:`contingency` makes it: ``(C, K)``, a sample in every row and in every column.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer]
Table = NDArray[np.int64]

_BLOCK = 2**18
#: How far from the mean of a hypergeometric distribution its mass is added up: what lies beyond is below 1e-30.
_DEVIATIONS, _AT_LEAST = 12, 100


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


@dataclass(frozen=True)
class Agreement(Scores):
    """Every score against labels, for the final word on a dataset.

    Attributes:
        ami: Mutual information adjusted for chance (Vinh, Epps and Bailey 2010), at most 1; 0 is what random clusters
            of the same sizes reach on average.
        homogeneity: Share of the classes' entropy that the clusters explain, in [0, 1]; 1 where every cluster holds
            samples of one class.
        completeness: Share of the clusters' entropy that the classes explain, in [0, 1]; 1 where no class is spread
            over clusters.
        v_measure: Harmonic mean of homogeneity and completeness (Rosenberg and Hirschberg 2007); equals ``nmi``.
        fowlkes_mallows: Geometric mean of precision and recall over pairs of samples (Fowlkes and Mallows 1983), in
            [0, 1].
        purity: Share of samples that belong to the most frequent class of their cluster, in [0, 1]; more clusters
            never lower it.
        num_used_clusters: Number of clusters with a sample.
        num_classes: Number of classes with a sample.
    """

    ami: float
    homogeneity: float
    completeness: float
    v_measure: float
    fowlkes_mallows: float
    purity: float
    num_used_clusters: int
    num_classes: int


@dataclass(frozen=True)
class Counts:
    """How many samples each pair of class and cluster has.

    Attributes:
        table: A row for each class that occurs, a column for each cluster that occurs, ``(C, K)``, int64.
        classes: Label of each row, ascending, ``(C,)``.
        clusters: Number of each column's cluster, ascending, ``(K,)``.
    """

    table: Table
    classes: Labels
    clusters: Labels


@dataclass(frozen=True)
class Confusion:
    """The table of counts after clusters and classes are matched one-to-one, as for ACC.

    Attributes:
        table: Classes by clusters, ``(C, K)``, int64; matched pairs stand on the diagonal, in ascending order of the
            classes, then what is unmatched in ascending order.
        classes: Label of each row.
        clusters: Number of each column's cluster.
    """

    table: Table
    classes: tuple[int, ...]
    clusters: tuple[int, ...]

    @property
    def matching(self) -> dict[int, int]:
        """The class that each matched cluster stands for; a pair may have no sample where nothing better is left."""
        return dict(zip(self.clusters, self.classes, strict=False))


def score(labels: Labels, clusters: Labels) -> Scores:
    """Compare ``clusters (N,)`` with ``labels (N,)``; the numbers of clusters and classes may differ."""
    table = contingency(labels, clusters)
    return Scores(accuracy(table), _normalized_information(table), adjusted_rand(table))


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """Return the mean of each score over several clusterings, at least one."""
    return Scores(*(math.fsum(values) / len(scores) for values in zip(*(astuple(one) for one in scores), strict=True)))


def clustering_accuracy(labels: Labels, clusters: Labels) -> float:
    """Return the share of samples matched by the best one-to-one matching (Kuhn 1955; rectangular where K differs)."""
    return accuracy(contingency(labels, clusters))


def contingency(labels: Labels, clusters: Labels) -> Table:
    """Return how many samples each pair has: a row for each class that occurs, a column for each cluster."""
    return counts(labels, clusters).table


def counts(labels: Labels, clusters: Labels) -> Counts:
    """Count the samples of each pair in ``labels (N,)`` and ``clusters (N,)``, N >= 1."""
    classes, groups = _values(labels), _values(clusters)
    table = np.zeros(len(classes) * len(groups), dtype=np.int64)
    for ours, theirs in zip(_blocks(labels), _blocks(clusters), strict=True):
        cells = np.searchsorted(classes, ours) * len(groups) + np.searchsorted(groups, theirs)
        table += np.bincount(cells, minlength=len(table))
    return Counts(table.reshape(len(classes), len(groups)), classes, groups)


def agreement(counted: Counts) -> Agreement:
    """Return every score against labels."""
    table = counted.table
    homogeneity, completeness = homogeneity_and_completeness(table)
    return Agreement(
        acc=accuracy(table),
        nmi=_normalized_information(table),
        ari=adjusted_rand(table),
        ami=adjusted_information(table),
        homogeneity=homogeneity,
        completeness=completeness,
        v_measure=v_measure(homogeneity, completeness),
        fowlkes_mallows=fowlkes_mallows(table),
        purity=purity(table),
        num_used_clusters=table.shape[1],
        num_classes=table.shape[0],
    )


def confusion(counted: Counts) -> Confusion:
    """Match clusters with classes one-to-one, and order the table of counts by that."""
    rows, columns = _matched(counted.table)
    rows = np.concatenate([rows, np.setdiff1d(np.arange(len(counted.classes)), rows)])
    columns = np.concatenate([columns, np.setdiff1d(np.arange(len(counted.clusters)), columns)])
    classes, clusters = counted.classes[rows].tolist(), counted.clusters[columns].tolist()
    return Confusion(counted.table[np.ix_(rows, columns)], tuple(classes), tuple(clusters))


def _values(labels: Labels) -> Labels:
    """Return the different values of ``labels (N,)`` in ascending order."""
    return np.unique(np.concatenate([np.unique(block) for block in _blocks(labels)]))


def _blocks(labels: Labels) -> Iterator[Labels]:
    for start in range(0, len(labels), _BLOCK):
        yield labels[start : start + _BLOCK]


def accuracy(table: Table) -> float:
    """Return the share of samples in the best one-to-one matching of clusters to classes, in [0, 1]."""
    rows, columns = _matched(table)
    return float(table[rows, columns].sum() / table.sum())


def _matched(table: Table) -> tuple[Labels, Labels]:
    """Return rows, ascending, and columns of the one-to-one matching with the most samples (Kuhn 1955)."""
    from scipy.optimize import linear_sum_assignment  # here, as it takes long to import and validation needs none

    rows, columns = linear_sum_assignment(table, maximize=True)
    return rows, columns


def _normalized_information(table: Table) -> float:
    """Return the mutual information over the mean of the entropies; 1 where there is one class and one cluster."""
    if table.size == 1:
        return 1.0
    information = mutual_information(table)
    if information <= np.finfo(np.float64).eps:
        return 0.0
    of_class, of_cluster = _entropies(table)
    return min(information / ((of_class + of_cluster) / 2), 1.0)


def homogeneity_and_completeness(table: Table) -> tuple[float, float]:
    """Return homogeneity and completeness, in [0, 1]; an entropy of 0 is explained by anything."""
    information = mutual_information(table)
    shares = (min(information / entropy, 1.0) if entropy > 0 else 1.0 for entropy in _entropies(table))
    return next(shares), next(shares)


def v_measure(homogeneity: float, completeness: float) -> float:
    """Return the harmonic mean of homogeneity and completeness (Rosenberg and Hirschberg 2007); 0 where both are 0."""
    both = homogeneity + completeness
    return 2 * homogeneity * completeness / both if both > 0 else 0.0


def purity(table: Table) -> float:
    """Return the share of samples that belong to the most frequent class of their cluster, in (0, 1]."""
    return float(table.max(0).sum() / table.sum())


def mutual_information(table: Table) -> float:
    """Return the mutual information of classes and clusters in nats, at least 0."""
    joint, rows, columns = table / table.sum(), table.sum(1) / table.sum(), table.sum(0) / table.sum()
    occurs = table > 0
    expected = np.outer(rows, columns)
    return max(float(np.sum(joint[occurs] * np.log(joint[occurs] / expected[occurs]))), 0.0)


def _entropies(table: Table) -> tuple[float, float]:
    """Return the entropies of the classes and of the clusters, in nats."""
    rows, columns = table.sum(1) / table.sum(), table.sum(0) / table.sum()
    return _entropy(rows), _entropy(columns)


def _entropy(shares: NDArray[np.float64]) -> float:
    """Return the entropy of shares above 0, in nats."""
    return float(-np.sum(shares * np.log(shares)))


def adjusted_information(table: Table, average: Callable[[tuple[float, float]], float] = fmean) -> float:
    """Return (I - E[I]) / (A - E[I]), at most 1; 1 where classes and clusters are the same.

    E[I] is the expectation over all clusterings with the same sizes of classes and of clusters (Vinh, Epps and Bailey
    2010), A what ``average`` makes of the entropies of classes and clusters: their arithmetic mean, or ``max``.
    """
    if 1 in table.shape:
        return float(table.size == 1)
    if table.shape == (table.sum(),) * 2:  # every sample is alone: a perfect match, where both differences vanish
        return 1.0
    chance = _expected_information(table)
    possible = average(_entropies(table)) - chance
    return min((mutual_information(table) - chance) / possible, 1.0)


def _expected_information(table: Table) -> float:
    """Return the expected mutual information under the permutation model (Vinh, Epps and Bailey 2010), in nats."""
    total, columns = int(table.sum()), table.sum(0).astype(np.float64)
    return sum(_expected_of_class(row, columns, total) for row in table.sum(1).tolist()) / total


def _expected_of_class(row: int, columns: NDArray[np.float64], total: int) -> float:
    """Return the sum of E[n ln(n N / (row column))] over the clusters of sizes ``columns (K,)``, for a class's size.

    A cell's count n is hypergeometric. Its probabilities follow from their ratios, p(n + 1) / p(n) =
    (row - n) (column - n) / ((n + 1) (N - row - column + n + 1)): no factorial of a large number loses digits.
    """
    mean, neither = row * columns / total, total - row - columns
    reach = _AT_LEAST + _DEVIATIONS * np.sqrt(mean * (1 - row / total) * (total - columns) / (total - 1))
    first = np.maximum(np.maximum(0, -neither), np.floor(mean - reach))
    last = np.minimum(np.minimum(row, columns), np.ceil(mean + reach))
    n = first[:, None] + np.arange(np.max(last - first) + 1)
    before, occurs = n[:, :-1], n <= last[:, None]
    ups = np.maximum(row - before, 1) * np.maximum(columns[:, None] - before, 1)
    downs = (before + 1) * (neither[:, None] + before + 1)
    steps = np.where(occurs[:, 1:], np.log(ups / downs), 0)
    logs = np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0)))
    weights = np.where(occurs, np.exp(logs - logs.max(1, keepdims=True)), 0)
    terms = n * np.log(np.maximum(n, 1) / mean[:, None])  # 0 at n = 0, whatever the logarithm
    return float(np.sum((weights * terms).sum(1) / weights.sum(1)))


def fowlkes_mallows(table: Table) -> float:
    """Return sqrt(precision * recall) over pairs of samples, from counts of ordered pairs, in exact integers."""
    total = int(table.sum())
    together = _squares(table) - total
    if together == 0:
        return 0.0
    of_class, of_cluster = _squares(table.sum(1)) - total, _squares(table.sum(0)) - total
    return math.sqrt(together / of_class * (together / of_cluster))


def adjusted_rand(table: Table) -> float:
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
