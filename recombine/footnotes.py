"""What stands below a table of results: the protocol, the part that labels had, failures and doubts."""

from collections import Counter
from collections.abc import Iterator, Sequence

from recombine.aggregate import AGAINST_LABELS, LABEL_FREE, Group, Row, Table, compact, repeated_seeds
from recombine.intervals import CONFIDENCE, FEWEST
from recombine.result_files import RunRecord

_BY_ENTROPIES = ("nmi", "ami", "v_measure")
_MEANINGS = {
    "last": "last: the final clustering",
    "chosen": "chosen: the evaluation of each run that a score without labels chose",
    "best": "best: for each metric by itself, the highest value among the evaluations of each run; labels choose it, "
    "so it is oracle",
}
PROTOCOL = {
    "runs": "finished runs alone have numbers; attempted counts each run once, in its latest generation",
    "std": "sample standard deviation (n - 1), none for a single value",
    "interval": f"{CONFIDENCE:.0%} t-interval of the mean, none below {FEWEST} values".replace("%", " %"),
    "n": "number of values",
    "seeds": "of the finished runs",
    "nmi": "mutual information over the arithmetic mean of the two entropies",
}


def groups_of(table: Table) -> list[Group]:
    """Return the groups of a table, each once."""
    return list({id(row.group): row.group for row in table.rows}.values())


def scored_on(table: Table) -> list[str]:
    """Return which samples were scored and how, in the words of the runs."""
    return list(dict.fromkeys(text for group in groups_of(table) for text in group.scored_on))


def legend(table: Table) -> list[str]:
    """Return what the figures are, a sentence each."""
    where = " or ".join(scored_on(table))
    return [
        f"Mean ± {PROTOCOL['std']}; in brackets the {PROTOCOL['interval']}; n: {PROTOCOL['n']}.",
        *([f"Scored on: {where}."] if where else []),
        *(f"{_MEANINGS[score]}." for score in dict.fromkeys(row.score for row in table.rows)),
        *_metric_notes(table),
        *_pointer_notes(table),
    ]


def oracle_notes(table: Table) -> list[str]:
    """Return why rows are marked oracle, a line for each configuration and dataset."""
    rows: dict[int, Row] = {id(row.group): row for row in table.rows if row.is_oracle and row.oracle_reasons}
    return [f"oracle: {_place(row.group)}: {'; '.join(row.oracle_reasons)}" for row in rows.values()]


def failures(records: Sequence[RunRecord]) -> list[str]:
    """Return a line for each failed run: folder, seed, first line of the error."""
    return [
        f"failed: {run.folder} (seed {'unknown' if run.seed is None else run.seed}): {first_line(run.error)}"
        for run in records
        if run.status == "failed"
    ]


def first_line(error: str | None) -> str:
    """Return the first line of an error that is not empty."""
    lines = [line.strip() for line in (error or "").splitlines() if line.strip()]
    return lines[0] if lines else "it left no error"


def counts(table: Table) -> str:
    """Return how many runs there are and how they ended, each counted once."""
    found = Counter(run.status for run in table.runs.records)
    parts = ", ".join(f"{num} {status}" for status, num in sorted(found.items(), key=_by_number))
    left = len(table.runs.superseded)
    more = f"; {left} more {_folders(left)} (an earlier generation or a copy)" if left else ""
    return f"{len(table.runs.records)} attempted: {parts}{more}"


def warnings(table: Table) -> list[str]:
    """Return what makes the figures doubtful: files that say no result, and seeds that count more than once."""
    found = [f"{run.error}; the run counts as attempted and has no number" for run in table.runs.unreadable]
    for group in groups_of(table):
        repeated = repeated_seeds(group)
        if repeated:
            found.append(
                f"{_place(group)}: more than one finished run has seed {compact(repeated)}; they are not independent"
            )
    return found


def _metric_notes(table: Table) -> Iterator[str]:
    if set(table.metrics) & {"nmi", "v_measure"}:
        yield f"nmi: {PROTOCOL['nmi']}."
    spaces = dict.fromkeys(entry.space for group in groups_of(table) for _, entry in group.entries() if entry.space)
    if set(table.metrics) & set(LABEL_FREE) and spaces:
        yield f"Scores without labels are computed on: {' or '.join(spaces)}."
    cells = [cell for row in table.rows for metric, cell in row.cells.items() if metric in AGAINST_LABELS]
    if any(cell.num == 0 for cell in cells):
        yield "none: no finished run has the score."


def _pointer_notes(table: Table) -> Iterator[str]:
    pointers = {short: full for group in groups_of(table) for short, full in group.name.pointers.items()}
    for short, full in pointers.items():
        if full not in (f"/{short}", short):
            yield f"{short} stands for {full}."


def _place(group: Group) -> str:
    return f"{group.name.text} on {group.dataset}" if group.dataset else group.name.text


def _folders(num: int) -> str:
    return "folder does not count" if num == 1 else "folders do not count"


def _by_number(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]
