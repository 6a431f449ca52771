"""Making the clusterings of a set into k and into k + 1 clusters agree."""

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from recombine.clock import Clock
from recombine.mapping import Mapping
from recombine.patterns.base import DesignPattern
from recombine.set_outputs import cluster_log_probs, pairs
from recombine.step import Step

_EPSILON = 1e-7


@dataclass(frozen=True, kw_only=True, eq=False)
class NestedClusterings(DesignPattern):
    """How many pairs share one of k + 1 clusters and none of k, and how many clusters nobody uses.

    ::

        nesting         = mean over k < k_max and i < j of r_ij(k)  (linear)  or of -ln(1 - r_ij(k))  (logarithmic)
        r_ij(k)         = P_ij(k + 1) (1 - P_ij(k)),   P_ij(k) = sum_l p_il^k p_jl^k
        unused_clusters = 1 - mean over k and l of max_i p_il^k

    at least 0. No labels are needed. From the experiments beside Learning to Cluster (Meier et al. 2018), with weights
    from 0.5 to 10.

    Attributes:
        assignment_head: Gives logits of the cluster of each object for every number of clusters, ``(B, n, T)``.
        min_clusters: The least number of clusters.
        max_clusters: The greatest, above it.
        variant: ``linear`` or ``logarithmic``.
        batch_augmentation: The view that the network sees.
    """

    assignment_head: Mapping
    min_clusters: int
    max_clusters: int
    variant: str
    batch_augmentation: str

    def recording_key(self, clock: Clock) -> Hashable:
        """Return an empty key: the losses depend on tensors alone."""
        del clock
        return ()

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return ``nesting`` and ``unused_clusters``."""
        counts = range(self.min_clusters, self.max_clusters + 1)
        probs = [part.exp() for part in cluster_log_probs(step, self.assignment_head, counts, self.batch_augmentation)]
        used = torch.stack([part.amax(1).mean() for part in probs])
        return {"nesting": self._nesting(probs), "unused_clusters": 1 - used.mean()}

    def _nesting(self, probs: list[Tensor]) -> Tensor:
        first, second = pairs(probs[0].shape[1], probs[0].device)
        together = [(part @ part.transpose(1, 2))[:, first, second] for part in probs]
        violated = torch.stack([more * (1 - fewer) for fewer, more in pairwise(together)])
        if self.variant == "logarithmic":
            violated = -(1 - violated).clamp(min=_EPSILON).log()
        return violated.mean()
