"""The schema files: where they are, and how they refer to one another."""

import functools
import json
import posixpath
from collections.abc import Callable
from pathlib import Path
from typing import Any

from referencing import Registry
from referencing.jsonschema import DRAFT202012

_BASE = "recombine:/"


def root() -> Path:
    """Return the folder of the schema files: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "schema"
    return inside if inside.is_dir() else package.parent / "schema"


#: Schemas of other packages, and what follows from them, by their paths.
_added: dict[str, dict[str, Any]] = {}
_listeners: list[Callable[[], None]] = []


def files() -> list[str]:
    """Return the paths of all schema files from :func:`root`, with forward slashes, those that were added included."""
    own = (path.relative_to(root()).as_posix() for path in root().rglob("*.json"))
    return sorted({*own, *_added})


def add(found: dict[str, dict[str, Any]]) -> None:
    """Take in schemas by their paths, in the place of others of the same path."""
    _added.update(found)
    load.cache_clear()
    registry.cache_clear()
    for forget in _listeners:
        forget()


def on_change(forget: Callable[[], None]) -> None:
    """Have a function called whenever schemas were added: what was remembered of them may hold no longer."""
    _listeners.append(forget)


@functools.cache
def load(relative_path: str) -> dict[str, Any]:
    """Return the schema file at ``relative_path`` (from :func:`root`, with forward slashes); do not change it."""
    if relative_path in _added:
        return _added[relative_path]
    schema: dict[str, Any] = json.loads((root() / relative_path).read_text(encoding="utf-8"))
    return schema


@functools.cache
def registry() -> Registry[Any]:
    """Return all schema files, each under the URI ``recombine:/<relative path>``."""
    resources = [(_BASE + file, DRAFT202012.create_resource(_absolute(load(file), file))) for file in files()]
    return Registry[Any]().with_resources(resources)


def _absolute(part: Any, file: str) -> Any:
    """Return ``part`` of ``file`` with every reference to a file spelt out: URIs of our own scheme do not join."""
    if isinstance(part, list):
        return [_absolute(item, file) for item in part]
    if not isinstance(part, dict):
        return part
    absolute = {key: _absolute(value, file) for key, value in part.items()}
    reference = part.get("$ref")
    if isinstance(reference, str):
        target, mark, pointer = reference.partition("#")
        name = posixpath.normpath(posixpath.join(posixpath.dirname(file), target)) if target else file
        absolute["$ref"] = f"{_BASE}{name}{mark}{pointer}"
    return absolute
