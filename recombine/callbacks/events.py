"""The history of a run for machines: one JSON object a line."""

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recombine.callbacks.base import Callback, DatasetView, PhaseView, Scored
from recombine.config import MethodConfig
from recombine.criteria import Performance
from recombine.objective import LossValue
from recombine.state import RunState

_LOSS_INTERVAL = 100


class EventFile(Callback):
    """Appends what happens to ``events.jsonl``.

    Losses are kept at the report interval of their pattern, else every 100 iterations.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def run_started(self, config: MethodConfig, device: str, folder: Path) -> None:
        """Write the method's name and seed."""
        self._write("run_started", method=config.name, seed=config.seed, device=device)

    def dataset_started(self, dataset: DatasetView) -> None:
        """Write the dataset's name and size."""
        self._write("dataset_started", dataset=dataset.config.name, num_samples=dataset.num_samples)

    def phase_started(self, phase: PhaseView, state: RunState) -> None:
        """Write the phase's name."""
        self._write("phase_started", **_place(phase, state))

    def iteration_done(self, phase: PhaseView, state: RunState, losses: Sequence[LossValue]) -> None:
        """Write the losses that are due."""
        iteration = state.clock.iteration
        due = [loss for loss in losses if iteration % (loss.report_interval or _LOSS_INTERVAL) == 0]
        if due:
            values = {loss.name: _finite(float(loss.value)) for loss in due}
            self._write("losses", **_place(phase, state), losses=values)

    def evaluated(self, phase: PhaseView, state: RunState, performance: Performance | None) -> None:
        """Write the scores."""
        scores = performance.scores.as_dict() if performance is not None and performance.scores is not None else None
        ratio = performance.reassignment_ratio if performance is not None else None
        self._write("evaluation", **_place(phase, state), scores=scores, reassignment_ratio=ratio)

    def phase_ended(self, phase: PhaseView, state: RunState, reason: str) -> None:
        """Write which criterion held, and what came up about how steps were computed."""
        self._write("phase_ended", **_place(phase, state), reason=reason, notes=list(phase.notes))

    def dataset_scored(self, scored: Scored) -> None:
        """Write the final scores."""
        evaluation = scored.evaluation
        scores = evaluation.scores.as_dict() if evaluation is not None and evaluation.scores is not None else None
        self._write("dataset_scored", dataset=scored.dataset.name, scores=scores, oracle=list(scored.oracle))

    def run_ended(self, error: BaseException | None) -> None:
        """Write how the run ended."""
        self._write("run_ended", error=None if error is None else f"{type(error).__name__}: {error}")

    def _write(self, event: str, **values: Any) -> None:
        line = json.dumps({"event": event, "time": time.time(), **values}, allow_nan=False)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _finite(value: float) -> float | None:
    """Return the value, or None where JSON has no word for it."""
    return value if math.isfinite(value) else None


def _place(phase: PhaseView, state: RunState) -> dict[str, Any]:
    return {"dataset": phase.dataset.name, "phase": phase.config.name, "iteration": state.clock.iteration}
