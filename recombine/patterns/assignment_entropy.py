"""Preventing cluster degeneracy by maximizing the entropy of soft assignments."""

import math
from collections.abc import Hashable
from dataclasses import dataclass

from torch import Tensor

from recombine.clock import Clock
from recombine.mapping import Mapping
from recombine.patterns.base import DesignPattern
from recombine.step import Step


@dataclass(frozen=True, kw_only=True, eq=False)
class AssignmentEntropy(DesignPattern):
    """How far the clusters of a batch are from equal size.

    ::

        loss = ln K + sum_k P_k ln P_k,   P_k = sum_i q_ik / sum_ik' q_ik',   in [0, ln K]

    in nats: 0 where all clusters have the same mass, ln K where one has everything. Known from Contrastive
    Clustering (arXiv 2009.09687), where it has weight 1 for each of the two views.

    Attributes:
        classifier: The mapping that gives the soft assignments q; None: the method's strategy does.
        batch_augmentation: The view that is assigned.
    """

    classifier: Mapping | None
    batch_augmentation: str

    def recording_key(self, clock: Clock) -> Hashable:
        """Return an empty key: the losses depend on tensors alone."""
        del clock
        return ()

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return ``assignment_entropy``, ln K minus the entropy of the clusters' masses."""
        log_probs = step.log_probs(self.batch_augmentation, self.classifier)
        log_masses = log_probs.logsumexp(0).log_softmax(0)
        return {"assignment_entropy": math.log(log_probs.shape[1]) + (log_masses.exp() * log_masses).sum()}
