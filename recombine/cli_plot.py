"""The command ``plot``: pictures of a run."""

from pathlib import Path
from typing import Any

import click

from recombine.console import guarded, plugin_option

_PROJECTIONS = ("tsne", "pca", "umap")
_FORMATS = ("png", "svg")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("pictures", nargs=-1)
@click.option("--dataset", "datasets", multiple=True, help="Draw this dataset alone; may be given repeatedly.")
@click.option(
    "--projection",
    type=click.Choice(_PROJECTIONS),
    default="tsne",
    show_default=True,
    help="How many features become points in a plane.",
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(_FORMATS),
    multiple=True,
    default=("png",),
    show_default=True,
    help="Of what does not move; may be given repeatedly.",
)
@click.option("--output", type=click.Path(path_type=Path), help="For the files; by default plots in RUN.")
@click.option("--data-root", envvar="RECOMBINE_DATA_ROOT", type=click.Path(path_type=Path), help="Where datasets are.")
@plugin_option
def plot(**options: Any) -> None:
    """Draw the run in the folder RUN.

    PICTURES are any of raw, latent, reconstructions, centroids, confusion, losses, scores, film and sets; without, all
    are drawn that can be. A film needs a run with --keep-embeddings.
    """
    guarded(_plot, options)


def _plot(options: dict[str, Any]) -> int:
    from recombine.plotting import PlotOptions, plot
    from recombine.problems import printable

    wanted = PlotOptions(
        options["pictures"],
        options["datasets"],
        options["projection"],
        options["formats"],
        options["output"],
        options["data_root"],
    )
    for line in plot(options["run"], wanted):
        click.echo(printable(line))
    return 0
