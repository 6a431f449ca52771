"""Clusters of sets by a network that tells how many there are."""

from collections.abc import Hashable

import torch
from torch import Tensor

from recombine.assignment.base import Assignment, AssignmentStrategy, StrategyContext
from recombine.mapping import Mapping
from recombine.randomness import generator
from recombine.set_outputs import SetOutputs, set_outputs
from recombine.step import PLAIN_VIEW, Batch, Forward


class SetClustering(AssignmentStrategy):
    """The most probable number of clusters of each set, and the most probable cluster of each object given that.

    Args:
        context: The method's parts.
        count_head: Gives logits of the number of clusters, ``(B, K)``.
        assignment_head: Gives logits of the cluster of each object for every number of clusters, ``(B, n, T)``.
        min_clusters: What the first of the K logits stands for.
        num_permutations: Random orders of each set over which probabilities are averaged, at least 1.
        count_uncertainty_passes: Passes that tell how sure the number of clusters is, or 0.
    """

    def __init__(
        self,
        context: StrategyContext,
        *,
        count_head: Mapping,
        assignment_head: Mapping,
        min_clusters: int,
        num_permutations: int,
        count_uncertainty_passes: int,
    ) -> None:
        super().__init__()
        self.heads = (count_head, assignment_head)  # in a tuple: their parameters are counted among the mappings
        self.min_clusters = min_clusters
        self._seed = context.seed
        self.num_permutations = num_permutations
        self.count_uncertainty_passes = count_uncertainty_passes

    @property
    def count_head(self) -> Mapping:
        """What tells the number of clusters."""
        return self.heads[0]

    def outputs(self, forward: Forward, view: str = PLAIN_VIEW) -> SetOutputs:
        """Return what the network says of the sets of a batch, averaged over orders of their objects.

        Raises:
            NetworkError: The batch makes no sets, or the outputs do not have the shapes that fit together.
        """
        found = [set_outputs(forward, *self.heads, self.min_clusters, view)]
        for number in range(1, self.num_permutations):
            order = self._order(forward.batch.set_size, number)
            permuted = Forward(forward.method, permuted_batch(forward.batch, order))
            answer = set_outputs(permuted, *self.heads, self.min_clusters, view)
            back = order.argsort().to(forward.index.device)
            heads = tuple(part[:, back] for part in answer.cluster_log_probs)
            found.append(SetOutputs(answer.count_log_probs, heads, self.min_clusters))
        return found[0] if len(found) == 1 else averaged(found)

    def log_probs(self, forward: Forward, view: str = PLAIN_VIEW) -> Tensor:
        """Raise TypeError: what a cluster's number means differs from set to set, so that no pattern can use it."""
        raise TypeError("clusters of sets are no soft assignments to clusters that all samples share")

    def assign(self, forward: Forward) -> Assignment:
        """Return the clusters of the objects of each set, as sure as their number times the cluster itself is."""
        outputs = self.outputs(forward)
        sure, chosen = outputs.count_log_probs.exp().max(1)
        best = [log_probs.max(2) for log_probs in outputs.cluster_log_probs]
        labels = torch.stack([one.indices for one in best], 1)
        confidence = torch.stack([one.values.exp() for one in best], 1)
        rows = torch.arange(len(chosen), device=chosen.device)
        return Assignment(labels[rows, chosen].flatten(), (sure[:, None] * confidence[rows, chosen]).flatten())

    def candidates(self, forward: Forward) -> dict[str, Tensor]:
        """Return the clusters ``(B n,)`` for every number of clusters, whatever the network thinks of it."""
        outputs = self.outputs(forward)
        found = zip(outputs.counts, outputs.cluster_log_probs, strict=True)
        return {f"k = {k}": log_probs.argmax(2).flatten() for k, log_probs in found}

    def recording_key(self) -> Hashable:
        """Return an empty key: nothing but tensors decides."""
        return ()

    def _order(self, size: int, number: int) -> Tensor:
        return torch.randperm(size, generator=generator(self._seed, "permutation", size, number))


def permuted_batch(batch: Batch, order: Tensor) -> Batch:
    """Return a batch in which the objects of each set stand in another order ``(n,)``."""
    sets = torch.arange(batch.num_sets or 1)[:, None] * batch.set_size
    rows = (sets + order).flatten().to(batch.index.device)
    return Batch(batch.index[rows], {name: view[rows] for name, view in batch.views.items()}, batch.num_sets)


def averaged(found: list[SetOutputs]) -> SetOutputs:
    """Return the mean of the probabilities of several passes, whose clusters are matched to those of the first."""
    counts = torch.stack([one.count_log_probs for one in found]).exp().mean(0).log()
    parts = []
    for position in range(len(found[0].counts)):
        probs = [one.cluster_log_probs[position].exp() for one in found]
        matched = [probs[0], *(_matched(probs[0], other) for other in probs[1:])]
        parts.append(torch.stack(matched).mean(0).log())
    return SetOutputs(counts, tuple(parts), found[0].min_clusters)


def _matched(first: Tensor, other: Tensor) -> Tensor:
    """Return ``other (B, n, k)`` with its clusters numbered so that they agree best with ``first``, set by set."""
    from scipy.optimize import linear_sum_assignment  # here, as it takes long to import

    overlap = (first.transpose(1, 2) @ other).detach().cpu().numpy()
    columns = torch.stack([torch.from_numpy(linear_sum_assignment(one, maximize=True)[1]) for one in overlap])
    return other.gather(2, columns[:, None, :].expand(other.shape).to(other.device))
