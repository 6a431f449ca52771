"""Which samples make a batch, where it is not simply the next ones of an epoch's order."""

import torch
from torch import Tensor


def num_seeds(batch_size: int, neighbors_per_seed: int) -> int:
    """Return how many of the B samples of a batch are seeds, at least 1; the others are their neighbours."""
    return max(1, batch_size // (1 + neighbors_per_seed))


def neighborhoods(
    ahead: Tensor, batch_size: int, neighbors: Tensor, neighbors_per_seed: int, draws: torch.Generator
) -> Tensor:
    """Return the samples of a batch ``(B,)``, all different: seeds, and neighbours of each of them.

    Where two seeds share a neighbour, or one is the neighbour of another, the places that stay free go to the samples
    that come next, so that all batches have the same size.

    Args:
        ahead: The samples of the epoch in its order, from the first seed of the batch on: the first B count.
        batch_size: B, at most as many.
        neighbors: The neighbours of each sample of the dataset ``(N, k)``, int64.
        neighbors_per_seed: How many of the k are drawn for each seed, from 1 to k.
        draws: What the neighbours are drawn by, on the CPU.
    """
    count = num_seeds(batch_size, neighbors_per_seed)
    seeds = ahead[:count]
    keys = torch.rand(count, neighbors.shape[1], generator=draws)
    drawn = neighbors[seeds].gather(1, keys.argsort(1)[:, :neighbors_per_seed]).flatten()
    return _first_different(torch.cat([seeds, drawn, ahead[count:batch_size]]), batch_size)


def _first_different(values: Tensor, count: int) -> Tensor:
    """Return the first ``count`` different ones of ``values (M,)``, in their order."""
    unique, places = torch.unique(values, return_inverse=True)
    first = torch.full((len(unique),), len(values))
    first.scatter_reduce_(0, places, torch.arange(len(values)), "amin")
    return values[first.sort().values[:count]]
