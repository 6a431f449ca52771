"""External scores of a clustering against labels."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

Labels = NDArray[np.int64]


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
    return Scores(
        acc=clustering_accuracy(labels, clusters),
        nmi=float(normalized_mutual_info_score(labels, clusters, average_method="arithmetic")),
        ari=float(adjusted_rand_score(labels, clusters)),
    )


def clustering_accuracy(labels: Labels, clusters: Labels) -> float:
    """Return the share of samples matched by the best one-to-one matching (Kuhn 1955; rectangular where K differs)."""
    table = contingency_matrix(labels, clusters)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / table.sum())
