"""The command ``new``: something to begin with."""

from pathlib import Path
from typing import Any

import click

from recombine.console import guarded


@click.command()
@click.argument("kind", type=click.Choice(("method", "pattern")))
@click.argument("name")
@click.option(
    "--folder",
    default=".",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where it is written; here by default.",
)
def new(**options: Any) -> None:
    """Write a method file, or a package with a design pattern, called NAME: it works as it is, and is to be changed."""
    guarded(_new, options)


def _new(options: dict[str, Any]) -> int:
    from recombine.scaffold import new_method, new_pattern

    make = new_method if options["kind"] == "method" else new_pattern
    written = make(options["name"], options["folder"])
    click.echo(f"{written.place}: written. Now:")
    for command in written.next:
        click.echo(f"    {command}")
    return 0
