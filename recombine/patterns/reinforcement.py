"""Encouraging cluster formation by reinforcing the current assignment of samples to clusters."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from recombine.clock import Clock
from recombine.decoding import decode, in_shape_of
from recombine.distances import euclidean_distances, squared_distances, sums_of_nearest
from recombine.mapping import Mapping
from recombine.modes import evaluating
from recombine.patterns.base import DesignPattern
from recombine.step import Forward, Step

_COUNTS = "counts"
_Option = TypeVar("_Option")


@dataclass(frozen=True, kw_only=True, eq=False)
class Reinforcement(DesignPattern):
    """Pull of samples to the clusters that they are assigned to.

    ::

        loss = 1/B sum over the selected pairs (i, k) of w_ik l(s_i, c_k),   >= 0

    s_i represents sample i and c_k cluster k: a sample or its reconstruction beside a decoded centroid; a feature
    vector z_i beside a centroid mu_k; the soft assignments q_i beside the pseudolabel of the cluster, its one-hot
    vector. l is the squared Euclidean distance (``l2``), that distance itself (``euclidean``; its gradient is 0 where
    it is 0), or -ln q_ik (``cross_entropy``, in nats, for pseudolabels).
    A pair is selected if both criteria select it. Weights carry gradient; what a pair is selected by does not.

    Deep k-Means (arXiv 1806.10069) is features, centroids, all clusters, weights q_ik and ``l2``. DCN
    (arXiv 1610.04794) is the same with the nearest centroid, weight ``unit`` and running means. The k-means loss of
    Aljalbout et al. 2018 (arXiv 1801.07648) is ``euclidean`` to the nearest of fixed centroids, with loss weight 0.1.
    Self-labelling takes the argmax of q, a threshold (0.99 in SCAN, arXiv 2005.12320) and ``cross_entropy``.

    With ``running_means``, the centroids follow the samples of each batch after the optimizers stepped (DCN, eq. 8)::

        mu_k <- mu_k + sum over the n_k samples i of the batch nearest to mu_k of (z_i - mu_k) / (c_k + n_k)
        c_k <- c_k + n_k

    z comes from the networks as they are then, in evaluation mode; c_k starts anew in each phase.

    Raises (in ``losses``):
        NetworkError: A decoded centroid differs in size from a sample.

    Attributes:
        loss_type: ``l2``, ``euclidean`` or ``cross_entropy``.
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
        centroid_update: ``none`` or ``running_means``.
        centroid_update_initial_count: c_k at the start of a phase, >= 0; None without running means.
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
    centroid_update: str
    centroid_update_initial_count: int | None
    associated_feature_extractor: Mapping | None
    associated_encoder: Mapping | None
    associated_decoder: Mapping | None
    classifier: Mapping | None
    batch_augmentation: str
    _counts: dict[str, Tensor] = field(init=False, default_factory=dict)

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

    def after_step(self, step: Step) -> None:
        """Move the centroids to the running means of their samples, if that is asked for."""
        if self.centroid_update != "running_means":
            return
        old = step.centroids.positions.detach()
        extractor = self.associated_feature_extractor or step.centroids.extractor
        with torch.no_grad(), evaluating(extractor.chain()):
            features = Forward(step.method, step.batch).features(extractor, self.batch_augmentation)
            sums, new = sums_of_nearest(features, old)
            total = self._counted(old) + new.long()
            step.centroids.place(old + (sums - new[:, None] * old) / total[:, None].clamp_min(1))
        self._counts[_COUNTS] = total

    def state_dict(self) -> dict[str, Any]:
        """Return how many samples each running mean has seen, int64 ``(K,)``; nothing before the first iteration."""
        return dict(self._counts)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`state_dict` returned."""
        self._counts.update(state)

    def _counted(self, positions: Tensor) -> Tensor:
        """Return how many samples each of the running means ``(K, D)`` has seen, ``(K,)``."""
        first = torch.full((len(positions),), _given(self.centroid_update_initial_count))
        return self._counts.get(_COUNTS, first).to(positions.device)


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
    def is_squared(self) -> bool:
        """Whether losses are squared distances."""
        return self.options.loss_type == "l2"

    @cached_property
    def log_probs(self) -> Tensor:
        """Log soft assignments ``(B, K)``."""
        return self.step.log_probs(self.view, self.options.classifier)

    def losses(self) -> Tensor:
        """Return the loss of each pair, ``(B, K)``."""
        if self.options.loss_type == "cross_entropy":
            return -self.log_probs
        match self.options.sample_representation:
            case "feature_representation" if self.is_squared:
                return self.distances
            case "feature_representation":
                return self._between(self.step.features(self.extractor, self.view), self.step.centroids.positions)
            case "soft_assignments":
                probs = self.log_probs.exp()
                return self._between(probs, torch.eye(probs.shape[1], dtype=probs.dtype, device=probs.device))
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

    def _between(self, samples: Tensor, clusters: Tensor) -> Tensor:
        """Return distances ``(B, K)`` of ``samples (B, D)`` to ``clusters (K, D)``, squared or not."""
        return (squared_distances if self.is_squared else euclidean_distances)(samples, clusters)

    def _distances_in_sample_space(self, samples: Tensor) -> Tensor:
        """Return distances ``(B, K)`` of ``samples (B, ...)`` to the decoded centroids, squared or not."""
        decoder, positions = _given(self.options.associated_decoder), self.step.centroids.positions
        features = self.step.output(self.extractor, self.view)
        decoded = decode(decoder, positions.reshape(len(positions), *features.shape[1:]), self.extractor)
        return self._between(in_shape_of(decoded, samples, decoder).flatten(1), decoded.flatten(1))


def _only_highest(scores: Tensor) -> Tensor:
    """Return, for ``scores (B, K)``, whether each is the highest of its row (the first such), ``(B, K)``."""
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(1, scores.argmax(1, keepdim=True), True)


def _given(option: _Option | None) -> _Option:
    """Return an option that the schema requires beside the choices that lead here."""
    if option is None:
        raise RuntimeError("an option is missing that the schema requires with the others")
    return option
