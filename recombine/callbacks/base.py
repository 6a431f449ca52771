"""The contract of callbacks: they are told what happens, and change nothing of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from recombine.clock import Clock
from recombine.config import DatasetConfig, MethodConfig, PhaseConfig
from recombine.criteria import Performance
from recombine.data import SlowView
from recombine.evaluate import Evaluation
from recombine.objective import LossValue
from recombine.patterns.base import DesignPattern
from recombine.state import RunState


@dataclass(frozen=True)
class DatasetView:
    """A dataset as callbacks see it.

    Attributes:
        config: The dataset.
        num_samples: N.
        untrained: Positions of the samples that no batch will hold.
        slow_views: Views that run sample by sample through torchvision.
    """

    config: DatasetConfig
    num_samples: int
    untrained: range
    slow_views: tuple[SlowView, ...]


@dataclass(frozen=True)
class PhaseView:
    """A phase as callbacks see it.

    Attributes:
        config: The phase.
        dataset: The dataset it runs on.
        num_samples: N.
        iterations: How many iterations the phase lasts at most, or None where only scores end it.
        patterns: The patterns of the phase by the name they have in the log.
        has_diverged: Tells whether some loss of the phase was NaN or infinite; waits for the device.
        notes: What came up about how steps are computed; it grows while the phase runs.
    """

    config: PhaseConfig
    dataset: DatasetConfig
    num_samples: int
    iterations: int | None
    patterns: Sequence[tuple[str, DesignPattern]]
    has_diverged: Callable[[], bool]
    notes: Sequence[str] = ()

    def stages(self, clock: Clock) -> list[tuple[str, str]]:
        """Return what each pattern that works in stages is at, with the pattern's name."""
        found = [(name, pattern.stage(clock)) for name, pattern in self.patterns]
        return [(name, stage) for name, stage in found if stage is not None]


@dataclass(frozen=True)
class Scored:
    """The final word on a dataset.

    Attributes:
        dataset: The dataset.
        num_samples: N.
        evaluation: Clusters and scores, or None where the strategy has no assignment yet.
        labels: The dataset's own labels ``(N,)``, int64, on the CPU, or None.
        oracle: Reasons why labels had a part in the result; empty for an unsupervised one.
    """

    dataset: DatasetConfig
    num_samples: int
    evaluation: Evaluation | None
    labels: Tensor | None
    oracle: tuple[str, ...]


class Callback:
    """An observer of a run; every method does nothing by default."""

    def run_started(self, config: MethodConfig, device: str, folder: Path) -> None:
        """A method starts."""

    def dataset_started(self, dataset: DatasetView) -> None:
        """A dataset's turn comes."""

    def phase_started(self, phase: PhaseView, state: RunState) -> None:
        """A phase is built and its centroids are placed; nothing is trained yet."""

    def iteration_done(self, phase: PhaseView, state: RunState, losses: Sequence[LossValue]) -> None:
        """An iteration is over; ``state.clock`` already shows the next one."""

    def evaluated(self, phase: PhaseView, state: RunState, performance: Performance | None) -> None:
        """An evaluation is over; ``performance`` is None where the strategy has no assignment yet."""

    def phase_ended(self, phase: PhaseView, state: RunState, reason: str) -> None:
        """An exit criterion held."""

    def dataset_scored(self, scored: Scored) -> None:
        """A dataset's turn is over."""

    def run_ended(self, error: BaseException | None) -> None:
        """The method is over, or failed with ``error``."""
