"""The command line."""

import functools
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from recombine.batch import Outcome, Report
    from recombine.problems import Problem

_INTERRUPTED, _TERMINATED = 130, 143


class _Terminated(KeyboardInterrupt):
    """The process was asked to end."""


class _Group(click.Group):
    """A group in which a first word that is no command means ``run``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands:
            args = ["run", *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0].startswith("-") and args[0] not in ("--help", "-h", "--version"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


def _dashes(name: str) -> str:
    """Return an option's name, which arrives without its leading dashes, as it is declared."""
    return name.replace("_", "-")


@click.group(cls=_Group, context_settings={"help_option_names": ["--help", "-h"]})
@click.version_option(package_name="recombine")
def main() -> None:
    """Train and score deep clustering methods that JSON files describe.

    `recombine PATH...` is short for `recombine run PATH...`.
    """


@main.command(context_settings={"token_normalize_func": _dashes})
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--one-log-file", type=click.Path(path_type=Path), help="One text log for all methods.")
@click.option("--no-log-files", is_flag=True, help="Write no text log (the run's folder has everything else).")
@click.option("--no-log-timestamps", is_flag=True, help="Begin the lines of the log without the time.")
@click.option("--resume-on-error", is_flag=True, help="After an invalid file or a failure, go on with the rest.")
@click.option("--set", "sets", multiple=True, metavar="POINTER=VALUE", help="Change a value; commas make a sweep.")
@click.option("--seed", type=click.IntRange(min=0), help="Replace the seed of every method.")
@click.option("--device", help="Replace the device of every method.")
@click.option("--data-root", envvar="RECOMBINE_DATA_ROOT", type=click.Path(path_type=Path), help="Where datasets are.")
@click.option(
    "--log-dir", default="logs", show_default=True, type=click.Path(path_type=Path), help="For runs' folders."
)
@click.option("--allow-write", multiple=True, type=click.Path(path_type=Path), help="A folder that files may save to.")
def run(**options: Any) -> None:
    """Check the method files at PATHS (files, or folders of them), then train and score each."""
    signal.signal(signal.SIGTERM, _terminate)
    _guarded(_run, options)


def _run(options: dict[str, Any]) -> int:
    from recombine import batch
    from recombine.execute import LogOptions

    log = LogOptions(
        options["log_dir"], options["one_log_file"], not options["no_log_files"], not options["no_log_timestamps"]
    )
    settings = batch.BatchOptions(log, options["data_root"], tuple(options["allow_write"]), options["resume_on_error"])
    report = _report()
    files = batch.find_files(options["paths"], batch.program_folder())
    jobs = batch.check_jobs(files, _overrides(options), settings, report)
    outcomes = list(batch.run_batch(jobs, settings, report))
    _show_table(outcomes)
    return batch.exit_status(outcomes)


def _overrides(options: dict[str, Any]) -> list[tuple[Any, ...]]:
    from recombine.overrides import Override, combinations

    fixed = tuple(Override(f"/{key}", options[key]) for key in ("seed", "device") if options[key] is not None)
    return [(*chosen, *fixed) for chosen in combinations(options["sets"])]


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
def validate(paths: tuple[Path, ...]) -> None:
    """Check the method files at PATHS without data and without training."""
    _guarded(_validate, {"paths": paths})


def _validate(options: dict[str, Any]) -> int:
    from recombine import batch
    from recombine.load import load_file
    from recombine.problems import Problem, has_errors

    problems: list[Problem] = []
    for file in batch.find_files(options["paths"], batch.program_folder()):
        found = (file,) if isinstance(file, Problem) else load_file(file).problems
        for problem in found:
            _show_problem(problem)
        problems += found
        if not has_errors(found):
            click.echo(f"{file}: valid")
    return batch.EXIT_INVALID if has_errors(problems) else batch.EXIT_SUCCESS


@main.command("list")
@click.argument(
    "kind",
    type=click.Choice(
        [
            "patterns",
            "strategies",
            "datasets",
            "layers",
            "initializers",
            "functions",
            "optimizers",
            "schedulers",
            "transforms",
        ]
    ),
)
def list_(kind: str) -> None:
    """List what a method file can name."""
    from recombine.catalog import entries

    for name, title in entries(kind):
        click.echo(f"{name:32}{title}".rstrip())


def _guarded(action: Callable[[dict[str, Any]], int], options: dict[str, Any]) -> None:
    """Run a command; the user's mistakes become one message and an exit status, ours keep their traceback."""
    from recombine.errors import RecombineError

    try:
        sys.exit(action(options))
    except RecombineError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    except _Terminated:
        click.echo("terminated", err=True)
        sys.exit(_TERMINATED)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(_INTERRUPTED)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated


def _report() -> "Report":
    from rich.console import Console

    from recombine.batch import Report
    from recombine.callbacks.progress import LiveProgress, PlainProgress

    console = Console(highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        show = functools.partial(console.print, soft_wrap=True)
        return Report(_show_problem, show, _show_failure, lambda: [LiveProgress(console)])
    return Report(_show_problem, click.echo, _show_failure, lambda: [PlainProgress(click.echo)])


def _show_problem(problem: "Problem") -> None:
    click.echo(str(problem), err=True)


def _show_failure(text: str) -> None:
    click.echo(text, err=True)


def _show_table(outcomes: list["Outcome"]) -> None:
    from rich.console import Console

    from recombine.tables import outcome_table

    width = None if sys.stdout.isatty() else 160
    Console(highlight=False, width=width).print(outcome_table(outcomes))
