"""Optimizers and their groups: each loss reaches only the parameters of its own group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from recombine import factory
from recombine.config import CycleConfig, OptimizerConfig, PhaseConfig
from recombine.errors import NetworkError
from recombine.method import Method

_PLATEAU_DEFAULTS = {"eps": 0.0, "threshold": 0.0}


@dataclass
class NamedOptimizer:
    """An optimizer with what the method file says about it."""

    config: OptimizerConfig
    optimizer: torch.optim.Optimizer
    parameters: list[Tensor]
    schedulers: list["NamedScheduler"] = field(default_factory=list)


@dataclass
class NamedScheduler:
    """A learning rate scheduler; ``metric`` is what one that watches a plateau watches."""

    scheduler: LRScheduler
    metric: str | None


class OptimizerSet:
    """All optimizers of a phase.

    Args:
        config: The phase.
        method: The parameters to train.

    Raises:
        NetworkError: An optimizer has no parameters to train.
        FactoryError: An optimizer or scheduler refuses its arguments.
    """

    def __init__(self, config: PhaseConfig, method: Method) -> None:
        self.optimizers = [_optimizer(optimizer, method) for optimizer in config.optimizers]
        self.cycle = config.optimizer_cycle
        for block in config.optimizer_learning_rate_schedulers:
            owner = next(o for o in self.optimizers if o.config.name == block["optimizer_name"])
            owner.schedulers.append(_scheduler(block, owner.optimizer))

    def active(self, iteration: int) -> list[NamedOptimizer]:
        """Return the optimizers that step in an iteration of the phase."""
        names = active_names(self.cycle, iteration)
        return [o for o in self.optimizers if names is None or o.config.name in names]

    def step(self, totals: Mapping[str, Tensor], iteration: int) -> None:
        """Step every active optimizer whose group has a loss.

        The gradients of all groups are taken before anything moves. A parameter without a gradient is skipped, so
        that neither momentum nor weight decay moves it.
        """
        trainable = {group for group, total in totals.items() if total.requires_grad}
        stepping = [named for named in self.active(iteration) if named.config.group_name in trainable]
        gradients = _gradients(stepping, totals)
        for named in stepping:
            for parameter in named.parameters:
                parameter.grad = gradients[named.config.group_name].get(parameter)
            named.optimizer.step()
            named.optimizer.zero_grad(set_to_none=True)

    def end_epoch(self, metrics: Mapping[str, float | None]) -> None:
        """Step the schedulers; ``metrics`` holds the values that plateau schedulers watch, None where unknown."""
        for scheduler in [scheduler for named in self.optimizers for scheduler in named.schedulers]:
            if scheduler.metric is None:
                scheduler.scheduler.step()
            elif metrics.get(scheduler.metric) is not None:
                scheduler.scheduler.step(metrics[scheduler.metric])  # type: ignore[arg-type]

    @property
    def watched_metrics(self) -> set[str]:
        """Names of the values that the schedulers watch."""
        found = {s.metric for named in self.optimizers for s in named.schedulers}
        return {metric for metric in found if metric is not None}


def active_names(cycle: Sequence[CycleConfig], iteration: int) -> tuple[str, ...] | None:
    """Return the names of the optimizers that step in an iteration of the phase; None stands for all."""
    if not cycle:
        return None
    position = iteration % sum(entry.num_iterations for entry in cycle)
    for entry in cycle:
        if position < entry.num_iterations:
            return entry.active_optimizer_names
        position -= entry.num_iterations
    return None


def _gradients(stepping: Sequence[NamedOptimizer], totals: Mapping[str, Tensor]) -> dict[str, dict[Tensor, Tensor]]:
    groups = list(dict.fromkeys(named.config.group_name for named in stepping))
    gradients: dict[str, dict[Tensor, Tensor]] = {}
    for group in groups:
        members = [named for named in stepping if named.config.group_name == group]
        wanted = list(dict.fromkeys(parameter for named in members for parameter in named.parameters))
        is_last = group == groups[-1]
        found = torch.autograd.grad(totals[group], wanted, retain_graph=not is_last, allow_unused=True)
        gradients[group] = {parameter: grad for parameter, grad in zip(wanted, found, strict=True) if grad is not None}
    return gradients


def _optimizer(config: OptimizerConfig, method: Method) -> NamedOptimizer:
    parameters = [p for name in config.trained_mapping_names for p in method.mappings[name].parameters()]
    if config.optimizes_centroids:
        parameters.append(method.require_centroids().positions)
    unique = [parameter for parameter in dict.fromkeys(parameters) if parameter.requires_grad]
    if not unique:
        raise NetworkError(f'optimizer "{config.name}" trains nothing: its mappings have no parameters')
    target = factory.resolve("optimizer", config.type)
    arguments = {key: factory.plain_value(key, value) for key, value in config.arguments.items()}
    return NamedOptimizer(config, factory.call(config.type, target, unique, **arguments), list(unique))


def _scheduler(block: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> NamedScheduler:
    arguments = factory.arguments_of("scheduler", block)
    if block["type"] == "ReduceLROnPlateau":
        metric = block.get("metric") or "loss"
        mode = "min" if metric == "loss" else "max"
        arguments = {"mode": mode, **_PLATEAU_DEFAULTS, **arguments}
        return NamedScheduler(_build_scheduler(block["type"], arguments, optimizer), metric)
    return NamedScheduler(_build_scheduler(block["type"], arguments, optimizer), None)


def _build_scheduler(kind: str, arguments: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> LRScheduler:
    target = factory.resolve("scheduler", kind)
    plain = {key: _scheduler_value(value, optimizer) for key, value in arguments.items()}
    if "schedulers" in plain:
        return factory.call(kind, target, schedulers=plain.pop("schedulers"), optimizer=optimizer, **plain)  # type: ignore[no-any-return]
    scheduler: LRScheduler = factory.call(kind, target, optimizer, **plain)
    return scheduler


def _scheduler_value(value: Any, optimizer: torch.optim.Optimizer) -> Any:
    if isinstance(value, Mapping) and "type" in value:
        return _build_scheduler(value["type"], factory.arguments_of("scheduler", value), optimizer)
    if isinstance(value, tuple):
        return [_scheduler_value(item, optimizer) for item in value]
    return value


def is_plateau(scheduler: NamedScheduler) -> bool:
    """Tell whether a scheduler watches a metric."""
    return isinstance(scheduler.scheduler, ReduceLROnPlateau)
