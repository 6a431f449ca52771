"""What a network says of sets: how many clusters each has, and for every number of clusters where each object belongs.

K counts the numbers of clusters that a network tells apart, from k_min to k_max, and T = k_min + ... + k_max.
"""

from dataclasses import dataclass

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
        cluster_log_probs: For every number of clusters k, log probability of the cluster of each object if the set has
            k of them, ``(B, n, k)``.
        min_clusters: k_min.
    """

    count_log_probs: Tensor
    cluster_log_probs: tuple[Tensor, ...]
    min_clusters: int

    @property
    def counts(self) -> range:
        """The numbers of clusters k that the network tells apart."""
        return counts_of(self.count_log_probs.shape[1], self.min_clusters)

    def same_cluster_probs(self) -> Tensor:
        """Return the probability that two objects share a cluster, whatever their number, ``(B, n, n)``."""
        counts = self.count_log_probs.exp().unbind(1)
        weights = [p.unsqueeze(1).expand(-1, k) for p, k in zip(counts, self.counts, strict=True)]
        probs = torch.cat([part.exp() for part in self.cluster_log_probs], 2)
        return (probs * torch.cat(weights, 1).unsqueeze(1)) @ probs.transpose(1, 2)


def set_outputs(
    forward: Forward, count_head: Mapping, assignment_head: Mapping, min_clusters: int, view: str = PLAIN_VIEW
) -> SetOutputs:
    """Return what a network says of the sets of a batch.

    Raises:
        NetworkError: The batch makes no sets, or the outputs do not have the shapes that fit together.
    """
    counts = count_logits(forward, count_head, view)
    known = counts_of(counts.shape[1], min_clusters)
    return SetOutputs(counts.log_softmax(1), cluster_log_probs(forward, assignment_head, known, view), min_clusters)


def count_logits(forward: Forward, count_head: Mapping, view: str = PLAIN_VIEW) -> Tensor:
    """Return the logits of the number of clusters of each set, ``(B, K)``.

    Raises:
        NetworkError: The batch makes no sets, or the outputs have another shape.
    """
    sets = _num_sets(forward)
    logits = forward.logits(count_head, view)
    if logits.ndim != _MATRIX or len(logits) != sets:
        raise NetworkError(
            f'"{count_head.name}" is to give one row for each of {sets} sets, and gives {tuple(logits.shape)}'
        )
    return logits


def cluster_log_probs(
    forward: Forward, assignment_head: Mapping, counts: range, view: str = PLAIN_VIEW
) -> tuple[Tensor, ...]:
    """Return for every number of clusters k the log probability of the cluster of each object, ``(B, n, k)``.

    Raises:
        NetworkError: The batch makes no sets, or the outputs have another shape.
    """
    shape = (_num_sets(forward), forward.batch.set_size, sum(counts))
    logits = forward.logits(assignment_head, view)
    if tuple(logits.shape) != shape:
        raise NetworkError(
            f'"{assignment_head.name}" is to give {" + ".join(map(str, counts))} = {sum(counts)} numbers for each of '
            f"{shape[1]} objects of {shape[0]} sets, {shape}, and gives {tuple(logits.shape)}"
        )
    return tuple(part.log_softmax(2) for part in torch.split(logits, list(counts), 2))


def _num_sets(forward: Forward) -> int:
    if forward.batch.num_sets is None:
        raise NetworkError('it works on sets, and the dataset makes none: give it "sets"')
    return forward.batch.num_sets


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
    if len(output) not in (sets, sets * size) or output.numel() % (sets * size):
        raise NetworkError(f"an output for each of {size} objects of {sets} sets is needed, not {tuple(output.shape)}")
    return output.reshape(sets, size, -1)


def num_classes(classes: Tensor) -> Tensor:
    """Return how many different classes each row of ``(B, n)`` has, ``(B,)``, int64."""
    ordered = classes.sort(1).values
    return 1 + (ordered[:, 1:] != ordered[:, :-1]).sum(1)
