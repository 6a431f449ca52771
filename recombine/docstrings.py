"""What the documentation of a Python class or function says of its arguments."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

_SECTION = re.compile(r"^( *)(?:Args|Arguments|Parameters|Keyword args|Keyword Arguments):{1,2}\s*$")
_ENTRY = re.compile(r"^\*{0,2}(\w+)\s*(?:\(((?:[^()]|\([^()]*\))*)\))?\s*:\s*(.*)$")
_ROLE = re.compile(r":\w+:`~?(?:[\w.]*\.)?([^`<]*?)\s*(?:<[^`]*>)?`")
_COMMAND = re.compile(r"\\\w+\{([^{}]*)\}|\\(?=[\W_])")
_QUOTES = re.compile(r"`{1,2}([^`]*?)(?:\s*<[^`]*>)?`{1,2}_?")
_SIGNATURE = re.compile(r"^\w+\((.*)\)\s*(?:->.*)?$", re.DOTALL)
_LONGEST = 280


@dataclass(frozen=True)
class Described:
    """What is said of an argument: the words in brackets behind its name, and the text."""

    words: str
    text: str


def summary(documentation: str | None) -> str:
    """Return the first paragraph as plain text, or an empty string."""
    paragraphs = inspect.cleandoc(documentation or "").split("\n\n")
    usable = (text for text in paragraphs if not _SIGNATURE.match(text))
    return plain_text(next(usable, ""))


def arguments(documentation: str | None) -> dict[str, Described]:
    """Return what is said of each argument."""
    found: dict[str, Described] = {}
    for entry in _entries(inspect.cleandoc(documentation or "").splitlines()):
        match = _ENTRY.match(entry)
        if match is not None:
            found.setdefault(match[1], Described((match[2] or "").strip(), plain_text(match[3])))
    return found


def named_in_signature(documentation: str | None) -> list[str]:
    """Return the names in a first line such as ``gelu(input, approximate='none') -> Tensor``."""
    match = _SIGNATURE.match(inspect.cleandoc(documentation or "").partition("\n\n")[0])
    parts = re.sub(r"\([^)]*\)", "", match[1]).split(",") if match is not None else []
    names = [part.partition("=")[0].partition(":")[0].strip() for part in parts]
    return [name for name in names if name.isidentifier()]


def plain_text(text: str) -> str:
    """Return text without markup and line breaks, cut after a sentence or a word where it is long."""
    for pattern in (_ROLE, _QUOTES, _COMMAND):
        text = pattern.sub(r"\1", text)
    text = " ".join(text.split())
    if len(text) <= _LONGEST:
        return text
    head = text[:_LONGEST]
    return head[: head.rfind(". ") + 1] if ". " in head else head.rpartition(" ")[0] + " ..."


def _entries(lines: list[str]) -> Iterator[str]:
    """Yield the entries of the sections on arguments, each as one line."""
    outer, inner, entry = -1, 0, ""
    for line in [*lines, "end"]:
        depth = len(line) - len(line.lstrip())
        section = _SECTION.match(line)
        if outer >= 0 and line.strip() and (depth <= outer or depth == inner or inner < 0):
            yield entry
            entry, inner = line.strip(), depth
            outer = outer if depth > outer else -1
        elif outer >= 0:
            entry += " " + line.strip()
        if section is not None:
            outer, inner, entry = len(section[1]), -1, ""
