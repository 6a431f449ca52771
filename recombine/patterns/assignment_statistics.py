"""Learning invariance to transformations by using assignment statistics vectors and data augmentation."""

from collections.abc import Hashable
from dataclasses import dataclass

from torch import Tensor

from recombine.clock import Clock
from recombine.contrast import nt_xent
from recombine.mapping import Mapping
from recombine.patterns.base import DesignPattern
from recombine.step import Step


@dataclass(frozen=True, kw_only=True, eq=False)
class AssignmentStatistics(DesignPattern):
    """Contrast between the clusters as two views see them (Contrastive Clustering, arXiv 2009.09687).

    ::

        loss = 1/(2K) sum_k -log( exp(s(c_k, c_k')/t) / sum_{j != k} exp(s(c_k, c_j)/t) ),   >= 0

    over the 2K columns c, of length B, of the two matrices of soft assignments; c_k' is the other view's column of
    the same cluster and s the cosine similarity. This is the paper's cluster-level loss without its entropy term,
    which is a pattern of its own (``assignment_entropy``). The paper uses t = 1.

    Columns are brought to length 1 in log space, so that also a cluster that is all but empty keeps a direction.

    Attributes:
        batch_augmentation_1: The first view.
        batch_augmentation_2: The second view.
        temperature_parameter: t > 0.
        classifier: The mapping that gives the soft assignments; None: the method's strategy does.
    """

    batch_augmentation_1: str
    batch_augmentation_2: str
    temperature_parameter: float
    classifier: Mapping | None

    def recording_key(self, clock: Clock) -> Hashable:
        """Return an empty key: the losses depend on tensors alone."""
        del clock
        return ()

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return ``assignment_statistics``, the mean over the 2K anchors."""
        first = _unit_columns(step.log_probs(self.batch_augmentation_1, self.classifier))
        second = _unit_columns(step.log_probs(self.batch_augmentation_2, self.classifier))
        return {"assignment_statistics": nt_xent(first, second, self.temperature_parameter)}


def _unit_columns(log_probs: Tensor) -> Tensor:
    """Return the columns of ``exp(log_probs (B, K))`` as rows ``(K, B)`` of length 1."""
    log_lengths = (2 * log_probs).logsumexp(0) / 2
    return (log_probs - log_lengths).exp().T
