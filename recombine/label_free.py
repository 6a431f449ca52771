"""Scores of a clustering that need no labels.

Three of them look at the features of a sample of the dataset, in the space of the extractor that the assignment
strategy works on; the others at the assignments of all samples. How many assignments change between two evaluations is
the reassignment ratio of :class:`recombine.criteria.Performance`.

Values in a space that was learned together with the clusters say how tidy that space is, not how true the clusters are:
a network can make any partition compact. Compare them between evaluations of one run, not between methods.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from recombine.distances import squared_distances
from recombine.randomness import generator

#: So many samples are looked at by scores that compare features; the cost of the silhouette grows with the square.
SAMPLE_SIZE = 2000
_ROWS = 512
_LEAST_CLUSTERS = 2


@dataclass(frozen=True)
class LabelFree:
    """How clusters look without labels; a score is None where it is undefined.

    Attributes:
        silhouette: Mean silhouette (Rousseeuw 1987) of the sample, in [-1, 1]; high is good.
        davies_bouldin: Davies-Bouldin index (1979) of the sample, at least 0; low is good.
        calinski_harabasz: Calinski-Harabasz index (1974) of the sample, at least 0; high is good.
        assignment_entropy: Entropy of the shares of the clusters, over ln K, in [0, 1]; 1 where all are of equal size.
        num_used_clusters: Number of clusters with a sample of the dataset.
        mean_confidence: Mean confidence of all assignments, in [0, 1].
        sample_size: Number of samples whose features were looked at.
        space: Where the features come from.
    """

    silhouette: float | None
    davies_bouldin: float | None
    calinski_harabasz: float | None
    assignment_entropy: float | None
    num_used_clusters: int
    mean_confidence: float
    sample_size: int
    space: str

    def as_dict(self) -> dict[str, Any]:
        """Return the scores by name, as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "LabelFree":
        """Return what :meth:`as_dict` described."""
        return cls(**values)

    def __str__(self) -> str:
        """Return the scores as the log writes them."""
        named = {
            "silhouette": self.silhouette,
            "Davies-Bouldin": self.davies_bouldin,
            "Calinski-Harabasz": self.calinski_harabasz,
        }
        found = [f"{name} {value:.4g}" for name, value in named.items() if value is not None]
        place = f"(on {self.sample_size} samples, {self.space})"
        words = [", ".join(found) + f" {place}"] if found else []
        if self.assignment_entropy is not None:
            words.append(f"assignment entropy {self.assignment_entropy:.3f}")
        return ", ".join([*words, f"mean confidence {self.mean_confidence:.3f}"])


@dataclass(frozen=True)
class _Groups:
    """A sample of features by cluster, in float64.

    Attributes:
        features: ``(S, D)``.
        group: Number of each sample's cluster among those that occur in the sample, ``(S,)``.
        sizes: Samples of each cluster ``(K,)``, all at least 1.
    """

    features: Tensor
    group: Tensor
    sizes: Tensor

    def sums(self, values: Tensor) -> Tensor:
        """Return the sums ``(R, K)`` of the columns of ``values (R, S)`` that belong to each cluster.

        By a matrix product, as the order of the sums is then always the same.
        """
        members = torch.zeros(len(self.group), len(self.sizes), dtype=values.dtype)
        return values @ members.scatter_(1, self.group[:, None], 1)


def sample_positions(num_samples: int, seed: int, dataset: str, size: int | None = None) -> Tensor:
    """Return which of N samples are looked at, ascending ``(S,)``: all, or a random ``size`` of them.

    They are the same at every evaluation of a dataset under a seed. The size is :data:`SAMPLE_SIZE` unless given.
    """
    size = SAMPLE_SIZE if size is None else size
    if num_samples <= size:
        return torch.arange(num_samples)
    draws = generator(seed, "label-free scores", dataset)
    return torch.randperm(num_samples, generator=draws)[:size].sort().values


