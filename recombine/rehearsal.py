"""A phase tried out on a few samples: do its patterns work on these networks, and do its optimizers train something?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from recombine import factory
from recombine.build import build_data, build_objectives
from recombine.clock import Clock
from recombine.config import DatasetConfig, PhaseConfig
from recombine.criteria import RATE, Watched, first_met
from recombine.data import Data
from recombine.datasets.base import Samples
from recombine.errors import MappingError, NetworkError, RecombineError
from recombine.evaluate import evaluation_mode, full_pass
from recombine.factory import FactoryError
from recombine.held_out import HeldOutStep
from recombine.method import Method
from recombine.objective import Objective
from recombine.optim import NamedOptimizer, OptimizerSet
from recombine.problems import Finding
from recombine.step import Step, StepContext

_SAMPLES, _SETS = 8, 2


@dataclass
class Reach:
    """What a loss can train.

    Attributes:
        loss: The loss's name in logs.
        group: Its optimizer group.
        place: Pointer of its pattern.
        parameters: The parameters that it depends on, at some stage of the pattern.
    """

    loss: str
    group: str
    place: str
    parameters: set[Tensor] = field(default_factory=set)


def rehearsal_data(dataset: DatasetConfig, samples: Samples, seed: int) -> Data:
    """Return the first few samples of a dataset as a dataset of one batch, or a few of its sets."""
    if dataset.sets is not None:
        few = {"num_evaluation_sets": _SETS, "num_examples": 0}
        small = replace(dataset, batch_size=min(_SETS, dataset.batch_size), sets={**dataset.sets, **few})
        return build_data(small, samples, seed, torch.device("cpu"))
    size = min(_SAMPLES, dataset.batch_size, len(samples))
    small = replace(dataset, batch_size=size, shuffle=False)
    return build_data(small, samples.subset(0, size - 1), seed, torch.device("cpu"))


def phase_findings(phase: PhaseConfig, method: Method, data: Data, place: str) -> Iterator[Finding]:
    """Yield what is wrong with the patterns, optimizers and schedulers of a phase.

    Args:
        phase: The phase.
        method: The networks, with their centroids placed somewhere.
        data: A dataset of one small batch.
        place: The phase's pointer.
    """
    is_wrong = any(_set_findings(phase, method, place))
    found = list(optimizer_findings(phase, method, place)) if is_wrong else []
    reaches: list[Reach] = []
    enabled = [f"{place}/design_patterns/{i}" for i, block in enumerate(phase.design_patterns) if block["enabled"]]
    for pattern, objective in zip(enabled, build_objectives(phase, method), strict=True):
        try:
            reached = rehearse_objective(objective, phase, method, data)
            reaches += [Reach(term.name, term.group, pattern, reached[term.name]) for term in objective.terms.values()]
        except (RecombineError, RuntimeError, ValueError, IndexError) as error:
            message = f'the pattern "{objective.name}" cannot work on these networks: {error}'
            at_layer = _layer_place(error, method) if isinstance(error, MappingError) else ""
            if not any(at_layer and finding.pointer == at_layer for finding in found):
                found.append(Finding("RC503", message, "", at_layer or pattern))
    if found:
        yield from found
        return
    optimizers = OptimizerSet(phase, method)
    yield from reach_findings(reaches, optimizers.optimizers, place)
    yield from _rate_findings(phase, optimizers, place)


def _layer_place(error: MappingError, method: Method) -> str:
    """Return the pointer of the layer that an error is about, or an empty string."""
    mapping = method.mappings[error.mapping]
    if error.layer not in mapping.layer_names:
        return ""
    return f"/mappings/{list(method.mappings).index(error.mapping)}/layers/{mapping.layer_names.index(error.layer)}"


def rehearse_objective(objective: Objective, phase: PhaseConfig, method: Method, data: Data) -> dict[str, set[Tensor]]:
    """Compute a pattern's losses on a small batch at the start of each of its stages.

    Returns:
        The parameters that each loss depends on, by the loss's name in logs.

    Raises:
        NetworkError: A loss is no single number, or a network cannot take what it gets.
    """
    over_all = partial(full_pass, method, data)
    share = data.same_class_share
    context = StepContext(data.options.seed, data.name, data.device, over_all, graph=data.graph, same_class_share=share)
    batch = data.training_batch(phase.name, 0, objective.views)
    reached: dict[str, set[Tensor]] = {term.name: set() for term in objective.terms.values()}
    for start in objective.pattern.stage_starts():
        clock = Clock(phase.name, start, 0, 1)
        step = Step(method.train(), batch, clock, context)
        objective.pattern.before_step(step)
        for name, loss in objective.pattern.losses(step).items():
            if loss.ndim != 0:
                raise NetworkError(f'the loss "{name}" has the shape {tuple(loss.shape)} and is no single number')
            reached[objective.terms[name].name].update(_reached(loss, method))
        if phase.validation is not None:
            _rehearse_validation(objective, HeldOutStep(method, batch, clock, context, 0))
    return reached


def _rehearse_validation(objective: Objective, step: HeldOutStep) -> None:
    """Compute a pattern's losses on a batch as if it were held out.

    Raises:
        NetworkError: They cannot be computed in evaluation mode, without gradients.
    """
    with evaluation_mode(step.method):
        step.seed()
        try:
            objective.pattern.losses(step)
        except (RecombineError, RuntimeError, ValueError, IndexError) as error:
            raise NetworkError(f"its losses cannot be computed on samples that are held out: {error}") from error


def _reached(loss: Tensor, method: Method) -> Iterator[Tensor]:
    """Yield the parameters that a loss depends on."""
    if loss.requires_grad:
        wanted = [parameter for parameter in method.parameters() if parameter.requires_grad and not is_lazy(parameter)]
        if any(parameter.is_meta for parameter in wanted):
            yield from _leaves(loss).intersection(wanted)
            return
        found = torch.autograd.grad(loss, wanted, retain_graph=True, allow_unused=True)
        yield from (parameter for parameter, grad in zip(wanted, found, strict=True) if grad is not None)


def _leaves(loss: Tensor) -> set[Tensor]:
    """Return what a loss was computed from; gradients are not taken, which torch does in Python on the meta device."""
    found: set[Tensor] = {loss} if loss.grad_fn is None else set()
    seen, left = set(), [loss.grad_fn]
    while left:
        node = left.pop()
        if node is not None and node not in seen:
            seen.add(node)
            found |= {node.variable} if hasattr(node, "variable") else set()
            left += [before for before, _ in node.next_functions]
    return found


def optimizer_findings(phase: PhaseConfig, method: Method, place: str) -> Iterator[Finding]:
    """Yield the optimizers and schedulers that cannot be built, each by itself."""
    broken: set[str] = set()
    for i, optimizer in enumerate(phase.optimizers):
        alone = replace(phase, optimizers=(optimizer,), optimizer_learning_rate_schedulers=())
        for finding in _set_findings(alone, method, f"{place}/optimizers/{i}"):
            broken.add(optimizer.name)
            yield finding
    for i, block in enumerate(phase.optimizer_learning_rate_schedulers):
        owners = tuple(optimizer for optimizer in phase.optimizers if optimizer.name == block["optimizer_name"])
        if block["optimizer_name"] not in broken:
            alone = replace(phase, optimizers=owners, optimizer_learning_rate_schedulers=(block,))
            yield from _set_findings(alone, method, f"{place}/optimizer_learning_rate_schedulers/{i}")


def _set_findings(phase: PhaseConfig, method: Method, place: str) -> Iterator[Finding]:
    """Yield why optimizers cannot be built, or their schedulers cannot go a step."""
    try:
        for named in OptimizerSet(phase, method).optimizers:
            for scheduler in named.schedulers:
                known = {} if scheduler.metric is None else {scheduler.metric: 0.0}
                factory.call(scheduler.kind, scheduler.step, known)
    except FactoryError as error:
        yield Finding(error.code, error.message, error.remedy, place)
    except NetworkError as error:
        yield Finding("RC402", str(error), "", place)
    except RecombineError as error:
        yield Finding("RC204", str(error), "", place)


def _rate_findings(phase: PhaseConfig, optimizers: OptimizerSet, place: str) -> Iterator[Finding]:
    """Yield that learning rates are so low from the first that the phase would end before its first iteration."""
    criteria = {key: bound for key, bound in phase.exit_criteria.items() if key == RATE}
    reason = first_met(criteria, Clock(phase.name, 0, 0, 1), Watched(rates=optimizers.rates))
    if reason is not None:
        message = f"the phase would end before its first iteration: {reason}"
        yield Finding("RC104", message, "Write a smaller number.", f"{place}/exit_criteria/{RATE}")


def reach_findings(reaches: Sequence[Reach], optimizers: Sequence[NamedOptimizer], place: str) -> Iterator[Finding]:
    """Yield the losses that no optimizer minimises and the optimizers that no loss gives anything to do.

    Args:
        reaches: What the losses of the phase can train.
        optimizers: The optimizers of the phase.
        place: The phase's pointer.
    """
    lost: set[str] = set()
    for reach in reaches:
        trained = {p for named in optimizers if named.config.group_name == reach.group for p in named.parameters}
        if not reach.parameters & trained:
            lost.add(reach.group)
            message = f'no optimizer of group "{reach.group}" trains anything that the loss "{reach.loss}" depends on'
            yield Finding("RC403", message, 'Name its mappings in "trained_mapping_names".', reach.place)
    for i, named in enumerate(optimizers):
        own, group = set(named.parameters), named.config.group_name
        if group not in lost and not any(own & reach.parameters for reach in reaches if reach.group == group):
            message = f'optimizer "{named.config.name}" trains nothing: no loss of its group depends on its mappings'
            yield Finding("RC402", message, "Name other mappings, or remove it.", f"{place}/optimizers/{i}")
