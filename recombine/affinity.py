"""Affinities: how much the samples of a batch belong together, as the weights of a graph."""

from collections.abc import Mapping as Dictionary
from typing import Any

import torch
from torch import Tensor

from recombine.neighbor_graph import NeighborGraph, between
from recombine.step import Step

_PRECOMPUTED, _FULL, _GLOBAL = "precomputed", "full", "global"


class Affinity:
    """The weights of a graph between the samples of each batch (``schema/affinity.json``).

    ::

        W_ij = exp(-d_ij^2 / (2 s_i^2)) where j is a neighbour of i, else 0;   W = (W + W^T) / 2

    The scale s is found once, when the phase begins: the median distance of a few hundred random samples to their n-th
    neighbour among them (Nazi et al., arXiv 1910.07623). A local one is a sample's own distance to its n-th neighbour,
    in the batch or in the dataset.

    Args:
        options: The options of the schema, with a ``mapping`` in the place of its name.
    """

    def __init__(self, options: Dictionary[str, Any]) -> None:
        self.is_precomputed: bool = options["source"] == _PRECOMPUTED
        self.is_full: bool = options["graph"] == _FULL
        self.is_global: bool = options["scale"] == _GLOBAL
        self.scale_neighbor: int = options["scale_neighbor"]
        self.scale_num_samples: int = options["scale_num_samples"]
        self.self_loops: bool = options["self_loops"]
        # In a full graph nobody looks for neighbours: points and local scales are those of the batch.
        within = {**options, "neighborhood": "batch"} if self.is_full else options
        self.neighbors = NeighborGraph(within, 0 if self.is_global else self.scale_neighbor)
        self._squared_scale: Tensor | None = None

    @property
    def memory(self) -> tuple[int, ...]:
        """Where what is kept lies: a recording of a step reads that memory."""
        scale = (self._squared_scale.data_ptr(),) if self._squared_scale is not None else ()
        return (*scale, *self.neighbors.memory)

    def prepare(self, step: Step) -> None:
        """Find the scale and the neighbours over the dataset, once; keep the points if they stay."""
        if self.is_precomputed:
            return
        wants_scale = self.is_global and self._squared_scale is None
        wants_points = self.neighbors.wants_points(step)
        if wants_scale or wants_points:
            points = step.full_pass(self.neighbors.points)
            if wants_scale:
                self._squared_scale = self._found_scale(points, step)
            if wants_points:
                self.neighbors.take(points, step)

    def weights(self, step: Step) -> Tensor:
        """Return W ``(B, B)`` of the batch, symmetric, in [0, 1] unless the dataset says otherwise, without gradient.

        Raises:
            DataError: It is to be precomputed, and the dataset has no graph.
        """
        if self.is_precomputed:
            return symmetric(step.graph.within(step.index), self.self_loops)
        with torch.no_grad():
            if self.is_full:
                squared = between(self.neighbors.points_in(step))
                return symmetric(gaussian(squared, self._scale(squared, step)), self.self_loops)
            squared, chosen = self.neighbors.edges(step)
            return symmetric(gaussian(squared, self._scale(squared, step)) * chosen, self.self_loops)

    def state_dict(self) -> dict[str, Any]:
        """Return what was found when the phase began."""
        return {"squared_scale": self._squared_scale, "neighbors": self.neighbors.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what was found."""
        self._squared_scale = state["squared_scale"]
        self.neighbors.load_state_dict(state["neighbors"])

    def _found_scale(self, points: Tensor, step: Step) -> Tensor:
        """Return s^2, a scalar, from points ``(N, D)`` of the whole dataset."""
        draws = torch.randperm(len(points), generator=step.generator("affinity scale"), device=points.device)
        chosen = points[draws[: self.scale_num_samples]]
        return squared_scales(between(chosen), self.scale_neighbor).median()

    def _scale(self, squared: Tensor, step: Step) -> Tensor:
        """Return s^2, a scalar or ``(B, 1)``; ``squared`` are the squared distances ``(B, B)`` in the batch."""
        if self._squared_scale is not None:
            return self._squared_scale
        if self.neighbors.found is not None:
            return self.neighbors.found.squared_distance(step.index, self.scale_neighbor)[:, None]
        return squared_scales(squared, self.scale_neighbor)[:, None]


def squared_scales(squared: Tensor, neighbor: int) -> Tensor:
    """Return the squared distance ``(B,)`` of each point to its n-th neighbour, or to the last that there is.

    Args:
        squared: Squared distances ``(B, B)``, B >= 2.
        neighbor: n >= 1, the point itself not counted.
    """
    others = squared.clone().fill_diagonal_(torch.inf)
    return others.kthvalue(min(neighbor, len(squared) - 1), dim=1).values


def gaussian(squared: Tensor, squared_scale: Tensor) -> Tensor:
    """Return ``exp(-d^2 / (2 s^2))``, in [0, 1].

    Where the scale is 0, as among duplicates, what lies at distance 0 has affinity 1 and all else 0.

    Args:
        squared: d^2, any shape.
        squared_scale: s^2, of a shape that goes with it, >= 0.
    """
    return (-squared / (2 * squared_scale).clamp_min(torch.finfo(squared.dtype).tiny)).exp()


def symmetric(weights: Tensor, self_loops: bool) -> Tensor:
    """Return the mean of weights ``(B, B)`` and their transpose, with a diagonal of 1 or 0."""
    return ((weights + weights.T) / 2).fill_diagonal_(1.0 if self_loops else 0.0)
