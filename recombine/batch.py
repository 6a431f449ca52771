"""Many methods, one after the other: all are checked before the first one runs."""

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from recombine.callbacks.base import Callback
from recombine.datasets.base import Samples
from recombine.engines.single import find_device
from recombine.errors import RecombineError, UsageError
from recombine.execute import Emit, Job, LogOptions, check_log_places, execute
from recombine.files import write_text
from recombine.load import Loaded, load_file
from recombine.overrides import Override
from recombine.places import Places
from recombine.preflight import Preflight
from recombine.problems import Finding, Problem, file_problem, has_errors, printable
from recombine.results import Result

NOT_RUN = "not run"
EXIT_SUCCESS, EXIT_FAILED, EXIT_INVALID = 0, 1, 2


@dataclass(frozen=True)
class BatchOptions:
    """How a batch runs.

    Attributes:
        log: Where the logs go.
        data_root: Where datasets are looked for first, or None.
        allow_write: Further folders that method files may write to.
        resume_on_error: Whether bad files and failing methods leave the others running.
    """

    log: LogOptions
    data_root: Path | None = None
    allow_write: tuple[Path, ...] = ()
    resume_on_error: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one method of a batch.

    Attributes:
        source: The method file, with the overrides that make it one of several.
        problems: What was found before the run.
        result: What the run gave, or None where there was none.
        error: Why there is no finished result, in one sentence, or None.
    """

    source: str
    problems: tuple[Problem, ...] = ()
    result: Result | None = None
    error: str | None = None

    @property
    def status(self) -> str:
        """One or two words on what became of the method."""
        if self.result is not None:
            return self.result.status
        if has_errors(self.problems):
            return "invalid"
        return NOT_RUN if self.error == NOT_RUN else "failed"


@dataclass
class Report:
    """What is said while a batch runs.

    Attributes:
        problem: Takes every problem of a method file.
        line: Takes every line of a log.
        failure: Takes the traceback of an error of ours.
        watchers: Makes the callbacks that show progress.
    """

    problem: Callable[[Problem], None]
    line: Emit
    failure: Callable[[str], None]
    watchers: Callable[[], Sequence[Callback]] = field(default=tuple)


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
    files: Sequence[Path | Problem], overrides: Sequence[Sequence[Override]], options: BatchOptions, report: Report
) -> list[Job | Outcome]:
    """Check every file under every set of overrides, and report what is wrong; an Outcome stands for a bad one."""
    cache: dict[str, Samples] = {}
    jobs: list[Job | Outcome] = []
    for file in files:
        if isinstance(file, Problem):
            report.problem(file)
            jobs.append(Outcome(printable(file.file), (file,), error="cannot be read"))
            continue
        for chosen in overrides:
            title = printable(" ".join([str(file), *(str(override) for override in chosen)]))
            try:
                job, problems = prepare(load_file(file, chosen), options, cache)
            except Exception as error:  # noqa: BLE001  (an error of ours in one file does not concern the others)
                report.failure(_traceback(error))
                jobs.append(Outcome(title, error=f"{type(error).__name__}: {error}"))
                continue
            for problem in problems:
                report.problem(problem)
            jobs.append(replace(job, source=title) if job is not None else _invalid(title, problems))
    return jobs


def prepare(loaded: Loaded, options: BatchOptions, cache: dict[str, Samples]) -> tuple[Job | None, tuple[Problem, ...]]:
    """Check a loaded method against its data; return the job, or None where there are errors, and all problems."""
    if loaded.config is None:
        return None, loaded.problems
    places = Places(loaded.config.folder, (options.log.log_dir.absolute(), *options.allow_write))
    preflight = Preflight(loaded.config, options.data_root, places, cache)
    checked = loaded.with_findings([*_device_findings(loaded.config.device), *preflight.check()])
    if checked.config is None:
        return None, checked.problems
    return Job(checked.source, checked.config, preflight.samples, places), checked.problems


def _device_findings(device: str) -> Iterator[Finding]:
    try:
        find_device(device)
    except UsageError as error:
        yield Finding("RC507", str(error), "", "/device")


def _invalid(source: str, problems: tuple[Problem, ...]) -> Outcome:
    errors = sum(not problem.is_warning for problem in problems)
    return Outcome(source, problems, error=f"invalid: {errors} error{'s' if errors != 1 else ''}")


def run_batch(jobs: Sequence[Job | Outcome], options: BatchOptions, report: Report) -> Iterator[Outcome]:
    """Run the jobs in order and yield what became of each; bad ones and failures end the batch unless it goes on.

    Raises:
        KeyboardInterrupt: The user interrupted a run; its result says so.
        UsageError: Logs cannot be written.
    """
    if not options.resume_on_error and any(isinstance(job, Outcome) for job in jobs):
        yield from (job if isinstance(job, Outcome) else Outcome(job.source, error=NOT_RUN) for job in jobs)
        return
    check_log_places(options.log)
    stopped = False
    for job in jobs:
        if stopped:
            yield Outcome(job.source, error=NOT_RUN)
        elif isinstance(job, Outcome):
            yield job
        else:
            outcome = _run_one(job, options, report)
            stopped = outcome.error is not None and not options.resume_on_error
            yield outcome


def _run_one(job: Job, options: BatchOptions, report: Report) -> Outcome:
    result, error = execute(job, options.log, report.line, report.watchers())
    if isinstance(error, KeyboardInterrupt):
        raise error
    if error is not None and not isinstance(error, RecombineError):
        text = _traceback(error)
        write_text(result.folder / "traceback.txt", text)
        report.failure(text)
    return Outcome(job.source, (), result, result.error)


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def exit_status(outcomes: Sequence[Outcome]) -> int:
    """Return 0 if all succeeded, 2 if some file was invalid, else 1."""
    if any(has_errors(outcome.problems) for outcome in outcomes):
        return EXIT_INVALID
    return EXIT_FAILED if any(outcome.error is not None for outcome in outcomes) else EXIT_SUCCESS


def program_folder() -> Path:
    """Return the folder of main.py, where relative paths are looked for second."""
    return Path(sys.argv[0]).resolve().parent
