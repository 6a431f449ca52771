"""What the losses of a phase train, which optimizers step when, and how long it lasts: found by trial."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from recombine.build import build_objectives
from recombine.config import PhaseConfig
from recombine.data import Data
from recombine.method import Method
from recombine.objective import Objective, Term
from recombine.optim import NamedOptimizer, OptimizerSet, active_names
from recombine.phase import longest, training_data
from recombine.rehearsal import rehearse_objective

#: What stands among the names of mappings for the parameters that belong to none.
CENTROIDS, STRATEGY = "centroids", "cluster assignment strategy"
_COUNTED = ("iterations", "epochs")


@dataclass(frozen=True)
class SteppingPlan:
    """An optimizer that minimises a loss.

    Attributes:
        optimizer: Its name.
        trains: Which of the mappings that the loss depends on it moves; the centroids are among them by this name.
        iterations: In which iterations of the cycle it steps, from 0, as pairs of a first and a last one.
    """

    optimizer: str
    trains: tuple[str, ...]
    iterations: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class LossPlan:
    """A loss of a phase.

    Attributes:
        name: Its name in the log.
        weight: What it is multiplied by at the end of its schedule.
        start_at_iteration: Before this iteration it is not computed.
        warm_up_iterations: Over so many iterations from there its weight rises from 0.
        group: Its optimizer group.
        views: The views that its pattern reads.
        reaches: The mappings on whose parameters it depends, whoever trains them.
        steppings: The optimizers that minimise it.
    """

    name: str
    weight: float
    start_at_iteration: int
    warm_up_iterations: int
    group: str
    views: tuple[str, ...]
    reaches: tuple[str, ...]
    steppings: tuple[SteppingPlan, ...]


@dataclass(frozen=True)
class OptimizerPlan:
    """An optimizer of a phase.

    Attributes:
        name: Its name.
        type: Its class.
        group: Its group.
        holds: The mappings whose parameters it was given.
        idle: Those of them that no loss of its group depends on, so that they stay as they are.
        iterations: In which iterations of the cycle it steps, from 0, as pairs of a first and a last one.
    """

    name: str
    type: str
    group: str
    holds: tuple[str, ...]
    idle: tuple[str, ...]
    iterations: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class PhasePlan:
    """A phase on a dataset.

    Attributes:
        name: Its name.
        first_iteration: How many iterations of the dataset are over when it begins; None where that is not known.
        iterations: How many it lasts at most; None where that is not known.
        ends: What ends it, in words.
        cycle: Iterations after which the turns of the optimizers begin anew; 1 where all step in each.
        losses: Its losses.
        optimizers: Its optimizers.
    """

    name: str
    first_iteration: int | None
    iterations: int | None
    ends: str
    cycle: int
    losses: tuple[LossPlan, ...]
    optimizers: tuple[OptimizerPlan, ...]


def plan_phases(phases: Sequence[PhaseConfig], method: Method, few: Data, whole: Data | None) -> Iterator[PhasePlan]:
    """Yield the phases of a dataset, in order.

    Args:
        phases: The phases.
        method: The networks, with their centroids placed somewhere.
        few: A dataset of one small batch.
        whole: The dataset with as many samples as it has, or None where that is not known.
    """
    first: int | None = 0
    for phase in phases:
        length = iterations_of(phase, whole)
        yield _plan(phase, method, few, (first, length))
        first = None if first is None or length is None else first + length


def iterations_of(phase: PhaseConfig, whole: Data | None) -> int | None:
    """Return how many iterations a phase lasts at most; None where only scores end it, or the epoch is not known."""
    if whole is not None:
        return longest(phase, training_data(phase, whole))
    bound: int | None = phase.exit_criteria.get("iterations")
    return bound


def _plan(phase: PhaseConfig, method: Method, few: Data, place: tuple[int | None, int | None]) -> PhasePlan:
    """Return the plan of a phase; ``place`` is its first iteration on the dataset, and how many it lasts."""
    turns = {optimizer.name: turns_of(phase, optimizer.name) for optimizer in phase.optimizers}
    optimizers = OptimizerSet(phase, method).optimizers
    reached: dict[str, set[Tensor]] = {}
    losses: list[LossPlan] = []
    names = owners(method)
    for objective in build_objectives(phase, method):
        found = rehearse_objective(objective, phase, method, few)
        for term in objective.terms.values():
            parameters = found[term.name]
            reached[term.group] = reached.get(term.group, set()) | parameters
            steppings = _steppings(parameters, term, optimizers, names, turns)
            losses.append(_loss(objective, term, named(parameters, names), steppings))
    plans = tuple(
        OptimizerPlan(
            one.config.name,
            one.config.type,
            one.config.group_name,
            named(one.parameters, names),
            _idle(one, reached, names),
            turns[one.config.name],
        )
        for one in optimizers
    )
    return PhasePlan(phase.name, *place, ends_in_words(phase), _cycle(phase), tuple(losses), plans)


def owners(method: Method) -> dict[Tensor, str]:
    """Return the name of the mapping to which each parameter belongs; what is shared belongs to the first."""
    found: dict[Tensor, str] = {}
    for name, mapping in method.mappings.items():
        for parameter in mapping.parameters():
            found.setdefault(parameter, name)
    if method.centroids is not None:
        found[method.centroids.positions] = CENTROIDS
    for parameter in method.parameters():
        found.setdefault(parameter, STRATEGY)
    return found


def named(parameters: Collection[Tensor], names: Mapping[Tensor, str]) -> tuple[str, ...]:
    """Return to what parameters belong, each name once, in the order of ``names``."""
    held = set(parameters)
    return tuple(dict.fromkeys(name for parameter, name in names.items() if parameter in held))


def turns_of(phase: PhaseConfig, optimizer: str) -> tuple[tuple[int, int], ...]:
    """Return in which iterations of the cycle an optimizer steps, from 0, as pairs of a first and a last one."""
    found: list[tuple[int, int]] = []
    for iteration in range(_cycle(phase)):
        active = active_names(phase.optimizer_cycle, iteration)
        if active is None or optimizer in active:
            follows = bool(found) and found[-1][1] == iteration - 1
            start = found.pop()[0] if follows else iteration
            found.append((start, iteration))
    return tuple(found)


def _cycle(phase: PhaseConfig) -> int:
    return sum(entry.num_iterations for entry in phase.optimizer_cycle) or 1


def _steppings(
    parameters: set[Tensor],
    term: Term,
    optimizers: Sequence[NamedOptimizer],
    names: Mapping[Tensor, str],
    turns: Mapping[str, tuple[tuple[int, int], ...]],
) -> tuple[SteppingPlan, ...]:
    moved = [(one.config, parameters & set(one.parameters)) for one in optimizers]
    return tuple(
        SteppingPlan(config.name, named(own, names), turns[config.name])
        for config, own in moved
        if own and config.group_name == term.group
    )


def _loss(objective: Objective, term: Term, reaches: tuple[str, ...], steppings: tuple[SteppingPlan, ...]) -> LossPlan:
    schedule, views = objective.schedule, tuple(view.strip() for view in objective.views)
    times = schedule.start_at_iteration, schedule.warm_up_iterations
    return LossPlan(term.name, term.weight, *times, term.group, views, reaches, steppings)


def _idle(one: NamedOptimizer, reached: Mapping[str, set[Tensor]], names: Mapping[Tensor, str]) -> tuple[str, ...]:
    """Return the mappings that an optimizer was given and that no loss of its group depends on."""
    moved = named(reached.get(one.config.group_name, set()) & set(one.parameters), names)
    return tuple(name for name in named(one.parameters, names) if name not in moved)


def ends_in_words(phase: PhaseConfig) -> str:
    """Return what ends a phase: the first of its criteria to hold."""
    words = []
    for name, bound in phase.exit_criteria.items():
        if name in _COUNTED:
            words.append(f"{bound:,} {name if bound != 1 else name[:-1]}")
        else:
            words.append(f"{name} {json.dumps(bound, default=dict)}")
    return " or ".join(words)
