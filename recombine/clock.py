"""Time within a phase: one frozen value that everything annealed, cyclic or staged is a function of."""

from dataclasses import dataclass, replace


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

    def advanced(self) -> "Clock":
        """Return the clock after one more iteration."""
        iteration = self.iteration + 1
        return replace(self, iteration=iteration, epoch=iteration // self.iterations_per_epoch)
