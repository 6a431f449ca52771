"""Figures of one or two scatter plots side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recombine.canvas import figure
from recombine.grouping import Grouping
from recombine.projection import Layout
from recombine.scatter import Cloud, legend_width

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANEL = 4.9
_HEIGHT = 5.4
_LEAST_WIDTH = 6.6


def scatter_figure(arrangement: Layout, groupings: Sequence[Grouping | None], title: str, detail: str) -> "Figure":
    """Return a figure of the same points by each of the groupings that there are."""
    made, _ = scatter_panels(arrangement, groupings, title, detail)
    return made


def scatter_panels(
    arrangement: Layout, groupings: Sequence[Grouping | None], title: str, detail: str
) -> "tuple[Figure, list[Cloud]]":
    """Return a figure of the same points by each of the groupings that there are, and its scatter plots, in order."""
    shown: list[Grouping | None] = [grouping for grouping in groupings if grouping is not None]
    shown = shown or [None]
    widths = [_PANEL + legend_width(grouping) for grouping in shown]
    made = figure((max(sum(widths), _LEAST_WIDTH), _HEIGHT), title, detail)
    panels = made.subplots(1, len(shown), squeeze=False)[0]
    return made, [Cloud(axes, arrangement, grouping) for axes, grouping in zip(panels, shown, strict=True)]
