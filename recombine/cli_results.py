"""The commands that read the folders of runs: ``results`` and ``compare``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recombine.console import guarded

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCORES = ("last", "chosen", "best")
_FORMATS = ("table", "csv", "json", "latex", "markdown")


@click.command()
@click.argument("places", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--score",
    type=click.Choice([*_SCORES, "all"]),
    default="last",
    show_default=True,
    help="The final clustering, the one chosen without labels, or the best one by labels (oracle).",
)
@click.option("--metrics", default="acc,nmi,ari", show_default=True, help="Scores to show, separated by commas.")
@click.option("--format", "format_", type=click.Choice(_FORMATS), default="table", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="Write to this file, whole or not at all.")
def results(**options: Any) -> None:
    """Put the runs in DIR together: attempted, finished, failed, and means over the seeds.

    DIR is the folder of a run, or a folder of such folders.
    """
    guarded(_results, options)


def _results(options: dict[str, Any]) -> int:
    from recombine.aggregate import SCORES, aggregate
    from recombine.footnotes import warnings
    from recombine.formats import render
    from recombine.result_files import read_runs

    chosen = [score for score in SCORES if options["score"] in (score, "all")]
    table = aggregate(read_runs(options["places"]), chosen, _metrics([options["metrics"]]))
    on_screen = options["output"] is None and sys.stdout.isatty()
    text = render(table, options["format_"], _terminal_width() if on_screen else None)
    _warn(warnings(table))
    if options["output"] is None:
        click.echo(text, nl=False)
    else:
        _write(options["output"], text)
    return 0


@click.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "--log-dir",
    default="logs",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where names and hashes are looked up.",
)
@click.option("--dataset", help="Compare on this dataset alone.")
@click.option(
    "--metric", "metrics", multiple=True, default=("acc",), show_default=True, help="May be given repeatedly."
)
@click.option("--score", type=click.Choice(_SCORES), default="last", show_default=True)
def compare(**options: Any) -> None:
    """Compare A and B seed by seed, and say whether their difference is real.

    A and B each name a configuration: as `recombine results` calls it, by four or more digits of its hash, by the
    folder of one of its runs, or by a folder with runs of nothing else.
    """
    guarded(_compare, options)


def _compare(options: dict[str, Any]) -> int:
    from recombine.comparison import compare, find_side
    from recombine.comparison_text import describe

    sides = (find_side(options["a"], options["log_dir"]), find_side(options["b"], options["log_dir"]))
    found = compare(sides, _metrics(options["metrics"]), options["score"], options["dataset"])
    _warn(
        f"{run.error}; it is left out"
        for run in {run.folder: run for side in sides for run in side.unreadable}.values()
    )
    click.echo(describe(found), nl=False)
    return 0


def _metrics(texts: "Iterable[str]") -> list[str]:
    """Return the names in texts with commas, each once."""
    from recombine.errors import UsageError

    names = list(dict.fromkeys(name.strip() for text in texts for name in text.split(",") if name.strip()))
    if not names:
        raise UsageError("name at least one metric, for example acc")
    return names


def _write(path: Path, text: str) -> None:
    from recombine.errors import UsageError
    from recombine.files import write_text

    try:
        write_text(path, text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error


def _terminal_width() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def _warn(lines: "Iterable[str]") -> None:
    from recombine.problems import printable

    for line in lines:
        click.echo(printable(f"warning: {line}"), err=True)
