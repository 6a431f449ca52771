"""What the commands have in common: the way from a mistake to a message, and what they show."""

import functools
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

    from recombine.batch import Outcome, Report
    from recombine.problems import Problem

_USAGE = 2
_SIGNALLED = 128
_WIDTH = 400


def guarded(action: Callable[[dict[str, Any]], int], options: dict[str, Any]) -> None:
    """Run a command; the user's mistakes become one message and an exit status, ours keep their traceback."""
    from recombine.errors import RecombineError
    from recombine.problems import printable

    signal.signal(signal.SIGTERM, _terminate)
    try:
        _allow(options.pop("plugins", ()))
        sys.exit(action(options))
    except RecombineError as error:
        click.echo(printable(f"error: {error}"), err=True)
        sys.exit(_USAGE)
    except KeyboardInterrupt as error:
        for again in (signal.SIGINT, signal.SIGTERM):
            signal.signal(again, signal.SIG_IGN)
        number = getattr(error, "number", signal.SIGINT)
        click.echo("terminated" if number == signal.SIGTERM else "interrupted", err=True)
        sys.exit(_SIGNALLED + number)


#: For commands that read method files.
plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="PACKAGE",
    help="Let the design patterns of an installed package take part; its code is run.",
)


def _allow(packages: Sequence[str]) -> None:
    if packages:
        from recombine import plugins

        plugins.allow(packages)


def _terminate(number: int, frame: FrameType | None) -> None:
    from recombine.interruption import InterruptedRunError

    raise InterruptedRunError(number)


def report() -> "Report":
    """Return what a batch says on this console."""
    from rich.console import Console

    from recombine.batch import Report
    from recombine.callbacks.progress import LiveProgress, PlainProgress

    console = Console(highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        show = functools.partial(console.print, soft_wrap=True)
        return Report(show_problem, show, _show_failure, lambda: [LiveProgress(console)], console)
    return Report(show_problem, click.echo, _show_failure, lambda: [PlainProgress(click.echo)])


def show_problem(problem: "Problem") -> None:
    """Show a problem of a method file."""
    click.echo(str(problem), err=True)


def _show_failure(text: str) -> None:
    from recombine.problems import printable

    click.echo(printable(text), err=True)


def show_table(outcomes: "Sequence[Outcome]") -> None:
    """Show which method did what."""
    from recombine.tables import outcome_table

    show(outcome_table(list(outcomes)))


def show(table: "Table") -> None:
    """Show a table, as wide as the terminal, or wide enough for a file."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDTH
    Console(highlight=False, width=width).print(table)
