"""One method, run once: its folder, its callbacks, its result."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import torch

from recombine.callbacks.base import Callback, Scored
from recombine.callbacks.events import EventFile
from recombine.callbacks.saving import ParameterSaver
from recombine.callbacks.text_log import TextLog
from recombine.config import MethodConfig
from recombine.datasets.base import Samples
from recombine.engines.single import SingleDevice
from recombine.errors import RecombineError, UsageError
from recombine.files import write_json
from recombine.loop import Run, run_method
from recombine.places import Places
from recombine.results import (
    DatasetResult,
    Result,
    Status,
    dataset_result,
    new_folder,
    unwritable_logs,
    write_environment,
    write_result,
)

Emit = Callable[[str], None]


@dataclass(frozen=True)
class LogOptions:
    """Where the log of a run goes.

    Attributes:
        log_dir: The folder in which the runs' folders are created.
        one_file: One text log for all methods, or None for one in each run's folder.
        with_files: Whether there is a text log at all.
        with_timestamps: Whether its lines begin with the time.
    """

    log_dir: Path
    one_file: Path | None = None
    with_files: bool = True
    with_timestamps: bool = True

    def stamped(self, line: str) -> str:
        """Return a line with the time in front, if it is to have one."""
        return f"[{datetime.now():%Y-%m-%d %H:%M:%S}] {line}" if self.with_timestamps else line


@dataclass(frozen=True)
class Job:
    """A method ready to run.

    Attributes:
        source: Where it came from, for messages.
        config: The method.
        samples: Its decoded datasets by name.
        places: Where it may write.
    """

    source: str
    config: MethodConfig
    samples: dict[str, Samples]
    places: Places


class _ResultCollector(Callback):
    """Writes the assignments of each dataset as soon as it is scored, so that a later failure loses nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.datasets: dict[str, DatasetResult] = {}

    def dataset_scored(self, scored: Scored) -> None:
        self.datasets[scored.dataset.name] = dataset_result(scored, self.folder)


def execute(
    job: Job, log: LogOptions, emit: Emit, watchers: Sequence[Callback] = ()
) -> tuple[Result, BaseException | None]:
    """Run a method; return its result, and the error that ended it, if one did.

    Whatever ends the run, ``result.json`` says so. The caller decides what becomes of the error.

    Args:
        job: The method.
        log: Where its log goes.
        emit: Shows a line of the log to the user.
        watchers: Further callbacks.

    Raises:
        UsageError: The run's folder cannot be written to, or the device cannot be used.
    """
    engine = SingleDevice(job.config.device, job.config.precision, job.config.cuda_graphs)
    folder = new_folder(log.log_dir, job.config.name, datetime.now())
    write_json(folder / "config.json", job.config.resolved)
    write_environment(folder, engine.describe())
    sink = _sink(log, folder)
    collector = _ResultCollector(folder)
    text = TextLog(lambda line: _tell(log.stamped(line), emit, sink))
    callbacks = [text, EventFile(folder / "events.jsonl"), ParameterSaver(job.places), collector, *watchers]
    started = time.monotonic()
    error = _run(Run(job.config, job.samples, engine, callbacks, folder))
    seconds = time.monotonic() - started
    result = Result(
        job.config.name,
        job.source,
        job.config.seed,
        _status(error),
        folder,
        collector.datasets,
        seconds,
        None if error is None else _in_words(error),
    )
    write_result(result, job.config)
    for callback in callbacks:
        callback.run_ended(error)
    return result, error


def _run(run: Run) -> BaseException | None:
    try:
        run_method(run)
    except torch.OutOfMemoryError as error:
        reason = "".join(str(error).splitlines()[:1]).removesuffix(".")
        return RecombineError(f"the memory of the device does not suffice: {reason}. A smaller batch size helps")
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  (the batch runner decides what becomes of it)
        return error
    return None


def _status(error: BaseException | None) -> Status:
    if error is None:
        return "finished"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"


def _in_words(error: BaseException) -> str:
    if isinstance(error, RecombineError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted by the user"
    return f"{type(error).__name__}: {error}"


def _sink(log: LogOptions, folder: Path) -> Path | None:
    if not log.with_files:
        return None
    return log.one_file if log.one_file is not None else folder / "run.log"


def _tell(line: str, emit: Emit, sink: Path | None) -> None:
    emit(line)
    if sink is not None:
        with sink.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(line + "\n")


def check_log_places(log: LogOptions) -> None:
    """Make sure that logs can be written, before anything runs.

    Raises:
        UsageError: The log folder or the one log file cannot be written to.
    """
    try:
        log.log_dir.mkdir(parents=True, exist_ok=True)
        probe = log.log_dir / ".recombine-probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise unwritable_logs(log.log_dir, error) from error
    if log.one_file is not None and log.with_files:
        try:
            log.one_file.parent.mkdir(parents=True, exist_ok=True)
            log.one_file.open("a", encoding="utf-8").close()
        except OSError as error:
            raise UsageError(f"the log file {log.one_file} cannot be written to: {error.strerror or error}") from error
