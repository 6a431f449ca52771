"""Many runs at once: each in a process of its own, with its share of cores and GPUs."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from recombine.batch import NOT_RUN, BatchOptions, Outcome, Report, run_batch
from recombine.board import Board, Row
from recombine.environment import usable_processors
from recombine.errors import RecombineError
from recombine.files import write_json
from recombine.interruption import InterruptedRunError, Interruption
from recombine.job import Job
from recombine.logs import check_log_places
from recombine.plugin_packages import allowed
from recombine.result_files import RESULT
from recombine.results import Result, Status, read_result, write_result
from recombine.run_folder import CONFIGURATION, RunFolder, claimed, generation_of, read_json
from recombine.shared_phases import phase_keys
from recombine.unfinished import changed_since
from recombine.worker import Message, Order, work

_PRELOADED = ["recombine.preloaded"]
_SECONDS_BETWEEN_LOOKS = 0.2
_SECONDS_TO_LEAVE = 5.0
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_ANY_GPU = ("cuda", "cuda_if_available")


@dataclass
class _Running:
    """A run under way: its place in the batch, its process, and what is known of it."""

    position: int
    job: Job
    slot: int
    process: BaseProcess
    connection: Connection
    row: Row
    folder: Path | None = None
    place: tuple[int, int] = (0, 0)
    outcome: Outcome | None = None


@dataclass
class Launcher:
    """Runs jobs at once.

    Two runs that share phases do not train the same phase at the same time: one waits until the other has left it.
    Whatever happens to a process, the others go on.

    Attributes:
        options: How the batch runs.
        report: Takes tracebacks.
        board: Shows how the runs stand.
        count: How many run at once.
    """

    options: BatchOptions
    report: Report
    board: Board
    count: int
    _running: list[_Running] = field(default_factory=list)
    _keys: dict[int, dict[tuple[int, int], str]] = field(default_factory=dict)

    def run(self, jobs: Sequence[Job | Outcome]) -> list[Outcome]:
        """Run the jobs, and return what became of each, in their order."""
        outcomes = {position: job for position, job in enumerate(jobs) if isinstance(job, Outcome)}
        waiting = {position: job for position, job in enumerate(jobs) if isinstance(job, Job)}
        if self.options.run.shares_phases:
            self._keys = {position: _phase_keys(job) for position, job in waiting.items()}
        rows = {position: self.board.add(job.title, job.config.seed) for position, job in waiting.items()}
        with Interruption(self.report.line) as interruption:
            try:
                self._run(waiting, rows, outcomes, interruption)
            except InterruptedRunError:
                self._leave()
                raise
        number = interruption.number
        not_run = {position: Outcome(_title(job), error=NOT_RUN, signal=number) for position, job in enumerate(jobs)}
        return [outcomes.get(position, other) for position, other in not_run.items()]

    def _run(
        self,
        waiting: dict[int, Job],
        rows: dict[int, Row],
        outcomes: dict[int, Outcome],
        interruption: Interruption,
    ) -> None:
        is_told = False
        while waiting or self._running:
            if interruption.number is not None and not is_told:
                is_told = True
                waiting.clear()
                self._signal(interruption.number)
            self._start(waiting, rows)
            for ended in self._look():
                # A run that could not write its own result has one written here, so that nothing is lost.
                outcomes[ended.position] = outcome = _outcome(ended, interruption.number, self.options.log.log_dir)
                ended.row.end(outcome)
                if outcome.error is not None and not self.options.resume_on_error:
                    waiting.clear()
            self.board.refresh()

    def _start(self, waiting: dict[int, Job], rows: dict[int, Row]) -> None:
        """Start what there is room for."""
        for position in list(waiting):
            if len(self._running) >= self.count:
                return
            if not any(self._is_awaited(position, waiting[position], other) for other in self._running):
                self._running.append(self._launched(position, waiting.pop(position), rows[position]))

    def _is_awaited(self, position: int, job: Job, other: _Running) -> bool:
        """Tell whether a job is to wait for a run: it is the same one, or trains a phase that both share."""
        if job.identity == other.job.identity:
            return True
        own, others = self._keys.get(position, {}), self._keys.get(other.position, {})
        shared = [place for place, key in own.items() if others.get(place) == key]
        return bool(shared) and max(shared) > other.place

    def _launched(self, position: int, job: Job, row: Row) -> _Running:
        slot = min(set(range(self.count)) - {running.slot for running in self._running})
        order = Order(
            job.source,
            dict(job.config.resolved),
            job.config.folder,
            job.places,
            job.overrides,
            dict(job.inputs),
            self.options,
            max(1, usable_processors() // self.count),
            _gpu_of(slot) if job.config.device in _ANY_GPU else None,
            tuple(allowed()),
        )
        context: Any = multiprocessing.get_context(_start_method())
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(order, sender))
        process.start()
        sender.close()
        row.begin()
        return _Running(position, job, slot, process, receiver, row)

    def _look(self) -> list[_Running]:
        """Take what the runs tell, and return those that ended."""
        wait([run.connection for run in self._running] or [], _SECONDS_BETWEEN_LOOKS)
        ended = []
        for run in list(self._running):
            if not self._take(run):
                run.process.join()
                run.connection.close()
                self._running.remove(run)
                ended.append(run)
        return ended

    def _take(self, run: _Running) -> bool:
        """Take the messages of a run; tell whether there may be more."""
        try:
            while run.connection.poll():
                self._heard(run, run.connection.recv())
        except (EOFError, OSError):
            return False
        return True

    def _heard(self, run: _Running, message: Message) -> None:
        match message.kind:
            case "started":
                run.folder = message.content
            case "progress":
                run.place = message.content.place
                run.row.show(message.content)
            case "failure":
                self.report.failure(message.content)
            case "done":
                run.outcome = message.content

    def _signal(self, number: int) -> None:
        for run in self._running:
            if run.process.pid is not None and run.process.is_alive():
                os.kill(run.process.pid, number)

    def _leave(self) -> None:
        """Make every run leave at once."""
        self._signal(signal.SIGTERM)
        for run in self._running:
            run.process.join(_SECONDS_TO_LEAVE)
            run.process.kill()


def run_all(jobs: Sequence[Job | Outcome], options: BatchOptions, report: Report, count: int) -> Iterator[Outcome]:
    """Run jobs, up to ``count`` at once, and yield what became of each, in their order.

    Raises:
        UsageError: Logs cannot be written.
        InterruptedRunError: The user interrupted twice.
    """
    for text in changed_since([job for job in jobs if isinstance(job, Job)], options.log.log_dir):
        report.line(text)
    count = min(count, len(jobs))
    if count <= 1 or (not options.resume_on_error and any(isinstance(job, Outcome) for job in jobs)):
        yield from run_batch(jobs, options, report)
        return
    check_log_places(options.log)
    with Board(report.line, report.terminal) as board:
        outcomes = Launcher(options, report, board, count).run(jobs)
    yield from outcomes


def _phase_keys(job: Job) -> dict[tuple[int, int], str]:
    """Return what tells phases of a batch apart; device and threads are the same for all of its runs."""
    return phase_keys(job.config, job.data, {"inputs": dict(job.inputs)})


def _title(job: Job | Outcome) -> str:
    return job.title if isinstance(job, Job) else job.source


def _start_method() -> str:
    """Return how processes start: from one that has imported everything, where the system can."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return "spawn"
    multiprocessing.get_context("forkserver").set_forkserver_preload(_PRELOADED)
    return "forkserver"


