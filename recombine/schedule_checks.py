"""What schedulers of learning rates and exit criteria watch: is it there to be watched, and can it get there?"""

from collections.abc import Iterator
from typing import Any

from recombine.complete import blocks
from recombine.criteria import HELD_OUT, PATIENCE, RATE, VALIDATION_LOSS, VALIDATION_PREFIX
from recombine.misspelt import certain
from recombine.optim import LOSS, METRICS, PLATEAU
from recombine.pattern_losses import loss_names, named_patterns
from recombine.problems import Finding, suggestion
from recombine.subschemas import JsonObject

_SCHEDULERS = "optimizer_learning_rate_schedulers"


def schedulers_listen(method: JsonObject, phase: JsonObject, pointer: str) -> Iterator[Finding]:
    """Yield the schedulers that watch what is not there."""
    del method
    for i, scheduler in enumerate(blocks(phase, _SCHEDULERS)):
        place = f"{pointer}/{_SCHEDULERS}/{i}/metric"
        metric = scheduler.get("metric", LOSS)
        if "metric" in scheduler and scheduler["type"] != PLATEAU:
            message = f"{scheduler['type']} watches no metric; only {PLATEAU} does"
            yield Finding("RC407", message, 'Remove "metric".', place)
        elif metric not in METRICS:
            yield from _validation_findings(phase, metric, [*METRICS, *_validation_metrics(phase)], place)
        elif metric != LOSS and phase.get("performance_evaluation_interval") is None:
            message = "a scheduler that watches a score needs evaluations, and this phase has none"
            yield Finding("RC406", message, 'Add "performance_evaluation_interval".', place)


def criteria_listen(method: JsonObject, phase: JsonObject, pointer: str) -> Iterator[Finding]:
    """Yield the exit criteria that look at what is not there."""
    del method
    criteria, place = phase["exit_criteria"], f"{pointer}/exit_criteria"
    if HELD_OUT in criteria:
        metric = criteria[HELD_OUT]["metric"]
        yield from _validation_findings(phase, metric, _validation_metrics(phase), f"{place}/{HELD_OUT}/metric")
    validation = phase.get("validation")
    if validation is not None:
        watched = f"{pointer}/validation/metric"
        yield from _validation_findings(phase, validation["metric"], _validation_metrics(phase), watched)
        yield from _patience_findings(criteria.get(PATIENCE), validation["interval"], f"{place}/{PATIENCE}")
    if RATE in criteria:
        yield from _rate_findings(phase, criteria[RATE], f"{place}/{RATE}")


def obstacle(criterion: str, bound: Any, phase: JsonObject) -> str | None:
    """Return why an exit criterion that looks at neither time nor scores can never hold, or None."""
    name, value = _rate_meant(phase, bound) if criterion == RATE else (None, 0.0)
    if name is None:
        return None
    own = [scheduler for scheduler in blocks(phase, _SCHEDULERS) if scheduler["optimizer_name"] == name]
    if not own:
        return f'no scheduler lowers the learning rate of optimizer "{name}"'
    lowest = [scheduler["min_lr"] for scheduler in own if isinstance(scheduler.get("min_lr"), (int, float))]
    if len(lowest) == len(own) and min(lowest) > value:
        return f'the learning rate of optimizer "{name}" stays at or above {min(lowest):g}'
    return None


def _validation_metrics(phase: JsonObject) -> list[str]:
    """Return what can be watched of the held-out samples."""
    patterns = named_patterns(phase["design_patterns"])
    names = [loss for name, block in patterns for loss in loss_names(name, block).values()]
    return [VALIDATION_LOSS, *(f"{VALIDATION_PREFIX}{name}" for name in names)]


def _validation_findings(phase: JsonObject, metric: str, known: list[str], place: str) -> Iterator[Finding]:
    if metric not in known:
        message = f'"{metric}" is none of the words allowed here'
        yield Finding("RC105", message, suggestion(metric, known), place, fix=certain(metric, known))
    elif phase.get("validation") is None:
        message = "a loss on held-out samples is watched, and this phase holds none out"
        yield Finding("RC406", message, 'Add "validation".', place)


def _patience_findings(patience: int | None, interval: Any, place: str) -> Iterator[Finding]:
    if patience is not None and isinstance(interval, int) and 0 < patience < interval:
        message = f"the phase would end {patience} iterations after its first validation, before there is another"
        yield Finding("RC106", message, f'Write at least {interval}, the "interval" of "validation".', place)


def _rate_findings(phase: JsonObject, bound: Any, place: str) -> Iterator[Finding]:
    names = [optimizer["name"] for optimizer in phase["optimizers"]]
    reason = obstacle(RATE, bound, phase)
    if not names:
        yield Finding("RC404", "the phase has no optimizer, and so no learning rate", "", place)
    elif _rate_meant(phase, bound)[0] is None:
        message = f"the phase has {len(names)} optimizers, and the learning rate of one of them is meant"
        remedy = f'Write {{"optimizer_name": "{names[0]}", "value": {bound:g}}}, for example.'
        yield Finding("RC106", message, remedy, place)
    elif reason is not None and len(phase["exit_criteria"]) > 1:  # Alone, it is said of the phase.
        yield Finding("RC407", f"the criterion never holds: {reason}", "", place, is_warning=True)


def _rate_meant(phase: JsonObject, bound: Any) -> tuple[str | None, float]:
    """Return the optimizer whose learning rate is meant, None where that cannot be told, and the bound."""
    if isinstance(bound, dict):
        return bound["optimizer_name"], bound["value"]
    names = [optimizer["name"] for optimizer in phase["optimizers"]]
    return names[0] if len(names) == 1 else None, bound
