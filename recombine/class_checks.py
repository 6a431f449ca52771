"""Blocks that name torch and torchvision objects: do the names exist, and do the arguments fit?"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from recombine import factory, signatures, torchvision_classes
from recombine.datasets import base as datasets
from recombine.factory import FactoryError
from recombine.pointers import escaped
from recombine.problems import Finding
from recombine.repetitions import repetition_errors
from recombine.signatures import Call, Parameter
from recombine.subschemas import Visit, annotation, properties

_REMEMBERED = 4096
_NAME_KEYS = {"functional": "function_name", "dataset": "dataset"}


def class_findings(visits: Iterable[Visit]) -> list[Finding]:
    """Return every mistake in naming or configuring a class or function among the values of a normalized method."""
    findings: list[Finding] = []
    for visit in visits:
        kind = annotation(visit.parts, "x-class")
        if kind is not None and _is_complete(kind, visit.value):
            errors = list(_errors(kind, visit))
            findings += [
                Finding(e.code, e.message, e.remedy, visit.pointer + e.key, key=e.about, fix=e.fix) for e in errors
            ]
    return findings


def _is_complete(kind: str, value: Any) -> bool:
    """Tell whether a block says what it is about; if not, the schema has found fault with it."""
    if not isinstance(value, dict) or not isinstance(value.get(_NAME_KEYS.get(kind, "type")), str):
        return False
    if kind == "functional":
        return isinstance(value.get("input_argument_name"), str)
    return kind != "layer" or signatures.has_plain_keys(value)


def _errors(kind: str, visit: Visit) -> Iterator[FactoryError]:
    if kind == "transform":
        found = list(_transform_errors(visit.value))
        yield from found or repetition_errors(visit.value)
    elif kind == "dataset":
        yield from _dataset_errors(visit.value, tuple(properties(visit.parts)))
    else:
        found = list(signatures.check_block(kind, visit.value))
        found = found or (list(repetition_errors(visit.value)) if kind == "layer" else [])
        yield from found or _trial(kind, json.dumps(visit.value))


@lru_cache(_REMEMBERED)
def _trial(kind: str, text: str) -> tuple[FactoryError, ...]:
    """Build a layer or an optimizer where it costs nothing, to hear what its class says of the values.

    Args:
        kind: ``layer`` or ``optimizer``; nothing else is built.
        text: The block as JSON.
    """
    block = json.loads(text)
    try:
        if kind == "layer":
            with torch.device("meta"):
                factory.build_layer(block)
        elif kind == "optimizer":
            _try_optimizer(block)
    except FactoryError as error:
        return (error,)
    return ()


def _try_optimizer(block: Mapping[str, Any]) -> None:
    """Build an optimizer and let it go a step: some arguments are looked at only then."""
    kind, parameter = block["type"], nn.Parameter(torch.zeros(2, 2))
    parameter.grad = torch.zeros(2, 2)
    arguments = factory.arguments_of("optimizer", block)
    plain = {key: factory.plain_value(key, value) for key, value in arguments.items()}
    optimizer = factory.call(kind, factory.resolve("optimizer", kind), [parameter], **plain)
    factory.call(kind, optimizer.step)


def _transform_errors(block: Mapping[str, Any]) -> Iterator[FactoryError]:
    name = block["type"]
    error = _name_error("transform", name)
    if error is not None:
        yield error
        return
    named = {key: value for key, value in block.items() if key != "type"}
    yield from _argument_errors(
        "transform", Call(name, ours=("type",)), _torchvision_parameters("transform", name), named
    )
    for key, value in named.items():
        for place, inner in signatures.nested_blocks(value, f"/{escaped(key)}"):
            yield from _nested_transform_errors(inner, place)


def _nested_transform_errors(block: Mapping[str, Any], place: str) -> Iterator[FactoryError]:
    if not isinstance(block.get("type"), str):
        message = 'an object as an argument must name a transform by "type"'
        yield FactoryError("RC102", message, 'Add "type".', place)
        return
    for nested in _transform_errors(block):
        nested.key = place + nested.key
        yield nested


def _dataset_errors(block: Mapping[str, Any], ours: tuple[str, ...]) -> Iterator[FactoryError]:
    name = block["dataset"]
    own = datasets.own_datasets()
    named = {key: value for key, value in block.items() if key not in ours}
    if name in own:
        given = datasets.own_parameters(name)
        parameters = tuple(Parameter(p.name, p.default is p.empty) for p in given)
        yield from signatures.check_arguments(Call(name, ours=ours), parameters, named)
        return
    error = _name_error("dataset", name, own)
    if error is not None:
        yield error
        return
    parameters = _torchvision_parameters("dataset", name)
    selector = torchvision_classes.split_selector(name)
    selected = selector if "splits" in named else None
    parameters = tuple(replace(p, required=p.required and p.name != selected) for p in parameters)
    extra = (Parameter("splits", False),) if selector is not None else ()
    yield from _argument_errors("dataset", Call(name, ours=ours), (*parameters, *extra), named)


def _name_error(kind: torchvision_classes.Kind, name: str, own: Collection[str] = ()) -> FactoryError | None:
    """Return what is wrong with the name of a torchvision class, or None."""
    reason = torchvision_classes.refusal(kind, name)
    if reason is None:
        return None
    everything = torchvision_classes.names(kind)
    usable = [*own, *(known for known in everything if torchvision_classes.refusal(kind, known) is None)]
    error = FactoryError("RC201", f'"{name}" cannot be used: {reason}')
    error = error if name in everything else factory.unknown_name(name, usable, kind, f"{kind}s")
    error.key = "/type" if kind == "transform" else "/dataset"
    return error


def _argument_errors(
    kind: torchvision_classes.Kind, call: Call, parameters: tuple[Parameter, ...], named: Mapping[str, Any]
) -> Iterator[FactoryError]:
    """Yield mistakes in the arguments of a torchvision class, those that would be code first."""
    code = {key: torchvision_classes.refused_argument(kind, key) for key in named}
    for key, reason in code.items():
        if reason is not None:
            yield FactoryError("RC202", f'"{key}" cannot be given: {reason}', "Remove it.", f"/{key}")
    taken = tuple(p for p in parameters if torchvision_classes.refused_argument(kind, p.name) is None)
    yield from signatures.check_arguments(
        call, taken, {key: named[key] for key, reason in code.items() if reason is None}
    )


def _torchvision_parameters(kind: torchvision_classes.Kind, name: str) -> tuple[Parameter, ...]:
    found = torchvision_classes.parameters(kind, name)
    return tuple(Parameter(p["name"], p["required"], variadic=p.get("variadic", False)) for p in found)
