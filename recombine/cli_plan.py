"""The command ``plan``: what method files amount to, without training."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recombine.console import guarded, plugin_option, show, show_problem
from recombine.errors import UsageError
from recombine.problems import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recombine.plan import Planned
    from recombine.plan_text import Part


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--format", "format_", type=click.Choice(("text", "json")), default="text", show_default=True)
@click.option(
    "--sample-shape",
    metavar="CxHxW",
    help="Shape of a stored sample of datasets that are not there and do not tell it, for example 3x128x128.",
)
@click.option("--set", "sets", multiple=True, metavar="POINTER=VALUE", help="Change a value; commas make a sweep.")
@click.option(
    "--measure",
    is_flag=True,
    help="Open the data; time and memory from 10 steps of each phase, fewer where all take 20 s.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Replace the seed of every method.")
@click.option("--device", help="Replace the device of every method.")
@click.option("--data-root", envvar="RECOMBINE_DATA_ROOT", type=click.Path(path_type=Path), help="Where datasets are.")
@plugin_option
def plan(**options: Any) -> None:
    """Show what the method files at PATHS (files, or folders of them) amount to, without training.

    Networks with the shapes of their layers, parameters and operations; which loss reaches which mappings, and who
    minimises it when; what runs when; and with --measure, how long it takes and how much memory.
    """
    guarded(_plan, options)


def _plan(options: dict[str, Any]) -> int:
    from recombine import batch
    from recombine.overrides import Override, combinations
    from recombine.plan import Planned, PlanOptions, plan_file
    from recombine.problems import Problem

    fixed = tuple(Override(f"/{key}", options[key]) for key in ("seed", "device") if options[key] is not None)
    shape, outcomes = parse_shape(options["sample_shape"]), []
    wanted = PlanOptions(options["data_root"], shape, options["measure"])
    sweep = [(*chosen, *fixed) for chosen in combinations(options["sets"])]
    for file in batch.find_files(options["paths"], batch.program_folder()):
        for chosen in sweep:
            outcome = Planned(None, (file,)) if isinstance(file, Problem) else plan_file(file, wanted, chosen)
            _say(outcome, options["format_"] == "text")
            outcomes.append(outcome)
    _say_end(outcomes, options["format_"])
    if any(outcome.plan is None for outcome in outcomes):
        return batch.EXIT_INVALID
    return batch.EXIT_FAILED if any(outcome.error is not None for outcome in outcomes) else batch.EXIT_SUCCESS


def _say(outcome: "Planned", in_words: bool) -> None:
    from recombine.plan_text import method_parts, title

    for problem in outcome.problems:
        show_problem(problem)
    if outcome.plan is not None and in_words:
        for part in method_parts(outcome.plan):
            _show(part)
        click.echo()
    if outcome.error is not None:
        file = f"{title(outcome.plan)}: " if outcome.plan is not None else ""
        click.echo(printable(f"error: {file}nothing was measured: {outcome.error}"), err=True)


def _say_end(outcomes: "Sequence[Planned]", form: str) -> None:
    from recombine.plan import totals_of
    from recombine.plan_text import totals_parts

    plans = [outcome.plan for outcome in outcomes if outcome.plan is not None]
    totals = totals_of(plans, len(outcomes) - len(plans))
    if form == "json":
        content = {"methods": [asdict(plan) for plan in plans], "totals": asdict(totals)}
        click.echo(json.dumps(content, indent=2))
    elif len(outcomes) > 1:
        for line in totals_parts(totals):
            click.echo(line)


def _show(part: "Part") -> None:
    if isinstance(part, str):
        click.echo(printable(part))
    else:
        show(part)


def parse_shape(text: str | None) -> tuple[int, ...] | None:
    """Return the shape that a text such as ``3x128x128`` stands for; None stands for none.

    Raises:
        UsageError: It is no shape.
    """
    if text is None:
        return None
    parts = text.lower().split("x")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(f'--sample-shape "{text}" is no shape: write for example 3x128x128, or 784')
    return tuple(map(int, parts))