def label_free(
    features: Tensor, positions: Tensor, clusters: Tensor, confidence: Tensor, num_clusters: int | None, space: str
) -> LabelFree:
    """Score a clustering without labels.

    Args:
        features: Features of a sample, ``(S, D)``.
        positions: Which samples these are, ``(S,)``.
        clusters: Cluster of every sample, ``(N,)``, in [0, K), on the CPU.
        confidence: Confidence of every assignment, ``(N,)``, in [0, 1], on the CPU.
        num_clusters: K, or None if it is not known; then there is no entropy.
        space: Where the features come from, in words.
    """
    groups = _grouped(features, clusters[positions])
    sizes = clusters.bincount()
    return LabelFree(
        silhouette=_finite(_silhouette(groups)) if groups is not None else None,
        davies_bouldin=_finite(_davies_bouldin(groups)) if groups is not None else None,
        calinski_harabasz=_finite(_calinski_harabasz(groups)) if groups is not None else None,
        assignment_entropy=_relative_entropy(sizes, num_clusters),
        num_used_clusters=int(sizes.count_nonzero()),
        mean_confidence=float(confidence.mean(dtype=torch.float64)),
        sample_size=len(positions),
        space=space,
    )


def _grouped(features: Tensor, clusters: Tensor) -> _Groups | None:
    """Return a sample by cluster, or None where nothing can be compared.

    That is: one cluster, as many clusters as samples, or features ``(S, D)`` that are NaN or infinite.
    """
    sizes, points = clusters.bincount(), features.detach().double().cpu()
    occurs = sizes > 0
    if not _LEAST_CLUSTERS <= int(occurs.sum()) < len(points) or not bool(points.isfinite().all()):
        return None
    return _Groups(points, (occurs.cumsum(0) - 1)[clusters], sizes[occurs])


def _silhouette(groups: _Groups) -> float:
    """Return the mean of (b - a) / max(a, b), which is 0 for a sample that is alone in its cluster.

    a is the mean distance of a sample to the others of its cluster, b that to the samples of the nearest other cluster.
    """
    total, count = 0.0, len(groups.features)
    for start in range(0, count, _ROWS):
        block = slice(start, start + _ROWS)
        distances = squared_distances(groups.features[block], groups.features).sqrt_()
        distances.diagonal(start).zero_()  # where rounding leaves something
        sums = groups.sums(distances)
        own = groups.group[block, None]
        others = groups.sizes[own] - 1
        inside = sums.gather(1, own) / others.clamp_min(1)
        outside = (sums / groups.sizes).scatter(1, own, torch.inf).amin(1, keepdim=True)
        width = torch.maximum(inside, outside)
        values = torch.where((others > 0) & (width > 0), (outside - inside) / width, 0.0)
        total += float(values.sum())
    return total / count


def _davies_bouldin(groups: _Groups) -> float:
    """Return the mean over clusters i of max_j (s_i + s_j) / d_ij; NaN where two clusters have one centre and no width.

    s is the mean distance of a cluster's samples to its centre, d the distance of two centres.
    """
    centres = _centres(groups)
    widths = groups.sums(_offsets(groups, centres).square().sum(1).sqrt()[None])[0] / groups.sizes
    apart = torch.cdist(centres, centres, compute_mode="donot_use_mm_for_euclid_dist")
    ratios = (widths[:, None] + widths) / apart
    return float(ratios.fill_diagonal_(-torch.inf).amax(1).mean())


def _calinski_harabasz(groups: _Groups) -> float:
    """Return (B / (K - 1)) / (W / (S - K)), the squares between over those within clusters; infinite where W is 0."""
    centres, count, num_clusters = _centres(groups), len(groups.features), len(groups.sizes)
    between = (centres - groups.features.mean(0)).square().sum(1) @ groups.sizes.double()
    within = _offsets(groups, centres).square().sum()
    return float(between / (num_clusters - 1) / (within / (count - num_clusters)))


def _centres(groups: _Groups) -> Tensor:
    """Return the mean of each cluster's samples, ``(K, D)``."""
    return groups.sums(groups.features.T).T / groups.sizes[:, None]


def _offsets(groups: _Groups, centres: Tensor) -> Tensor:
    """Return each sample seen from its cluster's centre, ``(S, D)``."""
    return groups.features - centres[groups.group]


def _relative_entropy(sizes: Tensor, num_clusters: int | None) -> float | None:
    """Return the entropy of clusters of ``sizes (K',)`` over that of K equal ones; None for K < 2."""
    if num_clusters is None or num_clusters < _LEAST_CLUSTERS:
        return None
    shares = sizes[sizes > 0].double() / sizes.sum()
    return min(max(0.0, float(-(shares * shares.log()).sum()) / math.log(num_clusters)), 1.0)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
