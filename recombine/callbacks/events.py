"""The history of a run for machines: one JSON object a line."""

import json
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recombine.callbacks.base import Callback, DatasetView, PhaseView, Scored
from recombine.config import MethodConfig
from recombine.criteria import Performance, Validation
from recombine.errors import RecombineError
from recombine.evaluate import Evaluation
from recombine.objective import LossValue
from recombine.state import RunState

_LOSS_INTERVAL = 100


class EventFile(Callback):
    """Appends what happens to ``events.jsonl``.

    Losses are kept at the report interval of their pattern, else every 100 iterations. A run that goes on from a
    checkpoint cuts off what came after it: the file tells the same as that of a run that was never interrupted.

    Args:
        path: The file.
    """

    key = "events"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._phase_began = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the size of the file, and where in it the current phase began, in bytes."""
        return {"size": self._size(), "phase_began": self._phase_began}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Cut the file to the size it had.

        Raises:
            RecombineError: Events are missing.
        """
        if self._size() < state["size"]:
            raise RecombineError(f"{self.path} was cut: the run cannot go on without its history; --fresh starts over")
        os.truncate(self.path, state["size"])
        self._phase_began = state["phase_began"]

    def of_phase(self) -> str:
        """Return the lines since the current phase began."""
        with self.path.open("rb") as file:
            file.seek(self._phase_began)
            return file.read().decode()

    def append(self, lines: str) -> None:
        """Append the lines of a phase that another run went through."""
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write(lines)

    def run_started(self, config: MethodConfig, device: str, folder: Path) -> None:
        """Begin a new file with the method's name and seed."""
        self.path.write_bytes(b"")
        self._write("run_started", method=config.name, seed=config.seed, device=device)

    def run_resumed(self, config: MethodConfig, device: str, folder: Path) -> None:
        """Write nothing: the file tells it already."""

    def dataset_started(self, dataset: DatasetView) -> None:
        """Write the dataset's name and size."""
        self._write("dataset_started", dataset=dataset.config.name, num_samples=dataset.num_samples)

    def dataset_resumed(self, dataset: DatasetView) -> None:
        """Write nothing: the file tells it already."""

    def phase_started(self, phase: PhaseView, state: RunState) -> None:
        """Write the phase's name."""
        self._phase_began = self._size()
        self._write("phase_started", **_place(phase, state))

    def phase_resumed(self, phase: PhaseView, state: RunState) -> None:
        """Write nothing: the file tells it already."""

    def iteration_done(self, phase: PhaseView, state: RunState, losses: Sequence[LossValue]) -> None:
        """Write the losses that are due."""
        iteration = state.clock.iteration
        due = [loss for loss in losses if iteration % (loss.report_interval or _LOSS_INTERVAL) == 0]
        if due:
            values = {loss.name: _finite(float(loss.value)) for loss in due}
            self._write("losses", **_place(phase, state), losses=values)

    def evaluated(self, phase: PhaseView, state: RunState, performance: Performance | None) -> None:
        """Write the scores."""
        ratio = performance.reassignment_ratio if performance is not None else None
        self._write("evaluation", **_place(phase, state), **_scores(performance), reassignment_ratio=ratio)

    def validated(self, phase: PhaseView, state: RunState, validation: Validation) -> None:
        """Write the losses on held-out samples: their weighted sum, and each without its weight."""
        losses = {name: _finite(loss) for name, loss in validation.losses.items()}
        self._write("validation", **_place(phase, state), loss=validation.loss, losses=losses)

    def phase_ended(self, phase: PhaseView, state: RunState, reason: str) -> None:
        """Write which criterion held, and what came up about how steps were computed."""
        self._write("phase_ended", **_place(phase, state), reason=reason, notes=list(phase.notes))

    def dataset_scored(self, scored: Scored) -> None:
        """Write the final scores."""
        found = _scores(scored.evaluation)
        self._write("dataset_scored", dataset=scored.dataset.name, **found, oracle=list(scored.oracle))

    def run_ended(self, error: BaseException | None) -> None:
        """Write how the run ended."""
        self._write("run_ended", error=None if error is None else f"{type(error).__name__}: {error}")

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def _write(self, event: str, **values: Any) -> None:
        line = json.dumps({"event": event, "time": time.time(), **values}, allow_nan=False)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _finite(value: float) -> float | None:
    """Return the value, or None where JSON has no word for it."""
    return value if math.isfinite(value) else None


def _scores(found: Performance | Evaluation | None) -> dict[str, Any]:
    """Return the scores with and without labels; each is None where there are none."""
    scores = found.scores if found is not None else None
    label_free = found.label_free if found is not None else None
    return {
        "scores": scores.as_dict() if scores is not None else None,
        "label_free": label_free.as_dict() if label_free is not None else None,
    }


def _place(phase: PhaseView, state: RunState) -> dict[str, Any]:
    return {"dataset": phase.dataset.name, "phase": phase.config.name, "iteration": state.clock.iteration}
