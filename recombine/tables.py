"""The table at the end of a batch."""

from rich.table import Table

from recombine.batch import Outcome
from recombine.problems import has_errors
from recombine.results import DatasetResult

_COLUMNS = ("method file", "status", "seed", "dataset", "n", "ACC", "NMI", "ARI", "note")


def outcome_table(outcomes: list[Outcome]) -> Table:
    """Return which method did what: a row for each scored dataset, or one for each method without any."""
    table = Table(*_COLUMNS)
    for outcome in outcomes:
        for row in _rows(outcome):
            table.add_row(*row)
    return table


def _rows(outcome: Outcome) -> list[list[str]]:
    result = outcome.result
    if result is None:
        status = "invalid" if has_errors(outcome.problems) else "not run"
        note = outcome.error if outcome.error not in (None, "not run") else ""
        return [[outcome.source, status, *[""] * 6, note or ""]]
    rows = [
        [outcome.source, result.status, str(result.seed), *_scores(dataset)] for dataset in result.datasets.values()
    ]
    if result.error is not None:
        rows = [[outcome.source, result.status, str(result.seed), *[""] * 5, result.error]]
    return rows or [[outcome.source, result.status, str(result.seed), *[""] * 6]]


def _scores(dataset: DatasetResult) -> list[str]:
    notes = ["oracle"] if dataset.oracle else []
    if dataset.scores is None:
        notes.append("no labels" if dataset.clusters is not None else "no assignments yet")
        return [dataset.name, str(dataset.num_samples), "", "", "", ", ".join(notes)]
    values = [f"{value:.3f}" for value in dataset.scores.as_dict().values()]
    return [dataset.name, str(dataset.num_samples), *values, ", ".join(notes)]
