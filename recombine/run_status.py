"""How the runs in a log folder stand, for a glance at a batch that is under way."""

import json
import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recombine.result_files import DatasetEntry, RunRecord, read_runs

if TYPE_CHECKING:
    from rich.table import Table

_EVENTS = "events.jsonl"
_TAIL_BYTES = 4096
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


@dataclass(frozen=True)
class Standing:
    """How one run stands.

    Attributes:
        record: What its folder says.
        place: Where it is, or how it ended, in words.
        seconds: Seconds since it last wrote an event, or None where it wrote none.
    """

    record: RunRecord
    place: str
    seconds: float | None


def standings(log_dir: Path) -> list[Standing]:
    """Return how each run in a folder stands.

    Raises:
        UsageError: The folder holds no run.
    """
    return [_standing(record) for record in read_runs([log_dir]).records]


def _standing(record: RunRecord) -> Standing:
    events = record.folder / _EVENTS
    seconds = max(time.time() - os.stat(events).st_mtime, 0.0) if events.exists() else None
    return Standing(record, _place(record, events), seconds)


def _place(record: RunRecord, events: Path) -> str:
    """Return the scores of a finished run, the cause of a failure, or the last event of another."""
    if record.status == "finished":
        return ", ".join(_score(entry) for entry in record.datasets.values() if "acc" in entry.last)
    if record.status in ("failed", "unreadable"):
        return record.error or ""
    last = _last_event(events)
    if "phase" not in last:
        return "before its first phase"
    return f"{last['phase']} on {last['dataset']}, iteration {last['iteration']}"


def _score(entry: DatasetEntry) -> str:
    return f"{entry.name}: ACC {entry.last['acc']:.3f}{' (oracle)' if entry.oracle else ''}"


def _last_event(path: Path) -> dict[str, Any]:
    """Return the last whole event of a history that names a phase; empty where there is none."""
    if not path.exists():
        return {}
    with path.open("rb") as file:
        file.seek(max(os.stat(path).st_size - _TAIL_BYTES, 0))
        lines = file.read().splitlines()
    for line in reversed(lines):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and {"phase", "dataset", "iteration"} <= event.keys():
            return event
    return {}


def status_table(found: list[Standing]) -> "Table":
    """Return a table of runs."""
    from rich.table import Table
    from rich.text import Text

    counts = Counter(standing.record.status for standing in found)
    title = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    table = Table("run", "seed", "status", "where, or with what result", "last event", title=title)
    for standing in found:
        record = standing.record
        seed = "" if record.seed is None else str(record.seed)
        method = " ".join([record.method, *record.overrides])
        table.add_row(*map(Text, (method, seed, record.status, standing.place, _ago(standing.seconds))))
    return table


def _ago(seconds: float | None) -> str:
    if seconds is None:
        return ""
    units = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"))
    size, unit = next(((size, unit) for size, unit in units if seconds >= size), (1, "s"))
    return f"{seconds / size:.0f} {unit} ago"
