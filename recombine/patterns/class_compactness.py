"""Drawing the objects of a class in a set together in feature space."""

from collections.abc import Hashable
from dataclasses import dataclass

from torch import Tensor

from recombine.clock import Clock
from recombine.mapping import Mapping
from recombine.patterns.base import DesignPattern
from recombine.set_outputs import by_set, classes_of
from recombine.step import Step


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassCompactness(DesignPattern):
    """How far the objects of a class in a set are from their mean.

    ::

        loss = mean over objects and features of (z_i - m_i)^2,   m_i the mean of z_j over the class of i in its set

    at least 0. Gradients flow through the means. The simplified centre loss of Learning to Cluster (Meier et al. 2018,
    arXiv 1807.04001), weight 0.5 in its published runs on points.

    Attributes:
        mapping: What gives the features z, ``(B, n, D)`` or ``(B n, D)``.
        batch_augmentation: The view that the network sees.
    """

    mapping: Mapping
    batch_augmentation: str

    def recording_key(self, clock: Clock) -> Hashable:
        """Return an empty key: the losses depend on tensors alone."""
        del clock
        return ()

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return ``class_compactness``."""
        features = by_set(step, step.output(self.mapping, self.batch_augmentation))
        classes = classes_of(step, step.target("classes"))
        same = (classes.unsqueeze(2) == classes.unsqueeze(1)).to(features.dtype)
        means = same @ features / same.sum(2, keepdim=True)
        return {"class_compactness": (features - means).square().mean()}
