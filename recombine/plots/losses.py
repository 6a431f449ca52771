"""The losses over the training."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from recombine.canvas import Still, figure
from recombine.palette import colour
from recombine.plots.base import Picture, Studio, detail, title
from recombine.run_data import DatasetRun, MissingError
from recombine.timeline import Curve, curves, draw_spans, spans

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 2
_PANEL = (5.2, 1.9)
_HEAD = 0.9
_WIDE_RANGE = 30.0
_ABOVE_PHASES = 16


class Losses(Picture):
    """Every loss in a panel of its own, without its weight, over the iterations of all phases."""

    name, order = "losses", 5

    def draw(self, dataset: DatasetRun, studio: Studio) -> Iterator[tuple[str, Still]]:
        """Yield ``losses``."""
        found, phases = curves(dataset.events, "losses", "losses"), spans(dataset.events)
        if not found:
            raise MissingError("the history has no losses: the phases ended before any was due (loss_report_interval)")
        columns = min(_COLUMNS, len(found))
        rows = math.ceil(len(found) / columns)
        size = max(columns * _PANEL[0], 6.4), _HEAD + rows * _PANEL[1]
        words = detail(dataset, "unweighted values of single iterations")
        made = figure(size, title(dataset, "losses"), words)
        panels = made.subplots(rows, columns, sharex=True, squeeze=False).flatten()
        for position, (axes, (name, parts)) in enumerate(zip(panels, found.items(), strict=False)):
            draw_spans(axes, phases, with_names=position < columns)
            _show(axes, name, parts, position < columns)
        for axes in panels[len(found) :]:
            axes.set_yticks([])
            axes.spines[["left"]].set_visible(False)
        for axes in panels[-columns:]:
            axes.set_xlabel("iteration")
        yield "losses", Still(made)


def _show(axes: "Axes", name: str, parts: Sequence[Curve], is_top: bool) -> None:
    for part in parts:
        axes.plot(*zip(*part, strict=True), color=colour(0), linewidth=1.2, marker=".", markersize=3)
    values = [value for part in parts for _, value in part]
    if min(values) > 0 and max(values) / min(values) > _WIDE_RANGE:
        axes.set_yscale("log")
    axes.set_title(name, loc="left", fontsize=9, fontweight="bold", pad=_ABOVE_PHASES if is_top else None)
