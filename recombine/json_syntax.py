"""What is wrong with text that is not JSON, in the words of somebody who has made the same mistake."""

import json
import re
from collections.abc import Callable
from typing import NamedTuple

_WHITESPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"[+-]?\.?\d[\w.+/-]*")
_BEFORE_ERROR = re.compile(r"[\w.+-]*\Z")
_WORD = re.compile(r"[^\W\d][\w.-]*")
_COMMENT = re.compile(r"//|#|/\*")
_PAIRS = {"}": "{", "]": "["}
_OPENING = {closing: opening for opening, closing in _PAIRS.items()}
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_QUOTES = "'`\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"
_WORDS_OF_PYTHON = {"True": "true", "False": "false", "None": "null"}
_KEY, _VALUE, _COMMA, _COLON = "Expecting property name", "Expecting value", "Expecting ','", "Expecting ':'"
_LONGEST_SHOWN, _MOST_MENDS = 40, 100


class Cause(NamedTuple):
    """Why text is not JSON.

    Attributes:
        message: What is wrong.
        remedy: What to write instead; may be empty.
        at: Offset of the mistake in the text.
        mend: What stands there, and what certainly is to stand there; None where nobody can be certain.
    """

    message: str
    remedy: str
    at: int
    mend: tuple[str, str] | None = None


class Stop(NamedTuple):
    """Where a parser stopped.

    Attributes:
        text: The whole text.
        at: Offset of the first letter that does not fit, behind blanks.
        expected: What the parser says.
    """

    text: str
    at: int
    expected: str

    @property
    def rest(self) -> str:
        """The text from there on."""
        return self.text[self.at :]

    @property
    def before(self) -> str:
        """The text up to there, without the blanks at its end."""
        return self.text[: self.at].rstrip()


def cause_of(error: json.JSONDecodeError) -> Cause:
    """Return the mistake behind a parser's error."""
    blanks = _WHITESPACE.match(error.doc, error.pos)
    within_string = error.msg.startswith(("Invalid", "Unterminated"))
    at = error.pos if within_string or blanks is None else blanks.end()
    stop = Stop(error.doc, at, error.msg)
    causes = (look(stop) for look in _LOOKS)
    return next((cause for cause in causes if cause is not None), Cause(error.msg.lower(), "", at))


def mended(text: str) -> str:
    """Return text with those mistakes of JSON mended that come before the first one that nobody can be certain of."""
    for _ in range(_MOST_MENDS):
        try:
            json.loads(text, parse_int=str)
        except json.JSONDecodeError as error:
            cause = cause_of(error)
            if cause.mend is None:
                break
            old, new = cause.mend
            text = text[: cause.at] + new + text[cause.at + len(old) :]
        except RecursionError:
            break  # It is nested too deeply to be a method.
        else:
            break
    return text


def _within_string(stop: Stop) -> Cause | None:
    if stop.expected.startswith("Unterminated"):
        return Cause("the text ends within a string", 'Close it with ".', stop.at)
    if stop.expected.startswith("Invalid control"):
        message = "a line break, a tab or another control character stands within a string"
        return Cause(message, 'Close the string with ", or write \\n or \\t.', stop.at)
    if stop.expected.startswith("Invalid \\u"):
        return Cause("\\u takes four hexadecimal digits", "", stop.at)
    if stop.expected.startswith("Invalid \\"):
        return Cause("a backslash in a string must be doubled", "Write \\\\ or, in paths, /.", stop.at)
    return None


def _foreign(stop: Stop) -> Cause | None:
    """Return what comes from other languages."""
    if _COMMENT.match(stop.rest):
        return Cause("JSON has no comments", 'Remove it; notes for readers go under "description".', stop.at)
    if stop.rest.startswith(("...", "\u2026")):
        return Cause("an ellipsis has no meaning in JSON", "Write out what is to stand here.", stop.at)
    if stop.rest[:1] in _QUOTES and stop.rest:
        return Cause(f"{stop.rest[0]} is no quote of JSON", 'Put strings between ".', stop.at)
    word = _WORD.match(stop.rest)
    if word is not None and word[0] in _WORDS_OF_PYTHON:
        meant = _WORDS_OF_PYTHON[word[0]]
        return Cause(f"{word[0]} is no word of JSON", f"Write {meant}.", stop.at, (word[0], meant))
    return None


