"""The nearest neighbours of samples: all of a dataset among themselves, or others in it.

:class:`~recombine.neighbor_cache.NeighborCache` keeps what was found, and is what patterns and samplers should ask.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from recombine.approximate_neighbors import approximate_neighbors
from recombine.datasets.base import Samples
from recombine.errors import DataError
from recombine.exact_neighbors import exact_neighbors
from recombine.points import Points

Values = Samples | Tensor | Sequence[Tensor]


@dataclass(frozen=True)
class Search:
    """What to look for; distances are Euclidean.

    Attributes:
        k: How many neighbours of each sample, at least 1.
        method: ``exact``, or ``approximate``: by pynndescent, for millions of samples.
        seed: What the approximate method draws by; the exact one draws nothing.
    """

    k: int
    method: Literal["exact", "approximate"]
    seed: int


@dataclass(frozen=True)
class Neighbors:
    """The k nearest neighbours of each of Q samples among references, the nearest first.

    :meth:`within` and :meth:`squared_distance` are for samples among themselves.

    Attributes:
        indices: Their positions among the references, ``(Q, k)``, int64. Of equal distances, the lower comes first.
        distances: How far away they are, ``(Q, k)``, float32; images of bytes count 0 to 1, as in a view.
    """

    indices: Tensor
    distances: Tensor

    def first(self, k: int) -> "Neighbors":
        """Return the nearest k of them."""
        return self if k == self.indices.shape[1] else Neighbors(self.indices[:, :k], self.distances[:, :k])

    @property
    def tensors(self) -> tuple[Tensor, Tensor]:
        """Both tensors."""
        return self.indices, self.distances

    def within(self, index: Tensor, num_neighbors: int) -> tuple[Tensor, Tensor]:
        """Return the edges between the samples of a batch.

        Args:
            index: Positions of the batch's samples ``(B,)``, all different.
            num_neighbors: How many neighbours count, at most k.

        Returns:
            Squared distances ``(B, B)``, 0 where there is no edge, and whether there is one from i to j ``(B, B)``.
        """
        places = torch.full((len(self.indices),), -1, device=index.device)
        places[index] = torch.arange(len(index), device=index.device)
        columns = places[self.indices[index, :num_neighbors]]
        own = torch.arange(len(index), device=index.device)[:, None]
        inside = (columns >= 0) & (columns != own)
        # What lies outside goes to a column of its own, which is cut off: shapes are the same for every batch.
        columns = torch.where(inside, columns, len(index))
        squared = self.distances[index, :num_neighbors].square()
        shape = (len(index), len(index) + 1)
        there = torch.zeros(shape, dtype=torch.bool, device=index.device).scatter_(1, columns, inside)
        return squared.new_zeros(shape).scatter_(1, columns, squared)[:, :-1], there[:, :-1]

    def squared_distance(self, index: Tensor, neighbor: int) -> Tensor:
        """Return the squared distance ``(B,)`` of samples to their n-th neighbour, or to the last that is known."""
        return self.distances[index, min(neighbor, self.distances.shape[1]) - 1].square()


def nearest_neighbors(
    samples: Values,
    search: Search,
    queries: Values | None = None,
    *,
    device: torch.device | None = None,
    name: str = "the samples",
) -> Neighbors:
    """Return the nearest neighbours of every sample, or of every query among the samples.

    The exact result is a function of the numbers alone: the same for every number of threads and size of memory.
    The approximate one is that for a version of its library; nearly all of its neighbours are among the nearest, and
    their distances and their order are exact. Samples may be mapped from a file: they are read block by block, and no
    copy in floats is made of what does not fit in memory; the approximate method needs such a copy.

    Args:
        samples: N samples ``(N, ...)``, flattened here: images in bytes, or numbers of any type.
        search: What to look for.
        queries: Q other samples ``(Q, ...)``, held-out ones for example; None: the samples themselves, none of which is
            its own neighbour, while its duplicates are.
        device: Where to compute the exact neighbours; None: where the samples lie.
        name: What the samples are, for messages.

    Raises:
        DataError: There are not k neighbours, or the samples are ragged, not finite, or unlike the queries.
        UsageError: pynndescent is not installed.
    """
    references = _points(samples, device, name)
    others = None if queries is None else _points(queries, device, f"{name}, queries")
    _check(references, others, search.k, name)
    if search.method == "exact":
        found = exact_neighbors(references, others, search.k)
    else:
        found = approximate_neighbors(references, others, search.k, search.seed)
    distances = found.values.sqrt().div(references.unit).float()
    return Neighbors(found.columns.cpu(), distances.cpu())


def _points(values: Values, device: torch.device | None, name: str) -> Points:
    return Points(values.values if isinstance(values, Samples) else values, device, name)


def _check(references: Points, queries: Points | None, k: int, name: str) -> None:
    """Raise DataError where there are not k neighbours, or no distances."""
    if k < 1:
        raise ValueError(f"{k} neighbours")
    if queries is None and k >= len(references):
        raise DataError(
            f"{name}: {k} nearest neighbours are asked for, but there are {len(references)} samples, and none is its "
            f"own neighbour; ask for at most {len(references) - 1}, or use more samples"
        )
    if queries is not None and k > len(references):
        raise DataError(
            f"{name}: {k} nearest neighbours are asked for, but there are {len(references)} samples to find them "
            f"among; ask for at most {len(references)}, or use more samples"
        )
    if queries is not None and (queries.dimension, queries.unit) != (references.dimension, references.unit):
        raise DataError(
            f"{name}: the queries are {queries.words()}, the samples {references.words()}, and there are no distances "
            "between those. Prepare both alike"
        )
