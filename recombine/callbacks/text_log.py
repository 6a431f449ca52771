"""The log in words."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from recombine.callbacks.base import Callback, DatasetView, PhaseView, Scored
from recombine.config import DatasetConfig, MethodConfig
from recombine.criteria import Performance, Validation
from recombine.errors import RecombineError
from recombine.evaluate import Evaluation
from recombine.kmeans import SAMPLE_LIMIT
from recombine.objective import LossValue
from recombine.state import RunState
from recombine.workers import SlowView

_K_MEANS_FOR_CENTROIDS = "classical_clustering"


class TextLog(Callback):
    """Tells what happens, a line at a time.

    Args:
        emit: Takes each line, without line break.
    """

    def __init__(self, emit: Callable[[str], None]) -> None:
        self.emit = emit
        self._stages: list[tuple[str, str]] = []
        self._notes_told = 0
        self._started = 0.0
        self._uses_k_means = False
        self._whole: frozenset[str] = frozenset()

    def run_started(self, config: MethodConfig, device: str, folder: Path) -> None:
        """Name the method, its seed, its device and its folder."""
        self._started = time.monotonic()
        self._uses_k_means = _uses_k_means(config)
        self._whole = frozenset(phase.name for phase in config.phases if phase.validation is None)
        self.emit(f'Method "{config.name}", seed {config.seed}, on {device}; files in {folder}')

    def run_resumed(self, config: MethodConfig, device: str, folder: Path) -> None:
        """Say that the method goes on."""
        self.run_started(config, device, folder)
        self.emit("Going on from the last checkpoint")

    def dataset_started(self, dataset: DatasetView) -> None:
        """Name the dataset and its size, and what is unusual about its batches."""
        config, untrained = dataset.config, dataset.untrained
        self.emit(f'Dataset "{config.name}": {_size_in_words(dataset)}')
        for view in dataset.slow_views:
            self.emit(_slow_view_in_words(view, _samples_of_a_batch(config)))
        if self._uses_k_means and dataset.num_samples > SAMPLE_LIMIT and config.phases != ():
            self.emit(f"k-means is fitted on a random {SAMPLE_LIMIT} of the {dataset.num_samples} samples")
        if untrained and self._whole.intersection(self._whole if config.phases is None else config.phases):
            self.emit(f"Samples {untrained.start} to {untrained.stop - 1} make no whole batch and are never trained on")

    def phase_started(self, phase: PhaseView, state: RunState) -> None:
        """Name the phase and how long it may last."""
        words = f"{_length_in_words(phase)}{_held_out_in_words(phase)}"
        self.emit(f'Phase "{phase.config.name}" on dataset "{phase.dataset.name}": {words}')
        self._stages, self._notes_told = [], 0
        self._tell_stages(phase, state)

    def phase_resumed(self, phase: PhaseView, state: RunState) -> None:
        """Say where the phase goes on."""
        iteration = state.clock.iteration
        self.emit(f'Phase "{phase.config.name}" on dataset "{phase.dataset.name}" goes on after iteration {iteration}')
        self._stages, self._notes_told = phase.stages(state.clock), len(phase.notes)

    def phase_reused(self, phase: PhaseView, state: RunState, seconds: float) -> None:
        """Say that the phase need not be trained."""
        self.emit(
            f'Phase "{phase.config.name}" on dataset "{phase.dataset.name}" is taken from a run that agrees up to its '
            f"end; its training took {seconds:.1f} s there"
        )

    def iteration_done(self, phase: PhaseView, state: RunState, losses: Sequence[LossValue]) -> None:
        """Report the losses whose interval is due, and stages that change."""
        iteration = state.clock.iteration
        due = [loss for loss in losses if loss.report_interval and iteration % loss.report_interval == 0]
        if due:
            values = ", ".join(f"{loss.name} {float(loss.value):.6g}" for loss in due)
            self.emit(f"Iteration {iteration}: {values}")
        self._tell_stages(phase, state)
        self._tell_notes(phase, state)

    def evaluated(self, phase: PhaseView, state: RunState, performance: Performance | None) -> None:
        """Report scores."""
        self.emit(f"Evaluation after {state.clock.iteration} iterations: {_in_words(performance)}")

    def validated(self, phase: PhaseView, state: RunState, validation: Validation) -> None:
        """Report the losses on held-out samples."""
        values = ", ".join(
            f"{name} {value:.6g}" for name, value in {"loss": validation.loss, **validation.losses}.items()
        )
        self.emit(f"Validation after {validation.iteration} iterations: {values}")

    def phase_ended(self, phase: PhaseView, state: RunState, reason: str) -> None:
        """Say which criterion ended the phase."""
        self._tell_notes(phase, state)
        self.emit(f'Phase "{phase.config.name}" ended after {state.clock.iteration} iterations: {reason}')

    def dataset_scored(self, scored: Scored) -> None:
        """Say the final word on a dataset."""
        for reason in scored.oracle:
            self.emit(f"Marked oracle: {reason}, so labels had a part in the result")
        evaluation, name = scored.evaluation, scored.dataset.name
        if evaluation is None:
            self.emit(f'Dataset "{name}": no assignments yet')
        elif evaluation.scores is None:
            used = int(evaluation.clusters.bincount().count_nonzero())
            words = f"{scored.num_samples} samples in {used} clusters, no labels to score against"
            self.emit(f'Dataset "{name}": {words}{_label_free_in_words(evaluation)}')
        else:
            self.emit(f'Final performance on dataset "{name}": {evaluation.scores}')
        if evaluation is not None and evaluation.sets is not None:
            self.emit(str(evaluation.sets))

    def run_ended(self, error: BaseException | None) -> None:
        """Say how the run ended, if not well."""
        if isinstance(error, RecombineError):
            self.emit(f"Failed: {error}")
        elif isinstance(error, KeyboardInterrupt):
            self.emit(f"Interrupted after {time.monotonic() - self._started:.1f} s")
        elif error is not None:
            self.emit(f"Failed: {type(error).__name__}: {error}")
        else:
            self.emit(f"Finished in {time.monotonic() - self._started:.1f} s")

    def _tell_notes(self, phase: PhaseView, state: RunState) -> None:
        for note in phase.notes[self._notes_told :]:
            self.emit(f"Iteration {state.clock.iteration}: {note}")
        self._notes_told = len(phase.notes)

    def _tell_stages(self, phase: PhaseView, state: RunState) -> None:
        stages = phase.stages(state.clock)
        for name, stage in [found for found in stages if found not in self._stages]:
            self.emit(f"Iteration {state.clock.iteration}: {name}: {stage}")
        self._stages = stages


def _uses_k_means(config: MethodConfig) -> bool:
    options = config.centroids
    by_centroids = options is not None and _K_MEANS_FOR_CENTROIDS in (
        options.centroid_initialization_strategy,
        options.centroid_recalculation_strategy,
    )
    return by_centroids or "k_means" in config.strategy.values()


def _size_in_words(dataset: DatasetView) -> str:
    config = dataset.config
    if config.sets is None:
        return f"{dataset.num_samples} samples, {config.num_clusters} clusters, batches of {config.batch_size}"
    size, count = config.sets["num_objects"], config.sets["num_evaluation_sets"]
    objects = str(size) if isinstance(size, int) else f"{size[0]} to {size[1]}"
    clusters = f"{config.sets['min_clusters']} to {config.num_clusters} clusters"
    return f"sets of {objects} objects in {clusters}, batches of {config.batch_size} sets, {count} sets to score"


def _held_out_in_words(phase: PhaseView) -> str:
    if not phase.num_held_out:
        return ""
    if phase.dataset.sets is not None:
        return f"; it validates on {phase.num_held_out} sets"
    return f"; {phase.num_held_out} of {phase.num_samples} samples are held out"


def _length_in_words(phase: PhaseView) -> str:
    if phase.iterations is not None:
        return f"at most {phase.iterations} iterations"
    is_scored = any(name.startswith("performance_evaluation_") for name in phase.config.exit_criteria)
    return "until a score is reached" if is_scored else "until an exit criterion holds"


def _samples_of_a_batch(config: DatasetConfig) -> int:
    """Return how many samples a batch has, at most."""
    if config.sets is None:
        return config.batch_size
    size = config.sets["num_objects"]
    return config.batch_size * (size if isinstance(size, int) else int(size[1]))


def _slow_view_in_words(view: SlowView, batch_size: int) -> str:
    processes = "1 process" if view.num_workers == 1 else f"{view.num_workers} processes"
    where = f"spread over {processes}" if view.num_workers else "in the main process"
    if view.obstacle is not None:
        where += f", as no other can be started ({view.obstacle})"
    cost = f"{view.milliseconds:.2g} ms a sample, {view.milliseconds * batch_size:.0f} ms a batch"
    return (
        f'View "{view.name}" is slow: it runs sample by sample through torchvision, as {view.reason}: {cost}, {where}'
    )


def _in_words(performance: Performance | None) -> str:
    if performance is None:
        return "no assignments yet"
    words = [str(performance.scores)]
    if performance.scores is None:
        words = [f"no labels to score against{_label_free_in_words(performance)}"]
    if performance.reassignment_ratio is not None:
        words.append(f"reassigned {performance.reassignment_ratio:.6g}")
    return ", ".join(words)


def _label_free_in_words(found: Performance | Evaluation) -> str:
    return f"; {found.label_free}" if found.label_free is not None else ""
