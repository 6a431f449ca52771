"""One JSON schema for editors: method files, with every class that they can name and its arguments."""

import json
import platform

from recombine import registry
from recombine.class_schemas import class_definitions
from recombine.draft07 import Translator
from recombine.environment import package_version
from recombine.registry import Entry
from recombine.subschemas import JsonObject, root_schema

_DIALECT = "http://json-schema.org/draft-07/schema#"
_PACKAGES = ("recombine", "torch", "torchvision")


def bundle() -> JsonObject:
    """Return the schema, in draft-07, with all that it refers to.

    It takes what recombine takes, except that values of arguments must be what their classes say that they take.
    Lists of architectures, which may lie among method files, are described as well. The schema knows the classes of
    the installed versions and tells these in its comment. Where it cannot tell what a class takes, it says nothing.
    """
    translator = Translator()
    root = translator.translate(root_schema())
    root |= {"type": ["object", "array"], "items": translator.refer("method.json", "architecture.json")}
    definitions = translator.definitions | class_definitions(translator.keys)
    strategy = root["properties"]["cluster_assignment_strategy"]
    for schema, entries in (
        (definitions["design_pattern"], registry.patterns()),
        (strategy, registry.strategies()),
    ):
        schema["defaultSnippets"] = [_snippet(entry) for entry in entries.values()]
    return {"$schema": _DIALECT, "$comment": _comment(), **root, "definitions": dict(sorted(definitions.items()))}


def bundle_text() -> str:
    """Return the schema as JSON, a definition a line."""
    found = bundle()
    definitions = found.pop("definitions")
    lines = ",\n".join(f"    {_compact(name)}: {_compact(schema)}" for name, schema in definitions.items())
    head = json.dumps(found, indent=2, ensure_ascii=False).removesuffix("\n}")
    return f'{head},\n  "definitions": {{\n{lines}\n  }}\n}}\n'


def _comment() -> str:
    versions = [f"{name} {package_version(name) or '(not installed)'}" for name in _PACKAGES]
    known = ", ".join([*versions, f"Python {platform.python_version()}"])
    return f"Written by recombine schema for {known}; write it again when these change."


def _snippet(entry: Entry) -> JsonObject:
    """Return an example for an editor to insert."""
    return {"label": entry.id, "description": entry.title, "body": entry.schema["examples"][0]}


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
