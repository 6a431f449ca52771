import inspect
import types
from collections.abc import Callable
from enum import Enum
from typing import Any, Literal

import pytest
import torch
from torch import nn

from recombine.argument_types import argument_schema, as_schema, of_annotation, of_words, plain

NESTED = {"$ref": "#/definitions/any_layer"}


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


def parameter(annotation=inspect.Parameter.empty, default=inspect.Parameter.empty, name="x"):
    """Return a parameter."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, kind, annotation=annotation, default=default)


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (int | float, {"type": "number"}),
        (bool, {"type": ["boolean", "integer"]}),
        (str | None, {"type": ["string", "null"]}),
        (int | tuple[int, int], {"type": ["integer", "array"], "items": {"type": "integer"}, "maxItems": 2}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (list[float], {"type": "array", "items": {"type": "number"}}),
        (tuple[int] | tuple[int, int], {"type": "array", "items": {"type": "integer"}, "maxItems": 2}),
        (Literal["min", "max"], {"enum": ["min", "max"]}),
        (Literal["min"] | None, {"enum": ["min", None]}),
        (Literal["min"] | float, {"type": ["string", "number"], "examples": ["min"]}),
        (float | torch.Tensor, {"type": "number"}),
        (torch.Tensor | None, {}),
        (torch.Tensor, {}),
        (Any, {}),
        (int | Any, {}),
        (nn.Module, NESTED),
        (Callable[[int], int] | str, {"type": ["string", "object"], "if": {"type": "object"}, "then": NESTED}),
        (Colour, {"type": ["string", "integer"], "examples": ["red", "blue"]}),
        ("Unheard", {}),
    ],
)  # fmt: skip
def test_annotations(annotation, schema):
    assert as_schema(of_annotation(annotation), NESTED) == schema


def test_objects_are_open_where_nothing_nests():
    assert as_schema(of_annotation(nn.Module)) == {}


@pytest.mark.parametrize(
    ("words", "schema"),
    [
        ("int, optional", {"type": "integer"}),
        ("float, Tensor, optional", {"type": "number"}),
        ("sequence or int", {"type": ["integer", "array"]}),
        ("float or tuple of float (min, max)", {"type": ["number", "array"]}),
        ("int or Tuple[int, int], optional", {"type": ["integer", "array"]}),
        ("Heaven, or int", {}),
        ("optional", {}),
    ],
)
def test_words(words, schema):
    assert as_schema(of_words(words)) == schema


@pytest.mark.parametrize(
    ("found", "words", "schema"),
    [
        (parameter(int, 3), "", {"type": "integer", "default": 3}),
        (parameter(int, 1), "int or tuple of ints", {"type": ["integer", "array"], "default": 1}),
        (parameter(float, None), "", {"type": ["number", "null"]}),
        (parameter(float, 0), "", {"type": "number", "default": 0}),
        (parameter(tuple[float, float], (0.9, 1)), "tuple",
         {"type": "array", "items": {"type": "number"}, "maxItems": 2, "default": [0.9, 1]}),
        (parameter(default=5.0), "", {"default": 5.0}),
        (parameter(default=False), "", {"type": ["boolean", "integer", "null"], "default": False}),
        (parameter(None), "", {}),
        (parameter(types.NoneType, 1), "", {"default": 1}),
        (parameter(default=Colour.RED), "Colour", {"default": "red"}),
        (parameter(), "", {}),
    ],
)  # fmt: skip
def test_arguments(found, words, schema):
    assert argument_schema(found, words) == schema


@pytest.mark.parametrize("found", [parameter(torch.dtype | None), parameter(default=None, name="dtype")])
def test_dtypes_are_words(found):
    words = argument_schema(found)["enum"]
    assert {"float32", "bfloat16", "long", None} <= set(words)
    assert "float33" not in words


@pytest.mark.parametrize(("value", "shown"), [((1, (2, 3)), [1, [2, 3]]), ((1, None), None), (float("inf"), None)])
def test_defaults_as_json(value, shown):
    assert plain(value) == shown
