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
from recombine.set_hierarchy import Hierarchy, Metric, hierarchy
from recombine.set_outputs import counts_of, set_outputs
from recombine.step import Batch, Forward

#: Bins of a histogram of probabilities, over [0, 1].
NUM_BINS = 20
_SETS, _HIERARCHY_SIZE = 5, 50
_METRICS: tuple[Metric, ...] = ("cosine", "euclidean")
_DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


@dataclass(frozen=True, eq=False)
class CountUncertainty:
    """How sure the number of clusters of a set is (Meier et al. 2018).

    The set passes through the network many times, each time in another random order and with the dropout of the count
    head at work. What is taken for the probability of a number of clusters is the middle of the fullest of 20 bins.

    Attributes:
        counts: The K numbers of clusters.
        passes: Probability of each number in each pass, ``(R, K)``, in [0, 1].
        true_count: The true number of clusters.
    """

    counts: tuple[int, ...]
    passes: NDArray[np.float64]
    true_count: int

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """The middle of the fullest bin of each number, ``(K,)``; of equally full ones, the lowest."""
        return np.array([(histogram(column).argmax() + 1 / 2) / NUM_BINS for column in self.passes.T])

    @property
    def answer(self) -> int:
        """The number of clusters with the highest probability; of several, the smallest."""
        return self.counts[int(self.probabilities.argmax())]


@dataclass(frozen=True, eq=False)
class Hierarchies:
    """Hierarchical clusterings of the embeddings of one set, with complete linkage.

    Attributes:
        classes: Class of each object, ``(n,)``.
        by_metric: The hierarchy by the name of the metric, ``cosine`` or ``euclidean``.
    """

    classes: NDArray[np.int64]
    by_metric: dict[Metric, Hierarchy]


def histogram(column: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many of ``(R,)`` numbers in [0, 1] fall into each of 20 equal bins, ``(20,)``."""
    return np.histogram(column, NUM_BINS, (0, 1))[0]


def count_uncertainty(method: Method, data: SetData, num_passes: int) -> list[CountUncertainty]:
    """Return how sure the number of clusters of each of a few test sets is.

    Args:
        method: The networks, in evaluation mode; its strategy clusters sets.
        data: The dataset.
        num_passes: Passes of each set R, at least 1.
    """
    strategy = method.assignment
    if not isinstance(strategy, SetClustering):
        raise TypeError("the strategy tells no number of clusters")
    found = []
    with _dropping(strategy.count_head), global_generator(data.options.seed, "count uncertainty", data.name):
        for number in range(min(_SETS, data.sets.num_evaluation_sets)):
            batch, classes = data.test_set(number)
            draws = generator(data.options.seed, "count uncertainty", data.name, number)
            probs = [_count_probs(method, strategy, batch, draws) for _ in range(num_passes)]
            counts = tuple(counts_of(len(probs[0]), strategy.min_clusters))
            found.append(CountUncertainty(counts, torch.stack(probs).double().numpy(), len(torch.unique(classes))))
    return found


def hierarchies(method: Method, data: SetData) -> Hierarchies:
    """Return the hierarchical clusterings of 50 objects of a test set, in the space of the extractor."""
    batch, classes = data.test_set(0, _HIERARCHY_SIZE)
    features = Forward(method, batch).features(method.extractor).double().cpu().numpy()
    labels = classes.numpy()
    return Hierarchies(labels, {metric: hierarchy(features, labels, metric) for metric in _METRICS})


def _count_probs(method: Method, strategy: SetClustering, batch: Batch, draws: torch.Generator) -> Tensor:
    order = torch.randperm(batch.set_size, generator=draws)
    forward = Forward(method, permuted_batch(batch, order))
    return set_outputs(forward, *strategy.heads, strategy.min_clusters).count_log_probs[0].exp().cpu()


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
