"""How the objects of a set look, the same in every picture and page: groups, limits and pixels."""

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from recombine.grouping import Grouping, Look
from recombine.metrics import confusion, counts
from recombine.palette import COLOURS
from recombine.set_examples import SetExample

#: Bars of cluster counts: the true one is green, the others are blue.
TRUE_COLOUR, OTHER_COLOUR = COLOURS[3], COLOURS[0]
#: The part of the plane in which generated points lie.
UNIT_LIMITS = (-0.2, 1.2)
_MARGIN = 0.05
_LONGEST_MARK = 3
_HIGHEST = 255

Limits = tuple[float, float]


def by_class(example: SetExample) -> Grouping:
    """Return the objects by true class; the classes that occur are numbered in ascending order."""
    looks = {label: _class_look(example, label, number) for number, label in enumerate(example.class_labels)}
    return Grouping("by true class", example.classes.numpy(), looks)


def by_cluster(example: SetExample, count: int) -> Grouping:
    """Return the objects as they are clustered if there are ``count`` clusters; empty ones have their looks, too.

    A cluster looks like the class that it is matched with, one to one, if they share any object: where two pictures
    agree, they have the same colours. Other clusters come after the classes.

    Raises:
        ValueError: The count is none of the example's.
    """
    values = example.clusters(count).numpy()
    matching, number_of = _shared_matching(example, count), {label: i for i, label in enumerate(example.class_labels)}
    rest = [cluster for cluster in range(count) if cluster not in matching]
    numbers = {cluster: number_of[label] for cluster, label in matching.items()}
    numbers |= {cluster: number for number, cluster in enumerate(rest, start=len(number_of))}
    looks = {cluster: Look(numbers[cluster], str(cluster), f"cluster {cluster}") for cluster in range(count)}
    return Grouping(f"by cluster, of {count}", values, looks)


def group_sizes(grouping: Grouping) -> dict[int, int]:
    """Return the number of objects of each group, also of empty ones, in the order of the groups."""
    values = grouping.values.tolist()
    return {value: values.count(value) for value in grouping.looks}


def point_limits(points: Tensor) -> tuple[Limits, Limits]:
    """Return the limits of x and of y of a picture of ``points (n, 2)``.

    They are -0.2 and 1.2; where a point lies outside, they are a square around all points, with a margin.
    """
    low, high = points.min(0).values, points.max(0).values
    if low.min() >= UNIT_LIMITS[0] and high.max() <= UNIT_LIMITS[1]:
        return UNIT_LIMITS, UNIT_LIMITS
    half = float((high - low).max()) * (0.5 + _MARGIN) or 1.0
    x, y = ((low + high) / 2).tolist()
    return (x - half, x + half), (y - half, y + half)


def pixels(images: Tensor, longest: int | None = None) -> NDArray[np.uint8]:
    """Return images for showing: the least value of the set is black, the greatest one white.

    Args:
        images: ``(n, C, H, W)`` of any range; they stay as they are. What is not finite counts as 0.
        longest: The longest side that images are reduced to if they are larger, or None.

    Returns:
        ``(n, h, w, C)``.
    """
    finite = images.float().nan_to_num(0, 0, 0)
    low, high = finite.min(), finite.max()
    larger = max(finite.shape[2:])
    if longest is not None and larger > longest:
        size = [max(1, round(side * longest / larger)) for side in finite.shape[2:]]
        finite = F.interpolate(finite, size, mode="area")
    shares = (finite - low) / (high - low if high > low else 1)
    return np.asarray((shares * _HIGHEST).round().byte().permute(0, 2, 3, 1).numpy())


def plural(word: str, count: int) -> str:
    """Return a word as it stands after a number of things."""
    return word if count == 1 else f"{word}es" if word.endswith("s") else f"{word}s"


def _class_look(example: SetExample, label: int, number: int) -> Look:
    name = example.class_name(label)
    mark = name if 0 < len(name) <= _LONGEST_MARK else str(label)
    return Look(number, mark, name if name.startswith(mark) else f"{mark}: {name}")


def _shared_matching(example: SetExample, count: int) -> dict[int, int]:
    """Return the class of each cluster that is matched with one of which it has an object."""
    classes, clusters = example.classes.numpy(), example.clusters(count).numpy()
    matched = confusion(counts(classes, clusters))
    shared = np.diagonal(matched.table) > 0
    return {cluster: label for (cluster, label), any_ in zip(matched.matching.items(), shared, strict=True) if any_}
