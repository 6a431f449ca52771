"""How the runs of a batch stand: a live table on a terminal, a line for each change elsewhere."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from recombine.batch import Outcome
    from recombine.worker import Progress

_WAITING, _RUNNING = "waiting", "running"
_MOST_ENDED = 10


@dataclass
class Row:
    """One run.

    Attributes:
        title: The method file with the changes of the command line.
        seed: The seed.
        emit: Takes a line for each change.
        status: ``waiting``, ``running``, or how it ended.
        progress: Where it is, in words.
        note: Its last scores, or why it failed.
        ended: When it ended, or 0.
    """

    title: str
    seed: int
    emit: Callable[[str], None]
    status: str = _WAITING
    progress: str = ""
    note: str = ""
    ended: float = 0.0

    def begin(self) -> None:
        """Note that the run starts."""
        self.status = _RUNNING
        self.emit(f"{self.title}, seed {self.seed}: started")

    def show(self, progress: "Progress") -> None:
        """Note where the run is."""
        of = f" of {progress.iterations}" if progress.iterations is not None else ""
        self.progress, self.note = f"{progress.phase} {progress.iteration}{of}", progress.scores

    def end(self, outcome: "Outcome") -> None:
        """Note how the run ended."""
        self.status, self.progress, self.ended = outcome.status, "", time.monotonic()
        self.note = outcome.error or "; ".join(_scores(outcome))
        self.emit(f"{self.title}, seed {self.seed}: {self.status}{f': {self.note}' if self.note else ''}")


@dataclass
class Board:
    """The runs of a batch. Elsewhere than on a terminal, every change is a line.

    Attributes:
        emit: Takes lines where there is no terminal.
        console: The terminal, or None.
        rows: The runs, in order.
    """

    emit: Callable[[str], None]
    console: Console | None = None
    rows: list[Row] = field(default_factory=list)
    _live: Live | None = field(default=None, init=False)

    def __enter__(self) -> "Board":
        """Begin to show."""
        if self.console is not None:
            self._live = Live(console=self.console, transient=True, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(self, *details: object) -> None:
        """Take the table away."""
        if self._live is not None:
            self._live.stop()

    def add(self, title: str, seed: int) -> Row:
        """Add a run."""
        row = Row(title, seed, _silent if self.console is not None else self.emit)
        self.rows.append(row)
        return row

    def refresh(self) -> None:
        """Show how things stand."""
        if self._live is not None:
            self._live.update(self.table(), refresh=True)

    def table(self) -> Table:
        """Return the runs under way, the last ones that ended, and how many there are of each kind."""
        counts = Counter(row.status for row in self.rows)
        title = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        table = Table("method file", "seed", "status", "progress", "scores or cause", title=title)
        ended = sorted((row for row in self.rows if row.ended), key=_by_end)[-_MOST_ENDED:]
        for row in [*ended, *(row for row in self.rows if row.status == _RUNNING)]:
            table.add_row(*map(Text, (row.title, str(row.seed), row.status, row.progress, row.note)))
        return table


def _by_end(row: Row) -> float:
    return row.ended


def _scores(outcome: "Outcome") -> list[str]:
    datasets = outcome.result.datasets.items() if outcome.result is not None else ()
    scored = [(name, dataset) for name, dataset in datasets if dataset.scores is not None]
    return [f"{name}: {dataset.scores}{' (oracle)' if dataset.oracle else ''}" for name, dataset in scored]


def _silent(line: str) -> None:
    del line
