"""Time within a phase: one frozen value that everything annealed, cyclic or staged is a function of."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

#: Time between two events: iterations, or ``{"epochs": n}``.
Interval = int | Mapping[str, int]


@dataclass(frozen=True)
class Clock:
    """The place of an iteration in its phase.

    Attributes:
        phase: The name of the phase.
        iteration: Iterations of the phase that are complete; the current iteration's index, from 0.
        epoch: Passes over the dataset that are complete, from 0.
        iterations_per_epoch: Batches of one pass, at least 1.
    """

    phase: str
    iteration: int
    epoch: int
    iterations_per_epoch: int

    def iterations_in(self, interval: Interval) -> int:
        """Return the number of iterations that ``interval`` lasts."""
        return interval if isinstance(interval, int) else interval["epochs"] * self.iterations_per_epoch

    def is_due(self, interval: Interval) -> bool:
        """Tell whether the iterations that are complete, if any, are a multiple of ``interval``."""
        return self.iteration % self.iterations_in(interval) == 0

    def advanced(self) -> "Clock":
        """Return the clock after one more iteration."""
        return self._at(self.iteration + 1)

    def set_back(self) -> "Clock":
        """Return the clock in the iteration that was the last to be done."""
        return self._at(self.iteration - 1)

    def _at(self, iteration: int) -> "Clock":
        return replace(self, iteration=iteration, epoch=iteration // self.iterations_per_epoch)
