"""The commands that say what is wrong with method files, and what they mean."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recombine.console import guarded, plugin_option

if TYPE_CHECKING:
    from recombine.excerpt import Sources
    from recombine.problems import Problem
    from recombine.repair import Edit

_TEXT, _JSON, _GITHUB = "text", "json", "github"
_OBJECTS_BETWEEN_COLLECTIONS = 50_000


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice([_TEXT, _JSON, _GITHUB]),
    default=_TEXT,
    show_default=True,
    help="For people, for programs, or as commands that GitHub shows beside the lines of a change.",
)
@click.option("--fix", is_flag=True, help="Mend what is certain, such as misspelt words, and show what changed.")
@click.option("--dry-run", is_flag=True, help="With --fix: only show what would change.")
@plugin_option
def validate(**options: Any) -> None:
    """Check the method files at PATHS without data and without training."""
    guarded(_validate, options)


def _validate(options: dict[str, Any]) -> int:
    from recombine import batch
    from recombine.errors import UsageError
    from recombine.excerpt import Sources
    from recombine.problems import Problem, has_errors, printable

    if options["dry_run"] and not options["fix"]:
        raise UsageError("--dry-run goes with --fix")
    files = batch.find_files(options["paths"], batch.program_folder())
    sources = Sources({printable(str(file)): file for file in files if isinstance(file, Path)})
    found: list[Problem] = []
    for file in files:
        with _rare_collections():
            own = (file,) if isinstance(file, Problem) else _problems(file, options)
        if options["form"] == _TEXT:
            _say(own, sources)
            click.echo(f"{file}: valid") if not has_errors(own) else None
        found += own
    _conclude(found, len(files), options["form"], sources)
    return batch.EXIT_INVALID if has_errors(found) else batch.EXIT_SUCCESS


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for cycles of objects that nobody uses less often: a check makes many objects, and keeps few."""
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _problems(file: Path, options: dict[str, Any]) -> "tuple[Problem, ...]":
    """Return what is wrong with a file, after it was mended where that is asked for."""
    from recombine.load import load_file
    from recombine.repair import repaired
    from recombine.shape_checks import with_shapes

    repair = repaired(file) if options["fix"] else None
    difference = repair.difference() if repair is not None else ""
    if repair is None or not difference:
        return with_shapes(load_file(file)).problems
    click.echo(difference, err=options["form"] != _TEXT)
    if options["dry_run"]:
        return with_shapes(load_file(file)).problems
    repair.write()
    return with_shapes(repair.loaded).problems


def _say(problems: "tuple[Problem, ...]", sources: "Sources") -> None:
    from recombine.problem_formats import as_text

    for problem in problems:
        click.echo(as_text(problem, sources), err=True)


def _conclude(problems: "list[Problem]", num_files: int, form: str, sources: "Sources") -> None:
    """Show what is shown once, at the end."""
    from recombine.problem_formats import as_github, as_json, summary

    if form == _JSON:
        click.echo(as_json([(problem, _edit(problem, problems, sources)) for problem in problems]))
    elif form == _GITHUB:
        for problem in problems:
            click.echo(as_github(problem))
    elif problems:
        click.echo(summary(problems, num_files), err=True)


def _edit(problem: "Problem", problems: "list[Problem]", sources: "Sources") -> "Edit | None":
    from recombine.repair import edits

    if not problem.fix or not problem.line:
        return None
    return edits(problems, "\n".join(sources.lines(problem.file)), problem.file).get(problem)


@click.command()
@click.argument("word", metavar="CODE|ID|PATH")
@plugin_option
def explain(**options: Any) -> None:
    """Explain the code of a mistake, a pattern, a strategy, or what the method file at a path optimizes."""
    guarded(_explain, options)


def _explain(options: dict[str, Any]) -> int:
    from recombine.batch import find_files, program_folder
    from recombine.errors import UsageError
    from recombine.explain import explained, words
    from recombine.problems import nearest

    word: str = options["word"]
    text = explained(word)
    if text is not None:
        click.echo(text)
        return 0
    files = [file for file in find_files([Path(word)], program_folder()) if isinstance(file, Path)]
    if files:
        return max([_explain_file(file) for file in files])
    near = nearest(word, words())
    remedy = f'Did you mean "{near}"?' if near else '"recombine list patterns" shows patterns, for example.'
    raise UsageError(f'"{word}" is no code, pattern, strategy or file. {remedy}')


def _explain_file(path: Path) -> int:
    from recombine import batch
    from recombine.excerpt import Sources
    from recombine.explain_method import described
    from recombine.load import load_file
    from recombine.problems import printable

    loaded = load_file(path)
    _say(loaded.problems, Sources({printable(str(path)): path}))
    if loaded.config is None:
        return batch.EXIT_INVALID
    click.echo(described(loaded.config))
    return batch.EXIT_SUCCESS
