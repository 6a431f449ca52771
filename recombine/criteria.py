"""Exit criteria: pure functions of the time and of what was found out about the phase so far."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from recombine.clock import Clock
from recombine.label_free import LabelFree
from recombine.metrics import Scores

_PREFIX = "performance_evaluation_"
#: Criteria on a learning rate and on a loss on held-out samples.
RATE, HELD_OUT, PATIENCE = "learning_rate_le", "validation_lt", "patience"
#: What is watched is called so; the losses of patterns have their names after the prefix.
VALIDATION_LOSS, VALIDATION_PREFIX = "validation_loss", "validation_"
#: Rates are multiplied again and again: 0.001 times 0.1 six times is a little more than 1e-9.
_ROUNDING = 1e-9
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


@dataclass(frozen=True)
class Validation:
    """The losses of a phase on the samples that it holds out.

    Attributes:
        iteration: Iterations of the phase that were complete.
        loss: The sum of the losses with the weights that the last iteration had.
        losses: The unweighted losses by their names in the log.
    """

    iteration: int
    loss: float
    losses: Mapping[str, float]

    def metrics(self) -> dict[str, float]:
        """Return the numbers by the names under which they are watched."""
        return {VALIDATION_LOSS: self.loss} | {f"{VALIDATION_PREFIX}{name}": loss for name, loss in self.losses.items()}


@dataclass(frozen=True)
class Watched:
    """What exit criteria look at beside the time.

    Attributes:
        performance: The last evaluation of the phase, or None before the first.
        validation: The last validation of the phase, or None before the first.
        rates: The learning rates by the names of the optimizers.
        lowest: The lowest validation of the phase so far, or None before the first.
    """

    performance: Performance | None = None
    validation: Validation | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    lowest: "Lowest | None" = None


@dataclass(frozen=True)
class Lowest:
    """The validation of a phase with the lowest value of what it watches.

    Attributes:
        iteration: Iterations of the phase that were complete.
        metric: What is watched.
        value: The lowest it has been.
    """

    iteration: int
    metric: str
    value: float

    @classmethod
    def after(cls, before: "Lowest | None", found: Validation, metric: str) -> "Lowest | None":
        """Return the lowest after one more validation; of equal ones, the first."""
        value = found.metrics().get(metric)
        if value is None or (before is not None and value >= before.value):
            return before
        return cls(found.iteration, metric, value)

    def __str__(self) -> str:
        """Return what it is, and when."""
        return f"the lowest {self.metric} was {self.value:.6g} after iteration {self.iteration}"


def first_met(criteria: Mapping[str, Any], clock: Clock, watched: Watched) -> str | None:
    """Return the first exit criterion that holds, in words, or None.

    Args:
        criteria: The phase's ``exit_criteria``.
        clock: The time after the iteration just done.
        watched: What was found out about the phase so far.
    """
    reasons = (_met(name, bound, clock, watched) for name, bound in criteria.items())
    return next((reason for reason in reasons if reason is not None), None)


def _met(name: str, bound: Any, clock: Clock, watched: Watched) -> str | None:
    if name == "iterations":
        return _done(bound, "iteration") if clock.iteration >= bound else None
    if name == "epochs":
        return _done(bound, "epoch") if clock.iteration >= bound * clock.iterations_per_epoch else None
    if name in _WATCHES:
        return _WATCHES[name](bound, clock, watched)
    if watched.performance is None:
        return None
    return _performance_met(name.removeprefix(_PREFIX), bound, clock, watched.performance)


def _done(count: int, unit: str) -> str:
    return f"{count} {unit} is done" if count == 1 else f"{count} {unit}s are done"


def _rate_met(bound: float | Mapping[str, Any], clock: Clock, watched: Watched) -> str | None:
    """Tell of a learning rate that is at or below a bound; a bound without a name is that of the only optimizer."""
    del clock
    rates = watched.rates
    if isinstance(bound, Mapping):
        name, value = bound["optimizer_name"], bound["value"]
    else:
        ((name, _),), value = rates.items(), bound
    held = rates[name] <= value * (1 + _ROUNDING)
    return f'the learning rate {rates[name]:.6g} of optimizer "{name}" is at or below {value:g}' if held else None


def _validation_met(bound: Mapping[str, Any], clock: Clock, watched: Watched) -> str | None:
    del clock
    validation = watched.validation
    value = validation.metrics().get(bound["metric"]) if validation is not None else None
    held = value is not None and value < bound["value"]
    return f"the {bound['metric']} {value:.6g} is below {bound['value']:g}" if held else None


def _patience_met(bound: int, clock: Clock, watched: Watched) -> str | None:
    lowest = watched.lowest
    held = lowest is not None and clock.iteration - lowest.iteration >= bound
    return f"{bound} iterations passed without a lower validation: {lowest}" if held else None


#: Criteria that look at neither the time alone nor at scores.
_WATCHES: Mapping[str, Callable[[Any, Clock, Watched], str | None]] = {
    RATE: _rate_met,
    HELD_OUT: _validation_met,
    PATIENCE: _patience_met,
}


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
