"""What changes during a run, and what must survive a crash."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from recombine.clock import Clock
from recombine.criteria import Performance
from recombine.method import Method


@dataclass
class EpochLosses:
    """Losses of optimizer groups, added up over an epoch.

    Attributes:
        sums: By group, scalars on the device.
        counts: Iterations in which the group had a loss.
    """

    sums: dict[str, Tensor] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, totals: Mapping[str, Tensor]) -> None:
        """Add the losses of an iteration, scalars by group."""
        for group, total in totals.items():
            self.sums[group] = total.detach() + self.sums.get(group, 0)
            self.counts[group] = self.counts.get(group, 0) + 1

    def means(self) -> dict[str, float]:
        """Return the means over the iterations in which a group had a loss; waits for the device."""
        return {group: float(total) / self.counts[group] for group, total in self.sums.items()}


@dataclass
class RunState:
    """The changing part of a run.

    Attributes:
        method: Parameters, centroids and strategy.
        clock: The time in the current phase.
        centroids_changed: Whether the centroids were recalculated just before the current iteration.
        performance: The last evaluation of the phase, or None before the first.
        previous_clusters: Clusters ``(N,)`` at the last evaluation of the phase.
        epoch_losses: The losses of the current epoch that schedulers watch.
    """

    method: Method
    clock: Clock
    centroids_changed: bool = False
    performance: Performance | None = None
    previous_clusters: Tensor | None = field(default=None, repr=False)
    epoch_losses: EpochLosses = field(default_factory=EpochLosses)

    def enter_phase(self, clock: Clock) -> None:
        """Forget what belongs to the phase before, and set the clock."""
        self.clock = clock
        self.centroids_changed = False
        self.performance = None
        self.previous_clusters = None
        self.epoch_losses = EpochLosses()
