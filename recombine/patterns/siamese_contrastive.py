"""Learning feature representations by using a siamese network and nearest neighbors."""

from collections.abc import Callable, Hashable
from collections.abc import Mapping as Dictionary
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from recombine.clock import Clock
from recombine.mapping import Mapping
from recombine.neighbor_graph import NeighborGraph
from recombine.patterns.base import DesignPattern
from recombine.step import Step

_LEAST_SQUARE, _LEAST_LENGTH = 1e-7, 1e-6


class SiameseContrastive(DesignPattern):
    """Contrast between pairs of neighbours and other pairs (Hadsell et al., CVPR 2006; CNC, arXiv 1910.07623).

    ::

        loss = 1/(2P) sum [ max(D_ij - m_p, 0)^2 + max(m_n - D_ij', 0)^2 ]
        euclidean: D_ij = sqrt(max(||z_i - z_j||^2, 1e-7)),   cosine: D_ij = 1 - z_i.z_j / (||z_i|| ||z_j||), in [0, 2]

    over the P pairs of a sample i and one of its neighbours j in the batch, and for each of them another sample j'
    that is drawn from those of the batch that are neither i nor a neighbour of i. The published code draws pairs over
    the whole dataset, 128 a batch; here a batch of B samples that holds neighbours gives more pairs than it has
    samples, from B features.

    Args:
        encoder: The network that is trained.
        neighbors: Which samples are neighbours (:class:`recombine.neighbor_graph.NeighborGraph`).
        distance: How far apart features are, ``euclidean`` or ``cosine``.
        positive_margin: m_p >= 0, within which neighbours are near enough.
        negative_margin: m_n > 0, beyond which others are far enough.
        batch_augmentation: The view whose features are compared.
    """

    def __init__(
        self,
        *,
        encoder: Mapping,
        neighbors: Dictionary[str, Any],
        distance: str,
        positive_margin: float,
        negative_margin: float,
        batch_augmentation: str,
    ) -> None:
        self.encoder = encoder
        self.neighbors = NeighborGraph(neighbors)
        self.distances = _DISTANCES[distance]
        self.positive_margin = positive_margin
        self.negative_margin = negative_margin
        self.batch_augmentation = batch_augmentation

    def before_step(self, step: Step) -> None:
        """Look for neighbours in the dataset, when the phase begins."""
        self.neighbors.prepare(step)

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return ``siamese_contrastive``, the mean over the 2P pairs; 0 where the batch holds no two neighbours."""
        features = step.features(self.encoder, self.batch_augmentation)
        _, positives = self.neighbors.edges(step)
        negatives = drawn_others(positives)
        distances = self.distances(features)
        attracting = (distances - self.positive_margin).clamp_min(0).square() * positives
        repelling = (self.negative_margin - distances).clamp_min(0).square() * negatives
        pairs = (positives.sum() + negatives.sum()).clamp_min(1)
        return {"siamese_contrastive": (attracting + repelling).sum() / pairs}

    def recording_key(self, clock: Clock) -> Hashable:
        """Return where the neighbours lie."""
        del clock
        return self.neighbors.memory

    def state_dict(self) -> dict[str, Any]:
        """Return the neighbours that were found in the dataset."""
        return {"neighbors": self.neighbors.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up neighbours."""
        self.neighbors.load_state_dict(state["neighbors"])


def drawn_others(neighbors: Tensor) -> Tensor:
    """Return for each sample as many others as it has neighbours, drawn from torch's global generator.

    Args:
        neighbors: Whether j is a neighbour of i, ``(B, B)``, False on the diagonal.

    Returns:
        Whether j was drawn for i ``(B, B)``: never i or one of its neighbours. Where there are fewer others than
        neighbours, all are.
    """
    barred = neighbors | torch.eye(len(neighbors), dtype=torch.bool, device=neighbors.device)
    order = torch.rand(neighbors.shape, device=neighbors.device).masked_fill(barred, 2).argsort(1)
    places = torch.arange(len(neighbors), device=neighbors.device).expand_as(order)
    first = places < neighbors.sum(1, keepdim=True)
    return torch.zeros_like(neighbors).scatter_(1, order, first) & ~barred


def _euclidean(features: Tensor) -> Tensor:
    """Return the Euclidean distances ``(B, B)`` of features ``(B, D)``, with a finite gradient everywhere."""
    differences = features.unsqueeze(1) - features.unsqueeze(0)
    return differences.square().sum(2).clamp_min(_LEAST_SQUARE).sqrt()


def _cosine(features: Tensor) -> Tensor:
    """Return one minus the cosine similarities ``(B, B)`` of features ``(B, D)``; zeros are like nothing."""
    directions = F.normalize(features, dim=1, eps=_LEAST_LENGTH)
    return 1 - directions @ directions.T


_DISTANCES: dict[str, Callable[[Tensor], Tensor]] = {"euclidean": _euclidean, "cosine": _cosine}
