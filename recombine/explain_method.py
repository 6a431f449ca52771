"""What a method optimizes, phase by phase, in words and formulas."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from recombine import registry
from recombine.build import views_of
from recombine.config import MethodConfig, OptimizerConfig, PhaseConfig
from recombine.pattern_losses import loss_names, loss_weight, losses_of, named_patterns
from recombine.problems import printable
from recombine.registry import Entry
from recombine.step import PLAIN_VIEW
from recombine.subschemas import annotation, walk

_WIDTH = 100
_SCORE = "performance_evaluation_"
_REASSIGNED = f"{_SCORE}cluster_reassignment_ratio_lt"
_AFTER = "_lt_after_iterations"


def described(config: MethodConfig) -> str:
    """Return the objective of each phase, what it trains and when it ends, and how clusters are assigned."""
    lines = [f'Method "{config.name}"']
    for phase in config.phases:
        lines += ["", *_phase(phase, config)]
    return printable("\n".join([*lines, "", *_assignment(config)]))


def _phase(phase: PhaseConfig, config: MethodConfig) -> Iterator[str]:
    datasets = [dataset.name for dataset in config.datasets if phase in config.phases_of(dataset)]
    yield f'Phase "{phase.name}", on {_listed(datasets) or "no dataset"}'
    sums: dict[str, list[str]] = {}
    for name, block in named_patterns(phase.design_patterns):
        for loss, keys in losses_of(block).items():
            term = f"{loss_weight(block, keys):g} x {loss_names(name, block)[loss]}{_schedule(block)}"
            sums.setdefault(block[keys["group"]], []).append(term)
    for group, terms in sums.items():
        yield f'  The loss of group "{group}": {" + ".join(terms)}'
        yield f"    may train {_trained(group, phase)}"
    for name, block in named_patterns(phase.design_patterns):
        yield from _pattern(name, block)
    for optimizer in phase.optimizers:
        yield f"  {_optimizer(optimizer)}"
    yield from _turns_and_rates(phase)
    ends = [_criterion(key, bound, phase) for key, bound in phase.exit_criteria.items()]
    yield f"  Ends as soon as {' or '.join(ends)}."


def _schedule(block: Mapping[str, Any]) -> str:
    """Return how the weight of a pattern grows, for the term of a sum."""
    start, rise = (block["loss_weight_schedule"][key] for key in ("start_at_iteration", "warm_up_iterations"))
    words = [f"from iteration {start} on"] if start else []
    words += [f"rising over {rise} iterations"] if rise else []
    return f" ({', '.join(words)})" if words else ""


def _trained(group: str, phase: PhaseConfig) -> str:
    """Return what the optimizers of a group train."""
    own = [optimizer for optimizer in phase.optimizers if optimizer.group_name == group]
    names = dict.fromkeys(name for optimizer in own for name in optimizer.trained_mapping_names)
    centroids = ["the centroids"] if any(optimizer.optimizes_centroids for optimizer in own) else []
    return ", ".join([*names, *centroids])


def _pattern(name: str, block: Mapping[str, Any]) -> Iterator[str]:
    entry = registry.patterns()[block["pattern"]]
    visits = list(walk(dict(block), [entry.subschema]))
    roles = [f"{v.pointer[1:]} {v.value}" for v in visits if annotation(v.parts, "x-ref") == "mapping"]
    views = views_of(block)
    roles += [f"views {', '.join(views)}"] if views not in ([], [PLAIN_VIEW]) else []
    yield f"  {name}{' (' + '; '.join(roles) + ')' if roles else ''}:"
    yield from _formula(entry)


def _formula(entry: Entry) -> Iterator[str]:
    text = entry.schema["x-formula"]
    for line in [text] if isinstance(text, str) else text:
        yield from textwrap.wrap(line, _WIDTH, initial_indent="      ", subsequent_indent="        ")


def _optimizer(optimizer: OptimizerConfig) -> str:
    centroids = ["the centroids"] if optimizer.optimizes_centroids else []
    options = "".join(f", {key} {_shown(value)}" for key, value in optimizer.arguments.items())
    trained = ", ".join([*optimizer.trained_mapping_names, *centroids])
    return f'Optimizer {optimizer.name}: {optimizer.type}{options}; trains {trained} by group "{optimizer.group_name}"'


def _turns_and_rates(phase: PhaseConfig) -> Iterator[str]:
    turns = [
        f"{' and '.join(part.active_optimizer_names) or 'none'} for {_count(part.num_iterations, 'iteration')}"
        for part in phase.optimizer_cycle
    ]
    if turns:
        yield f"  Optimizers take turns: {', then '.join(turns)}."
    for block in phase.optimizer_learning_rate_schedulers:
        own = ("type", "optimizer_name", "interval")
        options = "".join(f", {key} {_shown(value)}" for key, value in block.items() if key not in own)
        every = _interval(block.get("interval") or {"epochs": 1})
        yield f"  Learning rate of {block['optimizer_name']}: {block['type']}{options}; stepped {every}"


def _criterion(key: str, bound: Any, phase: PhaseConfig) -> str:
    """Return what must hold for a phase to end."""
    if key.startswith(_SCORE):
        return _score(key, bound)
    if key == "learning_rate_le":
        named = isinstance(bound, Mapping)
        whose = f" of {bound['optimizer_name']}" if named else ""
        return f"the learning rate{whose} is at most {_shown(bound['value'] if named else bound)}"
    if key == "patience" and phase.validation is not None:
        return f"{phase.validation['metric']} was lowest {_count(bound, 'iteration')} ago"
    if key == "validation_lt":
        return f"{bound['metric']} is less than {_shown(bound['value'])}"
    return f"{_count(bound, key.removesuffix('s'))} {'is' if bound == 1 else 'are'} done"


def _score(key: str, bound: Any) -> str:
    """Return what must hold of an evaluation for a phase to end."""
    if key == _REASSIGNED:
        return f"less than {_shown(bound)} of the samples change cluster between evaluations"
    score = key.removeprefix(_SCORE)[:3].upper()
    if key.endswith(_AFTER):
        return f"{score} is less than {_shown(bound['value'])} from iteration {bound['iterations']} on"
    return f"{score} is greater than {_shown(bound)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _assignment(config: MethodConfig) -> Iterator[str]:
    entry = registry.strategies()[config.strategy["type"]]
    yield f'Clusters: {entry.title}, by the features of "{config.extractor}"'
    yield from _formula(entry)
    shown = {key: value for key, value in config.strategy.items() if key not in ("type", "description")}
    yield from (f"  {key} {_shown(value)}" for key, value in shown.items())
    if config.centroids is not None:
        yield f"  Centroids in {_listed(list(config.centroids.use_centroids_during_phases))}:"
        yield f"    begin by {config.centroids.centroid_initialization_strategy}"
        yield f"    move by {config.centroids.centroid_recalculation_strategy}{_recalculated(config)}"


def _recalculated(config: MethodConfig) -> str:
    interval = config.centroids.centroid_recalculation_interval if config.centroids is not None else None
    return f", {_interval(interval)}" if interval is not None else ""


def _interval(interval: Any) -> str:
    count, unit = (interval["epochs"], "epoch") if isinstance(interval, Mapping) else (interval, "iteration")
    return f"every {unit if count == 1 else _count(count, unit)}"


def _listed(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _shown(value: Any) -> str:
    """Return a frozen value as JSON."""
    return json.dumps(value, default=dict, ensure_ascii=False)
