"""The command ``schema``: what editors need to complete and check method files."""

from pathlib import Path
from typing import Any

import click

from recombine.console import guarded, plugin_option
from recombine.errors import UsageError

_USUAL_FILES = "configurations/**/*.json"


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path), metavar="FILE", help="Write the schema, all in one file.")
@click.option("--vscode", is_flag=True, help="Write it to .vscode, and name it in .vscode/settings.json.")
@click.option(
    "--files",
    show_default=_USUAL_FILES,
    metavar="GLOB",
    help="With --vscode: which files are method files.",
)
@plugin_option
@click.pass_context
def schema(context: click.Context, /, **options: Any) -> None:
    """Write a JSON schema (draft-07) of method files for an editor.

    It knows every class of the installed torch and torchvision that a method file can name, with its arguments.
    """
    guarded(_schema, {**options, "help": context.get_help()})


def _schema(options: dict[str, Any]) -> int:
    if options["files"] is not None and not options["vscode"]:
        raise UsageError("--files says which files VS Code checks: give --vscode as well")
    if options["bundle"] is None and not options["vscode"]:
        click.echo(options["help"])
        return 0
    from recombine.editor import write_bundle, write_for_vscode
    from recombine.problems import printable

    if options["vscode"]:
        lines = write_for_vscode(Path.cwd(), options["files"] or _USUAL_FILES, options["bundle"])
    else:
        lines = write_bundle(options["bundle"])
    for line in lines:
        click.echo(printable(line))
    return 0
