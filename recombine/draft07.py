"""The schema files in the dialect that editors understand, JSON Schema draft-07, as definitions of one file.

What draft-07 lacks is spelt out: keywords beside ``$ref`` are merged into a copy of what it refers to, and objects that
``unevaluatedProperties`` closes list every key. Other names of keys stand beside the first ones.
"""

from collections.abc import Iterator
from typing import Any

from recombine.class_schemas import definition_name, one_of, reference
from recombine.errors import UsageError
from recombine.subschemas import JsonObject, Subschema, resolve

_ONE = ("items", "contains", "not", "then", "else", "propertyNames", "additionalProperties")
_SEVERAL = ("anyOf", "oneOf")
_PLAIN = {
    *("title", "description", "type", "required", "enum", "const", "default", "examples", "pattern", "uniqueItems"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems", "minLength", "maxLength"),
    *("multipleOf", "minProperties", "maxProperties", "enumDescriptions"),
}
_ELSEWHERE = ("$ref", "allOf", "$schema", "$comment", "$defs", "unevaluatedProperties", "properties")
_ANNOTATIONS = ("title", "description", "default", "examples")
_CONDITION = ("if", "then", "else")


class Translator:
    """Translates schemas, and those that they refer to.

    Attributes:
        definitions: What has been referred to, by name.
        keys: For each kind of class, the keys that stand beside its arguments.
    """

    def __init__(self) -> None:
        self.definitions: dict[str, JsonObject] = {}
        self.keys: dict[str, dict[str, None]] = {}

    def translate(self, source: Subschema) -> JsonObject:
        """Return a schema of draft-07 that takes what ``source`` takes before defaults and names are filled in."""
        closes = source.schema.get("unevaluatedProperties") is False
        found = self._flat(source, deep=closes)
        if closes:
            self._close(found)
        _suggest_where_allowed(found)
        kind = source.schema.get("x-class")
        if kind is not None:
            self.keys.setdefault(kind, {}).update(dict.fromkeys(found["properties"]))
            del found["additionalProperties"]
            found.setdefault("allOf", []).append(reference(definition_name(kind)))
        return found

    def _flat(self, source: Subschema, *, deep: bool) -> JsonObject:
        """Return a schema in which nothing stands beside ``$ref``; ``deep`` merges in all that always applies."""
        schema = source.schema
        own = dict(self._keywords(source))
        if "$ref" in schema:
            if not own and not deep:
                return self.refer(source.file, schema["$ref"])
            own = merged(self._flat(resolve(source.file, schema["$ref"]), deep=deep or bool(own)), own)
        for part in schema.get("allOf", []):
            inner = source.child(part)
            if deep and "if" not in part:
                own = merged(self._flat(inner, deep=True), own)
            else:
                own.setdefault("allOf", []).append(self.translate(inner))
        return own

    def refer(self, file: str, target: str) -> JsonObject:
        """Return a reference to the definition of what ``target`` stands for in a schema file."""
        found = resolve(file, target)
        name = ".".join(part for part in (found.file.removesuffix(".json"), target.rpartition("/$defs/")[2]) if part)
        name = (name if "#" in target else found.file.removesuffix(".json")).replace("/", ".")
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] = self.translate(found)
        return reference(name)

    def _keywords(self, source: Subschema) -> Iterator[tuple[str, Any]]:
        schema = source.schema
        if "properties" in schema:
            yield "properties", dict(self._properties(source))
        if "x-why" in schema and "not" in schema:
            yield "errorMessage", schema["x-why"]
        for key, value in schema.items():
            if key == "if":
                yield key, _without_enums(self.translate(source.child(value)))
            elif key in _ONE:
                yield key, self.translate(source.child(value)) if isinstance(value, dict) else value
            elif key in _SEVERAL:
                yield key, [self.translate(source.child(item)) for item in value]
            elif key in _PLAIN:
                yield key, value
            elif key not in _ELSEWHERE and not key.startswith("x-"):
                message = f'"{key}" cannot be said in JSON Schema draft-07, which editors understand'
                raise UsageError(f"the schema {source.file}: {message}. Say it by other keywords.")

    def _properties(self, source: Subschema) -> Iterator[tuple[str, JsonObject]]:
        for name, schema in source.schema["properties"].items():
            found = self.translate(source.child(schema))
            yield name, found
            for alias in schema.get("x-aliases", ()):
                yield alias, {**found, "description": f"Another name of {name}.", "doNotSuggest": True}

    def _close(self, schema: JsonObject) -> None:
        """Let an object hold no other keys; those that a condition brings along, only where it holds."""
        known = schema.setdefault("properties", {})
        brought: dict[str, list[tuple[JsonObject, str]]] = {}
        for condition in [schema, *schema.get("allOf", [])]:
            for branch, other in (("then", "else"), ("else", "then")):
                for name in sorted(self._names(condition.get(branch, {})) - set(known)):
                    brought.setdefault(name, []).append((condition, other))
        for name, places in brought.items():
            known[name] = True
            condition, other = places[0]
            if len(places) == 1 and "$ref" not in condition.get(other, {}):
                condition.setdefault(other, {}).setdefault("properties", {})[name] = False
        schema["additionalProperties"] = False

    def _names(self, schema: JsonObject) -> set[str]:
        """Return every key that a schema speaks of."""
        if "$ref" in schema:
            schema = self.definitions[schema["$ref"].rpartition("/")[2]]
        parts = [*schema.get("allOf", []), *(schema[key] for key in ("then", "else") if key in schema)]
        return set(schema.get("properties", ())).union(*map(self._names, parts))


