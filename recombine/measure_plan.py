"""A few steps of every phase, in a process of their own: how long phases will take, and how much memory a run.

The process does what a run does, in the same order and on the same data, but few iterations of it, and writes nothing.
Where passes over a whole dataset take long on a CPU, networks work on a part of it only, and the rest is reckoned.
It starts afresh, so that its peak is not that of whoever asks.
"""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from recombine.batch import BatchOptions, prepare
from recombine.build import build_data
from recombine.clock import Interval
from recombine.config import DatasetConfig, PhaseConfig
from recombine.data import Data
from recombine.engines.single import SingleDevice
from recombine.errors import RecombineError
from recombine.job import Job
from recombine.load import load_file
from recombine.logs import LogOptions
from recombine.loop import Run, begin_phase, new_state, score, train_step
from recombine.overrides import Override
from recombine.peak import Kept, peak_bytes, resident_bytes, tensor_bytes
from recombine.phase import Phase, longest, training_data
from recombine.plugins import allow
from recombine.problems import Problem
from recombine.randomness import global_generator
from recombine.sparing import Sparing, Stopwatch
from recombine.state import Origin, RunState
from recombine.step import PLAIN_VIEW

#: Steps before the clock is looked at, on a GPU until a step is recorded; and steps that are timed.
_WARM, _WARM_ON_GPU, _TIMED = 2, 6, 10
#: After so many seconds no further step is begun, and layers are spared in passes over whole datasets: of all phases.
_STEPS_SECONDS, _PASSES_SECONDS = 20.0, 10.0
_MOST_OF_CYCLE, _AGAIN = 60, 1.0
_INTERVAL, _REPORTS = "_interval", "loss_report_interval"


@dataclass(frozen=True)
class PhaseTime:
    """How long a phase takes.

    Attributes:
        dataset: The dataset's name.
        phase: The phase's name.
        setup_seconds: From its beginning to its first step, measured.
        step_seconds: One step, measured: the mean over the stages of the phase, each for as long as it lasts.
        evaluation_seconds: An evaluation and a validation during the phase, measured; 0 without any.
        finish_seconds: From its last step to its end, measured.
        iterations: How many iterations it lasts at most, or None where only scores end it.
        seconds: Estimate of the whole phase, or None where its length is not known.
    """

    dataset: str
    phase: str
    setup_seconds: float
    step_seconds: float
    evaluation_seconds: float
    finish_seconds: float
    iterations: int | None
    seconds: float | None


@dataclass(frozen=True)
class Memory:
    """What takes memory, in bytes: each part when it is largest.

    Attributes:
        parameters: Parameters and buffers of the networks.
        gradients: Gradients of what a phase trains.
        optimizer_state: What optimizers remember.
        activations: What a step keeps for its way back, without parameters.
        data: The decoded samples and, where it is kept, what views make of all of them.
        views: The views of one batch.
        program: The process before it opened any data.
    """

    parameters: int
    gradients: int
    optimizer_state: int
    activations: int
    data: int
    views: int
    program: int


@dataclass(frozen=True)
class Measured:
    """What a few steps of every phase took.

    Attributes:
        device: The device in words.
        preparation_seconds: Opening the data and checking the method on it.
        scoring_seconds: The last evaluations, of all datasets.
        phases: The phases on each dataset.
        seconds: Estimate of the whole run, or None where a phase has no known length.
        peak_bytes: The most memory that the process had.
        device_peak_bytes: The most that tensors took on a GPU, or None on a CPU.
        memory: What took it.
    """

    device: str
    preparation_seconds: float
    scoring_seconds: float
    phases: tuple[PhaseTime, ...]
    seconds: float | None
    peak_bytes: int
    device_peak_bytes: int | None
    memory: Memory


@dataclass(frozen=True)
class Order:
    """What a process is to measure.

    Attributes:
        file: The method file.
        overrides: Changes to it.
        data_root: Where data is looked for first, or None.
        threads: How many threads torch may use.
        plugins: The packages that the user has allowed to bring design patterns.
    """

    file: Path
    overrides: tuple[Override, ...]
    data_root: Path | None
    threads: int
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What came of it: a measurement, or why there is none."""

    measured: Measured | None = None
    problems: tuple[Problem, ...] = ()
    error: str | None = None


def measure(order: Order) -> Answer:
    """Measure in a process of its own; whatever becomes of that process, the caller goes on."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(order, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        answer: Answer = mine.recv()
    except EOFError:
        process.join()
        answer = Answer(error=_end_in_words(process.exitcode))
    finally:
        process.kill()
        process.join()
        mine.close()
    return answer


