"""From a file as it was written to the same file spelt out: canonical names, every default filled in."""

import copy
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from recombine.pointers import escaped, parts
from recombine.subschemas import JsonObject, Subschema, annotation, expand, items, names_by_alias, properties

_IDENTIFIER_KEYS = ("pattern", "type")


class Doubled(NamedTuple):
    """A key that stands beside another of the same meaning: its pointer, its name, and the other one's."""

    pointer: str
    key: str
    other: str


class Normalizer:
    """Spells a value out, and remembers which keys it renamed.

    Args:
        with_defaults: Whether keys that are absent get their defaults.

    Attributes:
        renamed: The key as written, by canonical pointer.
        doubled: Keys that were left out, as another of the same meaning stands beside them.
    """

    def __init__(self, *, with_defaults: bool = True) -> None:
        self.with_defaults = with_defaults
        self.renamed: dict[str, str] = {}
        self.doubled: list[Doubled] = []

    def normalize(self, value: Any, schema: list[Subschema], pointer: str = "") -> Any:
        """Return a copy of ``value`` with aliases replaced, defaults filled in, and whole numbers as integers."""
        if isinstance(value, dict):
            return self._object(value, expand(schema, value), pointer)
        if isinstance(value, list):
            inner = items(expand(schema, value))
            return [self.normalize(item, inner, f"{pointer}/{position}") for position, item in enumerate(value)]
        if isinstance(value, float) and value.is_integer() and _are_whole(annotation(expand(schema, value), "type")):
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
        canonical = self._with_canonical_keys(value, found, pointer)
        _replace_identifier(canonical, found)
        known = properties([*found, *expand(found[:1], canonical)])
        if self.with_defaults:
            canonical |= _defaults(known, canonical)
        return {
            key: self.normalize(inner, known.get(key, []), f"{pointer}/{escaped(key)}")
            for key, inner in canonical.items()
        }

    def _with_canonical_keys(self, value: JsonObject, found: list[Subschema], pointer: str) -> JsonObject:
        names = names_by_alias(found)
        written: dict[str, str] = {}
        for key in value:
            name = names.get(key, key)
            if name in value and name != key:
                self.doubled.append(Doubled(f"{pointer}/{escaped(key)}", key, name))
            elif name in written:
                self.doubled.append(Doubled(f"{pointer}/{escaped(key)}", key, written[name]))
            else:
                written[name] = key
        self.renamed |= {f"{pointer}/{escaped(name)}": key for name, key in written.items() if name != key}
        return {name: value[key] for name, key in written.items()}


def _are_whole(types: str | list[str] | None) -> bool:
    """Tell whether a schema's ``type`` says that numbers are whole numbers."""
    return types is not None and "integer" in ([types] if isinstance(types, str) else types)


def _replace_identifier(value: JsonObject, found: list[Subschema]) -> None:
    for part in found:
        for key in _IDENTIFIER_KEYS:
            if value.get(key) in part.schema.get("x-aliases", ()):
                value[key] = PurePosixPath(part.file).stem


def _defaults(known: dict[str, list[Subschema]], given: JsonObject) -> JsonObject:
    """Return the default of each known property that is not given and has one."""
    defaults: JsonObject = {}
    for key, schemas in known.items():
        if key not in given:
            described = next((part.schema for part in expand(schemas, None) if "default" in part.schema), None)
            if described is not None:
                defaults[key] = copy.deepcopy(described["default"])
    return defaults
