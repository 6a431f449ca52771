"""Design patterns of other packages, which take part only where the user allowed their package on the command line.

A package offers patterns by entry points of the group ``recombine.design_patterns``: the name is the pattern's
identifier, the value its module, whose last part is the same, and beside the module lies its schema, ``<id>.json``::

    [project.entry-points."recombine.design_patterns"]
    spread = "my_patterns.spread"

To import a module is to run its code. So nothing is imported for a method file that asks for it, only for a user that
does. What a package may not do is listed with the messages below; everything else it can, as any installed package.
"""

import importlib
import inspect
import json
import re
from collections.abc import Iterator, Sequence
from importlib import metadata, resources
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from recombine import generate, registry, schemas
from recombine.errors import UsageError
from recombine.pattern_arguments import pattern_options
from recombine.patterns.base import DesignPattern
from recombine.plugin_packages import GROUP, allowed, offered, remember
from recombine.problems import listing, suggestion
from recombine.registry import Entry
from recombine.subschemas import JsonObject, Subschema

_FOLDER, _DISPATCHER = "design_patterns", "design_pattern.json"
_ID = re.compile(r"[a-z][a-z0-9_]{0,99}\Z")
_NEEDED = ("title", "description", "x-losses", "properties", "examples")


def allow(packages: Sequence[str]) -> None:
    """Let the design patterns of installed packages take part in this process, as if they were ours.

    Raises:
        UsageError: A package is not installed, offers no patterns, or one of its patterns is none; the message names
            the cause. Then none of its patterns takes part.
    """
    for package in packages:
        if package not in allowed():
            distribution = _distribution(package)
            entries = [_entry(point, package) for point in distribution.entry_points if point.group == GROUP]
            if not entries:
                raise UsageError(f'package "{package}" offers no design patterns: it has no entry points "{GROUP}"')
            _take_in(entries, package)
            remember(package, distribution.version)


def _distribution(package: str) -> metadata.Distribution:
    try:
        return metadata.distribution(package)
    except (metadata.PackageNotFoundError, ValueError):
        known = sorted(set(offered().values()))
        remedy = suggestion(package, known) if known else "No installed package offers any patterns."
        raise UsageError(f'there is no installed package "{package}". {remedy}') from None


def _entry(point: metadata.EntryPoint, package: str) -> tuple[Entry, JsonObject]:
    """Return a pattern and its schema."""
    what = f'pattern "{point.name}" of package "{package}"'
    if not _ID.match(point.name) or point.attr or point.module.rpartition(".")[2] != point.name:
        raise UsageError(
            f"{what}: its entry point is {point.value}, but must be a module whose last part is the identifier, in "
            f"small letters, digits and underscores"
        )
    try:
        module = importlib.import_module(point.module)
    except Exception as error:  # noqa: BLE001  (whatever the code of others does while it is imported)
        raise UsageError(f"{what} cannot be imported: {type(error).__name__}: {error}") from error
    schema = _schema(module.__package__ or "", point.name, what)
    return Entry(point.name, f"{_FOLDER}/{point.name}.json", point.module, DesignPattern), schema


def _schema(package: str, name: str, what: str) -> JsonObject:
    try:
        schema = json.loads(resources.files(package).joinpath(f"{name}.json").read_text(encoding="utf-8"))
        Draft202012Validator.check_schema(schema)
    except OSError as error:
        raise UsageError(f"{what} has no schema: {name}.json is not beside its module") from error
    except (ValueError, SchemaError) as error:
        raise UsageError(f"{what}: {name}.json is no JSON schema: {str(error).splitlines()[0]}") from error
    for fault in _faults(schema, name):
        raise UsageError(f"{what}: {name}.json {fault}")
    found: JsonObject = schema
    return found


def _faults(schema: JsonObject, name: str) -> Iterator[str]:
    missing = [key for key in _NEEDED if not schema.get(key)]
    if missing:
        yield f"lacks {listing(missing)}"
        return
    identifiers = schema["properties"].get("pattern", {}).get("enum", [])
    if sorted(identifiers) != sorted([name, *schema.get("x-aliases", [])]):
        yield f'must allow "{name}" and its "x-aliases", and nothing else, as the "pattern"'
    if schema.get("unevaluatedProperties") is not False and schema.get("additionalProperties") is not False:
        yield 'accepts any key: it needs "unevaluatedProperties": false'
    if "x-supervised" in schema:
        yield 'says "x-supervised": patterns of other packages never see classes'
    for reference in _references(schema):
        file = reference.partition("#")[0]
        if file and not (file.startswith("../") and file.removeprefix("../") in schemas.files()):
            yield f'refers to "{reference}", which is no schema of recombine'


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    for inner in part if isinstance(part, list) else []:
        yield from _references(inner)


def _take_in(entries: Sequence[tuple[Entry, JsonObject]], package: str) -> None:
    taken = {name for entry in registry.patterns().values() for name in (entry.id, *entry.aliases)}
    for entry, schema in entries:
        names = [entry.id, *schema.get("x-aliases", ())]
        double = sorted(taken & set(names))
        if double:
            raise UsageError(f'package "{package}" has a pattern "{double[0]}", but there is one of that name already')
        taken |= set(names)
        _check_class(entry, schema, package)
    registry.add(entry for entry, _ in entries)
    schemas.add({entry.schema_file: schema for entry, schema in entries})
    schemas.add({_DISPATCHER: json.loads(generate.design_pattern_schema())})


def _check_class(entry: Entry, schema: JsonObject, package: str) -> None:
    """Raise UsageError where the module has no class, or one whose constructor differs from the schema."""
    what = f'pattern "{entry.id}" of package "{package}"'
    try:
        parameters = set(inspect.signature(entry.implementation()).parameters)
    except RuntimeError as error:
        raise UsageError(f"{what}: {error}") from error
    options = set(pattern_options(Subschema(schema, entry.schema_file)))
    if parameters != options:
        differing = listing(sorted(parameters ^ options))
        raise UsageError(
            f"{what}: its constructor and its schema differ in {differing}; both must have the same options"
        )
