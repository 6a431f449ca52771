"""A picture of the objects of a set in rows by group, each in an edge that shows its true class."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recombine.canvas import figure
from recombine.grouping import Grouping
from recombine.palette import COLOURS, colour
from recombine.set_examples import SetExample
from recombine.set_looks import by_class, group_sizes, pixels, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_IN_LINE, _FEWEST_IN_LINE = 10, 5
#: Width and height of the place of an object, width of the names of rows, and height of the title, in inches.
_WIDTH, _HEIGHT, _NAMES, _HEAD = 0.85, 1.0, 1.5, 0.75
#: Edges of an object in its place: from the left, from above, width and height as shares of the place.
_LEFT, _TOP, _WIDE, _HIGH = 0.08, 0.07, 0.84, 0.714
_CAPTION = 0.89
_LONGEST_CAPTION, _LONGEST_NAME = 13, 18
_LINES = ("-", "--", ":", "-.")
_IMAGE = 3


class _Place(NamedTuple):
    """Where an object stands: its number in the set, its column from the left, and its line from above."""

    number: int
    column: int
    line: int


def montage(example: SetExample, grouping: Grouping, title: str, detail: str) -> "Figure":
    """Return a figure of the objects of a set, in a row for each group, empty ones included.

    Images are shown as such, other objects as curves over their features. Long rows are broken into lines. The edge of
    an object has the colour of its true class; the eleventh to the fortieth class have broken lines, too, and the next
    ones look like the first. Below it stand the name of the class and the number of the object in the dataset.

    Args:
        example: The set.
        grouping: Its objects by group.
        title: The figure's first line.
        detail: Its second line.
    """
    sizes = group_sizes(grouping)
    starts = np.cumsum([0, *(max(1, -(-size // _MOST_IN_LINE)) for size in sizes.values())]).tolist()
    columns = min(max(_FEWEST_IN_LINE, *sizes.values()), _MOST_IN_LINE)
    made = figure((_NAMES + _WIDTH * columns, _HEAD + _HEIGHT * starts[-1]), title, detail)
    axes = made.subplots()
    axes.axis("off")
    axes.set_xlim(-_NAMES / _WIDTH, columns)
    axes.set_ylim(starts[-1], 0)
    for (value, size), start in zip(sizes.items(), starts, strict=False):
        name = _cut(grouping.looks[value].name, _LONGEST_NAME)
        axes.text(-0.1, start + 0.45, f"{name}\n{_in_words(size)}", ha="right", va="center", parse_math=False)
        axes.axhline(start, color="0.85", linewidth=0.6)
    _fill(axes, example, _places(grouping, starts))
    return made


def _places(grouping: Grouping, starts: Sequence[int]) -> Iterator[_Place]:
    for value, start in zip(grouping.looks, starts, strict=False):
        for i, number in enumerate(np.flatnonzero(grouping.values == value).tolist()):
            yield _Place(number, i % _MOST_IN_LINE, start + i // _MOST_IN_LINE)


def _fill(axes: "Axes", example: SetExample, places: Iterator[_Place]) -> None:
    looks, labels, index = by_class(example).looks, example.classes.tolist(), example.index.tolist()
    objects = pixels(example.values) if example.is_images else _curves(example)
    wide, high = _extent(objects)
    for number, column, line in places:
        middle_x, middle_y = column + _LEFT + _WIDE / 2, line + _TOP + _HIGH / 2
        left, right = middle_x - wide / 2, middle_x + wide / 2
        top, bottom = middle_y - high / 2, middle_y + high / 2
        _show(axes, objects[number], (left, right, bottom, top))
        look = looks[labels[number]].number
        kind = _LINES[look // len(COLOURS) % len(_LINES)]
        corners = [left, right, right, left, left], [top, top, bottom, bottom, top]
        axes.plot(*corners, color=colour(look), linestyle=kind, linewidth=2.6, solid_joinstyle="miter")
        caption = _caption(example.class_name(labels[number]), index[number])
        axes.text(middle_x, line + _CAPTION, caption, ha="center", va="center", fontsize=6.5, parse_math=False)


def _curves(example: SetExample) -> NDArray[Any]:
    """Return the features of each object ``(n, D)`` as shares of the range of the set, in [0, 1]."""
    flat = example.values.flatten(1).nan_to_num(0, 0, 0).numpy()
    low, high = flat.min(), flat.max()
    return np.asarray((flat - low) / ((high - low) or 1))


def _extent(objects: NDArray[Any]) -> tuple[float, float]:
    """Return width and height of every object in a place; images keep their shape."""
    if objects.ndim <= _IMAGE:
        return _WIDE, _HIGH
    height, width = objects.shape[1:3]
    return _WIDE * width / max(height, width), _HIGH * height / max(height, width)


def _show(axes: "Axes", shown: NDArray[Any], edges: tuple[float, float, float, float]) -> None:
    """Show pixels ``(h, w, C)`` or a curve ``(D,)`` within left, right, bottom and top."""
    if shown.ndim == _IMAGE:
        image = shown[..., 0] if shown.shape[2] == 1 else shown
        axes.imshow(image, extent=edges, aspect="auto", interpolation="nearest", vmin=0, vmax=255)
        return
    left, right, bottom, top = edges
    axes.plot(np.linspace(left, right, len(shown)), bottom + shown * (top - bottom), color="0.35", linewidth=0.8)


def _caption(name: str, index: int) -> str:
    end = f" #{index}"
    return _cut(name, _LONGEST_CAPTION - len(end)) + end


def _cut(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[: max(longest - 1, 1)]}…"


def _in_words(count: int) -> str:
    return f"{count} {plural('object', count)}" if count else "empty"
