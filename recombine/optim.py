"""Optimizers and their groups: each loss reaches only the parameters of its own group."""

import inspect
import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.optim.lr_scheduler import LRScheduler

from recombine import factory
from recombine.clock import Clock, Interval
from recombine.config import CycleConfig, OptimizerConfig, PhaseConfig
from recombine.errors import NetworkError, RecombineError
from recombine.method import Method

#: An optimizer group, and the number of iterations over which its losses are averaged.
LossKey = tuple[str, int]

LOSS = "loss"
PLATEAU = "ReduceLROnPlateau"
#: What a plateau scheduler may watch beside losses on held-out samples.
METRICS = (LOSS, "acc", "nmi", "ari")
_EPOCH: Interval = {"epochs": 1}
_ONE_KERNEL = "fused"
_OTHER_LOOPS = frozenset({_ONE_KERNEL, "foreach", "differentiable"})
_RECORDABLE = "capturable"
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

    kind: str
    scheduler: LRScheduler
    metric: str | None
    interval: Interval

    def step(self, known: Mapping[str, float]) -> None:
        """Step at the end of an interval; ``known`` holds the values that can be watched.

        A scheduler that watches a value waits where it is unknown.

        Raises:
            RecombineError: The scheduler has come to its end.
        """
        if self.metric is not None and self.metric not in known:
            return
        arguments = [] if self.metric is None else [known[self.metric]]
        try:
            with warnings.catch_warnings():
                # An optimizer may rest for an epoch: its group has no loss yet, or it is not its turn.
                warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step")
                self.scheduler.step(*arguments)  # type: ignore[arg-type]
        except ValueError as error:
            raise RecombineError(f"the learning rate scheduler {self.kind} cannot go on: {error}") from error


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

    @property
    def unrecordable(self) -> str | None:
        """Why steps of these optimizers cannot be recorded, or None: some keep Python numbers of their own."""
        for named in self.optimizers:
            if not isinstance(named.optimizer, torch.optim.SGD) and not named.optimizer.defaults.get(_RECORDABLE):
                return f"{named.config.type} cannot be recorded"
        return None

    def constants(self, iteration: int) -> Hashable:
        """Return the Python numbers of a step: which optimizers step, and by which rates and other options."""
        names = tuple(named.config.name for named in self.active(iteration))
        groups = [group for named in self.optimizers for group in named.optimizer.param_groups]
        return names, tuple((key, str(value)) for group in groups for key, value in group.items() if key != "params")

    def state_tensors(self) -> list[Tensor]:
        """Return what the optimizers remember."""
        states = [state for named in self.optimizers for state in named.optimizer.state.values()]
        return [value for state in states for value in state.values() if isinstance(value, Tensor)]

    def state_dict(self) -> dict[str, Any]:
        """Return what optimizers and schedulers remember, by the optimizer's name."""
        return {
            named.config.name: {
                "optimizer": named.optimizer.state_dict(),
                "schedulers": [scheduler.scheduler.state_dict() for scheduler in named.schedulers],
            }
            for named in self.optimizers
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what :meth:`state_dict` returned."""
        for named in self.optimizers:
            own = state[named.config.name]
            named.optimizer.load_state_dict(own["optimizer"])
            for scheduler, values in zip(named.schedulers, own["schedulers"], strict=True):
                scheduler.scheduler.load_state_dict(values)

    @property
    def rates(self) -> dict[str, float]:
        """The learning rates by the names of the optimizers."""
        return {named.config.name: float(named.optimizer.param_groups[0]["lr"]) for named in self.optimizers}

    def due(self, clock: Clock) -> list[tuple[LossKey, NamedScheduler]]:
        """Return the schedulers that step after the iterations that are complete, each with the loss of its group."""
        return [(key, scheduler) for key, scheduler in self._schedulers(clock) if clock.is_due(scheduler.interval)]

    def watched_losses(self, totals: Mapping[str, Tensor], clock: Clock) -> dict[LossKey, Tensor]:
        """Return the losses of an iteration that some scheduler watches; ``totals`` holds them by group."""
        keys = [key for key, scheduler in self._schedulers(clock) if scheduler.metric == LOSS]
        return {key: totals[key[0]] for key in keys if key[0] in totals}

    def _schedulers(self, clock: Clock) -> Iterator[tuple[LossKey, NamedScheduler]]:
        for named in self.optimizers:
            for scheduler in named.schedulers:
                yield (named.config.group_name, clock.iterations_in(scheduler.interval)), scheduler


def active_names(cycle: Sequence[CycleConfig], iteration: int) -> tuple[str, ...] | None:
    """Return the names of the optimizers that step in an iteration of the phase; None stands for all."""
    if not cycle:
        return None
    ends = list(accumulate(entry.num_iterations for entry in cycle))
    position = sum(iteration % ends[-1] >= end for end in ends)
    return cycle[position].active_optimizer_names


def _gradients(stepping: Sequence[NamedOptimizer], totals: Mapping[str, Tensor]) -> dict[str, dict[Tensor, Tensor]]:
    """Return the gradient of each group's total in the parameters of the group's optimizers, where there is one."""
    members: dict[str, dict[Tensor, None]] = {}
    for named in stepping:
        members.setdefault(named.config.group_name, {}).update(dict.fromkeys(named.parameters))
    gradients: dict[str, dict[Tensor, Tensor]] = {}
    for group, parameters in members.items():
        # A lazy layer that no input has reached yet has no numbers, and so no gradient.
        wanted = [parameter for parameter in parameters if not is_lazy(parameter)]
        is_last = len(gradients) == len(members) - 1
        found = torch.autograd.grad(totals[group], wanted, retain_graph=not is_last, allow_unused=True)
        pairs = zip(wanted, found, strict=True)
        gradients[group] = {parameter: _laid_out(grad, parameter) for parameter, grad in pairs if grad is not None}
    return gradients


def _laid_out(grad: Tensor, parameter: Tensor) -> Tensor:
    """Return a gradient with its numbers in the parameter's order: a fused step goes through both as they lie there."""
    return grad if grad.stride() == parameter.stride() else torch.empty_like(parameter).copy_(grad)


def _optimizer(config: OptimizerConfig, method: Method) -> NamedOptimizer:
    parameters = [p for name in config.trained_mapping_names for p in method.mappings[name].parameters()]
    if config.optimizes_centroids:
        parameters.append(method.require_centroids().positions)
    unique = [parameter for parameter in dict.fromkeys(parameters) if parameter.requires_grad]
    if not unique:
        raise NetworkError(f'optimizer "{config.name}" trains nothing: its mappings have no parameters')
    target = factory.resolve("optimizer", config.type)
    arguments = {key: factory.plain_value(key, value) for key, value in config.arguments.items()}
    if _takes_one_kernel(target, arguments, unique):
        arguments[_ONE_KERNEL] = True
    if unique[0].is_cuda and _RECORDABLE in inspect.signature(target).parameters:
        arguments.setdefault(_RECORDABLE, True)
    optimizer = factory.call(config.type, target, unique, **arguments)
    if arguments.get(_ONE_KERNEL) and isinstance(optimizer, torch.optim.SGD):
        _start_momentum(optimizer)
    return NamedOptimizer(config, optimizer, list(unique))


def _start_momentum(optimizer: torch.optim.SGD) -> None:
    """Let every momentum start from zeros: the kernel refuses parameters of which only some have moved before."""
    for group in optimizer.param_groups:
        for parameter in group["params"] if group["momentum"] else ():
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def _takes_one_kernel(optimizer: Any, arguments: Mapping[str, Any], parameters: Sequence[Tensor]) -> bool:
    """Tell whether an optimizer can do its step in one kernel, which is the same mathematics in a third of the time.

    What the method file says about the way of the step counts. A lazy layer has no memory yet to put in a kernel, and
    dampening spares the first step of a parameter, which the kernel knows only of all at once.
    """
    if _OTHER_LOOPS & arguments.keys() or any(is_lazy(parameter) for parameter in parameters):
        return False
    if arguments.get("dampening"):
        return False
    if _ONE_KERNEL not in inspect.signature(optimizer).parameters:
        return False
    try:
        twin = torch.zeros(2, dtype=parameters[0].dtype, device=parameters[0].device)
        twin.grad = torch.zeros_like(twin)
        optimizer([twin], **arguments, fused=True).step()
    except (RuntimeError, TypeError, ValueError):
        return False
    return True


def _scheduler(block: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> NamedScheduler:
    kind, arguments, metric = block["type"], factory.arguments_of("scheduler", block), None
    if kind == PLATEAU:
        metric = block.get("metric") or LOSS
        mode = "max" if metric in METRICS and metric != LOSS else "min"
        arguments = {"mode": mode, **_PLATEAU_DEFAULTS, **arguments}
    return NamedScheduler(kind, _build_scheduler(kind, arguments, optimizer), metric, block.get("interval") or _EPOCH)


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
