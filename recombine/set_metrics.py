"""The scores of clusterings of sets: what a set-to-clustering network, trained on labels, is evaluated by.

The twelve are those of Meier, Elezi, Amirian, Durr and Stadelmann, "Learning Neural Models for End-to-End Clustering"
(ANNPR 2018). Information is normalised as it was there, in scikit-learn 0.19: by the geometric mean of the entropies
in NMI and by their maximum in AMI, where :mod:`recombine.metrics` takes the arithmetic mean. A set is small, so all
follow from one table of counts.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from math import sqrt
from statistics import fmean, pstdev

from recombine.metrics import (
    Labels,
    Table,
    accuracy,
    adjusted_information,
    adjusted_rand,
    contingency,
    fowlkes_mallows,
    homogeneity_and_completeness,
    mutual_information,
    purity,
    v_measure,
)


@dataclass(frozen=True)
class SetScores:
    """How well the clusters of one set of n objects agree with their classes; n_ij objects of class j are in cluster i.

    Attributes:
        misclassification_rate: MR (Liu and Kubala 2004) in [0, 1), 0 is best: share of objects outside the best
            one-to-one matching of clusters to classes; exact, so it is 1 - ACC.
        nmi_geometric: Mutual information over the geometric mean of the two entropies, in [0, 1]; 1 where there is one
            class and one cluster.
        mutual_information: In nats, from 0 to the smaller of the two entropies.
        ami_max: Mutual information adjusted for chance, normalised by the larger of the two entropies, at most 1.
        ari: Adjusted Rand index in [-0.5, 1].
        homogeneity: Share of the classes' entropy that the clusters explain, in [0, 1].
        completeness: Share of the clusters' entropy that the classes explain, in [0, 1].
        v_measure: Harmonic mean of homogeneity and completeness, in [0, 1].
        fowlkes_mallows: Geometric mean of precision and recall over pairs of objects, in [0, 1]; 0 where no pair of
            one class shares a cluster, even if every object is alone in both.
        purity: Share of objects that belong to the most frequent class of their cluster, in (0, 1].
        bbn: I_BBN of Solomonoff et al. (1998) without a penalty for clusters (Q = 0), in (0, n]: the sum of
            n_ij^2 / n_i over clusters i of size n_i and classes j.
        bbn_normalized: I_BBN over that of the classes themselves, which is n, in (0, 1].
    """

    misclassification_rate: float
    nmi_geometric: float
    mutual_information: float
    ami_max: float
    ari: float
    homogeneity: float
    completeness: float
    v_measure: float
    fowlkes_mallows: float
    purity: float
    bbn: float
    bbn_normalized: float

    def as_dict(self) -> dict[str, float]:
        """Return the scores by name."""
        return asdict(self)


@dataclass(frozen=True)
class Spread:
    """A score over many sets.

    Attributes:
        mean: Its mean.
        std: Its population standard deviation, at least 0.
    """

    mean: float
    std: float

    def __str__(self) -> str:
        """Return both with three decimals."""
        return f"{self.mean:.3f} ± {self.std:.3f}"


def set_scores(labels: Labels, clusters: Labels) -> SetScores:
    """Compare the clusters of a set, ``(n,)`` integers, with its labels, ``(n,)`` integers; their values do not matter.

    Raises:
        ValueError: The shapes are not one ``(n,)`` with n >= 1.
    """
    if labels.shape != clusters.shape or labels.ndim != 1 or not labels.size:
        raise ValueError(f"labels {labels.shape} and clusters {clusters.shape} are not of one shape (n,) with n >= 1")
    return scores_of_table(contingency(labels, clusters))


def scores_of_table(table: Table) -> SetScores:
    """Return the scores of a table of counts ``(C, K)`` as :func:`recombine.metrics.contingency` makes it."""
    homogeneity, completeness = homogeneity_and_completeness(table)
    bbn = float((table**2 / table.sum(0)).sum())
    return SetScores(
        misclassification_rate=misclassification_rate(table),
        nmi_geometric=sqrt(homogeneity * completeness),  # both have the mutual information as numerator
        mutual_information=mutual_information(table),
        ami_max=adjusted_information(table, max),
        ari=adjusted_rand(table),
        homogeneity=homogeneity,
        completeness=completeness,
        v_measure=v_measure(homogeneity, completeness),
        fowlkes_mallows=fowlkes_mallows(table),
        purity=purity(table),
        bbn=bbn,
        bbn_normalized=bbn / int(table.sum()),
    )


def misclassification_rate(table: Table) -> float:
    """Return the share of objects outside the best one-to-one matching of a table ``(C, K)``, in [0, 1)."""
    return 1 - accuracy(table)


def summary(scores: Sequence[SetScores]) -> dict[str, Spread]:
    """Return the spread of each score over sets, by name, in the order of :class:`SetScores`.

    Raises:
        ValueError: There is no set.
    """
    if not scores:
        raise ValueError("there are no scores to summarise")
    columns = {field.name: [getattr(one, field.name) for one in scores] for field in fields(SetScores)}
    return {name: Spread(fmean(values), pstdev(values)) for name, values in columns.items()}
