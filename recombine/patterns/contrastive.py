"""Learning feature representations by using contrastive learning and data augmentation."""

from collections.abc import Hashable
from dataclasses import dataclass

from torch import Tensor

from recombine.clock import Clock
from recombine.contrast import nt_xent
from recombine.mapping import Mapping
from recombine.patterns.base import DesignPattern
from recombine.step import Step


@dataclass(frozen=True, kw_only=True, eq=False)
class Contrastive(DesignPattern):
    """Contrast between the projections of two views of each sample (SimCLR, arXiv 2002.05709).

    ::

        loss = 1/(2B) sum_i -log( exp(s(z_i, z_i')/t) / sum_{j != i} exp(s(z_i, z_j)/t) ),   >= 0

    over the 2B projections z of both views, z_i' being the other view's projection of the same sample and s the
    cosine similarity: 1 positive and 2B - 2 negatives per anchor. The paper uses t = 0.5 for small images (0.1 on
    ImageNet) and a head with one hidden layer; Contrastive Clustering (arXiv 2009.09687) uses t = 0.5.

    Attributes:
        contrastive_learning_head: The projection head.
        batch_augmentation_1: The first view.
        batch_augmentation_2: The second view.
        temperature_parameter: t > 0; the lower, the more the hardest negatives count.
    """

    contrastive_learning_head: Mapping
    batch_augmentation_1: str
    batch_augmentation_2: str
    temperature_parameter: float

    def recording_key(self, clock: Clock) -> Hashable:
        """Return an empty key: the losses depend on tensors alone."""
        del clock
        return ()

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return ``contrastive``, the mean over the 2B anchors."""
        first = step.head(self.contrastive_learning_head, self.batch_augmentation_1)
        second = step.head(self.contrastive_learning_head, self.batch_augmentation_2)
        return {"contrastive": nt_xent(first, second, self.temperature_parameter)}
