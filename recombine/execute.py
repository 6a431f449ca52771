"""One method, run once: its folder, its callbacks, its result."""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import torch

from recombine.callbacks.base import Callback
from recombine.callbacks.embeddings import EmbeddingKeeper
from recombine.callbacks.events import EventFile
from recombine.callbacks.result_collector import ResultCollector
from recombine.callbacks.saving import ParameterSaver
from recombine.callbacks.text_log import TextLog
from recombine.checkpoint import Checkpoints
from recombine.engines.base import Engine
from recombine.engines.single import SingleDevice
from recombine.environment import differences, fingerprint, write_environment
from recombine.errors import RecombineError, UsageError
from recombine.files import write_json
from recombine.interruption import InterruptedRunError, Interruption
from recombine.job import Job
from recombine.keeper import FileKeeper, SavingOptions
from recombine.logs import Emit, Log, LogOptions
from recombine.loop import Run, run_method
from recombine.neighbor_cache import NeighborCache
from recombine.result_files import RESULT
from recombine.results import Result, Status, read_result, write_result
from recombine.run_folder import (
    CHECKPOINTS,
    CONFIGURATION,
    ENVIRONMENT,
    SHARED,
    TRACEBACK,
    RunFolder,
    claimed,
    read_json,
)
from recombine.shared_phases import SharedPhases, phase_keys

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.ENOENT, errno.EIO)


@dataclass(frozen=True)
class RunOptions:
    """What is done of a run that may have been started before.

    Attributes:
        saving: When checkpoints are written.
        is_fresh: Whether to start over in a new folder.
        retries_failed: Whether to go on with a run that failed.
        shares_phases: Whether phases are left for, and taken from, other runs that agree up to there.
        embedding_interval: Iterations between two embeddings that are kept, or 0 for the ends of phases alone. With
            an interval no phase is taken from another run, which did not keep what came before its end.
    """

    saving: SavingOptions = field(default_factory=SavingOptions)
    is_fresh: bool = False
    retries_failed: bool = False
    shares_phases: bool = True
    embedding_interval: int = 0


def execute(
    job: Job, log: LogOptions, emit: Emit, watchers: Sequence[Callback] = (), options: RunOptions | None = None
) -> tuple[Result, BaseException | None]:
    """Run a method, or go on with it; return its result, and the error that ended it this time, if one did.

    A run that ended before is not run again. Whatever ends the run, ``result.json`` says so. The caller decides what
    becomes of the error.

    Args:
        job: The method.
        log: Where its log goes.
        emit: Shows a line of the log to the user.
        watchers: Further callbacks.
        options: What is done of a run that may have been started before.

    Raises:
        UsageError: The run's folder cannot be written to, or the device cannot be used.
        BusyRunError: Another process works on the run.
    """
    options = options or RunOptions()
    engine = SingleDevice(job.config.device, job.config.precision, job.config.cuda_graphs)
    with claimed(log.log_dir, job.description, datetime.now(), options.is_fresh) as folder:
        if folder.status == "finished" or (folder.status == "failed" and not options.retries_failed):
            return _earlier(job, folder, emit), None
        attempt = _Attempt(job, folder, engine, options, Log(log, emit, log.file_in(folder.path)))
        try:
            return attempt.run(log.log_dir, watchers)
        except OSError as error:
            raise UsageError(_unwritable(folder.path, error)) from error


def _earlier(job: Job, folder: RunFolder, emit: Emit) -> Result:
    """Return the result of a run that ended before."""
    result = read_result(folder.result or {}, folder.path, job.title)
    again = "--fresh runs it again" if result.status == "finished" else "--retry-failed goes on with it"
    emit(f'Method "{result.method}", seed {result.seed}, {result.status} before, in {folder.path}; {again}')
    for dataset in result.datasets.values():
        for reason in dataset.oracle:
            emit(f"Marked oracle: {reason}, so labels had a part in the result")
        if dataset.scores is not None:
            emit(f'Final performance on dataset "{dataset.name}": {dataset.scores}')
    return result


