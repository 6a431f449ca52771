"""From the block of a design pattern in the method file to the arguments of its constructor."""

import re
from collections.abc import Mapping as Dictionary
from typing import Any

from recombine.mapping import Mapping
from recombine.subschemas import Subschema, annotation, expand, items, properties

_NAMED = re.compile(r"_name(s?)(?=$|_\d+$)")


def pattern_options(schema: Subschema) -> dict[str, tuple[str, list[Subschema]]]:
    """Return the options of a pattern: for each parameter of the constructor, the key of the file and its schemas.

    Keys that belong to somebody else (``x-owner``) and the identifier are no options. Of keys that name a mapping or
    a view, the parameter has no ``_name``: ``encoder_name`` is ``encoder``, ``batch_augmentation_name_1`` is
    ``batch_augmentation_1``, and ``mapping_names``, a list, is ``mappings``.
    """
    options = {}
    for key, schemas in properties(expand([schema], {})).items():
        found = expand(schemas, None)
        if key != "pattern" and annotation(found, "x-owner") is None:
            options[_parameter(key, found)] = (key, found)
    return options


def pattern_arguments(
    schema: Subschema, block: Dictionary[str, Any], mappings: Dictionary[str, Mapping]
) -> dict[str, Any]:
    """Return the constructor arguments that a pattern's block stands for.

    Args:
        schema: The pattern's schema file.
        block: The block, valid, with its defaults filled in, and frozen.
        mappings: The method's mappings by name.

    Returns:
        Every option; names of mappings as the mappings themselves, also within options that are objects, and absent
        options as None.
    """
    return {
        parameter: _resolved(block.get(key), found, mappings)
        for parameter, (key, found) in pattern_options(schema).items()
    }


def _resolved(value: Any, found: list[Subschema], mappings: Dictionary[str, Mapping]) -> Any:
    """Return the value of an option with mappings in the place of their names; their keys lose ``_name``."""
    if isinstance(value, Dictionary):
        known = {key: expand(schemas, value.get(key)) for key, schemas in properties(expand(found, value)).items()}
        return {
            _parameter(key, known.get(key, [])): _resolved(inner, known.get(key, []), mappings)
            for key, inner in value.items()
        }
    if value is None or _refers_to(found) != "mapping":
        return value
    return mappings[value] if isinstance(value, str) else tuple(mappings[name] for name in value)


def _parameter(key: str, found: list[Subschema]) -> str:
    """Return what an option is called in Python: without ``_name`` where it names a mapping or a view."""
    return _NAMED.sub(r"\1", key) if _refers_to(found) in ("mapping", "view") else key


def _refers_to(found: list[Subschema]) -> str | None:
    """Return what kind of thing an option, or each item of its list, is the name of; None where it is no name."""
    kind: str | None = annotation(found, "x-ref") or annotation(expand(items(found), None), "x-ref")
    return kind
