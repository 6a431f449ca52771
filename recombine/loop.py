"""The training loop: a method runs its datasets, a dataset its phases, a phase its iterations."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
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
from recombine.objective import LossValue
from recombine.oracle import oracle_reasons
from recombine.phase import Phase, enter_phase
from recombine.randomness import global_generator
from recombine.state import EpochLosses, RunState
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
    """

    config: MethodConfig
    samples: dict[str, Samples]
    engine: Engine
    callbacks: Sequence[Callback]
    folder: Path


def run_method(run: Run) -> list[Scored]:
    """Train a method on its datasets in order; return the final word on each."""
    for callback in run.callbacks:
        callback.run_started(run.config, run.engine.describe(), run.folder)
    state: RunState | None = None
    scored: list[Scored] = []
    with run.engine.computing(), global_generator(run.config.seed, "run"):
        for dataset in run.config.datasets:
            with closing(build_data(dataset, run.samples[dataset.name], run.config.seed, run.engine.device)) as data:
                if state is None or dataset.reinitialize_mappings:
                    state = new_state(run, dataset, data)
                scored.append(run_dataset(run, dataset, data, state))
    return scored


def new_state(run: Run, dataset: DatasetConfig, data: Data) -> RunState:
    """Return freshly initialised networks, on the device."""
    method = build_method(run.config, dataset.num_clusters, data.sample_shape(PLAIN_VIEW))
    run.engine.place(method)
    return RunState(method, Clock("", 0, 0, data.batches_per_epoch))


def run_dataset(run: Run, dataset: DatasetConfig, data: Data, state: RunState) -> Scored:
    """Run the phases of a dataset, then score it."""
    seen = DatasetView(dataset, data.num_samples, data.never_trained(), data.start_workers())
    for callback in run.callbacks:
        callback.dataset_started(seen)
    for config in run.config.phases_of(dataset):
        run_phase(run, dataset, config, data, state)
    evaluation = evaluate(state.method, data)
    scored = Scored(dataset, data.num_samples, evaluation, data.labels, oracle_reasons(run.config, dataset))
    for callback in run.callbacks:
        callback.dataset_scored(scored)
    return scored


def run_phase(run: Run, dataset: DatasetConfig, config: PhaseConfig, data: Data, state: RunState) -> None:
    """Train until an exit criterion holds."""
    phase = enter_phase(run.config, config, data, state, run.engine.recorder())
    view = phase.view(dataset)
    for callback in run.callbacks:
        callback.phase_started(view, state)
    reason = None
    while reason is None:
        run_iteration(run, phase, view)
        reason = first_met(config.exit_criteria, state.clock, state.performance)
    phase.finish()
    for callback in run.callbacks:
        callback.phase_ended(view, state, reason)


def run_iteration(run: Run, phase: Phase, view: PhaseView) -> None:
    """Do one iteration, and what is due after it."""
    losses = train_step(phase)
    for callback in run.callbacks:
        callback.iteration_done(view, phase.state, losses)
    evaluate_if_due(run, phase, view)
    end_epoch_if_due(phase)


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
    watched = phase.optimizers.groups_with_watched_loss & numbers.totals.keys()
    state.epoch_losses.add({group: numbers.totals[group] for group in watched})
    if state.clock.iteration % _WATCH_INTERVAL == 0:
        phase.check_divergence()
    return numbers.losses


def evaluate_if_due(run: Run, phase: Phase, view: PhaseView) -> None:
    """Evaluate at multiples of the phase's interval."""
    interval, state = phase.config.performance_evaluation_interval, phase.state
    if interval is None or state.clock.iteration % interval != 0:
        return
    performance = phase.evaluate()
    for callback in run.callbacks:
        callback.evaluated(view, state, performance)


def end_epoch_if_due(phase: Phase) -> None:
    """Step the learning rate schedulers when a pass over the dataset is complete."""
    state = phase.state
    if state.clock.iteration % state.clock.iterations_per_epoch != 0:
        return
    scores = state.performance.scores if state.performance is not None else None
    phase.optimizers.end_epoch(state.epoch_losses.means(), scores.as_dict() if scores is not None else {})
    state.epoch_losses = EpochLosses()
