"""Which JSON values an argument of a Python class takes, from its annotation, its documentation and its default.

What is not known is left open: a value that a class says it takes is never refused. Where annotation and documentation
differ, both count.
"""

import inspect
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from torch import nn

from recombine.subschemas import JsonObject

_ORDER = ("string", "boolean", "integer", "number", "array", "object", "null")
_TENSOR = "tensor"
#: Annotations that say nothing: torch's own BroadcastingList2[int] is None when Python looks at it.
_SILENT = (inspect.Parameter.empty, None, types.NoneType)
_BRACKETS = re.compile(r"\[[^\]]*\]|\([^)]*\)")
_BETWEEN = re.compile(r"\s+or\s+|,|\|")
_LISTS = (tuple, list, torch.Size, Sequence, Iterable)


@dataclass(frozen=True)
class Shape:
    """A set of JSON values.

    Attributes:
        types: The JSON types; none at all stands for every value. A tensor, which no file can hold, is a type as well.
        words: The strings, where not every string will do.
        items: The items of lists; None where they may be anything.
        longest: The greatest length of a list, or None.
        nested: Whether objects name a class of the same kind.
    """

    types: frozenset[str]
    words: tuple[str, ...] = ()
    items: "Shape | None" = None
    longest: int | None = None
    nested: bool = False

    def __or__(self, other: "Shape") -> "Shape":
        """Return what either takes."""
        if not self.types or not other.types:
            return ANYTHING
        strings = [shape for shape in (self, other) if "string" in shape.types]
        lists = [shape for shape in (self, other) if "array" in shape.types]
        items = [shape.items or ANYTHING for shape in lists]
        longest = [math.inf if shape.longest is None else shape.longest for shape in lists]
        return Shape(
            self.types | other.types,
            tuple(dict.fromkeys(word for s in strings for word in s.words)) if all(s.words for s in strings) else (),
            reduce(Shape.__or__, items) if items else None,
            int(max(longest)) if longest and max(longest) < math.inf else None,
            self.nested or other.nested,
        )


def _only(*names: str) -> Shape:
    return Shape(frozenset(names))


ANYTHING = Shape(frozenset())
_FLAG = _only("boolean", "integer")  # Python takes 0 and 1 as well.
_NESTED = replace(_only("object"), nested=True)
_DTYPE = Shape(
    frozenset({"string"}), tuple(sorted(name for name, value in vars(torch).items() if isinstance(value, torch.dtype)))
)
_PLAIN: dict[Any, Shape] = {
    bool: _FLAG,
    int: _only("integer"),
    float: _only("number"),
    str: _only("string"),
    Path: _only("string"),
    torch.dtype: _DTYPE,
    torch.Tensor: _only(_TENSOR),
    type(None): _only("null"),
    None: _only("null"),
}
_WORDS = {
    **dict.fromkeys(("int", "integer", "ints"), _only("integer")),
    **dict.fromkeys(("float", "floats", "number", "real"), _only("number")),
    **dict.fromkeys(("bool", "boolean"), _FLAG),
    **dict.fromkeys(("str", "string"), _only("string")),
    **dict.fromkeys(("tuple", "list", "sequence", "torch.size"), _only("array")),
    **dict.fromkeys(("tensor", "longtensor"), _only(_TENSOR)),
    **dict.fromkeys(("interpolationmode", "autoaugmentpolicy"), _only("string", "integer")),
    "none": _only("null"),
}


def argument_schema(found: inspect.Parameter, words: str = "", nested: JsonObject | None = None) -> JsonObject:
    """Return the JSON schema of an argument's values, with its default if a file can hold it.

    Args:
        found: The parameter.
        words: The types that the documentation names, such as ``int or tuple, optional``; empty where it names none.
        nested: The schema of objects that name a class of the same kind; None where objects are not told apart.
    """
    schema = as_schema(shape_of(found, words), nested)
    value = plain(found.default)
    return schema if value is None else {**schema, "default": value}


