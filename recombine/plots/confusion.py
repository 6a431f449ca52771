"""Which classes are in which clusters."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from recombine.canvas import Still, figure
from recombine.plots.base import Picture, Studio, detail, title
from recombine.run_data import ConfusionTable, DatasetRun

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CELL = 0.42
_MARGIN = 2.2
_LEAST = 4.8
_MOST = 16.0
_MOST_WITH_NUMBERS = 40
_DARK = 0.5


class ConfusionMatrix(Picture):
    """The table of counts after matching: the share of its class as the colour of a cell, the count as its number."""

    name, order = "confusion", 4

    def draw(self, dataset: DatasetRun, studio: Studio) -> Iterator[tuple[str, Still]]:
        """Yield ``confusion``."""
        found = dataset.confusion
        total, matched = int(found.table.sum()), int(np.trace(found.table))
        width, height = (float(np.clip(_MARGIN + _CELL * n, _LEAST, _MOST)) for n in reversed(found.table.shape))
        words = f"matched pairs on the diagonal: {matched:,} of n = {total:,} (ACC {matched / max(total, 1):.3f})"
        made = figure((width + 1.2, height), title(dataset, "classes and clusters"), detail(dataset, words))
        axes = made.subplots()
        _show(axes, found)
        yield "confusion", Still(made)


def _show(axes: "Axes", found: ConfusionTable) -> None:
    rows, columns = found.table.shape
    shares = found.table / np.maximum(found.table.sum(1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    axes.figure.colorbar(image, ax=axes, label="share of the class", shrink=0.8)
    axes.set_xticks(range(columns), [str(cluster) for cluster in found.clusters])
    axes.set_yticks(range(rows), found.classes)
    axes.set_xlabel("cluster")
    axes.set_ylabel("class")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    if max(rows, columns) <= _MOST_WITH_NUMBERS:
        for (row, column), count in np.ndenumerate(found.table):
            _write(axes, (column, row), int(count), float(shares[row, column]))


def _write(axes: "Axes", place: tuple[int, int], count: int, share: float) -> None:
    """Write a count into a cell; none is left empty."""
    if count:
        colour = "white" if share > _DARK else "black"
        axes.text(*place, str(count), ha="center", va="center", fontsize=7.5, color=colour)
