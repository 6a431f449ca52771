"""The values that one text stands for: a value, several with commas between them, or words such as ``range(0,10)``.

The words are those of Hydra's basic sweeper, as far as they make a list: ``choice``, ``range`` and ``sort``. Unlike
there, they may stand beside other values and inside one another: ``1,range(10,30,10)`` is ``1,10,20``.
"""

import json
import math
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from recombine.errors import UsageError
from recombine.problems import suggestion

#: How many values a text, and how many combinations all of them, may stand for.
MOST_VALUES = 10_000
_MARK = re.compile(r'"(?:[^"\\]|\\.)*"|.', re.DOTALL)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_WORD = re.compile(r"[A-Za-z_]\w*(?=\()")
_NAMED = re.compile(r"([A-Za-z_]\w*)\s*=\s*(.*)", re.DOTALL)
_QUOTING = 'Text that holds brackets and commas stands in quotes: "..."'
_RANGE = "write range(stop), range(start,stop) or range(start,stop,step)"
_REFUSED = {
    "interval": "it holds endlessly many values, which are for an optimizer to choose from; a sweep runs every value. "
    "Write range(start,stop,step), or the values",
    "shuffle": "runs do not depend on their order, so that shuffling changes nothing. Leave the word out",
    "glob": "it picks among files of a configuration group, of which there are none here. Write the values",
    "tag": "tags are for optimizers, and a sweep here has none. Leave the word out",
    **dict.fromkeys(
        ("int", "float", "str", "bool"),
        'there is nothing to convert. Write values as they are meant: 1, 1.0, true, or "1" for text',
    ),
}


class SweepError(UsageError):
    """The text of a sweep cannot be followed; the message says what of it."""


def values(text: str) -> list[Any]:
    """Return the values that a text stands for, in order: at least one, and no two the same.

    A text that is JSON is one value, and so is a text without a comma that does not begin with a word and a
    parenthesis. Everything else is split at the commas outside of brackets and quotes; pieces are JSON, words, or text.

    Raises:
        SweepError: It cannot be read, or stands for no value, for too many, or for the same one twice.
    """
    try:
        found = _values(text)
        _refuse_too_many(len(found), "it")
        _refuse_doubles(found)
    except RecursionError as error:
        raise SweepError("its brackets are nested too deeply") from error
    return found


def _values(text: str) -> list[Any]:
    try:
        return [json_value(text)]
    except ValueError:
        is_swept = "," in text or _WORD.match(text.strip())
    return [value for piece in _split(text) for value in _of_piece(piece)] if is_swept else [text]


