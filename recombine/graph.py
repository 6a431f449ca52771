"""Graphs over the samples of a dataset, and the part of one that lies within a batch."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Graph:
    """A weighted graph that a dataset brings along: its samples are the nodes.

    Attributes:
        starts: Where in ``targets`` the edges of each node begin, and the end, ``(N + 1,)``, int64.
        targets: The nodes at the other ends ``(E,)``, int64.
        weights: Their weights ``(E,)``, float32, finite, >= 0.
    """

    starts: Tensor
    targets: Tensor
    weights: Tensor

    @classmethod
    def of_edges(cls, sources: Tensor, targets: Tensor, weights: Tensor, num_nodes: int) -> "Graph":
        """Return the graph with the given edges, each from a source to a target ``(E,)``; double ones add up."""
        keys, inverse = torch.unique(sources * num_nodes + targets, return_inverse=True)
        summed = torch.zeros(len(keys)).index_add_(0, inverse, weights.float())
        counts = torch.bincount(keys // num_nodes, minlength=num_nodes)
        return cls(torch.cat([counts.new_zeros(1), counts.cumsum(0)]), keys % num_nodes, summed)

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """All tensors."""
        return self.starts, self.targets, self.weights

    def part(self, first: int, end: int) -> "Graph":
        """Return the graph between the nodes from ``first`` to before ``end``, which are numbered anew from 0."""
        sources = torch.repeat_interleave(torch.arange(len(self)), self.counts)
        inside = ((sources >= first) & (sources < end)) & ((self.targets >= first) & (self.targets < end))
        edges = sources[inside] - first, self.targets[inside] - first, self.weights[inside]
        return Graph.of_edges(*edges, end - first)

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self.starts) - 1

    @cached_property
    def counts(self) -> Tensor:
        """Number of edges of each node ``(N,)``."""
        return self.starts.diff()

    def within(self, index: Tensor) -> Tensor:
        """Return the weights ``(B, B)`` of the edges from sample i to sample j of a batch; 0 where there is none."""
        where = self.starts.device
        chosen = index.to(where)
        counts = self.counts[chosen]
        rows = torch.repeat_interleave(torch.arange(len(chosen), device=where), counts)
        offsets = torch.arange(len(rows), device=where) - (counts.cumsum(0) - counts)[rows]
        edges = self.starts[chosen][rows] + offsets
        places = torch.full((len(self),), -1, device=where)
        places[chosen] = torch.arange(len(chosen), device=where)
        columns = places[self.targets[edges]]
        inside = columns >= 0
        dense = torch.zeros(len(chosen), len(chosen), device=where)
        dense[rows[inside], columns[inside]] = self.weights[edges[inside]]
        return dense.to(index.device)
