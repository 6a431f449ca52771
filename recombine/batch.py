"""Many methods, one after the other: all are checked before the first one runs."""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from recombine.callbacks.base import Callback
from recombine.datasets.base import Samples
from recombine.engines.single import find_device
from recombine.errors import RecombineError, UsageError
from recombine.execute import RunOptions, execute
from recombine.files import write_text
from recombine.interruption import InterruptedRunError
from recombine.job import Job
from recombine.load import Loaded, load_file
from recombine.logs import Emit, LogOptions, check_log_places
from recombine.overrides import Override
from recombine.places import Places
from recombine.preflight import Preflight
from recombine.problems import Finding, Problem, file_problem, has_errors, printable
from recombine.results import Result
from recombine.run_folder import TRACEBACK, BusyRunError
from recombine.seeds import Seeds

NOT_RUN = "not run"
EXIT_SUCCESS, EXIT_FAILED, EXIT_INVALID = 0, 1, 2
OWN_SEED = Seeds()
_SIGNALLED = 128
#: What every run has anyway: it is not named after an override of it.
ASIDE = ("/seed",)


@dataclass(frozen=True)
class BatchOptions:
    """How a batch runs.

    Attributes:
        log: Where the logs go.
        data_root: Where datasets are looked for first, or None.
        allow_write: Further folders that method files may write to.
        resume_on_error: Whether bad files and failing methods leave the others running.
        run: What is done of runs that may have been started before.
    """

    log: LogOptions
    data_root: Path | None = None
    allow_write: tuple[Path, ...] = ()
    resume_on_error: bool = False
    run: RunOptions = field(default_factory=RunOptions)


@dataclass(frozen=True)
class Outcome:
    """What became of one method of a batch.

    Attributes:
        source: The method file, with the overrides that make it one of several.
        problems: What was found before the run.
        result: What the run gave, or None where there was none.
        error: Why there is no finished result, in one sentence, or None.
        signal: The signal that ended the run, or None.
        is_busy: Whether another process works on the run.
    """

    source: str
    problems: tuple[Problem, ...] = ()
    result: Result | None = None
    error: str | None = None
    signal: int | None = None
    is_busy: bool = False

    @property
    def status(self) -> str:
        """One or two words on what became of the method."""
        if self.result is not None:
            return self.result.status
        if has_errors(self.problems):
            return "invalid"
        if self.is_busy:
            return "busy"
        return NOT_RUN if self.error == NOT_RUN else "failed"


@dataclass
class Report:
    """What is said while a batch runs.

    Attributes:
        problem: Takes every problem of a method file.
        line: Takes every line of a log.
        failure: Takes the traceback of an error of ours, or why a run cannot start.
        watchers: Makes the callbacks that show progress.
        terminal: Where a live table of several runs can be shown, or None.
    """

    problem: Callable[[Problem], None]
    line: Emit
    failure: Callable[[str], None]
    watchers: Callable[[], Sequence[Callback]] = field(default=tuple)
    terminal: Console | None = None


def find_files(paths: Sequence[Path], program_folder: Path) -> list[Path | Problem]:
    """Return the method files that ``paths`` stand for: files as they are, of folders the ``*.json`` in them.

    A relative path is looked for in the current folder, then in ``program_folder``.
    """
    found: list[Path | Problem] = []
    for given in paths:
        path = given if os.path.exists(given) or given.is_absolute() else program_folder / given
        if os.path.isdir(path):
            inside: list[Path | Problem] = [file for file in sorted(path.glob("*.json")) if file.is_file()]
            remedy = "Name the files, or the folder that holds them; folders below it are not searched."
            found += inside or [file_problem(given, "RC001", "the folder holds no .json file", remedy)]
        elif os.path.exists(path):
            found.append(path)
        else:
            found.append(file_problem(given, "RC001", "there is no such file or folder"))
    return found


def check_jobs(
    files: Sequence[Path | Problem],
    overrides: Sequence[Sequence[Override]],
    options: BatchOptions,
    report: Report,
    seeds: Seeds = OWN_SEED,
) -> list[Job | Outcome]:
    """Check every file under every set of overrides, and report what is wrong; an Outcome stands for a bad one.

    Args:
        files: The method files.
        overrides: The sets of changes; each makes a run of its own of every file.
        options: How the batch runs.
        report: Takes what is wrong.
        seeds: With which seeds each runs.
    """
    cache: dict[str, Samples] = {}
    jobs: list[Job | Outcome] = []
    for file in files:
        if isinstance(file, Problem):
            report.problem(file)
            jobs.append(Outcome(printable(file.file), (file,), error="cannot be read"))
            continue
        for chosen in overrides:
            found = _checked(file, chosen, options, report, cache)
            jobs += [found] if isinstance(found, Outcome) else map(found.with_seed, seeds(found.config.seed))
    return jobs


