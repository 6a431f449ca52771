"""The losses over the training."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recombine.canvas import Still, figure
from recombine.criteria import VALIDATION_LOSS
from recombine.palette import colour
from recombine.plots.base import Picture, Studio, detail, title
from recombine.run_data import DatasetRun, Event, MissingError
from recombine.timeline import Curve, curves, draw_spans, spans

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 2
_PANEL = (5.2, 1.9)
_HEAD = 0.9
_WIDE_RANGE = 30.0
_ABOVE_PHASES = 16
_OF_ITERATIONS = "unweighted values of single iterations"
_IN_WORDS = f"{_OF_ITERATIONS}; dashed: means over held-out samples"
_TRAINED = {"color": colour(0), "marker": "."}
_HELD_OUT = {"color": colour(6), "linestyle": "--", "marker": "s"}

#: Whether curves are of held-out samples, and the curves.
Kind = tuple[bool, list[Curve]]


class Losses(Picture):
    """Every loss in a panel of its own, without its weight, over the iterations of all phases.

    Losses on held-out samples stand beside them, and their weighted sum in a panel of its own.
    """

    name, order = "losses", 5

    def draw(self, dataset: DatasetRun, studio: Studio) -> Iterator[tuple[str, Still]]:
        """Yield ``losses``."""
        found, phases = _found(dataset.events), spans(dataset.events)
        if not found:
            raise MissingError("the history has no losses: the phases ended before any was due (loss_report_interval)")
        columns = min(_COLUMNS, len(found))
        rows = math.ceil(len(found) / columns)
        size = max(columns * _PANEL[0], 6.4), _HEAD + rows * _PANEL[1]
        words = detail(dataset, _IN_WORDS if _has_held_out(found) else _OF_ITERATIONS)
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


def _found(events: Sequence[Event]) -> dict[str, list[Kind]]:
    """Return the curves of each loss: those of iterations, and those of held-out samples, where there are any."""
    trained, held_out = curves(events, "losses", "losses"), curves(events, "validation", "losses")
    names = dict.fromkeys([*trained, *held_out])
    found = {name: [(False, trained.get(name, [])), (True, held_out.get(name, []))] for name in names}
    total = curves(events, "validation", "loss").get("loss", [])
    return found | ({VALIDATION_LOSS: [(True, total)]} if total else {})


def _has_held_out(found: Mapping[str, Sequence[Kind]]) -> bool:
    return any(is_held_out and parts for kinds in found.values() for is_held_out, parts in kinds)


def _show(axes: "Axes", name: str, kinds: Sequence[Kind], is_top: bool) -> None:
    for is_held_out, part in [(is_held_out, part) for is_held_out, parts in kinds for part in parts]:
        look: Any = _HELD_OUT if is_held_out else _TRAINED
        axes.plot(*zip(*part, strict=True), **look, linewidth=1.2, markersize=3)
    values = [value for _, parts in kinds for part in parts for _, value in part]
    if min(values) > 0 and max(values) / min(values) > _WIDE_RANGE:
        axes.set_yscale("log")
    axes.set_title(name, loc="left", fontsize=9, fontweight="bold", pad=_ABOVE_PHASES if is_top else None)
