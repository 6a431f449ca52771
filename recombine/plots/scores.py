"""The scores over the training."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from recombine.canvas import Still, figure
from recombine.palette import colour
from recombine.plots.base import Picture, Studio, detail, title
from recombine.run_data import DatasetRun, MissingError
from recombine.timeline import Curve, curves, draw_spans, spans

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LABEL_FREE = ("silhouette", "assignment_entropy", "mean_confidence")
_SIZE = (9.0, 2.6)
_STYLES = ("-", "--", "-.", ":")
_MARKS = ("o", "^", "s", "D")


class ScoreCurves(Picture):
    """Scores against the labels, and below them those that need none, over the iterations of all phases."""

    name, order = "scores", 6

    def draw(self, dataset: DatasetRun, studio: Studio) -> Iterator[tuple[str, Still]]:
        """Yield ``scores``."""
        events, phases = dataset.events, spans(dataset.events)
        free = curves(events, "evaluation", "label_free")
        panels = {
            "against labels": {name.upper(): parts for name, parts in curves(events, "evaluation", "scores").items()},
            "without labels": {name.replace("_", " "): free[name] for name in _LABEL_FREE if name in free},
        }
        changed = curves(events, "evaluation", "reassignment_ratio").get("reassignment_ratio")
        if changed is not None:
            panels["without labels"]["share reassigned"] = changed
        shown = {name: found for name, found in panels.items() if found}
        if not shown:
            raise MissingError(_why_none(dataset))
        made = figure((_SIZE[0], 0.8 + _SIZE[1] * len(shown)), title(dataset, "scores"), _words(dataset))
        grid = made.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
        for position, (axes, (name, found)) in enumerate(zip(grid, shown.items(), strict=True)):
            draw_spans(axes, phases, with_names=position == 0)
            _show(axes, name, found)
        grid[-1].set_xlabel("iteration")
        yield "scores", Still(made)


def _why_none(dataset: DatasetRun) -> str:
    if any(event["event"] == "evaluation" for event in dataset.events):
        return "nothing was assigned yet when the phases were evaluated"
    return "nothing was scored during training: the phases have no performance_evaluation_interval"


def _words(dataset: DatasetRun) -> str:
    return detail(dataset, f"n = {dataset.num_samples:,}, evaluations during training")


def _show(axes: "Axes", name: str, found: Mapping[str, Sequence[Curve]]) -> None:
    for number, (metric, parts) in enumerate(found.items()):
        for position, part in enumerate(parts):
            axes.plot(
                *zip(*part, strict=True),
                color=colour((0, 6, 4, 8)[number % 4]),
                linestyle=_STYLES[number % len(_STYLES)],
                marker=_MARKS[number % len(_MARKS)],
                markersize=3.5,
                linewidth=1.3,
                label=metric if position == 0 else None,
            )
    values = [value for parts in found.values() for part in parts for _, value in part]
    axes.set_ylim(min(0.0, min(values)) - 0.02, 1.02)
    axes.set_ylabel(name)
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
