"""Samples by class or by cluster, with a number for each group that decides how it looks in every picture of a run.

Classes are numbered in ascending order. A cluster has the number of the class that it is matched with, so that a
picture by class and one by cluster show the same colours where the two agree; clusters without a class come after.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recombine.run_data import DatasetRun

BY_CLASS, BY_CLUSTER = "by true class", "by cluster"
_SHORT = 3


@dataclass(frozen=True)
class Look:
    """How a group is shown.

    Attributes:
        number: Decides colour and marker.
        mark: A short text that stands among its points.
        name: What the legend says.
    """

    number: int
    mark: str
    name: str


@dataclass(frozen=True)
class Grouping:
    """A sample by group.

    Attributes:
        title: By what.
        values: Class or cluster of each sample, ``(S,)``.
        looks: How each group is shown, by class or cluster.
    """

    title: str
    values: NDArray[np.int64]
    looks: Mapping[int, Look]

    def present(self) -> list[int]:
        """Return the groups that occur, by number."""
        return sorted({int(value) for value in self.values}, key=lambda value: self.looks[value].number)


def by_class(dataset: DatasetRun) -> Grouping | None:
    """Return the sample of a dataset by class, or None without labels."""
    if dataset.labels is None:
        return None
    return Grouping(BY_CLASS, dataset.labels[dataset.positions], class_looks(dataset))


def by_cluster(dataset: DatasetRun) -> Grouping | None:
    """Return the sample of a dataset by its final clusters, or None where there are none."""
    return by_cluster_then(dataset, None, "by final cluster")


def by_cluster_then(
    dataset: DatasetRun, clusters: NDArray[np.int64] | None, title: str = "by final cluster (none assigned yet)"
) -> Grouping | None:
    """Return the sample of a dataset by the ``clusters (S,)`` of a moment.

    Where these are None, the final ones are shown under the title, or None is returned where there are none either.
    """
    if clusters is not None:
        return Grouping(BY_CLUSTER, clusters, cluster_looks(dataset))
    if dataset.clusters is None:
        return None
    return Grouping(title, dataset.clusters[dataset.positions], cluster_looks(dataset))


def class_looks(dataset: DatasetRun) -> dict[int, Look]:
    """Return how each class is shown."""
    found = {}
    for number, (label, name) in enumerate(sorted(dataset.class_names.items())):
        mark = name if len(name) <= _SHORT else str(label)
        found[label] = Look(number, mark, name if name.startswith(mark) else f"{mark}: {name}")
    return found


def cluster_looks(dataset: DatasetRun) -> dict[int, Look]:
    """Return how each cluster is shown, those included that no sample is in at the end."""
    classes, matching = class_looks(dataset), dataset.matching
    clusters = range(max(config.num_clusters for config in dataset.run.config.datasets))
    numbers = {cluster: classes[label].number for cluster, label in matching.items() if label in classes}
    rest = [cluster for cluster in clusters if cluster not in numbers]
    numbers |= {cluster: number for number, cluster in enumerate(rest, start=len(classes))}
    return {
        cluster: Look(number, str(cluster), _name(cluster, classes, matching)) for cluster, number in numbers.items()
    }


def _name(cluster: int, classes: Mapping[int, Look], matching: Mapping[int, int]) -> str:
    if not classes:
        return str(cluster)
    look = classes.get(matching.get(cluster, -1))
    return f"{cluster} (class {look.mark})" if look is not None else f"{cluster} (no class)"
