"""Soft assignments from the similarity of features to centroids."""

import math
from collections.abc import Hashable
from collections.abc import Mapping as Dictionary
from typing import Any

import torch
from torch import Tensor

from recombine.assignment.base import AssignmentStrategy, StrategyContext
from recombine.clock import Clock
from recombine.step import PLAIN_VIEW, Forward

_DEGREES_OF_FREEDOM = 1.0


class CentroidSimilarity(AssignmentStrategy):
    r"""Soft assignments of a sample's features z to centroids mu_k by a kernel.

    ``student_t`` (DEC, Xie et al. 2016, arXiv 1511.06335): :math:`q_k \propto (1 + \|z - \mu_k\|^2)^{-1}`.
    ``gaussian`` (Deep k-Means, Fard et al. 2018, arXiv 1806.10069):
    :math:`q = \mathrm{softmax}_k(-\alpha \|z - \mu_k\|^2)` with a fixed or annealed inverse temperature alpha > 0.

    Args:
        context: The method's parts.
        similarity_measure: ``student_t`` or ``gaussian``.
        gaussian_similarity_measure_inverse_temperature: ``{"fixed_value": alpha}``, or
            ``annealing_initial_value``, ``annealing_final_value`` and ``annealing_iterations_per_value``.
    """

    inverse_temperature: Tensor

    def __init__(
        self,
        context: StrategyContext,
        *,
        similarity_measure: str,
        gaussian_similarity_measure_inverse_temperature: Dictionary[str, Any],
    ) -> None:
        super().__init__()
        self.similarity_measure = similarity_measure
        self.temperature_options = dict(gaussian_similarity_measure_inverse_temperature)
        self.phases = context.uses_centroids
        self._centroids = (context.centroids,)
        self.register_buffer("inverse_temperature", torch.tensor(annealed(self.temperature_options, 0)))

    @property
    def is_ready(self) -> bool:
        """Whether the centroids have been placed."""
        centroids = self._centroids[0]
        return centroids is not None and centroids.is_initialized

    def log_probs(self, forward: Forward, view: str = PLAIN_VIEW) -> Tensor:
        """Return log soft assignments ``(B, K)``."""
        centroids = forward.centroids
        distances = centroids.distances(forward.features(centroids.extractor, view))
        if self.similarity_measure == "gaussian":
            return (-self.inverse_temperature * distances).log_softmax(1)
        exponent = (_DEGREES_OF_FREEDOM + 1) / 2
        return (-exponent * torch.log1p(distances / _DEGREES_OF_FREEDOM)).log_softmax(1)

    def recording_key(self) -> Hashable:
        """Return an empty key: centroids and temperature keep their memory."""
        return ()

    def update(self, clock: Clock) -> None:
        """Anneal the inverse temperature; phases that do not use the centroids leave it as it is."""
        if clock.phase not in self.phases:
            return
        interval = self.temperature_options.get("annealing_iterations_per_value")
        if interval is not None and clock.iteration % interval == 0:
            self.inverse_temperature.fill_(annealed(self.temperature_options, clock.iteration))


def annealed(options: Dictionary[str, Any], iteration: int) -> float:
    """Return the inverse temperature at ``iteration`` of a phase.

    The t-th step (t = 1, 2, ...), one every ``annealing_iterations_per_value`` iterations, multiplies the value by
    2^(1 / ln(t + 1)^2), up to ``annealing_final_value`` (Deep k-Means, section 4.2).
    """
    if options.get("fixed_value") is not None:
        return float(options["fixed_value"])
    value, final = float(options["annealing_initial_value"]), float(options["annealing_final_value"])
    for t in range(1, iteration // int(options["annealing_iterations_per_value"]) + 1):
        value = min(value * 2 ** (1 / math.log(t + 1) ** 2), final)
        if value >= final:
            break
    return value
