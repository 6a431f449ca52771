"""The training loop: a method runs its datasets, a dataset its phases, a phase its iterations."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from recombine.build import build_data, build_method
from recombine.callbacks.base import Callback, DatasetView, PhaseView, Scored
from recombine.clock import Clock
from recombine.config import DatasetConfig, MethodConfig, PhaseConfig
from recombine.criteria import first_met
from recombine.data import Data
from recombine.datasets.base import Samples
from recombine.engines.base import Engine
from recombine.evaluate import evaluate
from recombine.keeper import Keeper
from recombine.neighbor_cache import IN_MEMORY, NeighborCache
from recombine.objective import LossValue
from recombine.oracle import oracle_reasons
from recombine.phase import Phase, build_phase, enter_phase, longest, training_data
from recombine.randomness import global_generator
from recombine.selection import Evaluated, select
from recombine.state import Origin, Place, RunState
from recombine.step import PLAIN_VIEW, Step

_WATCH_INTERVAL = 100


@dataclass(frozen=True)
class Run:
    """Everything a run needs that does not change.

    Attributes:
        config: The method.
        samples: The decoded datasets by name.
        engine: What it computes on.
        callbacks: Who is told what happens.
        folder: The run's folder.
        keeper: Keeps the state, and knows where a run goes on.
        neighbors: Finds nearest neighbours, or knows them from before.
    """

    config: MethodConfig
    samples: dict[str, Samples]
    engine: Engine
    callbacks: Sequence[Callback]
    folder: Path
    keeper: Keeper = field(default_factory=Keeper)
    neighbors: NeighborCache = IN_MEMORY


def run_method(run: Run) -> list[Scored]:
    """Train a method on its datasets in order; return the final word on each that was scored."""
    origin = run.keeper.origin
    for callback in run.callbacks:
        begin = callback.run_started if origin is None else callback.run_resumed
        begin(run.config, run.engine.describe(), run.folder)
    scored: list[Scored] = []
    with run.engine.computing(), global_generator(run.config.seed, "run"):
        state = new_state(run, origin) if origin is not None else None
        if state is not None:
            run.keeper.restore(state)
        for dataset in run.config.datasets[state.place.datasets_done if state is not None else 0 :]:
            with closing(build_data(dataset, run.samples[dataset.name], run.config.seed, run.engine.device)) as data:
                if state is None or (dataset.reinitialize_mappings and not state.place.in_dataset):
                    place = state.place if state is not None else Place()
                    state = new_state(run, Origin(dataset.num_clusters, data.sample_shape(PLAIN_VIEW)), place)
                scored.append(run_dataset(run, dataset, data, state))
    return scored


def new_state(run: Run, origin: Origin, place: Place | None = None) -> RunState:
    """Return freshly initialised networks, on the device."""
    method = build_method(run.config, origin.num_clusters, origin.sample_shape)
    run.engine.place(method)
    return RunState(method, Clock("", 0, 0, 1), origin, place or Place())


def run_dataset(run: Run, dataset: DatasetConfig, data: Data, state: RunState) -> Scored:
    """Run the phases of a dataset that are not over, then score it."""
    seen = DatasetView.of(dataset, data, data.start_workers(), state.method)
    for callback in run.callbacks:
        begin = callback.dataset_resumed if state.place.in_dataset else callback.dataset_started
        begin(seen)
    if not state.place.in_dataset:
        state.enter_dataset()
    for config in run.config.phases_of(dataset)[state.place.phases_done :]:
        run_phase(run, dataset, config, data, state)
    scored = score(run, dataset, data, state)
    for callback in run.callbacks:
        callback.dataset_scored(scored)
    state.leave_dataset()
    run.keeper.dataset_over(state)
    return scored


def score(run: Run, dataset: DatasetConfig, data: Data, state: RunState) -> Scored:
    """Return the final word on a dataset."""
    evaluation = evaluate(state.method, data)
    if evaluation is not None:
        state.history.append(Evaluated("", state.clock.iteration, evaluation.scores, evaluation.label_free))
    return Scored(
        dataset,
        data.num_samples,
        evaluation,
        data.labels,
        oracle_reasons(run.config, dataset),
        select(state.history),
        data.class_names,
        state.method.digest(),
    )


def run_phase(run: Run, dataset: DatasetConfig, config: PhaseConfig, data: Data, state: RunState) -> None:
    """Train until an exit criterion holds, unless another run has done so before."""
    data = training_data(config, data)
    if not state.place.in_phase:
        reused = run.keeper.adopt(state, dataset.name, config.name)
        if reused is not None:
            view = PhaseView(config, dataset, data.num_samples, longest(config, data))
            for callback in run.callbacks:
                callback.phase_reused(view, state, reused.seconds)
            return
    phase, view = begin_phase(run, dataset, config, data, state)
    while (reason := first_met(config.exit_criteria, state.clock, phase.watched())) is None:
        run_iteration(run, phase, view)
    phase.finish()
    for callback in run.callbacks:
        callback.phase_ended(view, state, reason)
    state.leave_phase()
    run.keeper.phase_over(state)


def begin_phase(
    run: Run, dataset: DatasetConfig, config: PhaseConfig, data: Data, state: RunState
) -> tuple[Phase, PhaseView]:
    """Enter a phase, or go on with it where a checkpoint stands within."""
    is_under_way, recorder = state.place.in_phase, run.engine.recorder()
    begin_at = build_phase if is_under_way else enter_phase
    phase = begin_at(run.config, config, data, state, recorder, run.neighbors)
    if is_under_way:
        run.keeper.restore_phase(phase)
    view = phase.view(dataset)
    for callback in run.callbacks:
        begin = callback.phase_resumed if is_under_way else callback.phase_started
        begin(view, state)
    return phase, view


def run_iteration(run: Run, phase: Phase, view: PhaseView) -> None:
    """Do one iteration, and what is due after it."""
    losses = train_step(phase)
    for callback in run.callbacks:
        callback.iteration_done(view, phase.state, losses)
    evaluate_if_due(run, phase, view)
    validate_if_due(run, phase, view)
    phase.step_schedulers()
    run.keeper.iteration_over(phase)


def train_step(phase: Phase) -> list[LossValue]:
    """Do one iteration: views, losses, gradients, steps; return the losses, and leave the clock at the next one."""
    state = phase.state
    clock, method = state.clock, state.method
    method.assignment.update(clock)
    phase.update_centroids()
    working = [objective for objective in phase.objectives if objective.works_in(clock.iteration)]
    views = {view for objective in working for view in objective.views}
    batch = phase.data.training_batch(clock.phase, clock.iteration, views)
    step = Step(method if method.training else method.train(), batch, clock, phase.context, phase.plan.at(clock))
    step.seed()
    for objective in working:
        objective.pattern.before_step(step)
    numbers = phase.runner.run(step, working)
    state.clock = clock.advanced()
    for objective in working:
        objective.pattern.after_step(step)
    state.interval_losses.add(phase.optimizers.watched_losses(numbers.totals, clock))
    if state.clock.iteration % _WATCH_INTERVAL == 0:
        phase.check_divergence()
    return numbers.losses


def evaluate_if_due(run: Run, phase: Phase, view: PhaseView) -> None:
    """Evaluate at multiples of the phase's interval."""
    interval, state = phase.config.performance_evaluation_interval, phase.state
    if interval is None or not state.clock.is_due(interval):
        return
    performance = phase.evaluate()
    for callback in run.callbacks:
        callback.evaluated(view, state, performance)


def validate_if_due(run: Run, phase: Phase, view: PhaseView) -> None:
    """Compute the losses on the samples that the phase holds out, at multiples of its interval."""
    if (validation := phase.validate_if_due()) is not None:
        for callback in run.callbacks:
            callback.validated(view, phase.state, validation)