@dataclass(frozen=True)
class _Attempt:
    """One start of a run.

    Attributes:
        job: The method.
        folder: The run's folder.
        engine: What it computes on.
        options: What is done of a run that may have been started before.
        log: Takes what the log is to say.
    """

    job: Job
    folder: RunFolder
    engine: Engine
    options: RunOptions
    log: Log

    def run(self, log_dir: Path, watchers: Sequence[Callback]) -> tuple[Result, BaseException | None]:
        """Train and score; leave a result."""
        job, path = self.job, self.folder.path
        events, collector = EventFile(path / "events.jsonl"), ResultCollector(path, job.config, job.data)
        embeddings = EmbeddingKeeper(path, job.config, self.options.embedding_interval)
        callbacks = [TextLog(self.log), events, ParameterSaver(job.places), collector, embeddings, *watchers]
        checkpoints = Checkpoints(path / CHECKPOINTS, job.identity.digest())
        with self._environment(), Interruption(self.log) as interruption:
            shared = self._shared_phases(log_dir)
            keeper = FileKeeper(checkpoints, self.options.saving, shared, interruption, events, callbacks, self.log)
            for refusal in checkpoints.refused:
                self.log(refusal)
            if checkpoints.refused and keeper.origin is None:
                self.log("No checkpoint can be used: the run starts from the beginning")
            neighbors = NeighborCache(log_dir / SHARED if self.options.shares_phases else None, self.log)
            error = _run(Run(job.config, job.samples, self.engine, callbacks, path, keeper, neighbors), path)
            result, error = self._ended(collector, keeper, callbacks, error)
            if error is None and interruption.number is not None:
                # A signal that came too late for this run still ends the batch.
                error = InterruptedRunError(interruption.number)
            return result, error

    @contextmanager
    def _environment(self) -> Iterator[None]:
        """Write down where the run happens; one that goes on gets the threads it had, as its bits depend on them."""
        path, device = self.folder.path, self.engine.describe()
        before = torch.get_num_threads()
        for left in (RESULT, TRACEBACK):
            (path / left).unlink(missing_ok=True)
        known = read_json(path / ENVIRONMENT)
        if self.folder.is_new or known is None:
            write_json(path / CONFIGURATION, self.job.config.resolved)
            write_environment(path, device, self.job.config.seed, self.job.config.folder)
        else:
            torch.set_num_threads(known["threads"])
            for line in differences(known["fingerprint"], fingerprint(device)):
                self.log(f"The bits may differ from those of one uninterrupted run: {line}")
        try:
            yield
        finally:
            if torch.get_num_threads() != before:
                torch.set_num_threads(before)

    def _shared_phases(self, log_dir: Path) -> SharedPhases | None:
        if not self.options.shares_phases:
            return None
        job = self.job
        facts = {"inputs": dict(job.inputs), "fingerprint": fingerprint(self.engine.describe())}
        keys = phase_keys(job.config, job.data, facts)
        takes = not self.options.is_fresh and not self.options.embedding_interval
        return SharedPhases(log_dir / SHARED, keys, self.log, reads=takes)

    def _result(self, collector: ResultCollector, keeper: FileKeeper, error: BaseException | None) -> Result:
        job = self.job
        return Result(
            job.config.name,
            job.title,
            job.config.seed,
            _status(error),
            self.folder.path,
            collector.datasets,
            keeper.seconds,
            None if error is None else _in_words(error),
            job.identity.digest(),
            self.folder.generation,
            collector.parameters,
            tuple(keeper.reused),
            job.overrides,
        )

    def _ended(
        self,
        collector: ResultCollector,
        keeper: FileKeeper,
        callbacks: Sequence[Callback],
        error: BaseException | None,
    ) -> tuple[Result, BaseException | None]:
        """Tell everybody how the run ended, and write its result last of all; where that fails, it has none."""
        result = self._result(collector, keeper, error)
        try:
            for callback in callbacks:
                callback.run_ended(error)
            write_result(result, self.job.config, collector.summaries)
        except OSError as failure:
            reason = f"{_unwritable(self.folder.path, failure)}; it has no result, and goes on when it is started again"
            self.log(reason)
            unwritten = error if error is not None else RecombineError(reason)
            return replace(result, status="interrupted", error=result.error or reason), unwritten
        return result, error


def _run(run: Run, folder: Path) -> BaseException | None:
    try:
        run_method(run)
    except torch.OutOfMemoryError as error:
        reason = "".join(str(error).splitlines()[:1]).removesuffix(".")
        return RecombineError(f"the memory of the device does not suffice: {reason}. A smaller batch size helps")
    except OSError as error:
        if not _concerns(error, folder):
            return error
        return RecombineError(f"{_unwritable(folder, error)}. Once that is mended, --retry-failed goes on")
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  (the batch runner decides what becomes of it)
        return error
    return None


def _unwritable(folder: Path, error: OSError) -> str:
    return f"the run's folder {folder} cannot be written to: {error.strerror or error}"


def _concerns(error: OSError, folder: Path) -> bool:
    """Tell whether an error is about the run's own files and the disk below them, and so no mistake of ours."""
    if error.errno in _FULL:
        return True
    return error.errno in _FORBIDDEN and error.filename is not None and folder in Path(error.filename).parents


def _status(error: BaseException | None) -> Status:
    if error is None:
        return "finished"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"


def _in_words(error: BaseException) -> str:
    if isinstance(error, RecombineError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "interrupted by the user"
    return f"{type(error).__name__}: {error}"
