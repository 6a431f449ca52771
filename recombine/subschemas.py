"""Which parts of the schema speak about a value: references and conditions resolved, ready to be read generically."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator

from recombine import schemas
from recombine.pointers import escaped

JsonObject = dict[str, Any]


class Subschema(NamedTuple):
    """A schema object and the schema file (relative to the schema folder) in which it stands."""

    schema: JsonObject
    file: str

    def child(self, schema: Any) -> "Subschema":
        """Return a part of this schema."""
        return Subschema(schema if isinstance(schema, dict) else {}, self.file)


def root_schema(file: str = "method.json") -> Subschema:
    """Return a whole schema file."""
    return Subschema(schemas.load(file), file)


def expand(parts: list[Subschema], value: Any) -> list[Subschema]:
    """Return the subschemas that apply to ``value`` itself under ``parts``: by ``$ref``, ``allOf``, ``if``/``then``."""
    found: list[Subschema] = []
    for part in parts:
        _collect(part, value, found)
    return found


def _collect(part: Subschema, value: Any, found: list[Subschema]) -> None:
    always = _always(part)
    if always is not None:
        found += always
        return
    schema = part.schema
    found.append(part)
    if "$ref" in schema:
        _collect(resolve(part.file, schema["$ref"]), value, found)
    for inner in schema.get("allOf", ()):
        _collect(part.child(inner), value, found)
    if "if" in schema:
        branch = "then" if _condition(schema).holds(value) else "else"
        if branch in schema:
            _collect(part.child(schema[branch]), value, found)


def _always(subschema: Subschema) -> tuple[Subschema, ...] | None:
    """Return the subschemas that apply to any value, where no condition decides about one; else None."""
    kept = _ALWAYS.get(id(subschema.schema))
    if kept is None or kept[0] is not subschema.schema:
        kept = _ALWAYS[id(subschema.schema)] = (subschema.schema, _unconditional(subschema))
    return kept[1]


def _unconditional(subschema: Subschema) -> tuple[Subschema, ...] | None:
    schema = subschema.schema
    if "if" in schema:
        return None
    inner = [resolve(subschema.file, schema["$ref"])] if "$ref" in schema else []
    inner += [subschema.child(part) for part in schema.get("allOf", [])]
    found = [_always(part) for part in inner]
    if None in found:
        return None
    return (subschema, *(each for part in found if part is not None for each in part))


class _Condition:
    """The ``if`` of a schema.

    Most ask whether properties are one of a few words. These are decided here, which takes a hundredth of the time
    that a validator takes.

    Args:
        schema: The schema behind ``if``.
    """

    def __init__(self, schema: JsonObject) -> None:
        self.schema = schema
        self._words = _words_of(schema)
        self._validator = Draft202012Validator(schema)

    def holds(self, value: Any) -> bool:
        """Tell whether the condition holds for a value."""
        if self._words is None:
            return self._validator.is_valid(value)
        if not isinstance(value, dict):
            return "type" not in self.schema
        return all(key in value for key in self.schema.get("required", ())) and all(
            value[key] in words for key, words in self._words.items() if key in value
        )


_CONDITIONS: dict[int, _Condition] = {}
#: What is known of schema objects, by their identity; each is kept with them, so that it keeps that.
_ALWAYS: dict[int, tuple[JsonObject, tuple[Subschema, ...] | None]] = {}
_CHILDREN: dict[int, tuple[JsonObject, dict[str, Subschema]]] = {}


def _words_of(schema: JsonObject) -> dict[str, list[str]] | None:
    """Return the words that each property may be, where a condition asks for nothing else."""
    found: dict[str, list[str]] = {}
    for key, asked in schema.get("properties", {}).items():
        words = asked.get("enum", [asked.get("const")])
        if len(asked) != 1 or not all(isinstance(word, str) for word in words):
            return None
        found[key] = words
    is_plain = schema.keys() <= {"type", "properties", "required"} and schema.get("type", "object") == "object"
    return found if is_plain else None


def _condition(schema: JsonObject) -> _Condition:
    """Return what judges the condition of a schema; kept, with its schema, so that the schema keeps its identity."""
    kept = _CONDITIONS.get(id(schema["if"]))
    if kept is None or kept.schema is not schema["if"]:
        kept = _CONDITIONS[id(schema["if"])] = _Condition(schema["if"])
    return kept


@cache
def resolve(file: str, reference: str) -> Subschema:
    """Return what a ``$ref`` in ``file`` points to."""
    target, _, pointer = reference.partition("#")
    name = posixpath.normpath(posixpath.join(posixpath.dirname(file), target)) if target else file
    schema: Any = schemas.load(name)
    for part in pointer.strip("/").split("/") if pointer.strip("/") else []:
        schema = schema[part]
    return Subschema(schema, name)


for _forget in (resolve.cache_clear, _ALWAYS.clear, _CHILDREN.clear):
    schemas.on_change(_forget)


def properties(parts: list[Subschema]) -> dict[str, list[Subschema]]:
    """Return the subschemas of each property that the applicable ``parts`` describe."""
    found: dict[str, list[Subschema]] = {}
    for part in parts:
        for name, child in _children(part).items():
            found.setdefault(name, []).append(child)
    return found


def _children(part: Subschema) -> dict[str, Subschema]:
    """Return the subschema of each property that a schema object itself describes."""
    kept = _CHILDREN.get(id(part.schema))
    if kept is None or kept[0] is not part.schema:
        described = part.schema.get("properties", {})
        kept = _CHILDREN[id(part.schema)] = (part.schema, {name: part.child(each) for name, each in described.items()})
    return kept[1]


def items(parts: list[Subschema]) -> list[Subschema]:
    """Return the subschemas of the items that the applicable ``parts`` describe."""
    return [part.child(part.schema["items"]) for part in parts if "items" in part.schema]


def is_closed(parts: list[Subschema]) -> bool:
    """Tell whether the applicable ``parts`` leave no room for keys that they do not describe."""
    return any(
        part.schema.get(f"{kind}Properties") is False for part in parts for kind in ("additional", "unevaluated")
    )


def names_by_alias(parts: list[Subschema]) -> dict[str, str]:
    """Return the name of each property that the applicable ``parts`` describe, by each of its aliases."""
    known = properties(parts)
    return {
        alias: name
        for name, schemas in known.items()
        for alias in annotation(schemas, "x-aliases") or []
        if alias not in known
    }


def annotation(parts: list[Subschema], keyword: str) -> Any:
    """Return the first value of an annotation keyword among ``parts``, or None."""
    return next((part.schema[keyword] for part in parts if keyword in part.schema), None)


@dataclass(frozen=True)
class Visit:
    """A value met on a walk: where it stands, what it is, and what the schema says of it."""

    pointer: str
    value: Any
    parts: list[Subschema]
    parents: tuple[JsonObject, ...]


def walk(value: Any, parts: list[Subschema]) -> Iterator[Visit]:
    """Yield every value that the schema describes, outermost first; ``parents`` ends with the nearest object."""
    left: list[tuple[str, Any, list[Subschema], tuple[JsonObject, ...]]] = [("", value, parts, ())]
    while left:
        pointer, each, above, parents = left.pop()
        found = expand(above, each)
        yield Visit(pointer, each, found, parents)
        if isinstance(each, dict):
            known, inside = properties(found), (*parents, each)
            keys = [key for key in each if key in known]
            left += [(f"{pointer}/{escaped(key)}", each[key], known[key], inside) for key in reversed(keys)]
        elif isinstance(each, list):
            inner = items(found)
            left += [(f"{pointer}/{i}", each[i], inner, parents) for i in reversed(range(len(each)))]
