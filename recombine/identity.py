"""What makes a run, or a configuration, the same as another: its hash, and in words what differs."""

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from recombine.pointers import escaped
from recombine.problems import listing
from recombine.subschemas import Subschema, resolve, root_schema, walk
from recombine.validation import shown

#: Raised when, and only when, the same configuration, data and seed give other results than before.
RESULTS_VERSION = 1
#: Keys of a method that cannot change what a run with a given seed computes.
_ASIDE = ("$schema", "seed", "claims")
_MOST_SHOWN = 20


@dataclass(frozen=True)
class Identity:
    """What a run is: two runs with the same identity give the same results.

    Attributes:
        configuration: The :func:`config_hash`.
        data: By dataset name, the SHA-256 of the samples, and apart from it that of the labels, or None.
        inputs: The SHA-256 of each file that the run reads beside its data, by the path in the configuration.
        seed: The seed.
        results_version: The :data:`RESULTS_VERSION`.
    """

    configuration: str
    data: Mapping[str, Mapping[str, str | None]]
    inputs: Mapping[str, str]
    seed: int
    results_version: int = RESULTS_VERSION

    def digest(self) -> str:
        """Return the SHA-256 of all of it, as 64 hexadecimal digits."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def identity_part(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a resolved configuration without what cannot change its results.

    Left out are the seed, which is told apart, the claims, the path of the schema, and free text: every description
    that the schema declares. An argument of a class that happens to be called ``description`` stays.

    Args:
        resolved: A configuration spelt out (``MethodConfig.resolved``), as plain JSON values.
    """
    kept = copy.deepcopy({key: value for key, value in resolved.items() if key not in _ASIDE})
    free_text = resolve("method.json", "common.json#/$defs/description")
    holders = [
        visit.parents[-1]
        for visit in walk(kept, [root_schema()])
        if visit.pointer.endswith("/description") and _is_one_of(free_text, visit.parts)
    ]
    for holder in holders:
        del holder["description"]
    return kept


def config_hash(resolved: Mapping[str, Any]) -> str:
    """Return the SHA-256, as 64 hexadecimal digits, of what can change a configuration's results.

    The order of keys does not count, that of list items does; ``1`` and ``1.0`` are two values.
    """
    text = json.dumps(identity_part(resolved), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Return how two configurations differ, a line for each place, for example ``/seed: 1 there, 2 here``.

    Everything given is compared: to leave out what cannot change results, give the :func:`identity_part` of both.
    Items of lists are matched by their names where all of them have one of their own, else by position.

    Args:
        a: The one that is called *there*, as plain JSON values.
        b: The one that is called *here*. Positions in pointers are its own where it has the item.

    Returns:
        At most 20 lines, and then one that says how many more there are. Empty where both are the same.
    """
    found = list(_differences(dict(a), dict(b), ""))
    more = len(found) - _MOST_SHOWN
    return found if more <= 0 else [*found[:_MOST_SHOWN], f"and {more} more"]


def _is_one_of(wanted: Subschema, parts: list[Subschema]) -> bool:
    return any(part.schema is wanted.schema for part in parts)


def _differences(a: Any, b: Any, pointer: str) -> Iterator[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in dict.fromkeys([*a, *b]):
            yield from _of_part(a, b, key, f"{pointer}/{escaped(key)}")
    elif isinstance(a, list) and isinstance(b, list):
        yield from _of_lists(a, b, pointer)
    # Not by ==, to which true, 1 and 1.0 are the same.
    elif json.dumps(a) != json.dumps(b):
        yield _line(pointer, a, b)


def _of_part(a: Mapping[Any, Any], b: Mapping[Any, Any], key: Any, pointer: str) -> Iterator[str]:
    """Yield how the values at ``key`` differ, which may be absent on one side."""
    if key not in b:
        yield f"{pointer}: {shown(a[key])} there, absent here"
    elif key not in a:
        yield f"{pointer}: absent there, {shown(b[key])} here"
    else:
        yield from _differences(a[key], b[key], pointer)


def _of_lists(a: list[Any], b: list[Any], pointer: str) -> Iterator[str]:
    there, here = _names(a), _names(b)
    if there is None or here is None:
        there, here = list(map(str, range(len(a)))), list(map(str, range(len(b))))
    by_name, by_name_here = dict(zip(there, a, strict=True)), dict(zip(here, b, strict=True))
    for name in dict.fromkeys([*there, *here]):
        position = here.index(name) if name in by_name_here else there.index(name)
        yield from _of_part(by_name, by_name_here, name, f"{pointer}/{position}")
    orders = [[name for name in names if name in by_name and name in by_name_here] for names in (there, here)]
    if orders[0] != orders[1]:
        yield f"{pointer}: in the order {listing(orders[0])} there, {listing(orders[1])} here"


def _names(found: list[Any]) -> list[str] | None:
    """Return the names of list items; None where one has none, or two have the same."""
    names = [item.get("name") if isinstance(item, dict) else None for item in found]
    given = [name for name in names if isinstance(name, str)]
    return given if len(set(given)) == len(found) else None


def _line(pointer: str, a: Any, b: Any) -> str:
    there, here = shown(a), shown(b)
    if there == here:  # Long texts that begin alike are cut to the same.
        there, here = json.dumps(a, ensure_ascii=False), json.dumps(b, ensure_ascii=False)
    return f"{pointer}: {there} there, {here} here"
