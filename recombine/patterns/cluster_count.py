"""Learning how many clusters a set has."""

from collections.abc import Hashable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from recombine.clock import Clock
from recombine.mapping import Mapping
from recombine.patterns.base import DesignPattern
from recombine.set_outputs import classes_of, count_logits, num_classes
from recombine.step import Step


@dataclass(frozen=True, kw_only=True, eq=False)
class ClusterCount(DesignPattern):
    """How well the number of clusters of each set is told.

    ::

        cross_entropy:       loss = -mean ln p(k_true)
        ranked_probability:  loss = mean over sets and k of (sum_{k' <= k} p(k') - [k_true <= k])^2

    at least 0; the latter at most 1. From Learning to Cluster (Meier et al. 2018, arXiv 1807.04001), weight 1.

    Attributes:
        count_head: Gives logits of the number of clusters, ``(B, K)``.
        min_clusters: What the first of the K logits stands for.
        criterion: ``cross_entropy`` or ``ranked_probability``.
        batch_augmentation: The view that the network sees.
    """

    count_head: Mapping
    min_clusters: int
    criterion: str
    batch_augmentation: str

    def recording_key(self, clock: Clock) -> Hashable:
        """Return an empty key: the losses depend on tensors alone."""
        del clock
        return ()

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return ``cluster_count``; a number of clusters that the network cannot tell counts as the nearest it can."""
        logits = count_logits(step, self.count_head, self.batch_augmentation)
        true = num_classes(classes_of(step, step.target("classes"))) - self.min_clusters
        true = true.clamp(0, logits.shape[1] - 1)
        if self.criterion == "cross_entropy":
            return {"cluster_count": functional.cross_entropy(logits, true)}
        reached = functional.one_hot(true, logits.shape[1]).cumsum(1).to(logits.dtype)
        return {"cluster_count": (logits.softmax(1).cumsum(1) - reached).square().mean()}
