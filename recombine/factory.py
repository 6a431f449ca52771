"""torch classes and functions by their plain names, and objects built from JSON.

A method file names a class as ``"type": "Linear"``. What may be named is every public class or function of the right
kind that torch itself defines in the one namespace that belongs to the kind. Dotted names, private names, members that
a namespace merely imports, and classes that would need code as an argument are refused.
"""

import functools
import inspect
import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from recombine.problems import suggestion

_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_KEYS_OF_OURS = {
    "layer": ("type", "name", "positional_arguments"),
    "init": ("type", "layer_names", "weight_type"),
    "functional": ("function_name", "input_argument_name"),
    "optimizer": ("type", "name", "trained_mapping_names", "group_name", "optimizes_centroids"),
    "scheduler": ("type", "optimizer_name", "metric"),
}
_NEVER = {"device": "recombine places every module on the method's own device"}


class FactoryError(Exception):
    """A block that names or configures a torch object wrongly.

    Args:
        code: The problem's code.
        message: What is wrong.
        remedy: What to write instead.
        key: Path of the offending key within the block, as JSON pointer, or an empty string.
    """

    def __init__(self, code: str, message: str, remedy: str = "", key: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.remedy, self.key = code, message, remedy, key


@dataclass(frozen=True)
class Kind:
    """What may be named for one purpose.

    Attributes:
        title: What an entry is called in messages.
        namespace: Where the names are looked up.
        accepts: Tells whether a member of the namespace is of the kind.
        refused: Reasons, by name, why some that are of the kind cannot be used.
        provided: Parameters that recombine passes itself.
    """

    title: str
    namespace: types.ModuleType
    accepts: Callable[[Any], bool]
    refused: Mapping[str, str]
    provided: tuple[str, ...] = ()


def _is_layer(member: Any) -> bool:
    return inspect.isclass(member) and issubclass(member, nn.Module)


def _is_optimizer(member: Any) -> bool:
    return inspect.isclass(member) and issubclass(member, torch.optim.Optimizer)


def _is_scheduler(member: Any) -> bool:
    return inspect.isclass(member) and issubclass(member, torch.optim.lr_scheduler.LRScheduler)


def _is_initializer(member: Any) -> bool:
    return (
        inspect.isfunction(member)
        and member.__module__ == "torch.nn.init"
        and next(iter(inspect.signature(member).parameters), "") == "tensor"
    )


def _is_functional(member: Any) -> bool:
    if inspect.isbuiltin(member):
        return not hasattr(torch.overrides, member.__name__)
    return inspect.isfunction(member) and member.__module__ == "torch.nn.functional"


_ABSTRACT = "it is a base class, not something that can be used by itself"
_CONTAINER = "it only holds other layers and maps nothing; use Sequential"
_CALLABLE = "it needs a Python function as an argument, and a method file holds no code"

KINDS: dict[str, Kind] = {
    "layer": Kind(
        "layer of torch.nn",
        torch.nn,
        _is_layer,
        {
            "Module": _ABSTRACT,
            "Container": _ABSTRACT,
            **dict.fromkeys(("ModuleList", "ModuleDict", "ParameterList", "ParameterDict"), _CONTAINER),
            "DataParallel": "recombine itself decides on which devices a method runs",
        },
    ),
    "init": Kind("function of torch.nn.init", torch.nn.init, _is_initializer, {}, ("tensor",)),
    "functional": Kind("function of torch.nn.functional", torch.nn.functional, _is_functional, {}),
    "optimizer": Kind(
        "optimizer of torch.optim",
        torch.optim,
        _is_optimizer,
        {
            "Optimizer": _ABSTRACT,
            "LBFGS": "it evaluates the loss several times per step, which design patterns with state do not allow",
            "Muon": "it takes only matrices, and mappings have biases as well",
            "SparseAdam": "it takes only sparse gradients, which no design pattern produces",
        },
        ("params",),
    ),
    "scheduler": Kind(
        "scheduler of torch.optim.lr_scheduler",
        torch.optim.lr_scheduler,
        _is_scheduler,
        {"LRScheduler": _ABSTRACT, "LambdaLR": _CALLABLE, "MultiplicativeLR": _CALLABLE},
        ("optimizer",),
    ),
}


@functools.cache
def names(kind: str) -> tuple[str, ...]:
    """Return every name that a method file may use for ``kind``, sorted."""
    of_kind = KINDS[kind]
    members = vars(of_kind.namespace).items()
    return tuple(
        sorted(
            name
            for name, member in members
            if not name.startswith("_") and of_kind.accepts(member) and name not in of_kind.refused
        )
    )


def resolve(kind: str, name: str) -> Callable[..., Any]:
    """Return the class or function that ``name`` stands for.

    Raises:
        FactoryError: There is none, or it cannot be used from a file.
    """
    of_kind = KINDS[kind]
    if kind == "init" and not name.endswith("_"):
        name += "_"
    if name in of_kind.refused:
        raise FactoryError("RC201", f'"{name}" cannot be used: {of_kind.refused[name]}')
    if not _PLAIN_NAME.fullmatch(name):
        message = f'"{name}" is not the plain name of a {of_kind.title}'
        raise FactoryError("RC201", message, "Dotted and private names are refused.")
    if name not in names(kind):
        raise FactoryError("RC201", f'there is no {of_kind.title} called "{name}"', suggestion(name, names(kind)))
    found: Callable[..., Any] = getattr(of_kind.namespace, name)
    return found


def arguments_of(kind: str, block: Mapping[str, Any]) -> dict[str, Any]:
    """Return the named arguments that stand beside the keys of ours."""
    return {key: value for key, value in block.items() if key not in _KEYS_OF_OURS[kind]}


def check_block(kind: str, block: Mapping[str, Any]) -> Iterator[FactoryError]:
    """Yield every mistake in how ``block`` names and configures its torch object, nested blocks included."""
    provided = KINDS[kind].provided
    if kind == "functional":
        provided = (str(block["input_argument_name"]),)
    name = str(block["function_name" if kind == "functional" else "type"])
    try:
        target = resolve(kind, name)
    except FactoryError as error:
        error.key = "/function_name" if kind == "functional" else "/type"
        yield error
        return
    named, positional = arguments_of(kind, block), block.get("positional_arguments", ())
    yield from _check_signature(name, target, named, len(positional), provided)
    for key, value in [*named.items(), *((f"positional_arguments/{i}", v) for i, v in enumerate(positional))]:
        yield from _check_nested(kind, value, f"/{key}")


def _check_nested(kind: str, value: Any, key: str) -> Iterator[FactoryError]:
    if isinstance(value, Mapping):
        if "type" not in value:
            message = 'an object as an argument must name a class by "type"'
            yield FactoryError("RC102", message, 'Add "type".', key)
            return
        for error in check_block(kind, value):
            error.key = key + error.key
            yield error
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            yield from _check_nested(kind, item, f"{key}/{position}")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a class or function that a file can configure."""

    name: str
    required: bool
    positional: bool = True
    variadic: bool = False


@functools.cache
def parameters_of(target: Callable[..., Any]) -> tuple[Parameter, ...] | None:
    """Return what ``target`` takes, without ``self``; None where Python cannot tell (some built-in functions)."""
    try:
        found = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return None
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return tuple(
        Parameter(
            parameter.name,
            parameter.default is inspect.Parameter.empty and parameter.kind not in variadic,
            parameter.kind not in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD),
            parameter.kind in variadic,
        )
        for parameter in found
    )


def _check_signature(
    name: str, target: Callable[..., Any], named: Mapping[str, Any], count: int, provided: tuple[str, ...]
) -> Iterator[FactoryError]:
    parameters = parameters_of(target)
    for key in [key for key in named if key in _NEVER or key.startswith("_")]:
        yield FactoryError("RC202", f'"{key}" cannot be given', _NEVER.get(key, "It is private."), f"/{key}")
    if parameters is not None:
        yield from check_arguments(name, parameters, named, count, provided)


def check_arguments(
    name: str, parameters: tuple[Parameter, ...], named: Mapping[str, Any], count: int, provided: tuple[str, ...]
) -> Iterator[FactoryError]:
    """Yield unknown, doubled and missing arguments of a call.

    Args:
        name: What is called, for messages.
        parameters: What it takes.
        named: The named arguments.
        count: The number of positional arguments.
        provided: Parameters that recombine passes itself.
    """
    own = [p for p in parameters if p.name not in provided]
    known = [p.name for p in own if not p.variadic and not p.name.startswith("_")]
    takes_any = any(p.variadic and not p.positional for p in own)
    positional = [p.name for p in own if p.positional and not p.variadic]
    if count > len(positional) and not any(p.variadic and p.positional for p in own):
        message = f"{name} takes at most {len(positional)} positional arguments, not {count}"
        yield FactoryError("RC202", message, "", "/positional_arguments")
    for key in named:
        if key not in known and not takes_any and key not in _NEVER and not key.startswith("_"):
            remedy = suggestion(key, known) or "It takes no arguments."
            yield FactoryError("RC202", f'{name} takes no argument "{key}"', remedy, f"/{key}")
        if key in positional[:count]:
            message = f'{name} gets "{key}" twice: by name and by position'
            yield FactoryError("RC202", message, "Remove one of them.", f"/{key}")
    misspelt = sum(key not in known for key in named)
    missing = [p.name for p in own if p.required and p.name not in named and p.name not in positional[:count]]
    for key in missing[misspelt:] if not takes_any else missing:
        yield FactoryError("RC203", f'{name} requires the argument "{key}"', f'Add "{key}".')


def build_layer(block: Mapping[str, Any], named_layers: dict[str, nn.Module] | None = None) -> nn.Module:
    """Build a layer, nested ones first.

    Args:
        block: ``{"type": ..., arguments}`` that :func:`check_block` found nothing wrong with.
        named_layers: Takes up every nested layer that has a name.

    Raises:
        FactoryError: The class refuses the values of its arguments.
    """
    registry = {} if named_layers is None else named_layers
    target = resolve("layer", block["type"])
    positional = [_value("", item, registry) for item in block.get("positional_arguments", ())]
    named = {key: _value(key, value, registry) for key, value in arguments_of("layer", block).items()}
    layer: nn.Module = call(block["type"], target, *positional, **named)
    if "name" in block:
        registry[block["name"]] = layer
    return layer


def _value(key: str, value: Any, registry: dict[str, nn.Module]) -> Any:
    if isinstance(value, Mapping):
        return build_layer(value, registry)
    if isinstance(value, (list, tuple)):
        return [_value(key, item, registry) for item in value]
    return plain_value(key, value)


def plain_value(key: str, value: Any) -> Any:
    """Return a value as torch wants it: the name of a dtype becomes the dtype, lists stay lists."""
    if key == "dtype" and isinstance(value, str):
        dtype = getattr(torch, value, None)
        if not isinstance(dtype, torch.dtype):
            raise FactoryError("RC204", f'"{value}" is no dtype of torch', 'Write for example "float32".', f"/{key}")
        return dtype
    return value


def call(name: str, target: Callable[..., Any], *positional: Any, **named: Any) -> Any:
    """Call ``target``; what it refuses becomes a FactoryError with its own words."""
    try:
        return target(*positional, **named)
    except (TypeError, ValueError, RuntimeError, AssertionError, KeyError, IndexError, OverflowError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise FactoryError("RC204", f"{name} refuses its arguments: {lines[0]}") from error


def function(block: Mapping[str, Any]) -> functools.partial[Any]:
    """Return a function of torch.nn.functional with its arguments bound, waiting for its input by position 0 or name.

    The input is passed under ``input_argument_name``, so the result is called as ``f(**{name: x})``.
    """
    target = resolve("functional", block["function_name"])
    named = {key: plain_value(key, value) for key, value in arguments_of("functional", block).items()}
    return functools.partial(_apply, target, block["input_argument_name"], named)


def _apply(target: Callable[..., Any], input_name: str, named: Mapping[str, Any], x: torch.Tensor) -> Any:
    return target(**{input_name: x}, **named)
