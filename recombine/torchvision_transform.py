"""Transforms of torchvision from their description in JSON."""

import difflib
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import torch

from recombine.errors import DataError
from recombine.torchvision_classes import names, parameters, refusal, refused_argument, resolve
from recombine.torchvision_import import FAILURES, torchvision

_MATRICES = ("transformation_matrix", "mean_vector")
_ENUMS = {"interpolation": "InterpolationMode", "policy": "AutoAugmentPolicy"}


def build_transform(spec: Mapping[str, Any]) -> Any:
    """Return the transform that ``{"type": <class in torchvision.transforms>, ...arguments}`` describes.

    Strings stand for interpolation modes, policies and dtypes; lists arrive as tuples; a list called ``transforms``
    holds further descriptions.

    Raises:
        DataError: If there is no such class or argument, or the class refuses its arguments.
    """
    name = str(spec.get("type"))
    if name not in names("transform"):
        raise DataError(f'there is no transform "{name}"{_suggestion(name, names("transform"))}')
    reason = refusal("transform", name)
    if reason is not None:
        raise DataError(f'transform "{name}" cannot be used: {reason}')
    arguments = {key: value for key, value in spec.items() if key != "type"}
    _check(name, arguments)
    try:
        return resolve("transform", name)(**{key: _argument(key, value) for key, value in arguments.items()})
    except FAILURES as error:
        raise DataError(f'transform "{name}": {error}') from error


def _check(name: str, arguments: Mapping[str, Any]) -> None:
    known = parameters("transform", name)
    keys = [parameter["name"] for parameter in known]
    for argument in arguments:
        if argument not in keys:
            raise DataError(f'transform "{name}" has no argument "{argument}"{_suggestion(argument, keys)}')
        reason = refused_argument("transform", argument)
        if reason is not None:
            raise DataError(f'transform "{name}": "{argument}" cannot be given: {reason}')
    lacking = [parameter["name"] for parameter in known if parameter["required"] and parameter["name"] not in arguments]
    if lacking:
        raise DataError(f'transform "{name}" needs the argument "{lacking[0]}"')


def _argument(key: str, value: Any) -> Any:
    """Return an argument as torchvision wants it."""
    if key in _ENUMS and isinstance(value, str):
        return _member(getattr(torchvision().transforms, _ENUMS[key]), key, value)
    if key == "dtype" and isinstance(value, str):
        return _dtype(value)
    if key == "transforms" and isinstance(value, Sequence):
        return [build_transform(spec) for spec in value]
    if key in _MATRICES:
        return torch.tensor(value, dtype=torch.float32)
    return _tuples(value)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _member(enum: type[Enum], key: str, value: str) -> Enum:
    try:
        return enum(value.lower())
    except ValueError:
        known = [str(member.value) for member in enum]
        raise DataError(f'"{key}" is one of {", ".join(known)}, not "{value}"') from None


def _dtype(value: str) -> torch.dtype:
    found = getattr(torch, value.removeprefix("torch."), None)
    if not isinstance(found, torch.dtype):
        raise DataError(f'"dtype" is the name of a torch dtype such as "float32", not "{value}"')
    return found


def _suggestion(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f'; did you mean "{close[0]}"?' if close else f"; there are: {', '.join(known)}"