def _number(stop: Stop) -> Cause | None:
    """Return that digits do not make a number of JSON, wherever within them the parser stopped."""
    begun = _BEFORE_ERROR.search(stop.text, max(0, stop.at - _LONGEST_SHOWN), stop.at)
    start = stop.at if begun is None or stop.rest[:1].isspace() else begun.start()
    found = _NUMBER.match(stop.text, start)
    goes_on = found is not None and found.end() > stop.at and stop.expected.startswith((_VALUE, _COMMA, "Extra"))
    if found is None or not goes_on:
        return None
    shown = found[0] if len(found[0]) <= _LONGEST_SHOWN else f"{found[0][:_LONGEST_SHOWN]}..."
    is_number = found.start() == stop.at and found[0][0] not in "+."
    return (
        None if is_number else Cause(f"{shown} is no number in JSON", "Write it like 12, -0.5 or 1e-3.", found.start())
    )


def _comma(stop: Stop) -> Cause | None:
    """Return that there is a comma too many."""
    comma = stop.at if stop.rest.startswith(",") else len(stop.before) - 1
    ahead = stop.text[comma + 1 :].lstrip()
    if stop.text[comma : comma + 1] != ",":
        return None
    if ahead[:1] in _PAIRS and ahead:
        return Cause(f"there is a comma too many before the closing {ahead[0]}", "Remove it.", comma, (",", ""))
    if stop.rest.startswith(",") and stop.expected.startswith((_KEY, _VALUE)):
        return Cause("something is missing before this comma, or the comma is one too many", "", stop.at)
    return None


def _unquoted(stop: Stop) -> Cause | None:
    word = _WORD.match(stop.rest)
    if word is None or not stop.expected.startswith((_KEY, _VALUE)):
        return None
    what = "key" if stop.expected.startswith(_KEY) else "text"
    shown = word[0][:_LONGEST_SHOWN]
    return Cause(f"the {what} {shown} has no quotes", f'Write "{shown}".', stop.at)


def _closing(stop: Stop) -> Cause | None:
    """Return what is wrong about brackets: the end of the text comes too early, or another one is open."""
    opened: list[str] = []
    for token in _TOKEN.finditer(stop.text, 0, stop.at):
        if token[0] in "[{":
            opened.append(token[0])
        elif token[0] in _PAIRS and opened:
            opened.pop()
    if not stop.rest and opened:
        missing = "".join(_OPENING[bracket] for bracket in reversed(opened))
        return Cause(f"the text ends too early: {missing} is missing", "", len(stop.before))
    if stop.rest[:1] in _PAIRS and opened and stop.expected.startswith(_COMMA):
        return Cause(f"a {_OPENING[opened[-1]]} is expected here, not {stop.rest[0]}", "", stop.at)
    return None


def _separator(stop: Stop) -> Cause | None:
    sign = stop.rest[:1]
    if stop.expected.startswith(_COLON):
        remedy = 'Write "key": value.'
        if sign in (",", "}"):
            return Cause("a key has no value: a colon is expected here", f"{remedy} Lists stand in [ ].", stop.at)
        return Cause(f"a colon is expected between key and value, not {sign}", remedy, stop.at)
    if stop.expected.startswith(_COMMA):
        if sign == ";":
            return Cause("a comma is expected here, not ;", "Write a comma.", stop.at)
        return Cause("a comma is missing before this", "", stop.at)
    return None


def _other(stop: Stop) -> Cause | None:
    sign = stop.rest[:1]
    if stop.expected.startswith("Extra"):
        if sign in _PAIRS:
            return Cause(f"this {sign} closes nothing", "Remove it.", stop.at)
        return Cause("a file holds one method, and there is more text after its end", "", stop.at)
    if stop.expected.startswith(_KEY):
        return Cause(f"a key in double quotes is expected here, not {sign}", "", stop.at)
    if stop.expected.startswith(_VALUE):
        return Cause(f"a value is expected here, not {sign}" if sign else "a value is expected here", "", stop.at)
    return None


_LOOKS: tuple[Callable[[Stop], Cause | None], ...] = (
    _within_string,
    _foreign,
    _number,
    _comma,
    _unquoted,
    _closing,
    _separator,
    _other,
)
