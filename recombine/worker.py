"""One run in a process of its own: what the launcher starts."""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from recombine import plugins
from recombine.batch import BatchOptions, Outcome, Report, run_one, traceback_of
from recombine.build import load_samples
from recombine.callbacks.base import Callback, PhaseView
from recombine.config import MethodConfig, method_config
from recombine.criteria import Performance
from recombine.errors import RecombineError
from recombine.job import Job
from recombine.objective import LossValue
from recombine.places import Places
from recombine.problems import Problem
from recombine.state import RunState

_SECONDS_BETWEEN_NEWS = 0.5

Kind = Literal["started", "progress", "failure", "done"]


class Message(NamedTuple):
    """What a worker tells: the run's folder, a :class:`Progress`, a traceback, or what became of the run."""

    kind: Kind
    content: Any = None


@dataclass(frozen=True)
class Progress:
    """Where a run is.

    Attributes:
        phase: The phase.
        iteration: Iterations that are done.
        iterations: How many there are at most, or None.
        scores: The last scores, in words.
        place: How many datasets and phases are done.
    """

    phase: str
    iteration: int
    iterations: int | None
    scores: str
    place: tuple[int, int]


@dataclass(frozen=True)
class Order:
    """A job as it goes to another process, which reads the data itself.

    Attributes:
        source: The method file.
        resolved: The configuration as plain JSON values.
        folder: The method file's folder.
        places: Where it may write.
        overrides: The changes of the command line, in words.
        inputs: SHA-256 of each file that it reads beside its data.
        options: How the batch runs.
        threads: How many threads the run may use.
        gpu: The value of ``CUDA_VISIBLE_DEVICES``, or None to leave it.
        plugins: The packages that the user has allowed to bring design patterns.
    """

    source: str
    resolved: dict[str, Any]
    folder: Path
    places: Places
    overrides: tuple[str, ...]
    inputs: dict[str, str]
    options: BatchOptions
    threads: int
    gpu: str | None
    plugins: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The method file with the changes of the command line."""
        return " ".join([self.source, *self.overrides])

    def job(self) -> Job:
        """Return the job, with its data decoded."""
        config: MethodConfig = method_config(self.resolved, self.folder)
        root = self.options.data_root
        samples = {dataset.name: load_samples(dataset, self.folder, root) for dataset in config.datasets}
        return Job(self.source, config, samples, self.places, self.overrides, self.inputs)


def work(order: Order, connection: Connection) -> None:
    """Run a job; tell the launcher what happens.

    The process leaves the terminal's group: Ctrl-C reaches the launcher alone, which passes it on.
    """
    if hasattr(os, "setsid"):
        os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # before the run takes signals up, there is nothing to finish
    if order.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = order.gpu
    torch.set_num_threads(order.threads)
    messenger = Messenger(connection)
    report = Report(_ignore_problem, _ignore, messenger.failure, lambda: [messenger])
    try:
        plugins.allow(order.plugins)
        outcome = run_one(order.job(), order.options, report)
    except RecombineError as error:
        outcome = Outcome(order.title, error=str(error))
    except Exception as error:  # noqa: BLE001  (the launcher decides what becomes of the others)
        messenger.failure(traceback_of(error))
        outcome = Outcome(order.title, error=f"{type(error).__name__}: {error}")
    messenger.send(Message("done", outcome))


def _ignore(line: str) -> None:
    del line


def _ignore_problem(problem: Problem) -> None:
    del problem


class Messenger(Callback):
    """Tells the launcher how a run goes. If nobody listens any more, the run ends as by SIGTERM.

    Args:
        connection: Leads to the launcher.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._scores = ""
        self._next = 0.0
        self._is_alone = False

    def send(self, message: Message) -> None:
        """Send a message."""
        if self._is_alone:
            return
        try:
            self._connection.send(message)
        except OSError:
            self._is_alone = True
            signal.raise_signal(signal.SIGTERM)

    def failure(self, text: str) -> None:
        """Send a traceback."""
        self.send(Message("failure", text))

    def run_started(self, config: MethodConfig, device: str, folder: Path) -> None:
        """Tell where the run's files are."""
        self.send(Message("started", folder))

    def phase_started(self, phase: PhaseView, state: RunState) -> None:
        """Tell the phase's name."""
        self._scores = ""
        self._tell(phase, state)

    def iteration_done(self, phase: PhaseView, state: RunState, losses: Sequence[LossValue]) -> None:
        """Tell how far the phase is, now and then."""
        if time.monotonic() >= self._next:
            self._tell(phase, state)

    def evaluated(self, phase: PhaseView, state: RunState, performance: Performance | None) -> None:
        """Remember the scores."""
        if performance is not None and performance.scores is not None:
            self._scores = str(performance.scores)

    def _tell(self, phase: PhaseView, state: RunState) -> None:
        place = state.place.datasets_done, state.place.phases_done
        progress = Progress(phase.config.name, state.clock.iteration, phase.iterations, self._scores, place)
        self.send(Message("progress", progress))
        self._next = time.monotonic() + _SECONDS_BETWEEN_NEWS
