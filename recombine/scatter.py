"""Points in a plane, by group."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recombine import palette
from recombine.canvas import outlined
from recombine.grouping import Grouping, Look
from recombine.projection import Layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_IN_LEGEND = 24
_MOST_IN_COLUMN = 12
_MARGIN = 0.04
_NEAR = 0.08


class Cloud:
    """A scatter plot of a sample, which may move.

    All points of one marker are one collection, in an order that is drawn by chance: no group covers another because
    it comes later. Each group has its mark where its points are densest.

    Args:
        axes: Where to draw.
        arrangement: The points.
        grouping: Their groups, or None: then all look the same.
        has_legend: Whether to say beside the picture which group is which.
    """

    def __init__(self, axes: "Axes", arrangement: Layout, grouping: Grouping | None, has_legend: bool = True) -> None:
        self._axes = axes
        self._order = np.random.default_rng(0).permutation(len(arrangement.points))
        self._looks = {} if grouping is None else dict(grouping.looks)
        self._size = _point_size(len(arrangement.points))
        self._collections = {name: self._empty(name) for name in self._markers()}
        self._marks: dict[int, Any] = {}
        _label(axes, arrangement)
        axes.set_title("" if grouping is None else grouping.title, loc="left")
        self.show(arrangement.points, None if grouping is None else grouping.values)
        frame(axes, arrangement.points)
        if grouping is not None and has_legend:
            self._legend(sorted({int(value) for value in grouping.values}, key=lambda value: self._looks[value].number))

    def show(self, points: NDArray[Any], values: NDArray[Any] | None) -> None:
        """Move to ``points (S, 2)`` whose groups are ``values (S,)``."""
        points = points[self._order]
        if values is None:
            (only,) = self._collections.values()
            only.set_offsets(points)
            return
        numbers = np.array([self._looks[int(value)].number for value in values[self._order]])
        for name, collection in self._collections.items():
            chosen = np.array([palette.marker(number) == name for number in numbers], dtype=bool)
            collection.set_offsets(points[chosen])
            collection.set_facecolors([palette.colour(number) for number in numbers[chosen]])
        self._place_marks(points, values[self._order])

    def _empty(self, marker: str) -> Any:
        made: Any = self._axes.scatter([], [], s=self._size, marker=marker, linewidths=0, alpha=0.8)
        made.set_facecolors([palette.NO_COLOUR])
        return made

    def _markers(self) -> list[str]:
        return sorted({palette.marker(look.number) for look in self._looks.values()}) or [palette.marker(0)]

    def _place_marks(self, points: NDArray[Any], values: NDArray[Any]) -> None:
        present = {int(value) for value in np.unique(values)}
        span = float(np.ptp(points, axis=0).max()) or 1.0
        for value, mark in self._marks.items():
            mark.set_visible(value in present)
        for value in present:
            place = densest(points[values == value], _NEAR * span)
            if value not in self._marks:
                self._marks[value] = outlined(self._axes, place, self._looks[value].mark)
            self._marks[value].set_position(place)

    def _legend(self, present: list[int]) -> None:
        if len(present) > _MOST_IN_LEGEND:
            return
        handles = [self._handle(self._looks[value]) for value in present]
        columns = 1 + (len(present) - 1) // _MOST_IN_COLUMN
        options: dict[str, Any] = {
            "loc": "center left",
            "bbox_to_anchor": (1.0, 0.5),
            "ncols": columns,
            "handletextpad": 0.3,
        }
        self._axes.legend(handles, [self._looks[value].name for value in present], **options)

    def _handle(self, look: Look) -> Any:
        """Return a point of a group's looks, large enough for a legend; nothing is drawn."""
        made: Any = self._axes.scatter([], [], s=36, marker=palette.marker(look.number), c=palette.colour(look.number))
        made.set_linewidths([0])
        return made


def densest(points: NDArray[Any], radius: float) -> tuple[float, float]:
    """Return the one of ``points (S, 2)`` that has the most others within ``radius``; the first of several."""
    squares = ((points[:, None] - points[None]) ** 2).sum(2)
    best = points[int((squares <= radius**2).sum(1).argmax())]
    return float(best[0]), float(best[1])


def frame(axes: "Axes", points: NDArray[Any]) -> None:
    """Set the limits of a picture so that all ``points (S, 2)`` are in it, with a margin, in equal scales."""
    low, high = points.min(0), points.max(0)
    middle, half = (low + high) / 2, float((high - low).max()) * (0.5 + _MARGIN) or 1.0
    axes.set_xlim(middle[0] - half, middle[0] + half)
    axes.set_ylim(middle[1] - half, middle[1] + half)


def _label(axes: "Axes", arrangement: Layout) -> None:
    axes.set_xlabel(arrangement.axes[0])
    axes.set_ylabel(arrangement.axes[1])
    axes.set_box_aspect(1)
    if not arrangement.has_scale:
        axes.set_xticks([])
        axes.set_yticks([])


def _point_size(count: int) -> float:
    """Return the area of a point, in square points: fewer points are larger."""
    return float(np.clip(12000 / max(count, 1), 6, 40))
