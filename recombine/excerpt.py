"""The line of a file in which a mistake stands, with a mark under it."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from recombine.problems import Problem, printable

_WIDTH = 100
_BEFORE = 60
_TAB = "    "
_CUT = "..."


@dataclass
class Sources:
    """The lines of the files in which problems stand, read when they are first asked for.

    Attributes:
        paths: The files whose names in messages differ from their paths, by the former.
    """

    paths: Mapping[str, Path] = field(default_factory=dict)
    _lines: dict[str, list[str]] = field(default_factory=dict)

    def excerpt(self, problem: Problem) -> list[str]:
        """Return the line of a problem and the line with the mark; none where the file cannot be shown."""
        lines = self.lines(problem.file) if problem.line else []
        if not 0 < problem.line <= len(lines):
            return []
        return marked(lines[problem.line - 1], problem.column)

    def lines(self, name: str) -> list[str]:
        """Return the lines of a file by its name in messages; none where it cannot be read."""
        if name not in self._lines:
            self._lines[name] = _read(self.paths.get(name, Path(name)))
        return self._lines[name]


def marked(line: str, column: int) -> list[str]:
    """Return a line fit for a terminal, cut around a column (from 1), and a line with a caret under that column."""
    cells = [_shown(letter) for letter in line.rstrip("\r")]
    starts = [0, *accumulate(width(cell) for cell in cells)]
    at = min(max(column, 1) - 1, len(cells))
    first = 0
    if starts[-1] > _WIDTH:
        first = next(i for i in range(len(starts)) if starts[i] >= starts[at] - _BEFORE)
    last = max(i for i in range(len(starts)) if starts[i] <= starts[first] + _WIDTH)
    before, after = _CUT if first else "", _CUT if last < len(cells) else ""
    caret = " " * (len(before) + starts[at] - starts[first]) + "^"
    return [before + "".join(cells[first:last]) + after, caret]


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(_width(letter) for letter in text)


def _width(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _shown(letter: str) -> str:
    return _TAB if letter == "\t" else printable(letter)


def _read(path: Path) -> list[str]:
    try:
        # A pipe can be read only once, and has been.
        return path.read_bytes().decode("utf-8-sig", errors="replace").split("\n") if path.is_file() else []
    except OSError:
        return []
