"""Which samples of a batch are neighbours: looked for in the batch, or in the whole dataset when a phase begins."""

from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recombine.distances import squared_distances
from recombine.mapping import Mapping
from recombine.neighbor_cache import IN_MEMORY, NeighborCache
from recombine.neighbors import Neighbors, Search
from recombine.step import Forward, Step

_DATASET, _APPROXIMATE = "dataset", "approximate"
_SEED = 0


class NeighborGraph:
    """The graph in which every sample of a batch has edges to its nearest neighbours.

    Args:
        options: ``mapping``, between whose outputs distances are measured (absent: between the samples themselves),
            ``num_neighbors``, >= 1, ``neighborhood``: ``batch`` or ``dataset``, and ``search``: how the latter is
            searched, ``exact`` or ``approximate``.
        num_distances: How many neighbours' distances are kept beyond those, where they are looked for in the dataset.
    """

    def __init__(self, options: Dictionary[str, Any], num_distances: int = 0) -> None:
        self.mapping: Mapping | None = options.get("mapping")
        self.num_neighbors: int = options["num_neighbors"]
        self.over_dataset: bool = options["neighborhood"] == _DATASET
        self._search: str = options["search"]
        self._num_kept = max(self.num_neighbors, num_distances)
        self.found: Neighbors | None = None
        self._points: Tensor | None = None

    @property
    def memory(self) -> tuple[int, ...]:
        """Where what was found lies: a recording of a step reads that memory."""
        points = (self._points,) if self._points is not None else ()
        return tuple(tensor.data_ptr() for tensor in (*points, *(self.found.tensors if self.found is not None else ())))

    def prepare(self, step: Step) -> None:
        """Look for neighbours in the dataset, once; where they are looked for in batches, keep what does not change."""
        if self.wants_points(step):
            self.take(step.full_pass(self.points), step)

    def wants_points(self, step: Step) -> bool:
        """Tell whether the dataset's points are still needed: to look for neighbours, or as they stay in this phase."""
        if self.over_dataset:
            return self.found is None
        return self.mapping is not None and self._points is None and step.is_frozen(self.mapping)

    def take(self, points: Tensor, step: Step) -> None:
        """Look for the neighbours of all points ``(N, D)``, or keep the points for :meth:`points_in`.

        Neighbours are looked for among those that train, or among those that are held out. Files keep those of samples
        alone: features are seldom the same again.
        """
        if self.over_dataset:
            cache = step.neighbor_cache if self.mapping is None else IN_MEMORY
            self.found = neighborhoods_of(points, step.parts, self._num_kept, self._search, cache)
        else:
            self._points = points

    def points(self, forward: Forward) -> Tensor:
        """Return what distances are measured between, ``(B, D)``, without gradient."""
        if self.mapping is not None:
            return forward.features(self.mapping).detach()
        return forward.view().flatten(1)

    def points_in(self, step: Step) -> Tensor:
        """Return the points ``(B, D)`` of a batch, without gradient."""
        return self.points(step) if self._points is None else self._points[step.index]

    def edges(self, step: Step) -> tuple[Tensor, Tensor]:
        """Return squared distances ``(B, B)``, >= 0, of the edges at least, and whether j is a neighbour of i."""
        if self.found is not None:
            return self.found.within(step.index, self.num_neighbors)
        return nearest_in_batch(self.points_in(step), self.num_neighbors)

    def state_dict(self) -> dict[str, Any]:
        """Return what was found."""
        return {"found": self.found.tensors if self.found is not None else None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what was found."""
        self.found = Neighbors(*state["found"]) if state["found"] is not None else None


def neighborhoods_of(
    points: Tensor, parts: Sequence[Tensor], num_neighbors: int, search: str, cache: NeighborCache = IN_MEMORY
) -> Neighbors:
    """Find the nearest neighbours of points among those of their own part, or take those that were found before.

    Args:
        points: Points ``(N, D)``.
        parts: The positions that make each part, together all; (): there is only one.
        num_neighbors: k, at least 1. In a part of fewer others, the last of these stands in all further places, and a
            point that is alone in its own.
        search: ``exact`` or ``approximate``.
        cache: What remembers them; the default does for the process.

    Raises:
        DataError: Some point is NaN or infinite.
        UsageError: The search is approximate, and its library is not installed.
    """
    device = points.device
    indices = torch.arange(len(points), device=device)[:, None].repeat(1, num_neighbors)
    distances = torch.zeros(len(points), num_neighbors, device=device)
    for part in parts or [torch.arange(len(points))]:
        here = part.to(device)
        own = points[here] if parts else points
        count = min(num_neighbors, len(here) - 1)
        if count > 0:
            wanted = Search(count, "approximate" if search == _APPROXIMATE else "exact", _SEED)
            found = cache.nearest(own.float(), wanted, device=device)
            columns = torch.arange(num_neighbors).clamp_max(count - 1)
            indices[here] = here[found.indices[:, columns].to(device)]
            distances[here] = found.distances[:, columns].to(device)
    return Neighbors(indices, distances)


def between(points: Tensor) -> Tensor:
    """Return the squared distances ``(B, B)`` between points ``(B, D)``, 0 on the diagonal."""
    return squared_distances(points, points).fill_diagonal_(0)


def nearest_in_batch(points: Tensor, num_neighbors: int) -> tuple[Tensor, Tensor]:
    """Return the graph of nearest neighbours within a batch.

    Args:
        points: Points ``(B, D)``, B >= 2.
        num_neighbors: Neighbors of each, at least 1; in a smaller batch, all others.

    Returns:
        Squared distances ``(B, B)``, 0 on the diagonal, and whether j is one of the nearest of i ``(B, B)``; none is
        its own neighbour. Of several at the same distance, as many as there is room for.
    """
    squared = between(points)
    others = squared.clone().fill_diagonal_(torch.inf)
    chosen = others.topk(min(num_neighbors, len(points) - 1), largest=False).indices
    return squared, torch.zeros_like(squared, dtype=torch.bool).scatter_(1, chosen, True)
