"""JSON pointers (RFC 6901)."""

from typing import Any


def escaped(key: str) -> str:
    """Return ``key`` as one part of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def parts(pointer: str) -> list[str]:
    """Return the keys of a pointer, unescaped; none for the root."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def lookup(value: Any, pointer: str) -> Any:
    """Return what ``pointer`` points to in ``value``; KeyError or IndexError where there is nothing."""
    for part in parts(pointer):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value
