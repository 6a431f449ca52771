"""``--set POINTER=VALUE``: changes to a method on the command line, and sweeps over several values."""

import copy
import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from recombine.complete import fill_names
from recombine.errors import UsageError
from recombine.normalize import Normalizer
from recombine.pointers import escaped, parts
from recombine.problems import Finding, suggestion
from recombine.subschemas import Subschema, expand, is_closed, items, names_by_alias, properties, root_schema
from recombine.sweeps import MOST_VALUES, SweepError, values

_SHOWN = 120


@dataclass(frozen=True)
class Override:
    """One change: what ``pointer`` leads to (list items by position or as ``[name]``) gets ``value``.

    Raises:
        UsageError: The pointer does not begin with ``/``, or the value is none that JSON can hold.
    """

    pointer: str
    value: Any

    def __post_init__(self) -> None:
        """Make sure that the change can be written down."""
        if not self.pointer.startswith("/"):
            example = "/phases/0/optimizers/0/lr"
            raise UsageError(f'"{self.pointer}" leads nowhere: a pointer begins with "/", for example {example}')
        try:
            json.dumps(self.value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(f"the value for {self.pointer} cannot be written as JSON: {error}") from error

    def __str__(self) -> str:
        """Return the change as it is written on the command line."""
        return f"{self.pointer}={json.dumps(self.value, ensure_ascii=False)}"


def combinations(texts: Iterable[str]) -> list[tuple[Override, ...]]:
    """Return every combination of the values that ``POINTER=VALUE[,VALUE...]`` texts name; at least the empty one.

    What values may be is in :func:`recombine.sweeps.values`. The last text varies fastest.

    Raises:
        UsageError: A text has no ``=``, its pointer does not begin with ``/``, its values make no sense, or there are
            more than 10,000 combinations.
    """
    alternatives = [_alternatives(text) for text in texts]
    _refuse_idle_sweeps(alternatives)
    counts = [len(overrides) for overrides in alternatives]
    if math.prod(counts) > MOST_VALUES:
        product = " x ".join(f"{count:,}" for count in counts if count > 1)
        total = f"{math.prod(counts):,} combinations ({product}), more than {MOST_VALUES:,}"
        raise UsageError(f"the values of --set multiply to {total}. Sweep over fewer")
    return list(itertools.product(*alternatives))


def _alternatives(text: str) -> list[Override]:
    pointer, equals, swept = text.partition("=")
    if not equals:
        raise UsageError(f'--set "{text}": write POINTER=VALUE, for example /phases/0/optimizers/0/lr=0.01')
    try:
        return [Override(pointer, value) for value in values(swept)]
    except SweepError as error:
        shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
        raise UsageError(f'--set "{shown}": {error}') from error


def _refuse_idle_sweeps(alternatives: Sequence[Sequence[Override]]) -> None:
    """Refuse a sweep of what another text sets: the last one counts, so that runs would be the same."""
    texts = Counter(overrides[0].pointer for overrides in alternatives)
    for overrides in alternatives:
        pointer = overrides[0].pointer
        if len(overrides) > 1 and texts[pointer] > 1:
            raise UsageError(f"{pointer} is swept over and set again: only the last would count. Give it once")


def apply(method: Any, override: Override) -> tuple[str, list[Finding]]:
    """Change ``method`` in place.

    Args:
        method: A normalized method; its defaults need not be filled in.
        override: The change. Its pointer may lead through keys whose defaults are not filled in, and use aliases.

    Returns:
        The pointer in canonical names, and a finding if it leads nowhere and nothing was changed.
    """
    spelt_out = Normalizer().normalize(method, [root_schema()])
    fill_names(spelt_out)
    target, schema, walked = method, expand([root_schema()], spelt_out), ""
    *path, last = parts(override.pointer)
    for part in path:
        key = _key(spelt_out, schema, part)
        if key is None or not _holds(spelt_out, key):
            return walked, [_nothing(override, walked, part, spelt_out)]
        if isinstance(target, dict):
            target.setdefault(key, copy.deepcopy(spelt_out[key]))
        inner = items(schema) if isinstance(key, int) else properties(schema).get(key, [])
        target, spelt_out, walked = target[key], spelt_out[key], f"{walked}/{escaped(str(key))}"
        schema = expand(inner, spelt_out)
    key = _key(spelt_out, schema, last)
    if key is None:
        return walked, [_nothing(override, walked, last, spelt_out, properties(schema))]
    target[key] = copy.deepcopy(override.value)
    return f"{walked}/{escaped(str(key))}", []


def _key(parent: Any, schema: list[Subschema], part: str) -> str | int | None:
    """Return the canonical key or the position that ``part`` of a pointer stands for; None where there can be none."""
    if isinstance(parent, list):
        return _position(parent, part)
    if not isinstance(parent, dict):
        return None
    name = names_by_alias(schema).get(part, part)
    return name if name in parent or name in properties(schema) or not is_closed(schema) else None


def _position(found: list[Any], part: str) -> int | None:
    if part.startswith("[") and part.endswith("]"):
        names = [item.get("name") if isinstance(item, dict) else None for item in found]
        return names.index(part[1:-1]) if part[1:-1] in names else None
    return int(part) if part.isascii() and part.isdigit() and int(part) < len(found) else None


def _holds(parent: Any, key: str | int) -> bool:
    return isinstance(key, int) or key in parent


def _nothing(override: Override, walked: str, part: str, parent: Any, known: Iterable[str] = ()) -> Finding:
    message = f'{override} leads nowhere: nothing is called "{part}" at "{walked or "/"}"'
    return Finding("RC301", message, suggestion(part, [*_children(parent), *known]), walked)


def _children(parent: Any) -> Sequence[str]:
    if isinstance(parent, list):
        named = [f"[{item['name']}]" for item in parent if isinstance(item, dict) and "name" in item]
        return named or [str(position) for position in range(len(parent))]
    return list(parent) if isinstance(parent, dict) else []
