"""The contract of callbacks: they are told what happens, and change nothing of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from recombine.clock import Clock
from recombine.config import DatasetConfig, MethodConfig, PhaseConfig
from recombine.criteria import Performance, Validation
from recombine.data import Data
from recombine.embedding import Embedding, embed
from recombine.evaluate import Evaluation
from recombine.method import Method
from recombine.objective import LossValue
from recombine.patterns.base import DesignPattern
from recombine.selection import Selection
from recombine.state import RunState
from recombine.workers import SlowView


def _is_sound() -> bool:
    """Tell of a phase without losses that none of them was NaN or infinite."""
    return False


def _embed_nothing() -> None:
    """Tell of a dataset without networks that it lies in no latent space."""


@dataclass(frozen=True)
class DatasetView:
    """A dataset as callbacks see it.

    Attributes:
        config: The dataset.
        num_samples: N.
        untrained: Positions of the samples that no batch will hold.
        slow_views: Views that run sample by sample through torchvision.
        embed: Returns where a sample of the dataset lies in the latent space now, or None where there is no network;
            for observers that keep it. It takes a pass over that sample.
    """

    config: DatasetConfig
    num_samples: int
    untrained: range
    slow_views: tuple[SlowView, ...]
    embed: Callable[[], Embedding | None] = _embed_nothing

    @classmethod
    def of(cls, config: DatasetConfig, data: Data, slow_views: tuple[SlowView, ...], method: Method) -> "DatasetView":
        """Return a dataset on which a method is trained."""
        return cls(config, data.num_samples, data.never_trained(), slow_views, partial(embed, method, data))


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
        num_held_out: Number of samples that no training batch of the phase holds.
    """

    config: PhaseConfig
    dataset: DatasetConfig
    num_samples: int
    iterations: int | None
    patterns: Sequence[tuple[str, DesignPattern]] = ()
    has_diverged: Callable[[], bool] = _is_sound
    notes: Sequence[str] = ()
    num_held_out: int = 0

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
        selection: The best of the evaluations on the dataset, by different criteria.
        class_names: Names of the labels 0, 1, ... where the dataset has them.
        parameters: SHA-256 of the networks.
    """

    dataset: DatasetConfig
    num_samples: int
    evaluation: Evaluation | None
    labels: Tensor | None
    oracle: tuple[str, ...]
    selection: Selection | None = None
    class_names: tuple[str, ...] | None = None
    parameters: str | None = None


class Callback:
    """An observer of a run; every method does nothing by default.

    A run that goes on from a checkpoint calls the methods that end in ``_resumed`` for what had begun before; unless
    told otherwise, they do what a start does.

    Attributes:
        key: The name of the observer's state in checkpoints; empty where it has none.
    """

    key = ""

    def state_dict(self) -> dict[str, Any]:
        """Return what must survive a crash, as plain values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`state_dict` returned."""

    def run_started(self, config: MethodConfig, device: str, folder: Path) -> None:
        """A method starts."""

    def run_resumed(self, config: MethodConfig, device: str, folder: Path) -> None:
        """A method goes on from a checkpoint; the observer's state is not restored yet."""
        self.run_started(config, device, folder)

    def dataset_started(self, dataset: DatasetView) -> None:
        """A dataset's turn comes."""

    def dataset_resumed(self, dataset: DatasetView) -> None:
        """The turn of a dataset goes on."""
        self.dataset_started(dataset)

    def phase_started(self, phase: PhaseView, state: RunState) -> None:
        """A phase is built and its centroids are placed; nothing is trained yet."""

    def phase_resumed(self, phase: PhaseView, state: RunState) -> None:
        """A phase goes on."""
        self.phase_started(phase, state)

    def phase_reused(self, phase: PhaseView, state: RunState, seconds: float) -> None:
        """The outcome of a phase is taken from another run, where its training took ``seconds``."""

    def iteration_done(self, phase: PhaseView, state: RunState, losses: Sequence[LossValue]) -> None:
        """An iteration is over; ``state.clock`` already shows the next one."""

    def evaluated(self, phase: PhaseView, state: RunState, performance: Performance | None) -> None:
        """An evaluation is over; ``performance`` is None where the strategy has no assignment yet."""

    def validated(self, phase: PhaseView, state: RunState, validation: Validation) -> None:
        """The losses on the samples that the phase holds out are computed."""

    def phase_ended(self, phase: PhaseView, state: RunState, reason: str) -> None:
        """An exit criterion held."""

    def dataset_scored(self, scored: Scored) -> None:
        """A dataset's turn is over."""

    def run_ended(self, error: BaseException | None) -> None:
        """The method is over, or failed with ``error``."""
