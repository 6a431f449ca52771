"""Files by which an editor knows method files: the schema bundle, and settings of VS Code that name it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recombine.bundle import bundle_text
from recombine.errors import UsageError
from recombine.files import write_text
from recombine.subschemas import JsonObject

_FOLDER = ".vscode"
_BUNDLE, _SETTINGS = f"{_FOLDER}/recombine.schema.json", f"{_FOLDER}/settings.json"
_KEY = "json.schemas"
_INDENT = re.compile(r"^([ \t]+)\S", re.MULTILINE)
_USUAL_INDENT = "  "


class _NotPlainError(ValueError):
    """Settings that cannot be read and written again without loss."""


def write_bundle(path: Path) -> Iterator[str]:
    """Write the schema to ``path``; yield what was done."""
    _write(path, bundle_text())
    yield f"{path}: written"


def write_for_vscode(folder: Path, glob: str, bundle: Path | None = None) -> Iterator[str]:
    """Write the schema and settings that name it for the files that ``glob`` matches; yield what was done.

    Args:
        folder: The folder that is open in VS Code.
        glob: Which files are method files, relative to ``folder``.
        bundle: Where to write the schema; None: to ``.vscode`` in the folder.

    Raises:
        UsageError: There are settings that are not plain JSON; then nothing is written.
    """
    place = (folder / (bundle or _BUNDLE)).resolve()
    entry = {"fileMatch": [glob], "url": _url(place, folder.resolve())}
    # A link stays one: what it points to is written.
    settings = (folder / _SETTINGS).resolve()
    before, after = _merged_settings(settings, entry)
    yield from write_bundle(place)
    if after != before:
        _write(settings, after)
    yield f"{settings}: {'written' if after != before else 'names it already'}"
    yield from _elsewhere(folder, glob, place)


def _write(path: Path, text: str) -> None:
    if path.is_dir():
        raise UsageError(f"{path} cannot be written: it is a folder, and a file is to be named")
    try:
        write_text(path, text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error


def _url(place: Path, folder: Path) -> str:
    return f"./{place.relative_to(folder).as_posix()}" if place.is_relative_to(folder) else place.as_uri()


def _merged_settings(path: Path, entry: JsonObject) -> tuple[str | None, str]:
    """Return the text of the settings as it is, or None where there is none, and with the entry."""
    try:
        before = path.read_text(encoding="utf-8-sig") if path.exists() else None
        settings = _parsed(before) if before is not None and before.strip() else {}
        added = _with_entry(settings, entry)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        what = error if isinstance(error, _NotPlainError) else "it is not plain JSON (comments?)"
        message = f"{path} is left as it is, for {what}: write the schema by --bundle {_BUNDLE} and add"
        raise UsageError(f'{message} {json.dumps(entry)} to the list "{_KEY}" there') from error
    indent = _INDENT.search(before or "")
    text = json.dumps(settings, indent=indent[1] if indent else _USUAL_INDENT, ensure_ascii=False) + "\n"
    return before, text if added or before is None else before


def _parsed(text: str) -> JsonObject:
    settings = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
    if not isinstance(settings, dict) or not isinstance(settings.get(_KEY, []), list):
        raise _NotPlainError(f'it is not an object with a list "{_KEY}"')
    return settings


def _unique(pairs: list[tuple[str, Any]]) -> JsonObject:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _NotPlainError("a key stands twice in one object")
    return found


def _no_number(name: str) -> float:
    raise _NotPlainError(f"{name} is no number of JSON")


def _with_entry(settings: JsonObject, entry: JsonObject) -> bool:
    """Add the entry, or its files to the entry with its address; return whether anything changed."""
    entries = settings.setdefault(_KEY, [])
    own = [found for found in entries if isinstance(found, dict) and found.get("url") == entry["url"]]
    known = [found for found in own if isinstance(found.get("fileMatch"), list)]
    if any(entry["fileMatch"][0] in found["fileMatch"] for found in known):
        return False
    if known:
        known[0]["fileMatch"] += entry["fileMatch"]
    else:
        entries.append(entry)
    return True


def _elsewhere(folder: Path, glob: str, bundle: Path) -> Iterator[str]:
    """Yield what to do about files that say themselves which schema is theirs: editors follow that first."""
    try:
        files = [path for path in folder.glob(glob) if path.is_file()]
    except (NotImplementedError, ValueError):
        return
    named = [(path, _named_schema(path)) for path in files]
    others = [path for path, name in named if name is not None and (path.parent / name).resolve() != bundle]
    if others:
        yield (
            f'{len(others)} of {len(files)} files that match name another schema by "$schema", which editors follow '
            f"first: remove that line, or let it name {bundle.name}, for completion of classes"
        )


def _named_schema(path: Path) -> str | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    name = found.get("$schema") if isinstance(found, dict) else None
    return name if isinstance(name, str) else None
