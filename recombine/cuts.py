"""Expected normalised cuts of graphs under soft assignments, and how balanced these are."""

import torch
from torch import Tensor


def expected_normalized_cut(weights: Tensor, probs: Tensor) -> Tensor:
    """Return the expected normalised cut of a graph, a scalar in [0, K] (Nazi et al., arXiv 1910.07623).

    ::

        sum_k sum_ij W_ij Y_ik (1 - Y_jk) / G_k,   G_k = sum_i d_i Y_ik,   d_i = sum_j W_ij

    For hard assignments this is the sum of cut over volume; for uniform ones it is K - 1. With W_ii above 0 it also
    rewards confidence. A cluster that is all but empty counts by its limit, 1, and its gradient stays finite: columns
    are brought to a largest entry of 1 before they are divided by their volume. Nodes without edges do not count.

    Args:
        weights: W ``(B, B)``, symmetric, >= 0, without gradient.
        probs: Y ``(B, K)``, the soft assignments; rows add up to 1.
    """
    smallest = torch.finfo(probs.dtype).tiny
    scale = probs.detach().amax(0).clamp_min(smallest)
    scaled = probs / scale
    volumes = weights.sum(1) @ scaled
    inner = (scaled * (weights @ scaled)).sum(0)
    return (1 - scale * inner / volumes.clamp_min(smallest)).sum()


def imbalance(probs: Tensor) -> Tensor:
    """Return the mean squared distance of the clusters' sizes from equal ones, a scalar >= 0, in samples squared.

    ``1/K sum_k (sum_i Y_ik - B/K)^2``; it grows with the square of the batch.

    Args:
        probs: Y ``(B, K)``, the soft assignments.
    """
    samples, clusters = probs.shape
    return (probs.sum(0) - samples / clusters).square().mean()
