"""Reading JSON with the place of every value, so that a mistake can be shown where it stands."""

import json
import math
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

from recombine.json_syntax import cause_of
from recombine.pointers import escaped
from recombine.problems import Finding, Problem, file_problem, printable

_WHITESPACE = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s,\]}]+')
#: A string without end reaches to the end of the text: trying again from each quote in it would take for ever.
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
_LARGEST_FILE = 2 * 2**20
_DEEPEST_NESTING = 60
_MOST_DIGITS = 400
_LONGEST_SHOWN = 20
#: Codes of findings that are about a key, not its value.
ABOUT_KEYS = ("RC101", "RC106", "RC202")

Place = tuple[int, int]


@dataclass
class Document:
    """A parsed JSON file.

    Attributes:
        value: The parsed value.
        file: The file's name, for messages.
        folder: What relative paths in the file are relative to.
        places: (line, column), both from 1, of each value's start, by JSON pointer.
        key_places: The same of each value's key.
    """

    value: Any
    file: str
    folder: Path
    places: dict[str, Place] = field(default_factory=dict)
    key_places: dict[str, Place] = field(default_factory=dict)

    def place(self, pointer: str, *, of_key: bool = False) -> Place:
        """Return line and column of a pointer, or of the nearest enclosing value; (0, 0) where there is none."""
        if of_key and pointer in self.key_places:
            return self.key_places[pointer]
        while pointer not in self.places and pointer:
            pointer = pointer.rpartition("/")[0]
        return self.places.get(pointer, (0, 0))

    def problem(self, finding: Finding) -> Problem:
        """Return a finding, whose pointer is one of this file, as a problem with its place."""
        code, message, remedy, pointer, is_warning, _, fix = finding
        line, column = self.place(pointer, of_key=code in ABOUT_KEYS)
        return Problem(code, message, remedy, pointer, self.file, line, column, is_warning, fix)


@dataclass(frozen=True)
class _Flaw:
    """Something that the syntax of JSON allows and that no method file can hold."""

    code: str
    message: str
    remedy: str
    pointer: str
    place: Place


class _Scanner:
    """Walks over text that is known to be JSON, and notes where values and keys stand and what is wrong with them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.line_starts = [0] + [match.end() for match in re.finditer("\n", text)]
        self.places: dict[str, Place] = {}
        self.key_places: dict[str, Place] = {}
        self.doubles: list[_Flaw] = []
        self.flaws: list[_Flaw] = []

    def scan(self) -> None:
        """Fill all attributes."""
        self._value(self._skip(0), "")

    def place_of(self, at: int) -> Place:
        """Return line and column of an offset."""
        line = bisect_right(self.line_starts, at)
        return line, at - self.line_starts[line - 1] + 1

    def _skip(self, at: int) -> int:
        match = _WHITESPACE.match(self.text, at)
        return match.end() if match else at

    def _value(self, at: int, pointer: str) -> int:
        self.places[pointer] = self.place_of(at)
        if self.text[at] == "{":
            return self._object(at, pointer)
        if self.text[at] == "[":
            return self._array(at, pointer)
        return self._scalar(at, pointer)

    def _scalar(self, at: int, pointer: str) -> int:
        match = _SCALAR.match(self.text, at)
        end = match.end() if match else at + 1
        found = _scalar_flaw(self.text[at:end])
        if found is not None:
            self.flaws.append(_Flaw(*found, pointer, self.place_of(at)))
        return end

    def _object(self, at: int, pointer: str) -> int:
        at, seen = self._skip(at + 1), set()
        while self.text[at] != "}":
            end = self._scalar(at, pointer)
            key = json.loads(self.text[at:end])
            here = f"{pointer}/{escaped(key)}"
            self.key_places[here] = self.place_of(at)
            if here in seen:
                self.doubles.append(_double(key, here, self.place_of(at)))
            seen.add(here)
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
    name = printable(str(path))
    try:
        facts = path.stat()
        if not (S_ISREG(facts.st_mode) or S_ISDIR(facts.st_mode)):
            # Devices and pipes may never end.
            return None, [file_problem(name, "RC001", "it is a device or a pipe, not a file")]
        if facts.st_size > _LARGEST_FILE:
            remedy = "A method file is a few kilobytes."
            return None, [file_problem(name, "RC001", f"the file is larger than {_LARGEST_FILE // 2**20} MiB", remedy)]
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        return None, [file_problem(name, "RC001", f"the file cannot be read: {error.strerror or error}")]
    except UnicodeDecodeError as error:
        message = f"the file is not UTF-8 text: byte 0x{error.object[error.start]:02x} at position {error.start}"
        return None, [file_problem(name, "RC001", message, "Save the file as UTF-8.")]
    return parse(text, name, path.resolve().parent)


def parse(text: str, name: str, folder: Path) -> tuple[Document | None, list[Problem]]:
    """Parse JSON text; return the document (None if it cannot be used) and every problem found on the way."""
    if not text.strip():
        remedy = 'Start from a shipped configuration, for example "configurations/quickstart/digits.json".'
        return None, [file_problem(name, "RC002", "the file is empty", remedy)]
    scanner = _Scanner(text)
    deep = _too_deep(text)
    if deep is not None:
        message = f"values are nested more than {_DEEPEST_NESTING} levels deep"
        return None, [Problem("RC002", message, "", "", name, *scanner.place_of(deep))]
    try:
        value = json.loads(text, parse_int=_integer)
    except json.JSONDecodeError as error:
        cause = cause_of(error)
        message, place = f"the file is not JSON: {cause.message}", scanner.place_of(cause.at)
        return None, [Problem("RC002", message, cause.remedy, "", name, *place)]
    scanner.scan()
    found = [*scanner.flaws, *scanner.doubles]
    problems = [Problem(flaw.code, flaw.message, flaw.remedy, flaw.pointer, name, *flaw.place) for flaw in found]
    if scanner.flaws:
        return None, sorted(problems, key=lambda problem: (problem.line, problem.column))
    return Document(value, name, folder, scanner.places, scanner.key_places), problems


def _too_deep(text: str) -> int | None:
    """Return the offset of the first bracket that nests too deeply; parsing it could exhaust Python's stack."""
    depth = 0
    for match in _BRACKET.finditer(text):
        depth += (match[0] in "[{") - (match[0] in "]}")
        if depth > _DEEPEST_NESTING:
            return match.start()
    return None


def _integer(text: str) -> int | float:
    """Return a whole number; of one with more digits than Python reads, infinity, which the scanner refuses."""
    return int(text) if len(text) <= _MOST_DIGITS else math.inf


def _scalar_flaw(text: str) -> tuple[str, str, str] | None:
    """Return code, message and remedy if a string, number or word is none that can be used."""
    if text.startswith('"'):
        if "\\u" in text and _NO_TEXT.search(json.loads(text)):
            return "RC104", "the string holds a NUL or half of a character", "Remove it."
        return None
    if text in ("true", "false", "null") or math.isfinite(float(text)):
        return None
    if text.endswith(("NaN", "Infinity")):
        return "RC002", f"the file is not JSON: {text} is no number there", ""
    shown = text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."
    return "RC104", f"{shown} is too large a number", ""


def _double(key: str, pointer: str, place: Place) -> _Flaw:
    message = f'the key "{key}" stands twice in this object, and only one of them would count'
    return _Flaw("RC003", message, "Remove one of them.", pointer, place)