def json_value(text: str) -> Any:
    """Return the value of JSON text; ValueError where it is none, or a number that JSON cannot hold."""
    return json.loads(text, parse_float=_finite, parse_constant=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _split(text: str) -> list[str]:
    """Split at commas outside of brackets and quotes, and strip the spaces around the pieces."""
    awaited, pieces = [""], [""]
    for mark in _MARK.findall(text):
        if mark == '"':
            raise SweepError('a quotation mark is not closed. Close it, or write \\" for one within quotes')
        if mark in _CLOSING:
            awaited.append(_CLOSING[mark])
        elif mark in _CLOSING.values() and awaited.pop() != mark:
            raise SweepError(f'a "{mark}" closes nothing. {_QUOTING}')
        if mark == "," and len(awaited) == 1:
            pieces.append("")
        else:
            pieces[-1] += mark
    if len(awaited) > 1:
        raise SweepError(f'a "{awaited[-1]}" is missing. {_QUOTING}')
    return [piece.strip() for piece in pieces]


def _of_piece(piece: str) -> list[Any]:
    """Return the values of what stands between two commas."""
    if not piece:
        raise SweepError('nothing stands before or after a comma. Remove the comma, or write "" for the empty text')
    try:
        return [json_value(piece)]
    except ValueError:
        word = _WORD.match(piece)
    return [piece] if word is None else _of_word(word[0], piece)


def _of_word(word: str, piece: str) -> list[Any]:
    if word in _REFUSED:
        raise SweepError(f"{word}(...) makes no sweep: {_REFUSED[word]}")
    if word not in _MEANINGS:
        known = suggestion(word, _MEANINGS)
        raise SweepError(f'{word}(...) is no word of a sweep. {known} Text stands in quotes: "{word}(...)"')
    if not piece.endswith(")"):
        raise SweepError(f'{piece} goes on after the parenthesis of "{word}". Write a comma between two values')
    inner = piece[len(word) + 1 : -1]
    return _MEANINGS[word](piece, _split(inner) if inner.strip() else [])


def _choice(piece: str, arguments: Sequence[str]) -> list[Any]:
    positional, _ = _arguments(piece, arguments, ())
    if not positional:
        raise SweepError(f"{piece} holds no value. Write for example choice(a,b)")
    return [value for argument in positional for value in _of_piece(argument)]


def _sort(piece: str, arguments: Sequence[str]) -> list[Any]:
    """Return the values of the arguments, numbers or texts, in ascending order, or descending with ``reverse=true``."""
    positional, named = _arguments(piece, arguments, ("reverse",))
    reverse = {"true": True, "false": False}.get(named.get("reverse", "false").lower())
    if reverse is None:
        raise SweepError(f'{piece}: reverse is true or false, not "{named["reverse"]}"')
    found = _choice(piece, positional)
    if not (all(map(_is_number, found)) or all(isinstance(value, str) for value in found)):
        raise SweepError(f"{piece} cannot be put in order: sort takes numbers alone, or texts alone")
    return sorted(found, reverse=reverse)


def _range(piece: str, arguments: Sequence[str]) -> list[int | float]:
    """Return ``start + i * step`` for i = 0, 1, ..., up to ``stop``, which does not belong to them.

    All are integers if start, stop and step are. Else all are floats, each the nearest one to the exact decimal: the
    third multiple of 0.1 is 0.3, which adding up would miss.
    """
    positional, named = _arguments(piece, arguments, ("start", "stop", "step"))
    only_stop = len(positional) == 1 and not {"start", "stop"} & named.keys()
    order = ("stop",) if only_stop else ("start", "stop", "step")
    doubled = [name for name, _ in zip(order, positional, strict=False) if name in named]
    if doubled or len(positional) > len(order):
        raise SweepError(f"{piece}: {doubled[0]} is given twice" if doubled else f"{piece}: {_RANGE}")
    given = {"start": "0", "step": "1"} | dict(zip(order, positional, strict=False)) | named
    if "stop" not in given:
        raise SweepError(f"{piece} has no stop: {_RANGE}")
    numbers = [_number(piece, name, given[name]) for name in ("start", "stop", "step")]
    start, stop, step = (Fraction(str(number)) for number in numbers)
    count = _count(piece, start, stop, step)
    kind = int if all(isinstance(number, int) for number in numbers) else float
    return [kind(start + index * step) for index in range(count)]


_MEANINGS: dict[str, Callable[[str, Sequence[str]], list[Any]]] = {"choice": _choice, "range": _range, "sort": _sort}


def _count(piece: str, start: Fraction, stop: Fraction, step: Fraction) -> int:
    """Return how many values a range has."""
    if step == 0:
        raise SweepError(f"{piece} never ends: its step is 0. Write a step above 0, or below 0 to count down")
    count = math.ceil((stop - start) / step)
    if count <= 0:
        way = "up" if step > 0 else "down"
        remedy = "The stop itself does not belong to it" if start == stop else "Exchange start and stop, or negate step"
        raise SweepError(f"{piece} is empty: counting {way}, nothing lies between start and stop. {remedy}")
    _refuse_too_many(count, piece)
    return count


def _number(piece: str, name: str, text: str) -> int | float:
    try:
        value = json_value(text)
    except ValueError:
        value = None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise SweepError(f'{piece}: {name} is a number, not "{text}"')
    return value


def _arguments(piece: str, given: Sequence[str], names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the arguments by position and those by name, which come after them and are some of ``names``."""
    positional: list[str] = []
    named: dict[str, str] = {}
    for argument in given:
        match = _NAMED.fullmatch(argument)
        if match is None:
            if named:
                raise SweepError(f"{piece}: {argument} stands after a named argument. Put it before")
            positional.append(argument)
        elif match[1] not in names:
            known = suggestion(match[1], names) or 'Text with "=" stands in quotes.'
            raise SweepError(f'{piece}: there is no argument called "{match[1]}" here. {known}')
        elif match[1] in named:
            raise SweepError(f"{piece}: {match[1]} is given twice")
        else:
            named[match[1]] = match[2]
    return positional, named


def _refuse_too_many(count: int, what: str) -> None:
    if count > MOST_VALUES:
        raise SweepError(f"{what} stands for more than {MOST_VALUES:,} values. Sweep over fewer")


def _refuse_doubles(found: Sequence[Any]) -> None:
    """Refuse values that stand twice; 1 and 1.0 are the same, 1 and true are not."""
    seen: set[str] = set()
    for value in found:
        key = json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value, sort_keys=True)
        if key in seen:
            shown = json.dumps(value, ensure_ascii=False)
            raise SweepError(f"the value {shown} stands twice, and each makes one run. Remove one")
        seen.add(key)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
