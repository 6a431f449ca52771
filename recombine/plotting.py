"""The pictures of a run: which there are to be, and the files that they become."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from recombine import canvas
from recombine.errors import UsageError
from recombine.plots.base import Picture, Studio, pictures
from recombine.problems import nearest
from recombine.run_data import DatasetRun, MissingError, RunData

_PLOTS = "plots"

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class PlotOptions:
    """How a run is drawn.

    Attributes:
        names: Names of the pictures, or none for all that can be drawn.
        datasets: Names of the datasets, or none for all.
        projection: How many features become points in a plane.
        formats: File formats of what does not move.
        output: Where the files go, or None for ``plots`` in the run's folder.
        data_root: Where datasets are looked for first, or None.
    """

    names: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    projection: str = "tsne"
    formats: tuple[str, ...] = ("png",)
    output: Path | None = None
    data_root: Path | None = None


def plot(folder: Path, options: PlotOptions) -> Iterator[str]:
    """Draw the pictures of a run; yield a line for each file, and for each picture that is left out.

    Args:
        folder: The run's folder.
        options: How.

    Raises:
        UsageError: The folder is no run, something asked for does not exist or cannot be drawn, or nothing can be.
    """
    wanted = _named(options.names, pictures(), "picture")
    with canvas.style():
        run = RunData(folder, options.data_root)
        datasets = _named(options.datasets, run.datasets, "dataset of the run")
        if run.record.status != "finished":
            yield f"{_standing(run)}; the pictures show what it left"
        yield from _drawn(run, list(wanted.values()), list(datasets.values()), options)


def _named(names: Sequence[str], known: dict[str, Thing], what: str) -> dict[str, Thing]:
    """Return what has one of the names, or everything without names."""
    for name in names:
        if name not in known:
            near = nearest(name, known)
            remedy = f'Did you mean "{near}"?' if near else f"There are: {', '.join(known)}"
            raise UsageError(f'there is no {what} called "{name}". {remedy}')
    return {name: thing for name, thing in known.items() if not names or name in names}


def _standing(run: RunData) -> str:
    """Return in words how a run that is not finished stands."""
    status = run.record.status
    words = {"failed": "failed", "interrupted": "was interrupted", "running": "is under way"}[status]
    return f"The run {words}: {run.record.error}" if status == "failed" else f"The run {words}"


def _drawn(
    run: RunData, wanted: Sequence[Picture], datasets: Sequence[DatasetRun], options: PlotOptions
) -> Iterator[str]:
    """Draw picture after picture; that one that was asked for can be drawn of no dataset is an error, at the end."""
    studio = Studio(options.projection)
    output = options.output if options.output is not None else run.folder / _PLOTS
    anything, lacking = False, list[str]()
    for picture in wanted:
        missing: dict[str, str] = {}
        for dataset in datasets:
            try:
                for stem, drawing in picture.draw(dataset, studio):
                    yield from map(str, _saved(drawing, output / dataset.folder.name / stem, options))
            except MissingError as error:
                missing[dataset.name] = str(error)
        anything |= len(missing) < len(datasets)
        if options.names and len(missing) == len(datasets):
            lacking.append(f"{picture.name} cannot be drawn: {next(iter(missing.values()))}")
        else:
            yield from (f"left out: {picture.name} of {dataset}: {reason}" for dataset, reason in missing.items())
    if lacking:
        raise UsageError("\n".join(lacking))
    if not anything:
        raise UsageError(f"nothing of the run in {run.folder} can be drawn")


def _saved(drawing: canvas.Still | canvas.Film, path: Path, options: PlotOptions) -> list[Path]:
    try:
        return drawing.save(path, options.formats)
    except OSError as error:
        raise UsageError(f"{path.parent} cannot be written to: {error.strerror or error}") from error