def _gpu_of(slot: int) -> str | None:
    """Return the GPU of a slot as ``CUDA_VISIBLE_DEVICES`` names it, or None where there is none to share out."""
    if not torch.cuda.is_available():
        return None
    given = os.environ.get(_VISIBLE)
    names = given.split(",") if given else [str(number) for number in range(torch.cuda.device_count())]
    return names[slot % len(names)].strip()


def _outcome(run: _Running, number: int | None, log_dir: Path) -> Outcome:
    """Return what became of a run that ended; a process that ended without a word failed.

    Args:
        run: The run.
        number: The signal that ends the batch, or None.
        log_dir: Where the runs' folders are.
    """
    title, told = run.job.title, run.outcome
    if told is not None and (told.result is not None or told.is_busy):
        return told
    if told is not None:
        return _noted(run, log_dir, told.error or "it ended without a word", "failed", None)
    number = number if number is not None and run.process.exitcode == -number else None
    if run.folder is None and number is not None:
        return Outcome(title, error=NOT_RUN, signal=number)
    # What stood there before was removed when the run started: it ended well, but could not say so any more.
    found = read_json(run.folder / RESULT) if run.folder is not None else None
    if run.folder is not None and found is not None:
        result = read_result(found, run.folder, title)
        return Outcome(title, (), result, result.error, number)
    error = f"its process {_end_in_words(run.process.exitcode)}"
    return _noted(run, log_dir, error, "failed" if number is None else "interrupted", number)


def _noted(run: _Running, log_dir: Path, error: str, status: Status, number: int | None) -> Outcome:
    """Write the result of a run that could not do so itself, and return what became of it."""
    job = run.job
    try:
        with _folder_of(run, log_dir) as folder:
            if folder.is_new:
                write_json(folder.path / CONFIGURATION, job.config.resolved)
            result = _result(job, folder, error, status)
            write_result(result, job.config, {})
    except (OSError, RecombineError):
        return Outcome(job.title, error=error, signal=number)
    return Outcome(job.title, (), result, error, number)


def _folder_of(run: _Running, log_dir: Path) -> AbstractContextManager[RunFolder]:
    """Return the folder of a run: the one it told, else the one that it would have claimed."""
    if run.folder is not None:
        return nullcontext(RunFolder(run.folder, generation_of(run.folder)))
    return claimed(log_dir, run.job.description, datetime.now())


def _end_in_words(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        likely = ", perhaps for lack of memory" if -exit_code == signal.SIGKILL else ""
        return f"was ended by {name}{likely}"
    return f"ended without a result (exit status {exit_code})"


def _result(job: Job, folder: RunFolder, error: str, status: Status) -> Result:
    return Result(
        job.config.name,
        job.title,
        job.config.seed,
        status,
        folder.path,
        error=error,
        identity=job.identity.digest(),
        generation=folder.generation,
        overrides=job.overrides,
    )