def _end_in_words(status: int | None) -> str:
    if status is not None and status < 0:
        return f"the process that measured was ended by {signal.Signals(-status).name}, perhaps as memory ran out"
    return "the process that measured failed; its own words stand above"


def _work(order: Order, connection: Connection) -> None:
    """Measure, and send what came of it."""
    torch.set_num_threads(order.threads)
    try:
        allow(order.plugins)
        answer = measured_here(order)
    except RecombineError as error:
        answer = Answer(error=str(error))
    connection.send(answer)


def measured_here(order: Order) -> Answer:
    """Measure in this process.

    Raises:
        RecombineError: A phase cannot be begun, or diverges within a few steps.
    """
    program, started = resident_bytes(), time.perf_counter()
    loaded = load_file(order.file, order.overrides)
    if loaded.config is not None:
        loaded = replace(loaded, config=loaded.config.without_files())
    job, problems = prepare(loaded, BatchOptions(LogOptions(Path("logs")), order.data_root), {})
    if job is None:
        return Answer(problems=problems)
    preparation = time.perf_counter() - started
    return Answer(_Measurement(job, program).measured(preparation))


class _Measurement:
    """The measurement of a method whose data is open.

    Args:
        job: The method.
        program: The memory of the process before it opened any data.
    """

    def __init__(self, job: Job, program: int) -> None:
        config = job.config
        self._job = job
        self._engine = SingleDevice(config.device, config.precision, config.cuda_graphs)
        self._run = Run(config, job.samples, self._engine, (), Path())
        self._memory = Memory(0, 0, 0, 0, 0, 0, program)
        self._scoring = 0.0
        self._num_phases = max(1, sum(len(config.phases_of(dataset)) for dataset in config.datasets))
        self._sparing = Sparing(_PASSES_SECONDS / self._num_phases)

    def measured(self, preparation: float) -> Measured:
        """Do a few steps of everything, and return what it took."""
        config, device = self._job.config, self._engine.device
        phases: list[PhaseTime] = []
        state: RunState | None = None
        with self._engine.computing(), global_generator(config.seed, "run"):
            for dataset in config.datasets:
                with closing(build_data(dataset, self._job.samples[dataset.name], config.seed, device)) as data:
                    if state is None or dataset.reinitialize_mappings:
                        origin = Origin(dataset.num_clusters, data.sample_shape(PLAIN_VIEW))
                        state = self._new_state(origin)
                    phases += self._dataset(dataset, data, state)
        known = [phase.seconds for phase in phases if phase.seconds is not None]
        whole = preparation + self._scoring + sum(known) if len(known) == len(phases) else None
        on_device = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
        times = preparation, self._scoring, tuple(phases), whole
        return Measured(self._engine.describe(), *times, peak_bytes(), on_device, self._memory)

    def _new_state(self, origin: Origin) -> RunState:
        state = new_state(self._run, origin)
        if self._engine.device.type == "cpu":
            self._sparing.spare(state.method.mappings.values())
        return state

    def _dataset(self, dataset: DatasetConfig, data: Data, state: RunState) -> Iterator[PhaseTime]:
        data.start_workers()
        state.enter_dataset()
        for config in self._job.config.phases_of(dataset):
            yield self._phase(dataset, config, training_data(config, data), state)
            state.leave_phase()
        self._scoring += self._timed(partial(score, self._run, dataset, data, state))
        state.leave_dataset()
        values = self._job.samples[dataset.name].values
        samples = [values] if isinstance(values, Tensor) else list(values)
        self._note(data=tensor_bytes([*samples, *data.sources.values()]))

    def _phase(self, dataset: DatasetConfig, config: PhaseConfig, data: Data, state: RunState) -> PhaseTime:
        self._sparing.begin()
        watch = self._stopwatch()
        phase, _ = begin_phase(self._run, dataset, config, data, state)
        setup = watch.seconds()
        self._note_before(phase)
        length = longest(config, data)
        step = self._step_seconds(phase, length)
        self._note(optimizer_state=tensor_bytes(phase.optimizers.state_tensors()))
        evaluation, evaluations = self._evaluations(phase, length)
        finish = self._timed(phase.finish)
        whole = None if length is None else setup + length * step + evaluations + finish
        return PhaseTime(dataset.name, config.name, setup, step, evaluation, finish, length, whole)

    def _evaluations(self, phase: Phase, length: int | None) -> tuple[float, float]:
        """Return the seconds of an evaluation and a validation, where there are any, and of all of a phase."""
        config, clock = phase.config, phase.state.clock
        due: list[tuple[Interval, Callable[[], object]]] = []
        if config.performance_evaluation_interval is not None:
            due.append((config.performance_evaluation_interval, phase.evaluate))
        if config.validation is not None:
            due.append((config.validation["interval"], phase.validate_if_due))
        one, whole = 0.0, 0.0
        for interval, act in due:
            iterations = clock.iterations_in(interval)
            _set_clock(phase, iterations)
            seconds = self._timed(act)
            if seconds < _AGAIN:
                # What takes so little may have been spent on loading what the first evaluation needs.
                seconds = self._timed(act)
            one, whole = one + seconds, whole + seconds * ((length or 0) // iterations)
        return one, whole

    def _timed(self, act: Callable[[], object]) -> float:
        watch = self._stopwatch()
        act()
        return watch.seconds()

    def _stopwatch(self) -> Stopwatch:
        return Stopwatch(self._engine.device, self._sparing)

    def _step_seconds(self, phase: Phase, length: int | None) -> float:
        """Return the mean time of a step over the stages of a phase, and over what comes at intervals."""
        starts = _stage_starts(phase, length)
        ends = [*starts[1:], length if length is not None else starts[-1] + 1]
        limit = _STEPS_SECONDS / self._num_phases / len(starts)
        seconds = [self._timed_from(phase, start, limit) for start in starts]
        if length is None:
            mean = seconds[-1]
        else:
            stages = zip(starts, ends, seconds, strict=True)
            mean = sum((end - start) * one for start, end, one in stages) / max(length, 1)
        for interval in _intervals(phase):
            if length is None or interval < length:
                mean += max(0.0, self._one_step(phase, interval) - seconds[-1]) / interval
        return mean

    def _timed_from(self, phase: Phase, start: int, limit: float) -> float:
        """Return the mean time of a step, from the first of a stage on; after ``limit`` seconds none is begun."""
        _set_clock(phase, start)
        since = self._stopwatch()
        kept = Kept([*phase.state.method.parameters(), *phase.state.method.buffers()])
        with kept.noting():
            train_step(phase)
        self._note(activations=kept.bytes)
        for _ in range(_WARM_ON_GPU if self._engine.device.type == "cuda" else _WARM):
            if since.so_far() < limit / 2:
                train_step(phase)
        cycle = sum(entry.num_iterations for entry in phase.config.optimizer_cycle) or 1
        wanted = max(_TIMED, min(cycle, _MOST_OF_CYCLE))
        watch, count = self._stopwatch(), 0
        while count < wanted and (count == 0 or since.so_far() < limit):
            train_step(phase)
            count += 1
        return watch.seconds() / count

    def _one_step(self, phase: Phase, iteration: int) -> float:
        _set_clock(phase, iteration)
        return self._timed(partial(train_step, phase))

    def _note_before(self, phase: Phase) -> None:
        method = phase.state.method
        trained = {parameter for named in phase.optimizers.optimizers for parameter in named.parameters}
        views = {view for objective in phase.objectives for view in objective.views}
        batch = phase.data.training_batch(phase.config.name, 0, views)
        self._note(
            parameters=tensor_bytes(_with_numbers([*method.parameters(), *method.buffers()])),
            gradients=tensor_bytes(_with_numbers(trained)),
            views=tensor_bytes(batch.views.values()),
        )

    def _note(self, **sizes: int) -> None:
        """Keep the largest sizes."""
        self._memory = replace(
            self._memory, **{name: max(size, getattr(self._memory, name)) for name, size in sizes.items()}
        )


def _with_numbers(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Return the tensors but those of lazy layers that no input has reached."""
    return [tensor for tensor in tensors if not is_lazy(tensor)]


def _set_clock(phase: Phase, iteration: int) -> None:
    clock = phase.state.clock
    phase.state.clock = replace(clock, iteration=iteration, epoch=iteration // clock.iterations_per_epoch)


def _stage_starts(phase: Phase, length: int | None) -> list[int]:
    """Return the iterations from which on the steps of a phase may take another time, 0 among them."""
    starts = {0}
    for objective in phase.objectives:
        starts |= {objective.schedule.start_at_iteration, *objective.pattern.stage_starts()}
    return sorted(start for start in starts if start == 0 or length is None or start < length)


def _intervals(phase: Phase) -> set[int]:
    """Return the iterations between recalculations of targets and the like."""
    blocks = [block for block in phase.config.design_patterns if block["enabled"]]
    found = [value for block in blocks for key, value in block.items() if key.endswith(_INTERVAL) and key != _REPORTS]
    options = phase.centroid_options
    if options is not None:
        found.append(options.centroid_recalculation_interval)
    return {phase.state.clock.iterations_in(interval) for interval in found if interval is not None}
