"""What changes during a run, and what must survive a crash."""

from dataclasses import dataclass, field

from torch import Tensor

from recombine.clock import Clock
from recombine.method import Method
from recombine.metrics import Scores


@dataclass
class RunState:
    """The changing part of a run.

    Attributes:
        method: Parameters, centroids and strategy.
        clock: The time in the current phase.
        centroids_changed: Whether the centroids were recalculated just before the current iteration.
        previous_clusters: Clusters ``(N,)`` at the last evaluation of the phase.
        last_scores: Scores at the last evaluation.
        loss_sum: Sum of the total losses of the current epoch, a scalar on the device.
    """

    method: Method
    clock: Clock
    centroids_changed: bool = False
    previous_clusters: Tensor | None = None
    last_scores: Scores | None = None
    loss_sum: Tensor | None = field(default=None, repr=False)
