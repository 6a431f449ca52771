"""Write ``docs/plan.md`` from ``bench/results/plan.json``.

python -m bench.write_plan
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench import common
from bench.write_results import table

_BAR, _MEBI = 0.2, 2**20
_HEAD = """# What plan estimates, and what runs take

This page is written by `python -m bench.write_plan` from `bench/results/plan.json`, which `bench/plan.py` writes. The
estimate is that of `recombine plan --measure`: the peak of a process of its own that opens the data and does a few
steps of every phase, an evaluation, and the final scores. In passes over a whole dataset its networks work for ten
seconds in all; what they would make of the samples left is repeated from those before, and the time for it is reckoned.
What the estimate is compared with is the peak of a whole `recombine run`, as the kernel tells it (`ru_maxrss`), in
another process. For both, phases last as many iterations as the table says, with one evaluation where the file asks for
any, and no parameters are read from files: whatever comes later in a phase is in neither number. The estimate of time
is of the same short run, without the start of the program; other programs ran on the machine, so that times tell
little.

Machine: {processor}, {threads} thread, torch {torch}. Compared: {compared} configurations; within {bar:.0%}: {within}.
"""
_COLUMNS = [
    "configuration",
    "iterations",
    "estimated peak, MiB",
    "measured peak, MiB",
    "ratio",
    "estimated, s",
    "measured, s",
]


def main() -> None:
    """Write the page."""
    page = "\n".join(parts(common.read("plan.json")))
    (common.ROOT / "docs" / "plan.md").write_text(page, encoding="utf-8")


def parts(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the parts of the page."""
    rows: Sequence[Mapping[str, Any]] = content["rows"]
    within = sum(abs(row["memory_ratio"] - 1) <= _BAR for row in rows)
    machine = {"processor": content["machine"]["processor"], "threads": content["machine"]["threads"]}
    counts = {"compared": len(rows), "within": within, "bar": _BAR}
    yield _HEAD.format(**machine, **counts, torch=content["packages"]["torch"])
    yield table(_COLUMNS, [_cells(row) for row in rows])
    yield "\n## Left out\n"
    yield table(["configuration", "why"], [[row["configuration"], row["reason"]] for row in content["left_out"]])


def _cells(row: Mapping[str, Any]) -> list[str]:
    sizes = [f"{row[key] / _MEBI:.0f}" for key in ("estimated_peak_bytes", "peak_bytes")]
    estimated = "not known" if row["estimated_seconds"] is None else f"{row['estimated_seconds']:.1f}"
    return [
        row["configuration"],
        row["iterations"],
        *sizes,
        f"{row['memory_ratio']:.3f}",
        estimated,
        f"{row['seconds']:.1f}",
    ]


if __name__ == "__main__":
    main()
