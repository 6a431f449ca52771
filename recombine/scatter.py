"""Points in a plane, by group."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recombine import palette
from recombine.canvas import outlined
from recombine.grouping import Grouping, Look
from recombine.projection import Layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_IN_LEGEND = 30
_MOST_IN_COLUMN = 15
_LETTER = 0.075
_HANDLE = 0.42
_MARGIN = 0.04
_NEAR = 0.08
_MARK_WIDTH, _MARK_HEIGHT = 0.055, 0.045
_GOLDEN_ANGLE = 2.39996
_PUSHES = 60

Marks = Mapping[int, tuple[float, float]]


class Cloud:
    """A scatter plot of a sample, which may move.

    All points of one marker are one collection, in an order that is drawn by chance: no group covers another because
    it comes later. Each group has its mark where its points are densest.

    Args:
        axes: Where to draw.
        arrangement: The points.
        grouping: Their groups, or None: then all look the same.
    """

    def __init__(self, axes: "Axes", arrangement: Layout, grouping: Grouping | None) -> None:
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
        if grouping is not None:
            self._legend(grouping.present())

    def show(self, points: NDArray[Any], values: NDArray[Any] | None, marks: Marks | None = None) -> None:
        """Move to ``points (S, 2)`` whose groups are ``values (S,)``, with the marks where these are."""
        if values is None:
            (only,) = self._collections.values()
            only.set_offsets(points[self._order])
            return
        numbers = np.array([self._looks[int(value)].number for value in values[self._order]])
        for name, collection in self._collections.items():
            chosen = np.array([palette.marker(number) == name for number in numbers], dtype=bool)
            collection.set_offsets(points[self._order][chosen])
            collection.set_facecolors([palette.colour(number) for number in numbers[chosen]])
        self._place_marks(marks if marks is not None else mark_places(points, values))

    def _empty(self, marker: str) -> Any:
        made: Any = self._axes.scatter([], [], s=self._size, marker=marker, linewidths=0, alpha=0.8)
        made.set_facecolors([palette.NO_COLOUR])
        return made

    def _markers(self) -> list[str]:
        return sorted({palette.marker(look.number) for look in self._looks.values()}) or [palette.marker(0)]

    def _place_marks(self, places: Marks) -> None:
        for value, mark in self._marks.items():
            mark.set_visible(value in places)
        for value, place in places.items():
            if value not in self._marks:
                self._marks[value] = outlined(self._axes, place, self._looks[value].mark)
            self._marks[value].set_position(place)

    def _legend(self, present: list[int]) -> None:
        columns = _legend_columns(len(present))
        if not columns:
            return
        handles = [self._handle(self._looks[value]) for value in present]
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


def mark_places(points: NDArray[Any], values: NDArray[Any]) -> Marks:
    """Return where the mark of each group stands: where its points are densest, but none upon another.

    Args:
        points: ``(S, 2)``.
        values: Group of each, ``(S,)``.
    """
    span = float(np.ptp(points, axis=0).max()) or 1.0
    kinds = np.unique(values)
    dense = np.array([densest(points[values == kind], _NEAR * span) for kind in kinds]).reshape(-1, 2)
    places = apart(dense, (_MARK_WIDTH * span, _MARK_HEIGHT * span))
    return {int(kind): (float(x), float(y)) for kind, (x, y) in zip(kinds, places, strict=True)}


def densest(points: NDArray[Any], radius: float) -> tuple[float, float]:
    """Return the one of ``points (S, 2)`` that has the most others within ``radius``.

    Of several, as in a group that is smaller than that, it is the one nearest to the mean of all.
    """
    from scipy.spatial import cKDTree

    counts = np.asarray(cKDTree(points).query_ball_point(points, radius, return_length=True))
    crowded = points[counts == counts.max()]
    best = crowded[int(np.linalg.norm(crowded - points.mean(0), axis=1).argmin())]
    return float(best[0]), float(best[1])


def apart(places: NDArray[Any], size: tuple[float, float]) -> NDArray[Any]:
    """Return ``places (G, 2)`` of boxes of a size, width and height, pushed apart until hardly any overlap."""
    scaled = places / np.array(size)
    angles = np.arange(len(places)) * _GOLDEN_ANGLE
    scaled = scaled + 1e-6 * np.column_stack([np.cos(angles), np.sin(angles)])  # Gives boxes in one place a direction.
    for _ in range(_PUSHES):
        offsets = scaled[:, None] - scaled[None]
        lengths = np.linalg.norm(offsets, axis=2)
        np.fill_diagonal(lengths, np.inf)
        lack = np.maximum(1 - lengths, 0)
        scaled = scaled + (offsets / lengths[..., None] * lack[..., None]).sum(1) / 2
    return np.asarray(scaled * np.array(size))


def legend_width(grouping: Grouping | None) -> float:
    """Return how much room the legend of a scatter plot takes, in inches."""
    if grouping is None:
        return 0.0
    present = grouping.present()
    letters = max(len(grouping.looks[value].name) for value in present)
    return _legend_columns(len(present)) * (_HANDLE + _LETTER * letters)


def _legend_columns(count: int) -> int:
    """Return the number of columns of a legend with ``count`` entries; 0 where there are too many for any."""
    return 0 if count > _MOST_IN_LEGEND else 1 + (count - 1) // _MOST_IN_COLUMN


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
