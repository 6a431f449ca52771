"""Mistakes of a method file, as data: where, what, and what to write instead."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from recombine.errors import RecombineError

#: What each code stands for. A code never changes its meaning.
CODES = {
    "RC001": "the file cannot be read",
    "RC002": "the file is not JSON",
    "RC003": "a key stands twice in one object",
    "RC101": "a key that nothing reads",
    "RC102": "a required key is missing",
    "RC103": "a value of the wrong type",
    "RC104": "a value out of range",
    "RC105": "a word that is none of the allowed ones",
    "RC106": "keys that do not go together",
    "RC201": "a class or function that does not exist or cannot be named in a file",
    "RC202": "an argument that the class or function does not take",
    "RC203": "an argument that the class or function requires is missing",
    "RC204": "arguments that the class or function refuses",
    "RC301": "a name that refers to nothing",
    "RC302": "a name that stands twice",
    "RC401": "a phase that could never end",
    "RC402": "an optimizer that trains nothing",
    "RC403": "a loss that no optimizer minimises",
    "RC404": "something is needed that the method does not provide",
    "RC405": "a batch that is too small",
    "RC406": "an evaluation that is needed never happens",
    "RC407": "a setting that has no effect",
    "RC408": "a layer that has no mirror image",
    "RC409": "a mapping that is never trained",
    "RC410": "a view that is never used",
    "RC501": "a dataset that cannot be opened",
    "RC502": "a dataset that does not fit its settings",
    "RC503": "layers that do not fit",
    "RC504": "a file of parameters that does not fit",
    "RC505": "a path outside the places that a method file may write to",
    "RC506": "some samples are never trained on",
    "RC507": "a device that this machine does not have",
    "RC508": "networks that do not fit in memory",
}

#: How like another a word must be to be taken for it, in [0, 1]: "splits" is no misspelt "sets".
_LEAST_LIKENESS = 0.61
_CONTROL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


@dataclass(frozen=True)
class Problem:
    """One mistake.

    Attributes:
        code: A key of :data:`CODES`.
        message: What is wrong.
        remedy: What to write instead, or an empty string.
        pointer: JSON pointer of the place, relative to the file's root.
        file: The file, or ``<dict>`` for a method given as a Python object.
        line: Line of the place, from 1; 0 where there is none.
        column: Column of the place, from 1; 0 where there is none.
        is_warning: Whether the file may run all the same.
        fix: The word to write in place of the one that stands there, where it is certain; else an empty string.
    """

    code: str
    message: str
    remedy: str = ""
    pointer: str = ""
    file: str = ""
    line: int = 0
    column: int = 0
    is_warning: bool = False
    fix: str = ""

    def __str__(self) -> str:
        """Return ``file:line:column: error RC101 at /pointer: what. Remedy.``, safe to show on a terminal."""
        place = ":".join([self.file, *(str(number) for number in (self.line, self.column) if number)])
        kind = "warning" if self.is_warning else "error"
        where = f" at {self.pointer}" if self.pointer else ""
        remedy = f" {self.remedy}" if self.remedy else ""
        return printable(f"{place}: {kind} {self.code}{where}: {self.message.removesuffix('.')}.{remedy}")


class Finding(NamedTuple):
    """A mistake before its place in the file is known: a problem with a pointer into the spelt-out method.

    Attributes:
        code: A key of :data:`CODES`.
        message: What is wrong.
        remedy: What to write instead, or an empty string.
        pointer: JSON pointer into the spelt-out method.
        is_warning: Whether the file may run all the same.
        key: The key that is missing, or the key that was probably meant by an unknown one; else an empty string.
        fix: The word to write in place of the key or the value at the pointer, where it is certain.
    """

    code: str
    message: str
    remedy: str
    pointer: str
    is_warning: bool = False
    key: str = ""
    fix: str = ""


class InvalidMethodError(RecombineError):
    """A method file has mistakes; ``problems`` holds all of them.

    Args:
        problems: At least one error; warnings may be among them.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the one of the ``known`` words that is most like ``word``, or an empty string where none is near."""
    lowered = {candidate.lower(): candidate for candidate in sorted(set(known))}
    near = difflib.get_close_matches(word.lower(), list(lowered), n=1, cutoff=_LEAST_LIKENESS)
    return lowered[near[0]] if near else ""


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return a sentence that proposes the nearest of the ``known`` words, or lists them where none is near."""
    words = sorted(set(known))
    near = nearest(word, words)
    if near:
        return f'Did you mean "{near}"?'
    return f"Known here: {listing(words)}." if words else ""


def listing(words: Sequence[str], at_most: int = 12) -> str:
    """Return the words in quotes, separated by commas, cut after ``at_most``."""
    shown = ", ".join(f'"{word}"' for word in words[:at_most])
    return shown if len(words) <= at_most else f"{shown} and {len(words) - at_most} more"


def has_errors(problems: Iterable[Problem]) -> bool:
    """Tell whether any of the problems keeps the method from running."""
    return any(not problem.is_warning for problem in problems)


def printable(text: str) -> str:
    """Return ``text`` with what a terminal obeys or hides, and halves of characters, as escapes; line breaks stay."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def file_problem(path: Path | str, code: str, message: str, remedy: str = "") -> Problem:
    """Return a problem of a file as a whole."""
    return Problem(code, message, remedy, file=str(path))
