"""Drawings of sets inside a page: points by group, and bars of the cluster counts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recombine.grouping import Grouping
from recombine.markup import element, text
from recombine.palette import MARKERS, colour, marker
from recombine.scatter import mark_places
from recombine.set_examples import SetExample
from recombine.set_looks import OTHER_COLOUR, TRUE_COLOUR, UNIT_LIMITS, Limits

#: Outlines of the markers about the origin, each about as large as the others.
_OUTLINES = {
    "o": "M-4,0a4,4 0 1 0 8,0a4,4 0 1 0 -8,0z",
    "^": "M0,-5L4.8,3.8H-4.8z",
    "s": "M-3.6,-3.6H3.6V3.6H-3.6z",
    "D": "M0,-5L5,0L0,5L-5,0z",
}
_SIDE, _LEFT, _TOP, _BOTTOM = 300, 34, 8, 24
_NEAR = 1e-9
#: How far above the densest point of a group its mark stands, so that it hides no group of a single point.
_LIFT = 12
_UNIT_TICKS, _SHARES = (0.0, 0.5, 1.0), (0.1, 0.5, 0.9)
_BAR, _GAP, _HEIGHT, _ABOVE, _BELOW, _BESIDE = 30, 22, 130, 22, 36, 26


def marker_symbols() -> str:
    """Return the markers that the drawings of a page use, themselves unseen."""
    shapes = [element("path", id=f"m{i}", d=_OUTLINES[name]) for i, name in enumerate(MARKERS)]
    return element("svg", element("defs", *shapes), width=0, height=0, class_="aside", aria_hidden="true")


def marker_svg(number: int) -> str:
    """Return the marker of a group, for a legend; the page must have the symbols, too."""
    shape = element("use", href=_symbol(number), fill=colour(number))
    return element("svg", shape, viewBox="-6 -6 12 12", width=14, height=14, class_="swatch", aria_hidden="true")


def scatter_svg(
    points: NDArray[np.float64], grouping: Grouping, limits: tuple[Limits, Limits], names: Sequence[str]
) -> str:
    """Return a drawing of points in the colours and markers of their groups.

    Args:
        points: ``(n, 2)``.
        grouping: Their groups.
        limits: What the drawing shows of x and of y.
        names: What each point says when it is pointed at, n texts.
    """
    low, high = np.array(limits).T
    places = (points - low) / (high - low) * [1, -1] * _SIDE + [_LEFT, _TOP + _SIDE]
    groups = [_group(places, grouping, value, names) for value in grouping.present()]
    marks = [
        element("text", text(grouping.looks[value].mark), class_="mark", x=_short(x), y=_short(y - _LIFT))
        for value, (x, y) in mark_places(places, grouping.values).items()
    ]
    size = f"0 0 {_SIDE + _LEFT + _TOP} {_SIDE + _TOP + _BOTTOM}"
    words = f"{len(points)} points {grouping.title}"
    return element("svg", _axes(limits), *groups, *marks, class_="scatter", viewBox=size, role="img", aria_label=words)


def bars_svg(example: SetExample) -> str:
    """Return a bar chart of the probabilities of the cluster counts; the bar of the true count is green."""
    width = 2 * _BESIDE + len(example.counts) * (_BAR + _GAP) - _GAP
    base = _ABOVE + _HEIGHT
    line = element("path", class_="axis", d=f"M{_BESIDE - 12},{base}H{width - _BESIDE + 12}")
    bars = [_bar(example, count, _BESIDE + i * (_BAR + _GAP)) for i, count in enumerate(example.counts)]
    words = "; ".join(f"{count} clusters: p = {example.probability(count):.3f}" for count in example.counts)
    size = {"viewBox": f"0 0 {width} {base + _BELOW}", "width": width, "height": base + _BELOW}
    return element("svg", *bars, line, class_="bars", role="img", aria_label=words, **size)


def _group(places: NDArray[np.float64], grouping: Grouping, value: int, names: Sequence[str]) -> str:
    number = grouping.looks[value].number
    shape = _symbol(number)
    shown = [
        element("use", element("title", text(names[i])), href=shape, x=_short(places[i, 0]), y=_short(places[i, 1]))
        for i in np.flatnonzero(grouping.values == value).tolist()
    ]
    return element("g", *shown, fill=colour(number), fill_opacity=0.8)


def _symbol(number: int) -> str:
    return f"#m{MARKERS.index(marker(number))}"


def _axes(limits: tuple[Limits, Limits]) -> str:
    """Return a frame with three numbers on each axis."""
    frame = element("rect", class_="frame", x=_LEFT, y=_TOP, width=_SIDE, height=_SIDE)
    (low_x, high_x), (low_y, high_y) = limits
    base = _TOP + _SIDE
    below = [
        element(
            "text", _tick(low_x + share * (high_x - low_x)), class_="x", x=_short(_LEFT + share * _SIDE), y=base + 16
        )
        for share in _shares(limits[0])
    ]
    beside = [
        element(
            "text", _tick(low_y + share * (high_y - low_y)), class_="y", x=_LEFT - 5, y=_short(base - share * _SIDE + 4)
        )
        for share in _shares(limits[1])
    ]
    return frame + "".join([*below, *beside])


def _shares(limits: Limits) -> list[float]:
    """Return where the numbers of an axis stand, as shares of it: at 0, 0.5 and 1 in the unit square."""
    low, high = limits
    values = _UNIT_TICKS if limits == UNIT_LIMITS else [low + share * (high - low) for share in _SHARES]
    return [(value - low) / (high - low) for value in values]


def _tick(value: float) -> str:
    return f"{0 if abs(value) < _NEAR else value:.3g}"


def _bar(example: SetExample, count: int, x: float) -> str:
    share = example.probability(count)
    height, base, middle = share * _HEIGHT, _ABOVE + _HEIGHT, x + _BAR / 2
    is_true, is_predicted = count == example.true_count, count == example.predicted_count
    words = ", ".join(word for word, holds in (("true", is_true), ("found", is_predicted)) if holds)
    bar = element(
        "rect",
        class_="bar predicted" if is_predicted else "bar",
        fill=TRUE_COLOUR if is_true else OTHER_COLOUR,
        x=_short(x),
        y=_short(base - height),
        width=_BAR,
        height=_short(height),
    )
    value = element("text", f"{share:.2f}", x=_short(middle), y=_short(base - height - 6))
    name = element("text", str(count), x=_short(middle), y=base + 16)
    return bar + value + name + element("text", words, class_="small", x=_short(middle), y=base + 30)


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
