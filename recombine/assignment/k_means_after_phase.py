"""Hard assignments by k-means on the features, fitted once a phase is over."""

from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

from recombine.assignment.base import Assignment, AssignmentStrategy, StrategyContext
from recombine.distances import squared_distances
from recombine.kmeans import k_means
from recombine.mapping import Mapping
from recombine.randomness import derive
from recombine.step import PLAIN_VIEW, Forward


class KMeansAfterPhase(AssignmentStrategy):
    """k-means in the feature space of an extractor after a phase.

    The centres are fitted on the dataset on which the phase ran; other datasets of the method are predicted with
    them. The confidence of an assignment is 1 - (distance to the nearest centre) / (distance to the second).

    Args:
        context: The method's parts.
        classical_clustering_method_after_phase: ``k_means``.
        classical_clustering_in_feature_space_after_phase: The phase after which to fit.
        classical_clustering_in_feature_space_after_phase_num_restarts: Restarts of k-means; the best one counts.
    """

    centres: Tensor

    def __init__(
        self,
        context: StrategyContext,
        *,
        classical_clustering_method_after_phase: str,
        classical_clustering_in_feature_space_after_phase: str,
        classical_clustering_in_feature_space_after_phase_num_restarts: int,
    ) -> None:
        super().__init__()
        self.method = classical_clustering_method_after_phase
        self.phase = classical_clustering_in_feature_space_after_phase
        self.num_restarts = classical_clustering_in_feature_space_after_phase_num_restarts
        self._extractor = (context.extractor,)
        self._seed = context.seed
        self._ready = False
        self.register_buffer("centres", torch.zeros(context.num_clusters, context.num_features))

    @property
    def is_ready(self) -> bool:
        """Whether the phase is over and the centres are fitted."""
        return self._ready

    def log_probs(self, forward: Forward, view: str = PLAIN_VIEW) -> Tensor:
        """Refuse: k-means assigns hard."""
        raise TypeError("k-means assigns samples to clusters hard: there are no soft assignments")

    def recording_key(self) -> Hashable:
        """Return an empty key: during training, nothing is assigned."""
        return ()

    def assign(self, forward: Forward) -> Assignment:
        """Return the nearest centre of each sample."""
        distances = squared_distances(forward.features(self._extractor[0]), self.centres).sqrt()
        nearest = distances.topk(2, dim=1, largest=False)
        first, second = nearest.values.unbind(1)
        confidence = 1 - first / second.clamp_min(torch.finfo(second.dtype).tiny)
        return Assignment(nearest.indices[:, 0], confidence)

    def finish_phase(self, phase: str, features: Callable[[Mapping], Tensor]) -> None:
        """Fit the centres when the named phase is over."""
        if phase != self.phase:
            return
        draws = derive(self._seed, "k-means after phase", phase)
        self.centres.copy_(k_means(features(self._extractor[0]), len(self.centres), self.num_restarts, draws))
        self._ready = True

    def get_extra_state(self) -> dict[str, Any]:
        """Return what the state dict holds beside the centres."""
        return {"ready": self._ready}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`get_extra_state` returned."""
        self._ready = bool(state["ready"])
