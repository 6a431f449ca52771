"""Embeddings on their way to the run's folder, for pictures of the latent space."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from recombine.callbacks.base import Callback, DatasetView, PhaseView, Scored
from recombine.config import DatasetConfig, MethodConfig
from recombine.dataset_folders import dataset_folders
from recombine.embedding import Embedding
from recombine.frames import EMBEDDINGS, Frame, Moment, write_frame
from recombine.objective import LossValue
from recombine.state import RunState


class EmbeddingKeeper(Callback):
    """Keeps where a sample of each dataset lies in the latent space at the end of every phase, and at an interval.

    A dataset without phases is kept as it is scored. What is NaN or infinite is not kept. A run that goes on removes
    what came after its checkpoint: the files are the same as those of a run that was never interrupted.

    Args:
        folder: The run's folder.
        config: The method.
        interval: Iterations between two embeddings, the start of each phase included; 0 for the ends of phases alone.
    """

    key = "embeddings"

    def __init__(self, folder: Path, config: MethodConfig, interval: int = 0) -> None:
        self._config = config
        names = dataset_folders([dataset.name for dataset in config.datasets])
        self._folders = {name: folder / place / EMBEDDINGS for name, place in names.items()}
        self._interval = interval
        self._embed: Callable[[], Embedding | None] | None = None
        self._kept: list[str] = []

    def state_dict(self) -> dict[str, Any]:
        """Return the files that there are, relative to the run's folder."""
        return {"kept": list(self._kept)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Remove all other files."""
        self._kept = list(state["kept"])
        self._remove_others()

    def run_started(self, config: MethodConfig, device: str, folder: Path) -> None:
        """Begin without any file."""
        self._kept = []
        self._remove_others()

    def run_resumed(self, config: MethodConfig, device: str, folder: Path) -> None:
        """Wait for the state, which says which files there are."""

    def dataset_started(self, dataset: DatasetView) -> None:
        """Remember how to look at the dataset."""
        self._embed = dataset.embed

    def phase_started(self, phase: PhaseView, state: RunState) -> None:
        """Keep where the phase begins, for a film."""
        if self._interval:
            self._keep(phase.dataset, phase.config.name, state.clock.iteration)

    def phase_resumed(self, phase: PhaseView, state: RunState) -> None:
        """Keep nothing: the start of the phase is kept already."""

    def phase_reused(self, phase: PhaseView, state: RunState, seconds: float) -> None:
        """Keep the end of a phase that another run went through."""
        self._keep(phase.dataset, phase.config.name, state.clock.iteration, is_end=True)

    def iteration_done(self, phase: PhaseView, state: RunState, losses: Sequence[LossValue]) -> None:
        """Keep what is due."""
        if self._interval and state.clock.iteration % self._interval == 0:
            self._keep(phase.dataset, phase.config.name, state.clock.iteration)

    def phase_ended(self, phase: PhaseView, state: RunState, reason: str) -> None:
        """Keep the end of the phase."""
        self._keep(phase.dataset, phase.config.name, state.clock.iteration, is_end=True)

    def dataset_scored(self, scored: Scored) -> None:
        """Keep a dataset that no phase ran on."""
        if not self._config.phases_of(scored.dataset):
            self._keep(scored.dataset, "", 0, is_end=True)

    def _keep(self, dataset: DatasetConfig, phase: str, iteration: int, is_end: bool = False) -> None:
        found = self._embed() if self._embed is not None else None
        if found is None or not bool(found.features.isfinite().all()):
            return
        names = [config.name for config in self._config.phases_of(dataset)]
        moment = Moment(names.index(phase) if phase else 0, iteration, is_end)
        clusters = found.clusters.numpy() if found.clusters is not None else None
        frame = Frame(phase, found.positions.numpy(), found.features.numpy(), clusters)
        folder = self._folders[dataset.name]
        write_frame(folder, moment, frame)
        self._kept.append(f"{folder.parent.name}/{moment.file}")

    def _remove_others(self) -> None:
        kept = set(self._kept)
        for folder in self._folders.values():
            for file in folder.glob("*.npz"):
                if f"{folder.parent.name}/{file.name}" not in kept:
                    file.unlink(missing_ok=True)
