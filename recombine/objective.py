"""Objectives: where a pattern's losses meet their weights and their optimizer groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recombine.patterns.base import DesignPattern
from recombine.step import Step


@dataclass(frozen=True)
class WeightSchedule:
    """How the weights of a pattern grow during a phase.

    Attributes:
        start_at_iteration: Before it the pattern rests.
        warm_up_iterations: Iterations over which the weight then rises linearly from 0 to its full value.
    """

    start_at_iteration: int
    warm_up_iterations: int

    def factor(self, iteration: int) -> float:
        """Return what the weights are multiplied by at an iteration of the phase, in [0, 1]."""
        since = iteration - self.start_at_iteration
        if since < 0 or self.warm_up_iterations == 0:
            return float(since >= 0)
        return min(1.0, since / self.warm_up_iterations)


@dataclass(frozen=True)
class Term:
    """What the method file says about one loss of a pattern: its name in the log, its weight, its group."""

    name: str
    weight: float
    group: str


@dataclass(frozen=True)
class LossValue:
    """One loss of one iteration.

    Attributes:
        name: The loss's name in logs.
        value: The unweighted loss, a scalar tensor without gradient.
        weight: What it was multiplied by.
        report_interval: Iterations between two reports, or None where none are asked for.
    """

    name: str
    value: Tensor
    weight: float
    report_interval: int | None


class Objective:
    """A pattern with its weights.

    Args:
        name: The pattern's name in the log.
        pattern: The maths.
        terms: What the method file says about each of the pattern's losses, by the name the pattern gives it.
        schedule: How the weights grow.
        views: The views that the pattern reads.
        report_interval: Iterations between two reports of its losses, or None.
    """

    def __init__(
        self,
        name: str,
        pattern: DesignPattern,
        terms: Mapping[str, Term],
        schedule: WeightSchedule,
        views: Sequence[str],
        report_interval: int | None,
    ) -> None:
        self.name = name
        self.pattern = pattern
        self.terms = dict(terms)
        self.schedule = schedule
        self.views = tuple(views)
        self.report_interval = report_interval

    def works_in(self, iteration: int) -> bool:
        """Tell whether the pattern has any weight in an iteration of the phase; else nothing of it is computed."""
        return self.schedule.factor(iteration) != 0

    def add_to(self, totals: dict[str, Tensor], step: Step) -> list[LossValue]:
        """Add the weighted losses of this iteration to the totals of their groups; return what they were."""
        factor = self.schedule.factor(step.clock.iteration)
        reported = []
        for name, loss in self.pattern.losses(step).items():
            term = self.terms[name]
            weight = term.weight * factor
            if weight != 0:
                weighted = loss * weight
                totals[term.group] = totals[term.group] + weighted if term.group in totals else weighted
            reported.append(LossValue(term.name, loss.detach(), weight, self.report_interval))
        return reported


class DivergenceWatch:
    """Notes the first iteration with a loss that is NaN or infinite, without waiting for the device.

    It counts the iterations on the device and changes its tensors in place, so that it can be part of a recording.

    Args:
        device: Where the losses live.
    """

    def __init__(self, device: torch.device) -> None:
        self._done = torch.zeros((), dtype=torch.int64, device=device)
        self._first = torch.full((), -1, dtype=torch.int64, device=device)

    def see(self, losses: Sequence[Tensor]) -> None:
        """Take a look at the losses of the next iteration."""
        self._done += 1
        if losses:
            total = torch.stack([loss.detach() for loss in losses]).sum()
            is_first = ~torch.isfinite(total) & (self._first < 0)
            self._first.copy_(torch.where(is_first, self._done, self._first))

    def first(self) -> int | None:
        """Return the first bad iteration, counted from 1, or None; waits for the device."""
        found = int(self._first)
        return found if found >= 0 else None

    def tensors(self) -> list[Tensor]:
        """Return what changes."""
        return [self._done, self._first]

    def skip(self, iterations: int) -> None:
        """Count iterations that were done before, and were found sound."""
        self._done.fill_(iterations)
