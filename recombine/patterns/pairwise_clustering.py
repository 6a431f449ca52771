"""Learning to cluster sets from pairs of objects that belong together."""

import math
from collections.abc import Hashable
from dataclasses import dataclass

from torch import Tensor

from recombine.clock import Clock
from recombine.mapping import Mapping
from recombine.patterns.base import DesignPattern
from recombine.set_outputs import classes_of, pairs, set_outputs
from recombine.step import Step

_EPSILON = 1e-7


@dataclass(frozen=True, kw_only=True, eq=False)
class PairwiseClustering(DesignPattern):
    """How well the probabilities that two objects share a cluster agree with their classes.

    ::

        P_ij = sum_k p(k) sum_l p_il^k p_jl^k
        loss = -mean over i < j of w_1 y_ij ln P_ij + w_0 (1 - y_ij) ln(1 - P_ij)

    in nats, at least 0; y_ij is 1 for objects of the same class, and P_ij is kept within [1e-7, 1 - 1e-7]. With the
    share phi of pairs of the same class, w_1 = c sqrt(1 - phi) and w_0 = c sqrt(phi), with w_0 + w_1 = 2. From Learning
    to Cluster (Meier et al. 2018, arXiv 1807.04001), where it has weight 5 beside the loss of the number of clusters.
    The soft Rand index is 1 - (sum P y + sum (1 - P)(1 - y)) / pairs, the soft Fowlkes-Mallows index
    1 - TP / sqrt((TP + FP)(TP + FN)) with TP = sum P y, both in [0, 1].

    Attributes:
        count_head: Gives logits of the number of clusters, ``(B, K)``.
        assignment_head: Gives logits of the cluster of each object for every number of clusters, ``(B, n, T)``.
        min_clusters: What the first of the K logits stands for.
        criterion: ``cross_entropy``, ``rand_index`` or ``fowlkes_mallows``.
        class_weights: ``square_root``, ``proportional`` or ``none``.
        same_class_share: phi, in (0, 1), or None: that of the dataset.
        include_self_pairs: Whether i = j counts as well.
        batch_augmentation: The view that the networks see.
    """

    count_head: Mapping
    assignment_head: Mapping
    min_clusters: int
    criterion: str
    class_weights: str
    same_class_share: float | None
    include_self_pairs: bool
    batch_augmentation: str

    def recording_key(self, clock: Clock) -> Hashable:
        """Return an empty key: the losses depend on tensors alone, and on shares that never change."""
        del clock
        return ()

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return ``pairwise_clustering``."""
        view = self.batch_augmentation
        outputs = set_outputs(step, self.count_head, self.assignment_head, self.min_clusters, view)
        classes = classes_of(step, step.target("classes"))
        first, second = pairs(classes.shape[1], classes.device, self.include_self_pairs)
        together = outputs.same_cluster_probs()[:, first, second].clamp(_EPSILON, 1 - _EPSILON)
        same = (classes[:, first] == classes[:, second]).to(together.dtype)
        if self.criterion == "rand_index":
            loss = 1 - (together * same + (1 - together) * (1 - same)).mean()
        elif self.criterion == "fowlkes_mallows":
            hits = (together * same).sum()
            loss = 1 - hits / (together.sum() * same.sum() + _EPSILON).sqrt()
        else:
            other, own = self._weights(step)
            loss = -(own * same * together.log() + other * (1 - same) * (1 - together).log()).mean()
        return {"pairwise_clustering": loss}

    def _weights(self, step: Step) -> tuple[float, float]:
        """Return w_0, of pairs of different classes, and w_1, of pairs of the same."""
        if self.class_weights == "none":
            return 1.0, 1.0
        share = step.same_class_share if self.same_class_share is None else self.same_class_share
        power = math.sqrt if self.class_weights == "square_root" else float
        other, own = power(share), power(1 - share)
        return 2 * other / (other + own), 2 * own / (other + own)
