"""What a network says of sets: how many clusters each has, and for every number of clusters where each object belongs.

K counts the numbers of clusters that a network tells apart, from k_min to k_max, and T = k_min + ... + k_max.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from recombine.errors import NetworkError
from recombine.mapping import Mapping
from recombine.step import PLAIN_VIEW, Forward

_MATRIX = 2


@dataclass(frozen=True, eq=False)
class SetOutputs:
    """The outputs of both heads for B sets of n objects.

    Attributes:
        count_log_probs: Log probability of each number of clusters, ``(B, K)``.
        cluster_logits: For every number of clusters k, logits of the cluster of each object, one after the other,
            ``(B, n, T)``.
        min_clusters: k_min.
    """

    count_log_probs: Tensor
    cluster_logits: Tensor
    min_clusters: int

    @property
    def counts(self) -> range:
        """The numbers of clusters k that the network tells apart."""
        return counts_of(self.count_log_probs.shape[1], self.min_clusters)

    @cached_property
    def cluster_log_probs(self) -> tuple[Tensor, ...]:
        """For every k, log probability of the cluster of each object if the set has k of them, ``(B, n, k)``."""
        return tuple(part.log_softmax(2) for part in torch.split(self.cluster_logits, list(self.counts), 2))

    @cached_property
    def probs(self) -> Tensor:
        """The probabilities of :attr:`cluster_log_probs` one after the other, ``(B, n, T)``."""
        return torch.cat([part.exp() for part in self.cluster_log_probs], 2)

    def same_cluster_probs(self, position: int) -> Tensor:
        """Return the probability that two objects share a cluster, ``(B, n, n)``, for the k at a position of K."""
        probs = self.cluster_log_probs[position].exp()
        return probs @ probs.transpose(1, 2)

    def expected_same_cluster_probs(self) -> Tensor:
        """Return the probability that two objects share a cluster, whatever their number, ``(B, n, n)``."""
        weights = torch.cat(
            [
                p.exp().unsqueeze(1).expand(-1, k)
                for p, k in zip(self.count_log_probs.unbind(1), self.counts, strict=True)
            ],
            1,
        )
        return (self.probs * weights.unsqueeze(1)) @ self.probs.transpose(1, 2)


def set_outputs(
    forward: Forward, count_head: Mapping, assignment_head: Mapping, min_clusters: int, view: str = PLAIN_VIEW
) -> SetOutputs:
    """Return what a network says of the sets of a batch.

    Raises:
        NetworkError: The batch makes no sets, or the outputs do not have the shapes that fit together.
    """
    if forward.batch.num_sets is None:
        raise NetworkError('it works on sets, and the dataset makes none: give it "sets"')
    counts = forward.logits(count_head, view)
    sets, size = forward.batch.num_sets, forward.batch.set_size
    if counts.ndim != _MATRIX or len(counts) != sets:
        shape = tuple(counts.shape)
        raise NetworkError(f'"{count_head.name}" is to give one row for each of {sets} sets, and gives {shape}')
    logits = forward.logits(assignment_head, view)
    width = sum(counts_of(counts.shape[1], min_clusters))
    if tuple(logits.shape) != (sets, size, width):
        words = " + ".join(map(str, counts_of(counts.shape[1], min_clusters)))
        raise NetworkError(
            f'"{assignment_head.name}" is to give {words} = {width} numbers for each of {size} objects of {sets} sets, '
            f"(sets, objects, {width}), and gives {tuple(logits.shape)}"
        )
    return SetOutputs(counts.log_softmax(1), logits, min_clusters)


def counts_of(num_counts: int, min_clusters: int) -> range:
    """Return the numbers of clusters that K outputs stand for."""
    return range(min_clusters, min_clusters + num_counts)


def pairs(size: int, device: torch.device, include_self: bool = False) -> tuple[Tensor, Tensor]:
    """Return both objects i <= j of each pair of n, row by row, each ``(P,)``, int64."""
    rows, columns = torch.triu_indices(size, size, 0 if include_self else 1, device=device)
    return rows, columns


def classes_of(forward: Forward, classes: Tensor) -> Tensor:
    """Return the classes of the samples of a batch ``(B n,)`` by set, ``(B, n)``."""
    return classes.view(forward.batch.num_sets or 1, -1)


def by_set(forward: Forward, output: Tensor) -> Tensor:
    """Return the output of a mapping for each object, ``(B, n, ...)`` or ``(B n, ...)``, as ``(B, n, D)``."""
    sets, size = forward.batch.num_sets or 1, forward.batch.set_size
    if output.shape[:2] != (sets, size) and len(output) != sets * size:
        raise NetworkError(f"an output for each of {size} objects of {sets} sets is needed, not {tuple(output.shape)}")
    return output.reshape(sets, size, -1)


def num_classes(classes: Tensor) -> Tensor:
    """Return how many different classes each row of ``(B, n)`` has, ``(B,)``, int64."""
    ordered = classes.sort(1).values
    return 1 + (ordered[:, 1:] != ordered[:, :-1]).sum(1)
