"""Parameters and centroids on their way to the files that a phase names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from recombine.callbacks.base import Callback, PhaseView
from recombine.config import Block, MethodConfig
from recombine.files import safe_name, write_json
from recombine.objective import LossValue
from recombine.parameter_files import save_tensors
from recombine.places import Places
from recombine.run_folder import read_json
from recombine.state import RunState

_RECORD = "saved.json"


@dataclass(frozen=True)
class _Saving:
    """What is saved, where to, and how often."""

    content: Callable[[], Any]
    path: Path
    interval: int


class ParameterSaver(Callback):
    """Saves what ``save_mapping_parameters`` and ``save_centroids`` ask for, at intervals and at the phase's end.

    Centroids that no phase has placed yet are not saved, nor is anything after a loss that was NaN or infinite.

    Args:
        places: Where the method may write.
    """

    def __init__(self, places: Places) -> None:
        self.places = places
        self._method = ""
        self._savings: list[_Saving] = []
        self._own: set[Path] = set()
        self._record = Path()

    def run_started(self, config: MethodConfig, device: str, folder: Path) -> None:
        """Remember the method's name, for file names, and which files earlier starts of the run have chosen.

        These stand in a file of their own, not in checkpoints: a run that was killed before its first checkpoint must
        not take its own files for those of another run.
        """
        self._method, self._record = config.name, folder / _RECORD
        known = read_json(self._record) or {}
        self._own = {Path(path) for path in known.get("files", ())}

    def phase_started(self, phase: PhaseView, state: RunState) -> None:
        """Settle the names of the phase's files: one of each for the whole run."""
        self._savings = []
        for block in phase.config.save_mapping_parameters:
            mapping = state.method.mappings[block["mapping_name"]]
            path = self._path(block, phase, mapping.name)
            self._savings.append(_Saving(mapping.state_dict, path, block["saving_interval"]))
        for block in phase.config.save_centroids if _has_centroids(state) else ():
            centroids = state.method.require_centroids()
            path = self._path(block, phase, "centroids")
            self._savings.append(_Saving(centroids.positions.detach, path, block["saving_interval"]))

    def phase_reused(self, phase: PhaseView, state: RunState, seconds: float) -> None:
        """Save what the phase would have saved at its end."""
        self.phase_started(phase, state)
        self._save(self._savings)

    def iteration_done(self, phase: PhaseView, state: RunState, losses: Sequence[LossValue]) -> None:
        """Save what is due."""
        due = [saving for saving in self._savings if state.clock.iteration % saving.interval == 0]
        if due and not phase.has_diverged():
            self._save(due)

    def phase_ended(self, phase: PhaseView, state: RunState, reason: str) -> None:
        """Save what the last iteration has not saved already."""
        self._save([saving for saving in self._savings if state.clock.iteration % saving.interval != 0])

    def _save(self, savings: Sequence[_Saving]) -> None:
        for saving in savings:
            # A folder on the way may have become a link since the phase began.
            save_tensors(_on_cpu(saving.content()), self.places.to_write(str(saving.path)))

    def _path(self, block: Block, phase: PhaseView, what: str) -> Path:
        text = block["path_to_file_or_dir"]
        path = self.places.to_write(text)
        if path.is_dir() or text.endswith("/"):
            path = path / f"{safe_name(self._method)}_{safe_name(phase.dataset.name)}_{safe_name(what)}.pth"
        chosen, number = path, 1
        while block["keep_old_files"] and chosen.exists() and chosen not in self._own:
            chosen, number = path.with_name(f"{path.stem}_{number}{path.suffix}"), number + 1
        if chosen not in self._own:
            self._own.add(chosen)
            write_json(self._record, {"files": sorted(map(str, self._own))})
        return chosen


def _has_centroids(state: RunState) -> bool:
    return state.method.centroids is not None and state.method.centroids.is_initialized


def _on_cpu(content: Any) -> Any:
    if isinstance(content, torch.Tensor):
        return content.detach().cpu().clone()
    # A lazy layer that no input has reached has nothing to save.
    return {name: tensor.detach().cpu().clone() for name, tensor in content.items() if not is_lazy(tensor)}
