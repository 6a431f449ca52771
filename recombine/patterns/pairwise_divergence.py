"""Learning distributions that agree within a class and differ between classes."""

from collections.abc import Hashable
from dataclasses import dataclass

from torch import Tensor

from recombine.clock import Clock
from recombine.mapping import Mapping
from recombine.patterns.base import DesignPattern
from recombine.set_outputs import by_set, classes_of, pairs
from recombine.step import Step


@dataclass(frozen=True, kw_only=True, eq=False)
class PairwiseDivergence(DesignPattern):
    """How far the distributions of objects of a class diverge, and how near those of different classes are.

    ::

        loss = mean over i < j of   y_ij (KL_ij + KL_ji) + (1 - y_ij) (max(0, m - KL_ij) + max(0, m - KL_ji)),
        KL_ij = sum_d q_id ln(q_id / q_jd),   q_i = softmax(z_i)

    in nats, at least 0 (Hsu and Kira 2016, arXiv 1511.06321). Learning to Cluster (Meier et al. 2018) has it as an
    optional term on 128 features of its embeddings, with m = 2.

    Attributes:
        mapping: What gives the logits z, ``(B, n, D)`` or ``(B n, D)``.
        margin: m, > 0.
        batch_augmentation: The view that the network sees.
    """

    mapping: Mapping
    margin: float
    batch_augmentation: str

    def recording_key(self, clock: Clock) -> Hashable:
        """Return an empty key: the losses depend on tensors alone."""
        del clock
        return ()

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return ``pairwise_divergence``."""
        log_probs = by_set(step, step.head(self.mapping, self.batch_augmentation)).log_softmax(2)
        probs = log_probs.exp()
        divergence = (probs * log_probs).sum(2, keepdim=True) - probs @ log_probs.transpose(1, 2)
        classes = classes_of(step, step.target("classes"))
        first, second = pairs(classes.shape[1], classes.device)
        same = classes[:, first] == classes[:, second]
        there, back = divergence[:, first, second], divergence[:, second, first]
        apart = (self.margin - there).relu() + (self.margin - back).relu()
        return {"pairwise_divergence": (there + back).where(same, apart).mean()}