def _checked(
    file: Path, chosen: Sequence[Override], options: BatchOptions, report: Report, cache: dict[str, Samples]
) -> Job | Outcome:
    """Check a file under a set of overrides, and report what is wrong."""
    title = printable(" ".join([str(file), *(str(override) for override in chosen)]))
    try:
        job, problems = prepare(load_file(file, chosen), options, cache)
    except Exception as error:  # noqa: BLE001  (an error of ours in one file does not concern the others)
        report.failure(traceback_of(error))
        return Outcome(title, error=f"{type(error).__name__}: {error}")
    for problem in problems:
        report.problem(problem)
    if job is None:
        return _invalid(title, problems)
    overrides = tuple(str(override) for override in chosen if override.pointer not in ASIDE)
    return replace(job, source=printable(str(file)), overrides=overrides)


def prepare(loaded: Loaded, options: BatchOptions, cache: dict[str, Samples]) -> tuple[Job | None, tuple[Problem, ...]]:
    """Check a loaded method against its data; return the job, or None where there are errors, and all problems."""
    if loaded.config is None:
        return None, loaded.problems
    places = Places(loaded.config.folder, (options.log.log_dir.absolute(), *options.allow_write))
    preflight = Preflight(loaded.config, options.data_root, places, cache)
    checked = loaded.with_findings([*_device_findings(loaded.config.device), *preflight.check()])
    if checked.config is None:
        return None, checked.problems
    return Job(checked.source, checked.config, preflight.samples, places, inputs=preflight.inputs), checked.problems


def _device_findings(device: str) -> Iterator[Finding]:
    try:
        find_device(device)
    except UsageError as error:
        yield Finding("RC507", str(error), "", "/device")


def _invalid(source: str, problems: tuple[Problem, ...]) -> Outcome:
    errors = sum(not problem.is_warning for problem in problems)
    return Outcome(source, problems, error=f"invalid: {errors} error{'s' if errors != 1 else ''}")


def run_batch(jobs: Sequence[Job | Outcome], options: BatchOptions, report: Report) -> Iterator[Outcome]:
    """Run the jobs in order and yield what became of each.

    Bad ones and failures end the batch unless it goes on; a signal of the user ends it in any case.

    Raises:
        UsageError: Logs cannot be written.
    """
    if not options.resume_on_error and any(isinstance(job, Outcome) for job in jobs):
        yield from (job if isinstance(job, Outcome) else Outcome(job.title, error=NOT_RUN) for job in jobs)
        return
    check_log_places(options.log)
    stopped = False
    for job in jobs:
        if stopped:
            yield Outcome(job.title, error=NOT_RUN) if isinstance(job, Job) else job
        elif isinstance(job, Outcome):
            yield job
        else:
            outcome = run_one(job, options, report)
            stopped = outcome.signal is not None or (outcome.error is not None and not options.resume_on_error)
            yield outcome


def run_one(job: Job, options: BatchOptions, report: Report) -> Outcome:
    """Run a job and return what became of it."""
    try:
        result, error = execute(job, options.log, report.line, report.watchers(), options.run)
    except RecombineError as refusal:
        report.failure(f"error: {refusal}")
        return Outcome(job.title, error=str(refusal), is_busy=isinstance(refusal, BusyRunError))
    if isinstance(error, KeyboardInterrupt):
        number = error.number if isinstance(error, InterruptedRunError) else signal.SIGINT
        return Outcome(job.title, (), result, result.error, number)
    if error is not None and not isinstance(error, RecombineError):
        text = traceback_of(error)
        report.failure(text)
        with suppress(OSError):
            write_text(result.folder / TRACEBACK, text)
    return Outcome(job.title, (), result, result.error)


def traceback_of(error: BaseException) -> str:
    """Return an error of ours as Python shows it."""
    return "".join(traceback.format_exception(error))


def exit_status(outcomes: Sequence[Outcome]) -> int:
    """Return 0 if all succeeded, 128 plus the number of a signal that ended the batch, 2 if a file was bad, else 1."""
    for outcome in outcomes:
        if outcome.signal is not None:
            return _SIGNALLED + outcome.signal
    if any(has_errors(outcome.problems) for outcome in outcomes):
        return EXIT_INVALID
    return EXIT_FAILED if any(outcome.error is not None for outcome in outcomes) else EXIT_SUCCESS


def program_folder() -> Path:
    """Return the folder of main.py, where relative paths are looked for second."""
    return Path(sys.argv[0]).resolve().parent
