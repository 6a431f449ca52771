"""The table at the end of a batch."""

from rich.table import Table
from rich.text import Text

from recombine.batch import NOT_RUN, Outcome
from recombine.dataset_result import DatasetResult
from recombine.problems import printable

_COLUMNS = ("method file", "status", "seed", "dataset", "n", "ACC", "NMI", "ARI", "note")


def outcome_table(outcomes: list[Outcome]) -> Table:
    """Return which method did what: a row for each scored dataset, or one for each method without any."""
    table = Table(*_COLUMNS)
    for outcome in outcomes:
        for row in _rows(outcome):
            table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def _rows(outcome: Outcome) -> list[list[str]]:
    result = outcome.result
    seed = "" if result is None else str(result.seed)
    if result is None or result.error is not None:
        note = outcome.error if outcome.error not in (None, NOT_RUN) else ""
        return [[outcome.source, outcome.status, seed, *[""] * 5, note or ""]]
    rows = [[outcome.source, outcome.status, seed, *_scores(dataset)] for dataset in result.datasets.values()]
    return rows or [[outcome.source, outcome.status, seed, *[""] * 6]]


def _scores(dataset: DatasetResult) -> list[str]:
    notes = ["oracle"] if dataset.oracle else []
    if dataset.scores is None:
        notes.append(_without_scores(dataset))
        return [dataset.name, str(dataset.num_samples), "", "", "", ", ".join(notes)]
    values = [f"{value:.3f}" for value in (dataset.scores.acc, dataset.scores.nmi, dataset.scores.ari)]
    return [dataset.name, str(dataset.num_samples), *values, ", ".join(notes)]


def _without_scores(dataset: DatasetResult) -> str:
    if dataset.clusters is None:
        return "no assignments yet"
    silhouette = dataset.label_free.silhouette if dataset.label_free is not None else None
    return "no labels" if silhouette is None else f"no labels, silhouette {silhouette:.3f}"
