"""A table of results as text: for the terminal, and as CSV, JSON, LaTeX and Markdown."""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recombine.aggregate import Cell, Group, Row, Table, compact
from recombine.footnotes import PROTOCOL, counts, failures, first_line, legend, oracle_notes, scored_on, warnings
from recombine.problems import printable
from recombine.result_files import RunRecord, Status

_STATUSES: tuple[Status, ...] = ("finished", "failed", "interrupted", "running", "unreadable")
_ALWAYS = ("finished", "failed", "interrupted")
_UPPER = ("acc", "nmi", "ari", "ami")
_ONE_DECIMAL_FROM = 100
_WIDE = 1000
_LATEX = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "\n": " ",
    # Behind a line's end a bracket would be an argument.
    "[": "{[}",
    "]": "{]}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_MARKDOWN = re.compile(r"([\\|*`<\[\]])")


def render(table: Table, format_: str, width: int | None = None) -> str:
    """Return a table as text that ends in a line break.

    Args:
        table: What to show.
        format_: A key of :data:`FORMATS`.
        width: Columns of the terminal, for the format ``table``; None: as wide as it gets.
    """
    return printable(_terminal(table, width) if format_ == "table" else FORMATS[format_](table))


def number(value: float) -> str:
    """Return a number as people read it: three decimals, one from 100 on."""
    return f"{value:.1f}" if abs(value) >= _ONE_DECIMAL_FROM else f"{value:.3f}"


def cell_parts(cell: Cell) -> tuple[str, str]:
    """Return a cell's mean and spread, and its interval and number of values: nothing is said that is not known."""
    if cell.mean is None:
        return "none", ""
    spread = "" if cell.std is None else f" ± {number(cell.std)}"
    bounds = "" if cell.interval is None else f"[{number(cell.interval[0])}, {number(cell.interval[1])}] "
    return f"{number(cell.mean)}{spread}", f"{bounds}n={cell.num}"


def metric_title(metric: str) -> str:
    """Return how a table calls a metric."""
    return metric.upper() if metric in _UPPER else metric.replace("_", " ")


def _shown_statuses(table: Table) -> list[Status]:
    """Return which ends of runs a table counts: the usual ones, and those that occur."""
    return [s for s in _STATUSES if s in _ALWAYS or any(row.group.count(s) for row in table.rows)]


def _head(table: Table) -> list[str]:
    metrics = map(metric_title, table.metrics)
    return ["method", "dataset", "N", "score", "attempted", *_shown_statuses(table), "seeds", *metrics]


def _cells(table: Table, row: Row) -> list[str]:
    """Return the cells of a row up to the metrics."""
    group = row.group
    size = "" if group.data.num_samples is None else str(group.data.num_samples)
    numbers = [str(group.count(status)) for status in _shown_statuses(table)]
    return [
        group.name.text,
        group.dataset or "unknown",
        size,
        row.title,
        str(len(group.runs)),
        *numbers,
        compact(group.seeds),
    ]


def _terminal(table: Table, width: int | None) -> str:
    from rich.console import Console
    from rich.table import Table as Grid
    from rich.text import Text

    num = len(table.metrics)
    values = [["\n".join(cell_parts(cell)).rstrip() for cell in row.cells.values()] for row in table.rows]
    lines = [[*_cells(table, row), *cells] for row, cells in zip(table.rows, values, strict=True)]
    grid = Grid()
    for index, (title, *cells) in enumerate(zip(_head(table), *lines, strict=True)):
        # Words are never cut, and figures never broken: a terminal too narrow for that has to break the lines.
        parts = [
            part for cell in cells for part in (cell.splitlines() if index >= len(lines[0]) - num else cell.split())
        ]
        grid.add_column(title, min_width=max(map(len, [*title.split(), *parts])))
    for line in lines:
        grid.add_row(*map(Text, line))
    text = io.StringIO()
    Console(file=text, width=_WIDE, highlight=False).print(grid, width=width or _WIDE)
    shown = [line.rstrip() for line in text.getvalue().splitlines()]
    return "\n".join([*shown, counts(table), *_notes(table), *failures(table.runs.records)]) + "\n"


def _notes(table: Table) -> list[str]:
    return [*legend(table), *oracle_notes(table)]


def _markdown(table: Table) -> str:
    head = [_markdown_text(cell) for cell in _head(table)]
    lines = [head, ["---"] * len(head)]
    for row in table.rows:
        values = [" ".join(part for part in cell_parts(cell) if part) for cell in row.cells.values()]
        lines.append([*map(_markdown_text, _cells(table, row)), *values])
    grid = ["| " + " | ".join(line) + " |" for line in lines]
    notes = [counts(table), *_notes(table), *failures(table.runs.records)]
    return "\n".join([*grid, "", *(f"- {_markdown_text(note)}" for note in notes)]) + "\n"


def _markdown_text(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text).replace("\n", " ")


def _latex(table: Table) -> str:
    head, num = _head(table), len(table.metrics)
    lines = [[*map(_latex_text, _cells(table, row)), *map(_latex_cell, row.cells.values())] for row in table.rows]
    columns = "".join("r" if title in ("N", "attempted", *_STATUSES) else "l" for title in head[: len(head) - num])
    caption = " ".join([f"{counts(table)}.", *(note.removesuffix(".") + "." for note in _notes(table))])
    return (
        "\n".join(
            [
                r"% needs \usepackage{booktabs}",
                r"\begin{table}",
                r"\centering",
                r"\footnotesize",
                rf"\begin{{tabular}}{{{columns}{'l' * num}}}",
                r"\toprule",
                _latex_line([_latex_text(title) for title in head]),
                r"\midrule",
                *map(_latex_line, lines),
                r"\bottomrule",
                r"\end{tabular}",
                rf"\caption{{{_latex_text(caption)}}}",
                r"\end{table}",
                *(f"% {' '.join(line.split())}" for line in failures(table.runs.records)),
            ]
        )
        + "\n"
    )


def _latex_line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _latex_text(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def _latex_cell(cell: Cell) -> str:
    figure, rest = cell_parts(cell)
    if cell.mean is None:
        return figure
    figure, rest = figure.replace("±", r"\pm"), rest.replace("] n", r"],\ n")
    return rf"\shortstack{{${figure}$\\${rest}$}}"


def _csv(table: Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    flat = [_flat(row) for row in table.rows]
    keys = list(dict.fromkeys(key for entry in flat for key in entry))
    writer.writerow(keys)
    writer.writerows([entry.get(key) for key in keys] for entry in flat)
    return text.getvalue()


def _flat(row: Row) -> dict[str, Any]:
    """Return a row as names and plain values."""
    group = row.group
    joined = {
        "oracle": row.oracle_text,
        "oracle_reasons": "; ".join(row.oracle_reasons),
        "scored_on": "; ".join(group.scored_on),
        "overrides": " ".join(group.name.overrides),
        "seeds": compact(group.seeds),
        "failures": "; ".join(line.removeprefix("failed: ") for line in failures(group.runs)),
    }
    fields = {**_described(row), **_counted(group), **joined}
    for metric, cell in row.cells.items():
        fields |= {f"{metric}_{key}": value for key, value in _figures(cell).items()}
    return fields


def _json(table: Table) -> str:
    content = {
        "protocol": {**PROTOCOL, "scored_on": scored_on(table)},
        "attempted": len(table.runs.records),
        "rows": [_nested(row) for row in table.rows],
        "failures": [_failure(run) for run in table.runs.records if run.status == "failed"],
        "warnings": warnings(table),
        "superseded": list(map(str, table.runs.superseded)),
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _nested(row: Row) -> dict[str, Any]:
    """Return a row as JSON values, with the value of each seed."""
    group = row.group
    return {
        **_described(row),
        "overrides": list(group.name.overrides),
        "scored_on": group.scored_on,
        "oracle": row.is_oracle,
        "oracle_runs": row.num_oracle,
        "oracle_reasons": row.oracle_reasons,
        "runs": _counted(group),
        "seeds": group.seeds,
        "metrics": {metric: {**_figures(cell), "values": _values(cell)} for metric, cell in row.cells.items()},
        "failures": [_failure(run) for run in group.runs if run.status == "failed"],
    }


def _described(row: Row) -> dict[str, Any]:
    group, data = row.group, row.group.data
    return {
        "method": group.name.text,
        "dataset": group.dataset,
        "num_samples": data.num_samples,
        "score": row.score,
        "chosen_by": row.by,
        "config_hash": group.variant.config_hash,
        "samples_digest": data.samples_digest,
        "labels_digest": data.labels_digest,
    }


def _counted(group: Group) -> dict[str, int]:
    return {"attempted": len(group.runs), **{status: group.count(status) for status in _STATUSES}}


def _figures(cell: Cell) -> dict[str, float | int | None]:
    low, high = cell.interval or (None, None)
    return {"n": cell.num, "mean": cell.mean, "std": cell.std, "low": low, "high": high}


def _values(cell: Cell) -> list[dict[str, Any]]:
    return [{"seed": value.seed, "value": value.value, "folder": str(value.folder)} for value in cell.values]


def _failure(run: RunRecord) -> dict[str, Any]:
    return {"folder": str(run.folder), "method": run.method, "seed": run.seed, "error": first_line(run.error)}


#: How to write a table, by the name of the format; ``table`` is for the terminal.
FORMATS: Mapping[str, Callable[[Table], str]] = {
    "table": lambda table: _terminal(table, None),
    "csv": _csv,
    "json": _json,
    "latex": _latex,
    "markdown": _markdown,
}
