"""From a file as it was written to the same file spelt out: canonical names, every default filled in."""

import copy
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from recombine.pointers import escaped, parts
from recombine.subschemas import JsonObject, Subschema, annotation, expand, items, properties

_IDENTIFIER_KEYS = ("pattern", "type")


class Normalizer:
    """Spells a value out, and remembers which keys it renamed.

    Attributes:
        renamed: The key as written, by canonical pointer.
        doubled: Canonical pointers whose key stands both under its name and under an alias, with the alias.
    """

    def __init__(self) -> None:
        self.renamed: dict[str, str] = {}
        self.doubled: dict[str, str] = {}

    def normalize(self, value: Any, schema: list[Subschema], pointer: str = "") -> Any:
        """Return ``value`` with aliases replaced, defaults filled in, and whole numbers as integers."""
        found = expand(schema, value)
        if isinstance(value, dict):
            return self._object(value, found, pointer)
        if isinstance(value, list):
            inner = items(found)
            return [self.normalize(item, inner, f"{pointer}/{position}") for position, item in enumerate(value)]
        if isinstance(value, float) and value.is_integer() and annotation(found, "type") == "integer":
            return int(value)
        return value

    def original(self, pointer: str) -> str:
        """Return the pointer as the file has it, for a canonical pointer."""
        written, canonical = "", ""
        for part in parts(pointer):
            canonical += f"/{escaped(part)}"
            written += f"/{escaped(self.renamed.get(canonical, part))}"
        return written

    def _object(self, value: JsonObject, found: list[Subschema], pointer: str) -> JsonObject:
        canonical = self._with_canonical_keys(value, properties(found), pointer)
        _replace_identifier(canonical, found)
        found = [*found, *expand(found[:1], canonical)]
        known = properties(found)
        for key, default in _defaults(known):
            canonical.setdefault(key, default)
        return {
            key: self.normalize(inner, known.get(key, []), f"{pointer}/{escaped(key)}")
            for key, inner in canonical.items()
        }

    def _with_canonical_keys(self, value: JsonObject, known: dict[str, list[Subschema]], pointer: str) -> JsonObject:
        names = {alias: name for name, schemas in known.items() for alias in annotation(schemas, "x-aliases") or []}
        renamed: JsonObject = {}
        for key, inner in value.items():
            name = key if key in known else names.get(key, key)
            place = f"{pointer}/{escaped(name)}"
            if name != key and name in value:
                self.doubled[place] = key
                continue
            if name != key:
                self.renamed[place] = key
            renamed[name] = inner
        return renamed


def _replace_identifier(value: JsonObject, found: list[Subschema]) -> None:
    for part in found:
        for key in _IDENTIFIER_KEYS:
            if "x-aliases" in part.schema and key in value and value[key] in part.schema["x-aliases"]:
                value[key] = PurePosixPath(part.file).stem


def _defaults(known: dict[str, list[Subschema]]) -> Iterator[tuple[str, Any]]:
    for key, schemas in known.items():
        for schema in expand(schemas, None):
            if "default" in schema.schema:
                yield key, copy.deepcopy(schema.schema["default"])
                break
