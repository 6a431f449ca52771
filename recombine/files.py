"""Files that are there whole or not at all, and names that are safe as file names."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")
_LONGEST_NAME = 80


def write_beside(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a new file beside ``path``, then rename it: readers see the old file or the new one.

    Neither follows a symbolic link that has the name of the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    beside.unlink(missing_ok=True)
    try:
        write(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, whole or not at all."""
    write_beside(path, lambda beside: _fill(beside, text))


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` to ``path`` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def safe_name(name: str) -> str:
    """Return ``name`` with everything but letters, digits and ``._+-`` replaced, fit for one part of a path."""
    cleaned = _UNSAFE.sub("_", name).strip("._")[:_LONGEST_NAME]
    return cleaned or "unnamed"


def _fill(path: Path, text: str) -> None:
    # File names may hold bytes that are no text; Python shows them as halves of characters.
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