def shape_of(found: inspect.Parameter, words: str = "") -> Shape:
    """Return what a parameter takes."""
    known = [of_annotation(found.annotation)] if found.annotation not in _SILENT else []
    known += [of_words(words)] if words else []
    default = found.default
    if not known:
        if found.name == "dtype" and default is None:
            return _DTYPE | _only("null")
        return _FLAG | _only("null") if isinstance(default, bool) else ANYTHING
    return reduce(_or_else, [*known, *_of_default(default)])


def of_annotation(annotation: Any) -> Shape:
    """Return what an annotation says."""
    if isinstance(annotation, (type, types.NoneType)) and annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return reduce(Shape.__or__, map(of_annotation, inner))
    if origin is typing.Literal:
        return Shape(frozenset({"string"}), inner) if all(isinstance(word, str) for word in inner) else ANYTHING
    if origin in _LISTS or annotation in _LISTS:
        return _of_list(inner, endless=origin is not tuple or Ellipsis in inner)
    return _NESTED if origin is Callable else _of_class(annotation)


def of_words(text: str) -> Shape:
    """Return what the words of a documentation say; anything where one of them is not known."""
    words = [word.replace("optional", "").strip().lower() for word in _BETWEEN.split(_BRACKETS.sub("", text))]
    firsts = [word.split()[0] for word in words if word and word != "keyword-only"]
    return reduce(Shape.__or__, [_WORDS.get(word, ANYTHING) for word in firsts]) if firsts else ANYTHING


def as_schema(shape: Shape, nested: JsonObject | None = None) -> JsonObject:
    """Return a set of values as a JSON schema of draft-07."""
    names = [name for name in _ORDER if name in shape.types and not (name == "integer" and "number" in shape.types)]
    unknown = not names or (_TENSOR in shape.types and names == ["null"])
    if unknown or (shape.nested and nested is None):
        return {}
    if names == ["object"] and nested is not None:
        return nested
    if shape.words and set(names) <= {"string", "null"}:
        return {"enum": [*shape.words, *([None] if "null" in names else [])]}
    schema: JsonObject = {"type": names[0] if len(names) == 1 else names}
    items = as_schema(shape.items, nested) if shape.items is not None else {}
    schema |= {"items": items} if items else {}
    schema |= {"maxItems": shape.longest} if shape.longest is not None else {}
    schema |= {"examples": list(shape.words)} if shape.words else {}
    return schema | ({"if": {"type": "object"}, "then": nested} if shape.nested else {})


def plain(value: Any) -> Any:
    """Return a default as JSON has it, or None where JSON has no such value."""
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, (list, tuple)):
        items = [plain(item) for item in value]
        return None if None in items else items
    return value if isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)) else None


def _or_else(first: Shape, second: Shape) -> Shape:
    """Return what either takes, where the second source says less of strings and lists than the first."""
    both = first | second
    strings, lists = "string" in first.types, "array" in first.types
    words = first.words or (second.words if strings else both.words)
    items, longest = (first.items, first.longest) if lists else (both.items, both.longest)
    return replace(both, words=words, items=items, longest=longest) if both.types else both


def _of_default(default: Any) -> list[Shape]:
    """Return what a default tells: a class takes its own default, and values like it."""
    if isinstance(default, (list, tuple)):
        return [_only("array")]
    if isinstance(default, Enum):
        return [_of_members(type(default))]
    kind = type(default)
    return [_PLAIN[kind]] if kind in (bool, int, float, str, types.NoneType) else []


def _of_class(annotation: Any) -> Shape:
    if isinstance(annotation, type) and issubclass(annotation, (nn.Module, torch.optim.lr_scheduler.LRScheduler)):
        return _NESTED
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _of_members(annotation)
    return ANYTHING


def _of_members(words: type[Enum]) -> Shape:
    """Return the values of an enumeration: its strings, which any case will do for, or numbers that stand for them."""
    known = tuple(member.value for member in words if isinstance(member.value, str))
    return Shape(frozenset({"string", "integer"}), known)


def _of_list(inner: tuple[Any, ...], *, endless: bool) -> Shape:
    items = [of_annotation(item) for item in inner if item is not Ellipsis]
    known = reduce(Shape.__or__, items) if items else None
    return Shape(frozenset({"array"}), items=known, longest=None if endless else len(items))
