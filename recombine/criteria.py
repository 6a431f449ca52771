"""Exit criteria: pure functions of the time and of the last evaluation of the phase."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recombine.clock import Clock
from recombine.label_free import LabelFree
from recombine.metrics import Scores

_PREFIX = "performance_evaluation_"
#: Criteria that look at labels; results of phases that use them are marked ``oracle``.
ORACLE_CRITERIA = tuple(
    f"{_PREFIX}{metric}{suffix}" for metric in ("acc", "nmi", "ari") for suffix in ("_gt", "_lt_after_iterations")
)


@dataclass(frozen=True)
class Performance:
    """What criteria on performance look at: an evaluation during the phase.

    Attributes:
        scores: Scores against the labels, or None where there are no labels.
        reassignment_ratio: Share of samples, in [0, 1], whose cluster changed since the evaluation before; None at
            the first evaluation of a phase.
        label_free: Scores without labels, or None where none were made.
    """

    scores: Scores | None
    reassignment_ratio: float | None
    label_free: LabelFree | None = None


def first_met(criteria: Mapping[str, Any], clock: Clock, performance: Performance | None) -> str | None:
    """Return the first exit criterion that holds, in words, or None.

    Args:
        criteria: The phase's ``exit_criteria``.
        clock: The time after the iteration just done.
        performance: The last evaluation of the phase, or None before the first.
    """
    for name, bound in criteria.items():
        if name == "iterations" and clock.iteration >= bound:
            return _done(bound, "iteration")
        if name == "epochs" and clock.iteration >= bound * clock.iterations_per_epoch:
            return _done(bound, "epoch")
        if name.startswith(_PREFIX) and performance is not None:
            reason = _performance_met(name.removeprefix(_PREFIX), bound, clock, performance)
            if reason is not None:
                return reason
    return None


def _done(count: int, unit: str) -> str:
    return f"{count} {unit} is done" if count == 1 else f"{count} {unit}s are done"


def _performance_met(name: str, bound: Any, clock: Clock, performance: Performance) -> str | None:
    if name == "cluster_reassignment_ratio_lt":
        ratio = performance.reassignment_ratio
        held = ratio is not None and ratio < bound
        return f"the cluster reassignment ratio {ratio:.6g} is below {bound}" if held else None
    if performance.scores is None:
        return None
    metric, _, comparison = name.partition("_")
    value = performance.scores.as_dict()[metric]
    if comparison == "gt":
        return f"{metric.upper()} {value:.6g} is above {bound}" if value > bound else None
    is_hopeless = clock.iteration >= bound["iterations"] and value < bound["value"]
    words = f"{metric.upper()} {value:.6g} is below {bound['value']} after {bound['iterations']} iterations"
    return words if is_hopeless else None
