"""Encouraging cluster formation by reinforcing the current assignment of samples to clusters."""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from recombine.clock import Clock
from recombine.decoding import decode, in_shape_of
from recombine.distances import squared_distances
from recombine.mapping import Mapping
from recombine.patterns.base import DesignPattern
from recombine.step import Step

_Option = TypeVar("_Option")


@dataclass(frozen=True, kw_only=True, eq=False)
class Reinforcement(DesignPattern):
    """Pull of samples to the clusters that they are assigned to.

    ::

        loss = 1/B sum over the selected pairs (i, k) of w_ik l(s_i, c_k),   >= 0

    s_i represents sample i and c_k cluster k: a sample or its reconstruction beside a decoded centroid; a feature
    vector z_i beside a centroid mu_k; the soft assignments q_i beside the pseudolabel of the cluster, its one-hot
    vector. l is the squared Euclidean distance (``l2``), or -ln q_ik (``cross_entropy``, in nats, for pseudolabels).
    A pair is selected if both criteria select it. Weights carry gradient; what a pair is selected by does not.

    Deep k-Means (arXiv 1806.10069) is features, centroids, all clusters, weights q_ik and ``l2``. DCN
    (arXiv 1610.04794) is the same with the nearest centroid and weight ``unit``. Self-labelling takes the argmax of
    q, a threshold (0.99 in SCAN, arXiv 2005.12320) and ``cross_entropy``.

    Raises (in ``losses``):
        NetworkError: A decoded centroid differs in size from a sample.

    Attributes:
        loss_type: ``l2`` or ``cross_entropy``.
        sample_selection_criterion: ``all_samples``, ``threshold_on_feature_representation_distance_to_centroid`` or
            ``threshold_on_soft_assignment_to_cluster``.
        threshold_on_feature_representation_distance_to_centroid: t > 0; selects pairs with ||z_i - mu_k|| < t.
        threshold_on_soft_assignment_to_cluster: t in [0, 1]; selects pairs with q_ik >= t.
        cluster_selection_criterion: ``all_clusters``, ``nearest_centroid`` or ``argmax_of_soft_assignments``.
        sample_representation: ``original_sample``, ``decoder_reconstructed_sample``, ``feature_representation`` or
            ``soft_assignments``.
        cluster_representation: ``centroid``, ``centroid_processed_by_decoder`` or ``pseudolabel``.
        sample_cluster_pair_loss_weighting_term: w_ik: ``unit`` (1); ``soft_assignment_of_sample_to_cluster`` (q_ik);
            ``l2_distance_of_feature_representation_to_centroid`` (||z_i - mu_k||^2);
            ``gaussian_kernel_based_similarity_of_feature_representation_to_centroid`` (softmax_k(-||z_i - mu_k||^2)).
        associated_feature_extractor: What gives z; None: the extractor among whose features the centroids lie.
        associated_encoder: With the decoder, what reconstructs samples; None where nothing is reconstructed.
        associated_decoder: What decodes centroids and reconstructs samples; None where nothing is decoded.
        classifier: The mapping that gives the soft assignments q; None: the method's strategy does.
        batch_augmentation: The view to work on.
    """

    loss_type: str
    sample_selection_criterion: str
    threshold_on_feature_representation_distance_to_centroid: float | None
    threshold_on_soft_assignment_to_cluster: float | None
    cluster_selection_criterion: str
    sample_representation: str
    cluster_representation: str
    sample_cluster_pair_loss_weighting_term: str
    associated_feature_extractor: Mapping | None
    associated_encoder: Mapping | None
    associated_decoder: Mapping | None
    classifier: Mapping | None
    batch_augmentation: str

    def recording_key(self, clock: Clock) -> Hashable:
        """Return an empty key: the losses depend on tensors alone."""
        del clock
        return ()

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return ``reinforcement``, the sum over the selected pairs divided by the batch size."""
        pairs = _Pairs(self, step)
        losses = pairs.weighted(pairs.losses())
        for selected in (pairs.selected_by_cluster(), pairs.selected_by_sample()):
            if selected is not None:
                losses = losses.where(selected, 0)
        return {"reinforcement": losses.sum() / len(losses)}


class _Pairs:
    """All pairs of a sample of the batch and a cluster; what several options ask for is computed once.

    Args:
        options: The pattern.
        step: The iteration.
    """

    def __init__(self, options: Reinforcement, step: Step) -> None:
        self.options = options
        self.step = step
        self.view = options.batch_augmentation

    @cached_property
    def extractor(self) -> Mapping:
        """The mapping that gives the features."""
        return self.options.associated_feature_extractor or self.step.centroids.extractor

    @cached_property
    def distances(self) -> Tensor:
        """Squared distances ``(B, K)`` of the features to the centroids."""
        return self.step.centroids.distances(self.step.features(self.extractor, self.view))

    @cached_property
    def log_probs(self) -> Tensor:
        """Log soft assignments ``(B, K)``."""
        return self.step.log_probs(self.view, self.options.classifier)

    def losses(self) -> Tensor:
        """Return the loss of each pair, ``(B, K)``."""
        if self.options.loss_type == "cross_entropy":
            return -self.log_probs
        match self.options.sample_representation:
            case "feature_representation":
                return self.distances
            case "soft_assignments":
                probs = self.log_probs.exp()
                pseudolabels = torch.eye(probs.shape[1], dtype=probs.dtype, device=probs.device)
                return squared_distances(probs, pseudolabels)
            case "original_sample":
                return self._distances_in_sample_space(self.step.view(self.view))
            case _:
                decoder, encoder = _given(self.options.associated_decoder), _given(self.options.associated_encoder)
                return self._distances_in_sample_space(self.step.output(decoder, self.view, source=encoder))

    def weighted(self, losses: Tensor) -> Tensor:
        """Return ``losses (B, K)`` times the weight of each pair."""
        match self.options.sample_cluster_pair_loss_weighting_term:
            case "unit":
                return losses
            case "soft_assignment_of_sample_to_cluster":
                return losses * self.log_probs.exp()
            case "l2_distance_of_feature_representation_to_centroid":
                return losses * self.distances
            case _:
                return losses * (-self.distances).softmax(1)

    def selected_by_cluster(self) -> Tensor | None:
        """Return which pairs ``(B, K)`` the cluster selection criterion selects; None: all."""
        match self.options.cluster_selection_criterion:
            case "all_clusters":
                return None
            case "nearest_centroid":
                return _only_highest(-self.distances)
            case _:
                return _only_highest(self.log_probs)

    def selected_by_sample(self) -> Tensor | None:
        """Return which pairs ``(B, K)`` the sample selection criterion selects; None: all."""
        match self.options.sample_selection_criterion:
            case "all_samples":
                return None
            case "threshold_on_soft_assignment_to_cluster":
                return self.log_probs.detach().exp() >= _given(self.options.threshold_on_soft_assignment_to_cluster)
            case _:
                threshold = _given(self.options.threshold_on_feature_representation_distance_to_centroid)
                return self.distances.detach().sqrt() < threshold

    def _distances_in_sample_space(self, samples: Tensor) -> Tensor:
        """Return squared distances ``(B, K)`` of ``samples (B, ...)`` to the decoded centroids."""
        decoder, positions = _given(self.options.associated_decoder), self.step.centroids.positions
        features = self.step.output(self.extractor, self.view)
        decoded = decode(decoder, positions.reshape(len(positions), *features.shape[1:]), self.extractor)
        return squared_distances(in_shape_of(decoded, samples, decoder).flatten(1), decoded.flatten(1))


def _only_highest(scores: Tensor) -> Tensor:
    """Return, for ``scores (B, K)``, whether each is the highest of its row (the first such), ``(B, K)``."""
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(1, scores.argmax(1, keepdim=True), True)


def _given(option: _Option | None) -> _Option:
    """Return an option that the schema requires beside the choices that lead here."""
    if option is None:
        raise RuntimeError("an option is missing that the schema requires with the others")
    return option
