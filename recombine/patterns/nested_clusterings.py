"""Making the clusterings of a set into k and into k + 1 clusters agree."""

from collections.abc import Hashable
from dataclasses import dataclass

import torch
from torch import Tensor

from recombine.clock import Clock
from recombine.mapping import Mapping
from recombine.patterns.base import DesignPattern
from recombine.set_outputs import SetOutputs, pairs, set_outputs
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
        count_head: Gives logits of the number of clusters, ``(B, K)``; its width alone has a part in this.
        assignment_head: Gives logits of the cluster of each object for every number of clusters, ``(B, n, T)``.
        min_clusters: The least number of clusters.
        variant: ``linear`` or ``logarithmic``.
        batch_augmentation: The view that the networks see.
    """

    count_head: Mapping
    assignment_head: Mapping
    min_clusters: int
    variant: str
    batch_augmentation: str

    def recording_key(self, clock: Clock) -> Hashable:
        """Return an empty key: the losses depend on tensors alone."""
        del clock
        return ()

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return ``nesting`` and ``unused_clusters``."""
        view = self.batch_augmentation
        outputs = set_outputs(step, self.count_head, self.assignment_head, self.min_clusters, view)
        used = torch.stack([log_probs.exp().amax(1).mean() for log_probs in outputs.cluster_log_probs])
        return {"nesting": self._nesting(outputs), "unused_clusters": 1 - used.mean()}

    def _nesting(self, outputs: SetOutputs) -> Tensor:
        first, second = pairs(outputs.cluster_logits.shape[1], outputs.cluster_logits.device)
        together = [outputs.same_cluster_probs(k)[:, first, second] for k in range(len(outputs.counts))]
        if len(together) == 1:
            return 0 * together[0].mean()
        violated = [more * (1 - fewer) for fewer, more in zip(together, together[1:], strict=False)]
        means = torch.stack(violated)
        if self.variant == "logarithmic":
            means = -(1 - means).clamp(min=_EPSILON).log()
        return means.mean()