def _without_enums(condition: Any) -> Any:
    """Return a condition that says the same without ``enum``."""
    if isinstance(condition, list):
        return [_without_enums(part) for part in condition]
    if not isinstance(condition, dict):
        return condition
    found = {key: _without_enums(value) for key, value in condition.items() if key != "enum"}
    return found | (one_of(condition["enum"]) if "enum" in condition else {})


def _suggest_where_allowed(schema: JsonObject) -> None:
    """Describe a key that a condition forbids only where the condition allows it, or editors would propose it."""
    known = schema.get("properties", {})
    allowed: dict[str, list[tuple[JsonObject, str]]] = {}
    for condition in [schema, *schema.get("allOf", [])]:
        for branch, other in (("then", "else"), ("else", "then")):
            found = condition.get(branch, {}).get("properties", {})
            for name in [name for name, inner in found.items() if isinstance(inner, dict) and inner.get("not") == {}]:
                found[name]["doNotSuggest"] = True
                allowed.setdefault(name, []).append((condition, other))
    for name, places in allowed.items():
        condition, other = places[0]
        if len(places) == 1 and name in known and "$ref" not in condition.get(other, {}):
            inner = condition.setdefault(other, {}).setdefault("properties", {})
            inner[name] = _both(known[name], inner.get(name, True))
            known[name] = True


def _both(inner: JsonObject | bool, outer: JsonObject | bool) -> JsonObject | bool:
    """Return the schema of a key that two schemas speak of; true and false are schemas that take all or nothing."""
    if isinstance(inner, bool):
        return outer if inner else False
    if isinstance(outer, bool):
        return inner if outer else False
    return merged(inner, outer)


def merged(inner: JsonObject, outer: JsonObject) -> JsonObject:
    """Return one schema that demands what both demand; of annotations it has those of ``outer``."""
    found = dict(inner)
    rest = list(inner.get("allOf", []))
    if "if" in inner and "if" in outer and any(inner.get(key) != outer.get(key) for key in _CONDITION):
        rest.append({key: found.pop(key) for key in _CONDITION if key in found})
    for key, value in outer.items():
        if key == "properties":
            known = found.get("properties", {})
            found[key] = {**known, **{name: _both(known.get(name, True), schema) for name, schema in value.items()}}
        elif key == "required":
            found[key] = list(dict.fromkeys([*found.get(key, []), *value]))
        elif key == "allOf":
            rest += [part for part in value if part not in rest]
        else:
            if key in found and found[key] != value and key not in (*_ANNOTATIONS, *_CONDITION, "errorMessage"):
                rest.append({key: found[key]})
            found[key] = value
    return found | ({"allOf": rest} if rest else {})
