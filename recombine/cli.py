"""The command line."""

from pathlib import Path
from typing import Any

import click

from recombine import cli_new, cli_plan, cli_plot, cli_reproduce, cli_results, cli_schema, cli_validate
from recombine.console import guarded, plugin_option, report, show_table

_NAME_WIDTH = 30


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
@click.option(
    "--seeds", metavar="N|LIST", help="Run with N seeds from the method's own on, or with those of a list: 0,3,5-9."
)
@click.option("--jobs", type=click.IntRange(min=1), default=1, help="Run so many methods at once, each in a process.")
@click.option("--fresh", is_flag=True, help="Start over, also what is finished or interrupted.")
@click.option("--retry-failed", is_flag=True, help="Go on with runs that failed before.")
@click.option(
    "--checkpoint-minutes", type=click.FloatRange(min=0), default=5, show_default=True, help="0: none by time."
)
@click.option("--checkpoint-iterations", type=click.IntRange(min=0), default=0, help="Iterations between checkpoints.")
@click.option("--no-shared-phases", is_flag=True, help="Train every phase, also what another run has trained already.")
@click.option(
    "--keep-embeddings",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="For the film of `recombine plot`, keep the latent space every N iterations, beside the ends of phases.",
)
@click.option("--device", help="Replace the device of every method.")
@click.option("--data-root", envvar="RECOMBINE_DATA_ROOT", type=click.Path(path_type=Path), help="Where datasets are.")
@click.option(
    "--log-dir", default="logs", show_default=True, type=click.Path(path_type=Path), help="For runs' folders."
)
@click.option("--allow-write", multiple=True, type=click.Path(path_type=Path), help="A folder that files may save to.")
@plugin_option
def run(**options: Any) -> None:
    """Check the method files at PATHS (files, or folders of them), then train and score each.

    Started again, it skips what is finished and goes on with what was interrupted.
    """
    guarded(_run, options)


def _run(options: dict[str, Any]) -> int:
    from recombine import batch
    from recombine.execute import RunOptions
    from recombine.keeper import SavingOptions
    from recombine.launcher import run_all
    from recombine.logs import LogOptions
    from recombine.seeds import parse_seeds

    log = LogOptions(
        options["log_dir"], options["one_log_file"], not options["no_log_files"], not options["no_log_timestamps"]
    )
    saving = SavingOptions(options["checkpoint_minutes"], options["checkpoint_iterations"])
    again = RunOptions(
        saving,
        options["fresh"],
        options["retry_failed"],
        not options["no_shared_phases"],
        options["keep_embeddings"],
    )
    settings = batch.BatchOptions(
        log, options["data_root"], tuple(options["allow_write"]), options["resume_on_error"], again
    )
    shown, seeds = report(), parse_seeds(options["seeds"])
    files = batch.find_files(options["paths"], batch.program_folder())
    jobs = batch.check_jobs(files, _overrides(options), settings, shown, seeds)
    outcomes = list(run_all(jobs, settings, shown, options["jobs"]))
    show_table(outcomes)
    return batch.exit_status(outcomes)


def _overrides(options: dict[str, Any]) -> list[tuple[Any, ...]]:
    from recombine.errors import UsageError
    from recombine.overrides import Override, combinations

    if options["seed"] is not None and any(text.startswith("/seed=") for text in options["sets"]):
        raise UsageError("--seed and --set /seed both name seeds: use one of them, or --seeds")
    fixed = tuple(Override(f"/{key}", options[key]) for key in ("seed", "device") if options[key] is not None)
    return [(*chosen, *fixed) for chosen in combinations(options["sets"])]


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
            "metrics",
            "configurations",
        ]
    ),
)
@plugin_option
def list_(**options: Any) -> None:
    """List what a method file can name, the scores of a run, or the configurations that are shipped."""
    guarded(_list, options)


def _list(options: dict[str, Any]) -> int:
    from recombine.catalog import entries

    for name, title in entries(options["kind"]):
        click.echo(f"{name:{_NAME_WIDTH}}  {title}".rstrip())
    return 0


main.add_command(cli_new.new)
main.add_command(cli_validate.validate)
main.add_command(cli_validate.explain)
main.add_command(cli_results.results)
main.add_command(cli_results.compare)
main.add_command(cli_reproduce.reproduce)
main.add_command(cli_plan.plan)
main.add_command(cli_plot.plot)
main.add_command(cli_schema.schema)
main.add_command(cli_reproduce.status)
