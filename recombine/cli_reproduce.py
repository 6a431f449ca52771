"""The commands around batches: ``reproduce``, which runs something again, and ``status``, which looks at runs."""

from pathlib import Path
from typing import Any

import click

from recombine.console import guarded, plugin_option, report, show_table


@click.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("-n", "count", type=click.IntRange(min=1), default=10, show_default=True, help="Seeds for a method file.")
@click.option("--margin", type=click.FloatRange(min=0, min_open=True), help="How near to a claim counts as the same.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, help="Run so many at once, each in a process.")
@click.option("--data-root", envvar="RECOMBINE_DATA_ROOT", type=click.Path(path_type=Path), help="Where datasets are.")
@click.option("--log-dir", type=click.Path(path_type=Path), help="For runs' folders; by default beside those of PATH.")
@plugin_option
def reproduce(**options: Any) -> None:
    """Run PATH again, and say whether it reproduces.

    PATH is the folder of a run: the same configuration, data and seed run once more, and the bits are compared, or
    the scores with the spread of the run's other seeds. Or it is a method file with `claims`: it runs with n seeds, and
    each claim is tested for equivalence. The exit status is 0 if all is reproduced, else 1.
    """
    guarded(_reproduce, options)


def _reproduce(options: dict[str, Any]) -> int:
    from recombine.reproduction import Again, check_claims, run_again

    again = Again(options["data_root"], options["log_dir"], options["jobs"], report())
    path: Path = options["path"]
    if path.is_dir():
        found = run_again(path, again)
    else:
        found = check_claims(path, options["count"], options["margin"], again)
    show_table(found.outcomes)
    for line in found.lines:
        click.echo(line)
    return 0 if found.is_reproduced else 1


@click.command()
@click.argument("log_dir", default="logs", type=click.Path(path_type=Path))
def status(**options: Any) -> None:
    """Tell how the runs in LOG_DIR stand: running, finished, failed, interrupted, and where."""
    guarded(_status, options)


def _status(options: dict[str, Any]) -> int:
    from recombine.console import show
    from recombine.run_status import standings, status_table

    show(status_table(standings(options["log_dir"])))
    return 0
