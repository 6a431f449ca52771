"""k-means by torch alone, all restarts at once: for features that lie on an accelerator.

The same algorithm as scikit-learn's: greedy k-means++ (Arthur and Vassilvitskii 2007), Lloyd's iterations (1982), empty
clusters moved to the points farthest from their centres. Every sum has a fixed order, so that the same draws give the
same bits on the same device. Shapes: N points, D features, R restarts, K clusters, T candidates.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

_MOST_ITERATIONS = 300
_TOLERANCE = 1e-4
_LARGEST_TABLE = 2**27  # elements of one table (N, R, K): half a GiB
_BLOCK = 1024


def best_centres(points: Tensor, num_clusters: int, num_restarts: int, draws: torch.Generator) -> Tensor:
    """Return the centres ``(K, D)`` with the smallest sum of squared distances to ``points (N, D)``.

    Args:
        points: Finite float32, N >= K.
        num_clusters: K.
        num_restarts: How often to start anew, at least 1.
        draws: A generator on the CPU.
    """
    origin = points.mean(0)
    points = points - origin  # near the origin the expanded squares below cancel least
    at_once = max(1, _LARGEST_TABLE // (len(points) * num_clusters))
    found = []
    for start in range(0, num_restarts, at_once):
        centres = _seeded(points, num_clusters, min(at_once, num_restarts - start), draws)
        found.append(_settled(points, centres))
    centres, sums = (torch.cat(parts) for parts in zip(*found, strict=True))
    return centres[sums.argmin()] + origin


def _seeded(points: Tensor, num_clusters: int, restarts: int, draws: torch.Generator) -> Tensor:
    """Return centres ``(R, K, D)``, each the best of T points drawn with chances as their squared distances."""
    tries = 2 + int(math.log(num_clusters))
    chosen = torch.randint(len(points), (restarts, 1), generator=draws).to(points.device)
    closest = _squared_distances(points, points[chosen]).squeeze(2)
    for _ in range(1, num_clusters):
        candidates = _drawn(closest.T, torch.rand(restarts, tries, generator=draws, dtype=torch.float64))
        distances = _squared_distances(points, points[candidates]).minimum(closest.unsqueeze(2))
        best = distances.sum(0).argmin(1, keepdim=True)
        closest = distances.take_along_dim(best.unsqueeze(0), 2).squeeze(2)
        chosen = torch.cat([chosen, candidates.gather(1, best)], 1)
    return points[chosen]


def _drawn(weights: Tensor, uniform: Tensor) -> Tensor:
    """Return indices ``(R, T)`` drawn with chances as ``weights (R, N)``, from ``uniform (R, T)`` in [0, 1).

    Sums over blocks lead to a block, and sums within it to the index: running sums over all N on an accelerator would
    have no fixed order. What is summed up on the CPU is small.
    """
    padded = functional.pad(weights, (0, -weights.shape[1] % _BLOCK)).view(len(weights), -1, _BLOCK)
    of_blocks = padded.sum(2).cpu().double().cumsum(1)
    aim = uniform * of_blocks[:, -1:]
    block = torch.searchsorted(of_blocks, aim, right=True).clamp_max(of_blocks.shape[1] - 1)
    before = torch.where(block > 0, of_blocks.gather(1, (block - 1).clamp_min(0)), 0.0)
    rows = torch.arange(len(weights)).unsqueeze(1)
    within = padded[rows.to(weights.device), block.to(weights.device)].cpu().double().cumsum(2)
    inside = torch.searchsorted(within, (aim - before).unsqueeze(2), right=True).squeeze(2).clamp_max(_BLOCK - 1)
    return (block * _BLOCK + inside).clamp_max(weights.shape[1] - 1).to(weights.device)


def _settled(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Return the centres ``(R, K, D)`` after Lloyd's iterations, and their sums of squared distances ``(R,)``."""
    tolerance = _TOLERANCE * points.var(0, correction=0).mean()
    for _ in range(_MOST_ITERATIONS):
        moved = _means(points, _squared_distances(points, centres), centres)
        shifts = (moved - centres).square().sum((1, 2))
        centres = moved
        if bool((shifts <= tolerance).all()):
            break
    return centres, _squared_distances(points, centres).amin(2).sum(0)


def _means(points: Tensor, distances: Tensor, centres: Tensor) -> Tensor:
    """Return the means ``(R, K, D)`` of the points nearest to each of ``centres (R, K, D)``, by a matrix product.

    Args:
        points: ``(N, D)``.
        distances: Of the points to the centres, ``(N, R, K)``; overwritten.
        centres: What remains where a cluster cannot be filled, ``(R, K, D)``.
    """
    members = torch.zeros_like(distances).scatter_(2, distances.argmin(2, keepdim=True), 1)
    for restart, cluster in (members.sum(0) == 0).nonzero().tolist():
        _fill(members[:, restart], distances[:, restart], cluster)
    counts = members.sum(0).unsqueeze(2)
    sums = (members.flatten(1).T @ points).view_as(centres)
    return torch.where(counts > 0, sums / counts.clamp_min(1), centres)


def _fill(members: Tensor, distances: Tensor, cluster: int) -> None:
    """Move the point farthest from its centre to an empty cluster, in ``members (N, K)``.

    Its ``distances (N, K)`` become 0, so that the next empty cluster gets another point.
    """
    farthest = distances.amin(1).argmax()
    members[farthest], distances[farthest] = 0, 0
    members[farthest, cluster] = 1


def _squared_distances(points: Tensor, centres: Tensor) -> Tensor:
    """Return squared distances ``(N, R, K)`` of ``points (N, D)`` to ``centres (R, K, D)``, at least 0."""
    flat = centres.flatten(0, 1)
    norms = points.square().sum(1, keepdim=True) + flat.square().sum(1)
    return torch.addmm(norms, points, flat.T, alpha=-2).clamp_min_(0).view(len(points), *centres.shape[:2])
