"""Reading JSON with the place of every value, so that a mistake can be shown where it stands."""

import json
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recombine.pointers import escaped
from recombine.problems import Problem, file_problem

_WHITESPACE = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s,\]}]+')
_LARGEST_FILE = 16 * 2**20
_DEEPEST_NESTING = 60


@dataclass
class Document:
    """A parsed JSON file.

    Attributes:
        value: The parsed value.
        file: The file's name, for messages.
        places: (line, column) of each value's start, and of each key, by JSON pointer; keys under ``pointer#key``.
        folder: What relative paths in the file are relative to.
    """

    value: Any
    file: str
    folder: Path
    places: dict[str, tuple[int, int]] = field(default_factory=dict)

    def place(self, pointer: str, *, of_key: bool = False) -> tuple[int, int]:
        """Return line and column of a pointer, or of the nearest enclosing value; (0, 0) where there is none."""
        if of_key and pointer + "#key" in self.places:
            return self.places[pointer + "#key"]
        while pointer not in self.places and pointer:
            pointer = pointer.rpartition("/")[0]
        return self.places.get(pointer, (0, 0))


class _PositionScanner:
    """Walks over text that is known to be JSON and notes where values and keys stand."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.line_starts = [0] + [match.end() for match in re.finditer("\n", text)]
        self.places: dict[str, tuple[int, int]] = {}
        self.duplicates: list[str] = []

    def scan(self) -> None:
        """Fill ``places`` and ``duplicates``."""
        self._value(self._skip(0), "")

    def _skip(self, at: int) -> int:
        match = _WHITESPACE.match(self.text, at)
        return match.end() if match else at

    def _note(self, pointer: str, at: int) -> None:
        line = bisect_right(self.line_starts, at)
        self.places[pointer] = (line, at - self.line_starts[line - 1] + 1)

    def _value(self, at: int, pointer: str) -> int:
        self._note(pointer, at)
        if self.text[at] == "{":
            return self._object(at, pointer)
        if self.text[at] == "[":
            return self._array(at, pointer)
        return self._scalar_end(at)

    def _scalar_end(self, at: int) -> int:
        match = _SCALAR.match(self.text, at)
        return match.end() if match else at + 1

    def _object(self, at: int, pointer: str) -> int:
        at, seen = self._skip(at + 1), set()
        while self.text[at] != "}":
            end = self._scalar_end(at)
            here = f"{pointer}/{escaped(json.loads(self.text[at:end]))}"
            if here in seen:
                self.duplicates.append(here)
            seen.add(here)
            self._note(here + "#key", at)
            at = self._skip(self._skip(end) + 1)
            at = self._skip(self._value(at, here))
            at = self._skip(at + 1) if self.text[at] == "," else at
        return at + 1

    def _array(self, at: int, pointer: str) -> int:
        at, position = self._skip(at + 1), 0
        while self.text[at] != "]":
            at = self._skip(self._value(at, f"{pointer}/{position}"))
            at = self._skip(at + 1) if self.text[at] == "," else at
            position += 1
        return at + 1


def read(path: Path) -> tuple[Document | None, list[Problem]]:
    """Read a JSON file; return the document (None if it cannot be parsed) and every problem found on the way."""
    name = str(path)
    try:
        if path.stat().st_size > _LARGEST_FILE:
            remedy = "A method file is a few kilobytes."
            return None, [file_problem(name, "RC001", f"the file is larger than {_LARGEST_FILE // 2**20} MiB", remedy)]
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        return None, [file_problem(name, "RC001", f"cannot be read: {error.strerror or error}")]
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text: byte 0x{error.object[error.start]:02x} at position {error.start}"
        return None, [file_problem(name, "RC001", message, "Save the file as UTF-8.")]
    return parse(text, name, path.resolve().parent)


def parse(text: str, name: str, folder: Path) -> tuple[Document | None, list[Problem]]:
    """Parse JSON text; return the document (None if it is not JSON) and every problem found on the way."""
    if not text.strip():
        remedy = 'Start from a shipped configuration, for example "configurations/quickstart/digits.json".'
        return None, [file_problem(name, "RC002", "the file is empty", remedy)]
    if _nesting(text) > _DEEPEST_NESTING:
        return None, [file_problem(name, "RC002", f"values are nested more than {_DEEPEST_NESTING} levels deep")]
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        problem = Problem("RC002", _syntax_message(error), "", "", name, error.lineno, error.colno)
        return None, [problem]
    except ValueError as error:
        return None, [file_problem(name, "RC002", f"is not JSON: {error}")]
    scanner = _PositionScanner(text)
    scanner.scan()
    document = Document(value, name, folder, scanner.places)
    return document, [_duplicate(document, pointer) for pointer in scanner.duplicates]


def _nesting(text: str) -> int:
    depth = deepest = 0
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', text):
        symbol = match.group()
        depth += (symbol in "[{") - (symbol in "]}")
        deepest = max(deepest, depth)
    return deepest


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _syntax_message(error: json.JSONDecodeError) -> str:
    hints = {
        "Expecting property name enclosed in double quotes": "a key in double quotes is expected here (is there a "
        "comma before a closing brace, or a comment?)",
        "Expecting ',' delimiter": "a comma or a closing bracket is expected here",
        "Expecting value": "a value is expected here (is there a comma too many?)",
    }
    return f"is not JSON: {hints.get(error.msg, error.msg[:1].lower() + error.msg[1:])}"


def _duplicate(document: Document, pointer: str) -> Problem:
    line, column = document.place(pointer, of_key=True)
    key = pointer.rpartition("/")[2]
    message = f'the key "{key}" stands twice in this object, and only one of them would count'
    return Problem("RC003", message, "Remove one of them.", pointer, document.file, line, column)
