"""Encouraging cluster formation by minimizing the expected normalized cut."""

from collections.abc import Hashable
from collections.abc import Mapping as Dictionary
from typing import Any

import torch
from torch import Tensor

from recombine.affinity import Affinity
from recombine.clock import Clock
from recombine.cuts import expected_normalized_cut, imbalance
from recombine.mapping import Mapping
from recombine.patterns.base import DesignPattern
from recombine.step import Step
from recombine.temperature import temperature


class NormalizedCut(DesignPattern):
    """The expected normalised cut of the batch's graph (CNC; Nazi et al., arXiv 1910.07623).

    ::

        Y = softmax((ln q + G) / tau),   G_ik = -ln(-ln U_ik),   U ~ Uniform(0, 1)
        normalized_cut = sum_k sum_ij W_ij Y_ik (1 - Y_jk) / G_k,   G_k = sum_ij W_ij Y_ik,   in [0, K]
        imbalance      = 1/K sum_k (sum_i Y_ik - B/K)^2,   >= 0

    q are the soft assignments of a classifier or of the method's strategy: logits and their log softmax give the same
    Y. W carries no gradient. The published code sums over batches of 256, weighs the imbalance by 0.01, keeps two
    neighbours beside the sample itself, and lowers tau from 1.5 to 1.

    Args:
        affinity: How W comes about (:class:`recombine.affinity.Affinity`).
        gumbel_noise: Whether assignments are drawn; without, G is 0.
        hard_assignments: Whether Y is made one-hot, with the gradient of the soft one.
        temperature: How tau falls (:func:`recombine.temperature.temperature`).
        classifier: The mapping that gives the soft assignments q; None: the method's strategy does.
        batch_augmentation: The view that is assigned; W is always that of the plain one.
    """

    def __init__(
        self,
        *,
        affinity: Dictionary[str, Any],
        gumbel_noise: bool,
        hard_assignments: bool,
        temperature: Dictionary[str, Any],
        classifier: Mapping | None,
        batch_augmentation: str,
    ) -> None:
        self.affinity = Affinity(affinity)
        self.gumbel_noise = gumbel_noise
        self.hard_assignments = hard_assignments
        self.temperature = temperature
        self.classifier = classifier
        self.batch_augmentation = batch_augmentation

    def before_step(self, step: Step) -> None:
        """Find the scale and the neighbours, when the phase begins."""
        self.affinity.prepare(step)

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return ``normalized_cut`` and ``imbalance``."""
        weights = self.affinity.weights(step)
        probs = self._drawn(step.log_probs(self.batch_augmentation, self.classifier), step.clock)
        cut = expected_normalized_cut(weights.to(probs.dtype), probs)
        return {"normalized_cut": cut, "imbalance": imbalance(probs)}

    def recording_key(self, clock: Clock) -> Hashable | None:
        """Return the temperature, and where the neighbours lie; a graph of a dataset has no fixed number of edges."""
        if self.affinity.is_precomputed:
            return None
        return (temperature(self.temperature, clock.iteration), self.affinity.memory)

    def state_dict(self) -> dict[str, Any]:
        """Return the scale and the neighbours."""
        return {"affinity": self.affinity.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a scale and neighbours."""
        self.affinity.load_state_dict(state["affinity"])

    def _drawn(self, log_probs: Tensor, clock: Clock) -> Tensor:
        """Return Y ``(B, K)``."""
        if self.gumbel_noise:
            # From torch's global generator, which every iteration seeds: so a recording of the step draws as well.
            exponential = torch.empty_like(log_probs).exponential_().clamp_min(torch.finfo(log_probs.dtype).tiny)
            log_probs = log_probs - exponential.log()
        probs = (log_probs / temperature(self.temperature, clock.iteration)).softmax(1)
        if not self.hard_assignments:
            return probs
        return torch.zeros_like(probs).scatter_(1, probs.argmax(1, keepdim=True), 1) + probs - probs.detach()
