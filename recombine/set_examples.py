"""A set of objects, its true classes, and what a network that clusters sets made of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

_MATRIX = 2
_PLANE = 2
_IMAGE_BATCH = 4
_CHANNELS = (1, 3)

#: Scores of a set by cluster count, then by name.
CountScores = Mapping[int, Mapping[str, float]]


@dataclass(frozen=True)
class SetExample:
    """One set of n objects and its clusterings, one for each of K cluster counts; all tensors are on the CPU.

    Attributes:
        number: Number of the set among those that were evaluated, from 0.
        index: Number of each object in the dataset, ``(n,)``, int64; one that was drawn twice is there twice.
        values: The objects as the plain view shows them, float32: points ``(n, 2)``, features ``(n, D)``, or images
            ``(n, C, H, W)``.
        classes: True class of each object, ``(n,)``, int64.
        counts: The cluster counts, ascending, one after the other.
        count_probs: Probability of each count, ``(K,)``, float32, in [0, 1] with the sum 1.
        cluster_probs: For each count k the probabilities of the clusters, ``(n, k)``, float32, in rows of the sum 1.
        class_names: Name of each class of the dataset, or None.
    """

    number: int
    index: Tensor
    values: Tensor
    classes: Tensor
    counts: tuple[int, ...]
    count_probs: Tensor
    cluster_probs: tuple[Tensor, ...]
    class_names: tuple[str, ...] | None

    def __len__(self) -> int:
        """Return the number of objects, n."""
        return len(self.classes)

    @property
    def class_labels(self) -> list[int]:
        """The classes that occur, ascending."""
        return sorted(set(self.classes.tolist()))

    @property
    def class_numbers(self) -> Tensor:
        """The class of each object as a position in ``class_labels``, ``(n,)``, int64."""
        return torch.searchsorted(torch.tensor(self.class_labels), self.classes)

    @property
    def true_count(self) -> int:
        """Number of different classes."""
        return len(self.class_labels)

    @property
    def predicted_count(self) -> int:
        """The most probable cluster count; the smallest one of several."""
        return self.counts[int(self.count_probs.argmax())]

    @property
    def is_points(self) -> bool:
        """Whether the objects are points in a plane."""
        return self.values.ndim == _MATRIX and self.values.shape[1] == _PLANE

    @property
    def is_images(self) -> bool:
        """Whether the objects can be shown as images: ``(n, 1 or 3, H, W)``, each side of more than one pixel."""
        shape = self.values.shape
        return len(shape) == _IMAGE_BATCH and shape[1] in _CHANNELS and min(shape[2:]) > 1

    def probability(self, count: int) -> float:
        """Return the probability of a cluster count.

        Raises:
            ValueError: The count is none of ``counts``.
        """
        return float(self.count_probs[self.counts.index(count)])

    def soft_clusters(self, count: int) -> Tensor:
        """Return the probabilities ``(n, count)`` of the clusters if there are ``count`` of them.

        Raises:
            ValueError: The count is none of ``counts``.
        """
        return self.cluster_probs[self.counts.index(count)]

    def clusters(self, count: int) -> Tensor:
        """Return the cluster of each object if there are ``count`` of them, ``(n,)``, int64.

        Raises:
            ValueError: The count is none of ``counts``.
        """
        return self.soft_clusters(count).argmax(1)

    def num_empty(self, count: int) -> int:
        """Return how many of ``count`` clusters are the most probable one of no object.

        Raises:
            ValueError: The count is none of ``counts``.
        """
        return count - len(torch.unique(self.clusters(count)))

    def class_name(self, label: int) -> str:
        """Return the name of a class, or its number in digits where it has none."""
        names = self.class_names or ()
        return names[label] if 0 <= label < len(names) else str(label)
