"""Blocks that name torch and torchvision objects: do the names exist, and do the arguments fit?"""

from collections.abc import Iterator
from typing import Any

import torch

from recombine import factory, torchvision_classes
from recombine.datasets import base as datasets
from recombine.factory import FactoryError
from recombine.problems import Finding, suggestion
from recombine.subschemas import Visit, annotation, root_schema, walk

_NAME_KEYS = {"functional": "function_name", "dataset": "dataset"}


def class_findings(method: Any) -> list[Finding]:
    """Return every mistake in naming or configuring a class or function, anywhere in a normalized method."""
    findings: list[Finding] = []
    for visit in walk(method, [root_schema()]):
        kind = annotation(visit.parts, "x-class")
        if kind is not None and _names_something(kind, visit.value):
            check = _torchvision_errors if kind in ("transform", "dataset") else _torch_errors
            errors = check(kind, visit)
            findings += [Finding(e.code, e.message, e.remedy, visit.pointer + e.key) for e in errors]
    return findings


def _names_something(kind: str, value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get(_NAME_KEYS.get(kind, "type")), str):
        return False
    return kind != "functional" or isinstance(value.get("input_argument_name"), str)


def _torch_errors(kind: str, visit: Visit) -> list[FactoryError]:
    errors = list(factory.check_block(kind, visit.value))
    return errors or list(_trial(kind, visit.value))


def _trial(kind: str, block: dict[str, Any]) -> Iterator[FactoryError]:
    """Build a layer where it costs nothing, to hear what its class says of the values."""
    if kind != "layer":
        return
    try:
        with torch.device("meta"):
            factory.build_layer(block)
    except FactoryError as error:
        yield error


def _torchvision_errors(kind: str, visit: Visit) -> list[FactoryError]:
    block, name_key = visit.value, _NAME_KEYS.get(kind, "type")
    name = block[name_key]
    ours = {key for part in visit.parts for key in part.schema.get("properties", {})}
    named = {key: value for key, value in block.items() if key not in ours}
    if kind == "dataset" and name in datasets.own_datasets():
        parameters = _own_parameters(name)
    else:
        reason = torchvision_classes.refusal(_kind(kind), name)
        if reason is not None:
            own = list(datasets.own_datasets()) if kind == "dataset" else []
            known = torchvision_classes.names(_kind(kind)) + own
            unknown = name not in known
            message = f'there is no {kind} called "{name}"' if unknown else f'"{name}" cannot be used: {reason}'
            return [FactoryError("RC201", message, suggestion(name, known) if unknown else "", f"/{name_key}")]
        parameters = _torchvision_parameters(kind, name)
    errors = [error for key in named for error in _refused_argument(kind, name, key)]
    usable = {key: value for key, value in named.items() if not _refused_argument(kind, name, key)}
    return errors + list(factory.check_arguments(name, parameters, usable, 0, ()))


def _kind(kind: str) -> torchvision_classes.Kind:
    return "transform" if kind == "transform" else "dataset"


def _refused_argument(kind: str, name: str, key: str) -> list[FactoryError]:
    if kind == "dataset" and name in datasets.own_datasets():
        return []
    reason = torchvision_classes.refused_argument(_kind(kind), key)
    return [FactoryError("RC202", f'"{key}" cannot be given: {reason}', "", f"/{key}")] if reason else []


def _own_parameters(name: str) -> tuple[factory.Parameter, ...]:
    return tuple(
        factory.Parameter(parameter.name, parameter.default is parameter.empty)
        for parameter in datasets.own_parameters(name)
    )


def _torchvision_parameters(kind: str, name: str) -> tuple[factory.Parameter, ...]:
    found = [
        factory.Parameter(p["name"], p["required"], not p.get("variadic", False), p.get("variadic", False))
        for p in torchvision_classes.parameters(_kind(kind), name)
    ]
    if kind == "dataset":
        splitting = {"split", "train"} & {parameter.name for parameter in found}
        found += [factory.Parameter("splits", False)] if splitting else []
    return tuple(found)
