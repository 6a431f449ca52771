"""How sure a network is of the number of clusters of a set, and what a hierarchy of its features would have found."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recombine.assignment.set_clustering import SetClustering, permuted_batch
from recombine.mapping import Mapping
from recombine.method import Method
from recombine.randomness import generator, global_generator
from recombine.set_data import SetData
from recombine.set_hierarchy import Hierarchy, hierarchy
from recombine.set_outputs import set_outputs
from recombine.step import Batch, Forward

#: Bins of a histogram of probabilities, over [0, 1].
NUM_BINS = 20
_SETS = 5
_DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


@dataclass(frozen=True)
class CountUncertainty:
    """How sure the number of clusters of a set is (Meier et al. 2018).

    The set passes through the network many times, each time in another random order and with the dropout of the count
    head at work. What is taken for the probability of a number of clusters is the centre of the fullest of 20 bins.

    Attributes:
        counts: The K numbers of clusters.
        histogram: Passes whose probability of a number of clusters falls into each bin, ``(K, 20)``, int64.
        probability: The centre of the fullest bin of each number, ``(K,)``; of equally full ones, the lowest.
        true_count: The true number of clusters.
    """

    counts: tuple[int, ...]
    histogram: NDArray[np.int64]
    probability: NDArray[np.float64]
    true_count: int

    @property
    def answer(self) -> int:
        """The number of clusters with the highest probability."""
        return self.counts[int(self.probability.argmax())]


@dataclass(frozen=True)
class SetHierarchies:
    """Hierarchical clusterings of the features of one set, by metric; what is best in them is chosen by labels: oracle.

    Attributes:
        num_objects: Objects of the set.
        by_metric: The hierarchy with complete linkage for ``cosine`` and ``euclidean``.
    """

    num_objects: int
    by_metric: dict[str, Hierarchy]


def count_uncertainty(method: Method, data: SetData, num_passes: int) -> list[CountUncertainty]:
    """Return how sure the number of clusters of each of the first sets of an evaluation is.

    Args:
        method: The networks, in evaluation mode; its strategy clusters sets.
        data: The dataset.
        num_passes: Passes of each set, at least 1.
    """
    strategy = method.assignment
    if not isinstance(strategy, SetClustering):
        raise TypeError("the strategy tells no number of clusters")
    found = []
    with _dropping(strategy.count_head), global_generator(data.options.seed, "count uncertainty", data.name):
        for number, (batch, classes) in enumerate(_first_sets(data, _SETS)):
            draws = generator(data.options.seed, "count uncertainty", data.name, number)
            probs = [_count_probs(method, strategy, batch, draws) for _ in range(num_passes)]
            found.append(_uncertainty(torch.stack(probs), strategy, int(classes.unique().numel())))
    return found


def hierarchies(method: Method, data: SetData) -> SetHierarchies:
    """Return the hierarchical clusterings of the first set of an evaluation, in the space of the extractor."""
    ((batch, classes),) = _first_sets(data, 1)
    features = Forward(method, batch).features(method.extractor).double().cpu().numpy()
    labels = classes.numpy()
    return SetHierarchies(
        len(labels),
        {"cosine": hierarchy(features, labels, "cosine"), "euclidean": hierarchy(features, labels, "euclidean")},
    )


def _first_sets(data: SetData, count: int) -> Iterator[tuple[Batch, Tensor]]:
    """Yield the first sets of an evaluation, each as a batch of its own with its classes ``(n,)``."""
    classes, given = iter(data.labels.split(data.set_sizes)), 0
    for batch in data.evaluation_batches(0):
        for rows in torch.arange(len(batch.index)).split(batch.set_size):
            if given == count:
                return
            given += 1
            at = rows.to(batch.index.device)
            yield Batch(batch.index[at], {name: view[at] for name, view in batch.views.items()}, 1), next(classes)


def _count_probs(method: Method, strategy: SetClustering, batch: Batch, draws: torch.Generator) -> Tensor:
    order = torch.randperm(batch.set_size, generator=draws)
    forward = Forward(method, permuted_batch(batch, order))
    return set_outputs(forward, *strategy.heads, strategy.min_clusters).count_log_probs[0].exp().cpu()


def _uncertainty(probs: Tensor, strategy: SetClustering, true_count: int) -> CountUncertainty:
    """Return what the probabilities of many passes, ``(P, K)``, say."""
    bins = (probs.double() * NUM_BINS).long().clamp(0, NUM_BINS - 1)
    histogram = torch.nn.functional.one_hot(bins, NUM_BINS).sum(0)
    centers = (histogram.argmax(1).double() + 1 / 2) / NUM_BINS
    counts = tuple(range(strategy.min_clusters, strategy.min_clusters + probs.shape[1]))
    return CountUncertainty(counts, histogram.numpy(), centers.numpy(), true_count)


@contextmanager
def _dropping(mapping: Mapping) -> Iterator[None]:
    """Let the dropout layers of a mapping work, whatever mode the others are in."""
    layers: Sequence[nn.Module] = [module for module in mapping.modules() if isinstance(module, _DROPOUT)]
    before = [layer.training for layer in layers]
    try:
        for layer in layers:
            layer.train()
        yield
    finally:
        for layer, mode in zip(layers, before, strict=True):
            layer.train(mode)
