"""Checking a spelt-out method against the schema: one problem per mistake, with the nearest right word."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from recombine import schemas
from recombine.misspelt import certain
from recombine.plugin_packages import offered
from recombine.pointers import escaped, parts
from recombine.problems import Finding, listing, nearest, suggestion
from recombine.subschemas import Subschema, expand, items, properties, root_schema

_SHOWN = 60


def schema_findings(value: Any, file: str = "method.json") -> list[Finding]:
    """Return every disagreement of a normalized method, or of what else a schema ``file`` describes, with it."""
    validator = Draft202012Validator({"$ref": f"recombine:/{file}"}, registry=schemas.registry())
    root = root_schema(file)
    findings = [finding for error in validator.iter_errors(value) for finding in _findings_of(error, value, root)]
    return list(dict.fromkeys(findings))


def _findings_of(error: ValidationError, value: Any, root: Subschema) -> Iterator[Finding]:
    pointer = "".join(f"/{escaped(str(part))}" for part in error.absolute_path)
    keyword = str(error.validator)
    if keyword in ("unevaluatedProperties", "additionalProperties"):
        yield from _unknown_keys(_instance(error), _schemas_at(value, pointer, root), pointer)
    elif keyword == "required":
        yield from _missing_keys(error, pointer)
    else:
        fix = _word_meant(error) if keyword == "enum" else ""
        yield Finding(*_DESCRIPTIONS.get(keyword, _plainly)(error), pointer, fix=fix)


def _unknown_keys(instance: dict[str, Any], found: list[Subschema], pointer: str) -> Iterator[Finding]:
    known = properties(found)
    absent = [name for name in known if name not in instance]
    for key in instance:
        if key not in known:
            certainly = certain(key, known)
            meant = nearest(key, absent) or certainly or nearest(key, known)
            remedy = suggestion(key, [meant] if meant else known)
            message = f'"{key}" is not a key that is known here'
            place = f"{pointer}/{escaped(key)}"
            yield Finding("RC101", message, remedy, place, key=meant, fix=certainly if certainly == meant else "")


def _missing_keys(error: ValidationError, pointer: str) -> Iterator[Finding]:
    """Yield the missing keys that this error is about: there is an error for each."""
    why = _why(error)
    for key in _bound_of(error):
        if key not in _instance(error) and f"'{key}'" in error.message:
            yield Finding("RC102", f'the required key "{key}" is missing{why}', f'Add "{key}".', pointer, key=key)


def _why(error: ValidationError) -> str:
    schema: Any = error.schema
    return f": {schema['x-why']}" if "x-why" in schema else ""


def _schemas_at(value: Any, pointer: str, root: Subschema) -> list[Subschema]:
    found = expand([root], value)
    for part in parts(pointer):
        inner = items(found) if isinstance(value, list) else properties(found).get(part, [])
        value = value[int(part)] if isinstance(value, list) else value[part]
        found = expand(inner, value)
    return found


def _instance(error: ValidationError) -> Any:
    return error.instance


def _bound_of(error: ValidationError) -> Any:
    return error.validator_value


def _type(error: ValidationError) -> tuple[str, str, str]:
    wanted = _bound_of(error)
    words = [wanted] if isinstance(wanted, str) else list(wanted)
    names = " or ".join(_TYPE_NAMES.get(word, word) for word in words)
    return "RC103", f"{names} is expected here, not {shown(error.instance)}", ""


def _enum(error: ValidationError) -> tuple[str, str, str]:
    words = [str(word) for word in _bound_of(error)]
    if not isinstance(error.instance, str):
        return "RC103", f"one of {listing(words)} is expected here, not {shown(error.instance)}", ""
    message = f'"{error.instance}" is none of the words allowed here'
    package = offered().get(error.instance) if list(error.path)[-1:] == ["pattern"] else None
    if package is not None:
        remedy = f"The installed package {package} offers it: --plugin {package} lets its code take part."
        return "RC105", message, remedy
    return "RC105", message, suggestion(error.instance, words)


def _word_meant(error: ValidationError) -> str:
    """Return the allowed word that a wrong one stands for beyond doubt."""
    words = [word for word in _bound_of(error) if isinstance(word, str)]
    found = error.instance if isinstance(error.instance, str) else ""
    word = certain(found, words)
    return word if word == nearest(found, words) else ""


def _const(error: ValidationError) -> tuple[str, str, str]:
    wanted = json.dumps(error.validator_value)
    return "RC106", f"{shown(error.instance)} does not go with the keys beside it", f"Write {wanted}."


def _bound(error: ValidationError) -> tuple[str, str, str]:
    words = {
        "minimum": "at least",
        "maximum": "at most",
        "exclusiveMinimum": "greater than",
        "exclusiveMaximum": "less than",
    }
    bound = f"{words[str(error.validator)]} {error.validator_value}"
    return "RC104", f"{shown(error.instance)} is out of range", f"The value must be {bound}."


def _too_few(error: ValidationError) -> tuple[str, str, str]:
    count = error.validator_value
    kind = {"minItems": "item", "minProperties": "key", "minLength": "character"}[str(error.validator)]
    return "RC104", f"at least {count} {kind}{'s' if count != 1 else ''} must stand here{_why(error)}", ""


def _too_many(error: ValidationError) -> tuple[str, str, str]:
    kind = {"maxItems": "items", "maxLength": "characters"}[str(error.validator)]
    return "RC104", f"at most {error.validator_value} {kind} may stand here", ""


def _not(error: ValidationError) -> tuple[str, str, str]:
    forbidden = _bound_of(error)
    if "required" in forbidden:
        return "RC106", f"{listing(forbidden['required'])} cannot be given together here", "Remove one of them."
    return "RC106", f"{shown(error.instance)} is not allowed here{_why(error)}", ""


def _plainly(error: ValidationError) -> tuple[str, str, str]:
    return "RC106", f"{shown(error.instance)} is not allowed here ({error.validator})", ""


def shown(value: Any) -> str:
    """Return ``value`` as JSON, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


_TYPE_NAMES = {
    "object": "an object {...}",
    "array": "a list [...]",
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}

_DESCRIPTIONS: dict[str, Callable[[ValidationError], tuple[str, str, str]]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "minimum": _bound,
    "maximum": _bound,
    "exclusiveMinimum": _bound,
    "exclusiveMaximum": _bound,
    "minItems": _too_few,
    "maxItems": _too_many,
    "maxLength": _too_many,
    "minProperties": _too_few,
    "minLength": _too_few,
    "not": _not,
}
