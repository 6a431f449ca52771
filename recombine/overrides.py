"""``--set POINTER=VALUE``: changes to a method on the command line, and sweeps over several values."""

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from recombine.errors import UsageError
from recombine.pointers import parts
from recombine.problems import Finding, suggestion

_OPENING, _CLOSING = "[{", "]}"


@dataclass(frozen=True)
class Override:
    """One change: ``pointer`` (list items by position or as ``[name]``) gets ``value``."""

    pointer: str
    value: Any

    def __str__(self) -> str:
        """Return the change as it is written on the command line."""
        return f"{self.pointer}={json.dumps(self.value)}"


def combinations(texts: Iterable[str]) -> list[tuple[Override, ...]]:
    """Return every combination of the values that ``POINTER=VALUE[,VALUE...]`` texts name; at least the empty one.

    Raises:
        UsageError: A text has no ``=`` or its pointer does not begin with ``/``.
    """
    return list(itertools.product(*(_alternatives(text) for text in texts)))


def _alternatives(text: str) -> list[Override]:
    pointer, equals, values = text.partition("=")
    if not equals or not pointer.startswith("/"):
        raise UsageError(f'--set "{text}": write POINTER=VALUE, for example /phases/0/optimizers/0/lr=0.01')
    whole = _parsed(values)
    if not isinstance(whole, _Bare):
        return [Override(pointer, whole)]
    return [Override(pointer, _plain(_parsed(value))) for value in _split(values)]


class _Bare(str):
    """Text that is not JSON, and therefore stands for itself."""

    __slots__ = ()


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return _Bare(text)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, _Bare) else value


def _split(text: str) -> list[str]:
    """Split at commas that stand outside brackets and quotes."""
    depth, quoted, pieces = 0, False, [""]
    for character in text:
        quoted ^= character == '"'
        depth += 0 if quoted else (character in _OPENING) - (character in _CLOSING)
        if character == "," and depth == 0 and not quoted:
            pieces.append("")
        else:
            pieces[-1] += character
    return pieces


def apply(method: Any, overrides: Sequence[Override]) -> list[Finding]:
    """Change ``method`` in place; return a finding for every pointer that leads nowhere."""
    findings: list[Finding] = []
    for override in overrides:
        target, walked = method, ""
        *path, last = parts(override.pointer) or [""]
        for part in path:
            inner = _child(target, part)
            if inner is None:
                break
            target, walked = inner, f"{walked}/{part}"
        else:
            if _assign(target, last, override.value):
                continue
            part = last
        message = f'--set {override}: nothing is called "{part}" at "{walked or "/"}"'
        findings.append(Finding("RC301", message, suggestion(part, _children(target)), walked))
    return findings


def _child(parent: Any, part: str) -> Any:
    if isinstance(parent, list):
        position = _position(parent, part)
        return None if position is None else parent[position]
    return parent.get(part) if isinstance(parent, dict) else None


def _position(items: list[Any], part: str) -> int | None:
    if part.startswith("[") and part.endswith("]"):
        names = [item.get("name") if isinstance(item, dict) else None for item in items]
        return names.index(part[1:-1]) if part[1:-1] in names else None
    return int(part) if part.isdigit() and int(part) < len(items) else None


def _assign(parent: Any, part: str, value: Any) -> bool:
    if isinstance(parent, list):
        position = _position(parent, part)
        if position is not None:
            parent[position] = value
        return position is not None
    if not isinstance(parent, dict) or not part:
        return False
    parent[part] = value
    return True


def _children(parent: Any) -> list[str]:
    if isinstance(parent, list):
        named = [f"[{item['name']}]" for item in parent if isinstance(item, dict) and "name" in item]
        return named or [str(position) for position in range(len(parent))]
    return list(parent) if isinstance(parent, dict) else []
