"""The history of a run over all its iterations, one phase after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recombine.run_data import Event

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curve = list[tuple[int, float]]


@dataclass(frozen=True)
class Span:
    """A phase on the time axis: its name, and its first and last iteration, counted over all phases."""

    phase: str
    start: int
    stop: int


def spans(events: Sequence[Event]) -> list[Span]:
    """Return the phases of a dataset in order, as far as the history goes."""
    lengths: dict[str, int] = {}
    for event in events:
        if "phase" in event and "iteration" in event:
            lengths[event["phase"]] = max(lengths.get(event["phase"], 0), int(event["iteration"]))
    found, start = [], 0
    for phase, length in lengths.items():
        found.append(Span(phase, start, start + length))
        start += length
    return found


def curves(events: Sequence[Event], kind: str, key: str) -> dict[str, list[Curve]]:
    """Return the numbers that events of a kind hold at a key, by name: a curve for each phase in which there are any.

    What is null, NaN for example, is left out.
    """
    starts = {span.phase: span.start for span in spans(events)}
    found: dict[str, dict[str, Curve]] = {}
    for event in events:
        if event["event"] == kind and event.get(key) is not None:
            for name, value in _numbers(key, event[key]).items():
                points = found.setdefault(name, {}).setdefault(event["phase"], [])
                points.append((starts[event["phase"]] + int(event["iteration"]), value))
    return {name: list(phases.values()) for name, phases in found.items()}


def _numbers(key: str, value: Any) -> dict[str, float]:
    values = value if isinstance(value, Mapping) else {key: value}
    numbers = {name: number for name, number in values.items() if isinstance(number, (int, float))}
    return {name: float(number) for name, number in numbers.items()}


def draw_spans(axes: "Axes", found: Sequence[Span], with_names: bool) -> None:
    """Draw where each phase begins, with its name above, if wanted; set the limits of the time axis."""
    end = max(span.stop for span in found) or 1
    axes.set_xlim(0, end * 1.01)
    for position, span in enumerate(found):
        if position:
            axes.axvline(span.start, color="0.6", linewidth=0.8, linestyle=":")
        if with_names:
            place: Any = {"xy": ((span.start + span.stop) / 2, 1.0), "xycoords": ("data", "axes fraction")}
            beside: Any = {"xytext": (0, 3), "textcoords": "offset points", "ha": "center", "va": "bottom"}
            axes.annotate(span.phase, **place, **beside, fontsize=8, color="0.3")
