"""Hard assignments by k-means on the features, fitted once a phase is over."""

from collections.abc import Callable, Hashable
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from recombine.assignment.base import Assigner, Assignment, AssignmentStrategy, StrategyContext
from recombine.assignment.centroid_similarity import CentroidSimilarity
from recombine.clock import Clock
from recombine.distances import squared_distances
from recombine.kmeans import k_means
from recombine.mapping import Mapping
from recombine.randomness import derive
from recombine.step import PLAIN_VIEW, Forward


@dataclass(frozen=True)
class NearestCentre(Assigner):
    """Assigns samples to the nearest of some centres.

    The confidence of an assignment is 1 - (distance to the nearest centre) / (distance to the second).

    Attributes:
        extractor: The mapping whose output is compared.
        centres: ``(K, D)``.
        keeps_numbers: Whether a cluster has the same number at the next evaluation.
    """

    extractor: Mapping
    centres: Tensor
    keeps_numbers: bool = True

    def assign(self, forward: Forward) -> Assignment:
        """Return the nearest centre of each sample."""
        distances = squared_distances(forward.features(self.extractor), self.centres).sqrt()
        nearest = distances.topk(2, dim=1, largest=False)
        first, second = nearest.values.unbind(1)
        confidence = 1 - first / second.clamp_min(torch.finfo(second.dtype).tiny)
        return Assignment(nearest.indices[:, 0], confidence)


class KMeansAfterPhase(AssignmentStrategy):
    """k-means in the feature space of an extractor after a phase.

    The centres are fitted on the dataset on which the phase ran; other datasets of the method are predicted with
    them. In phases with centroids, patterns get soft assignments from these, as by :class:`CentroidSimilarity`.

    Args:
        context: The method's parts.
        similarity_measure: For soft assignments; None without centroids.
        gaussian_similarity_measure_inverse_temperature: For soft assignments; None without centroids.
        classical_clustering_method_after_phase: ``k_means``.
        classical_clustering_in_feature_space_after_phase: The phase after which to fit.
        classical_clustering_in_feature_space_after_phase_num_restarts: Restarts of k-means; the best one counts.
        classical_clustering_in_feature_space_at_evaluations_num_restarts: Restarts of the k-means that evaluations
            during phases fit for themselves, or None where they use the centres, if there are any yet.
    """

    centres: Tensor

    def __init__(
        self,
        context: StrategyContext,
        *,
        similarity_measure: str | None,
        gaussian_similarity_measure_inverse_temperature: Dictionary[str, Any] | None,
        classical_clustering_method_after_phase: str,
        classical_clustering_in_feature_space_after_phase: str,
        classical_clustering_in_feature_space_after_phase_num_restarts: int,
        classical_clustering_in_feature_space_at_evaluations_num_restarts: int | None,
    ) -> None:
        super().__init__()
        self.method = classical_clustering_method_after_phase
        self.phase = classical_clustering_in_feature_space_after_phase
        self.num_restarts = classical_clustering_in_feature_space_after_phase_num_restarts
        self.num_restarts_at_evaluations = classical_clustering_in_feature_space_at_evaluations_num_restarts
        self.soft: CentroidSimilarity | None = None
        if similarity_measure is not None and gaussian_similarity_measure_inverse_temperature is not None:
            self.soft = CentroidSimilarity(
                context,
                similarity_measure=similarity_measure,
                gaussian_similarity_measure_inverse_temperature=gaussian_similarity_measure_inverse_temperature,
            )
        self._extractor = (context.extractor,)
        self._seed = context.seed
        self._ready = False
        self.register_buffer("centres", torch.zeros(context.num_clusters, context.num_features))

    @property
    def is_ready(self) -> bool:
        """Whether the phase is over and the centres are fitted."""
        return self._ready

    def log_probs(self, forward: Forward, view: str = PLAIN_VIEW) -> Tensor:
        """Return log soft assignments ``(B, K)`` to the centroids; without any, refuse: k-means assigns hard."""
        if self.soft is None:
            raise TypeError("k-means assigns samples to clusters hard: there are no soft assignments")
        return self.soft.log_probs(forward, view)

    def recording_key(self) -> Hashable:
        """Return an empty key: centroids and temperature keep their memory."""
        return ()

    def update(self, clock: Clock) -> None:
        """Anneal the temperature of soft assignments."""
        if self.soft is not None:
            self.soft.update(clock)

    def assign(self, forward: Forward) -> Assignment:
        """Return the nearest centre of each sample."""
        return NearestCentre(self._extractor[0], self.centres).assign(forward)

    def at_evaluation(self, features: Callable[[Mapping], Tensor]) -> Assigner | None:
        """Return what assigns at an evaluation: centres that are fitted for it alone, if that is asked for."""
        if self.num_restarts_at_evaluations is None:
            return super().at_evaluation(features)
        centres = self._fitted(features, self.num_restarts_at_evaluations)
        return NearestCentre(self._extractor[0], centres, keeps_numbers=False)

    def finish_phase(self, phase: str, features: Callable[[Mapping], Tensor]) -> None:
        """Fit the centres when the named phase is over."""
        if phase != self.phase:
            return
        self.centres.copy_(self._fitted(features, self.num_restarts))
        self._ready = True

    def get_extra_state(self) -> dict[str, Any]:
        """Return what the state dict holds beside the centres."""
        return {"ready": self._ready}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`get_extra_state` returned."""
        self._ready = bool(state["ready"])

    def _fitted(self, features: Callable[[Mapping], Tensor], num_restarts: int) -> Tensor:
        """Return the centres ``(K, D)`` of the features, by the same draws at evaluations and after the phase."""
        draws = derive(self._seed, "k-means after phase", self.phase)
        return k_means(features(self._extractor[0]), len(self.centres), num_restarts, draws)
