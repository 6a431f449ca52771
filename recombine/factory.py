"""torch classes and functions by their plain names, and objects built from JSON.

A method file names a class as ``"type": "Linear"``. What may be named is every public class or function of the right
kind that torch itself defines in the one namespace that belongs to the kind, and what recombine adds to it (layers and
optimizers that torch lacks, from :mod:`recombine.layers` and :mod:`recombine.optimizers`). Dotted names, private names,
members that a namespace merely imports, and classes that would need code as an argument are refused.
"""

import functools
import inspect
import re
import types
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from recombine import layers, optimizers
from recombine.misspelt import certain
from recombine.problems import nearest

_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
#: Keys of a block that are not arguments of its class or function.
KEYS_OF_OURS = {
    "layer": ("type", "name", "positional_arguments", "pooling_mapping_name", "pooling_layer_name"),
    "init": ("type", "layer_names", "weight_type"),
    "functional": ("function_name", "input_argument_name"),
    "optimizer": ("type", "name", "trained_mapping_names", "group_name", "optimizes_centroids"),
    "scheduler": ("type", "optimizer_name", "metric", "interval"),
}
#: What classes and functions of torch raise when they are given what they cannot take.
REFUSALS = (
    TypeError,
    ValueError,
    RuntimeError,
    AssertionError,
    AttributeError,
    LookupError,
    ArithmeticError,
)


class FactoryError(Exception):
    """A block that names or configures a torch object wrongly.

    Args:
        code: The problem's code.
        message: What is wrong.
        remedy: What to write instead.
        key: Path of the offending key within the block, as JSON pointer, or an empty string.
        about: The argument that is missing, or the one that was probably meant, or an empty string.

    Attributes:
        fix: The word to write in place of the wrong one, where it is certain.
    """

    def __init__(self, code: str, message: str, remedy: str = "", key: str = "", about: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.remedy, self.key, self.about = code, message, remedy, key, about
        self.fix = ""


@dataclass(frozen=True)
class Kind:
    """What may be named for one purpose.

    Attributes:
        title: What an entry is called in messages.
        plural: The word by which ``recombine list`` lists them.
        namespace: Where the names are looked up.
        accepts: Tells whether a member of the namespace is of the kind.
        refused: Reasons, by name, why some that are of the kind cannot be used.
        provided: Parameters that recombine passes itself.
        own: A module of ours whose members of the kind may be named as well.
    """

    title: str
    plural: str
    namespace: types.ModuleType
    accepts: Callable[[Any], bool]
    refused: Mapping[str, str]
    provided: tuple[str, ...] = ()
    own: types.ModuleType | None = None


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
        "layers",
        torch.nn,
        _is_layer,
        {
            "Module": _ABSTRACT,
            "Container": _ABSTRACT,
            **dict.fromkeys(("ModuleList", "ModuleDict", "ParameterList", "ParameterDict"), _CONTAINER),
            "DataParallel": "recombine itself decides on which devices a method runs",
        },
        own=layers,
    ),
    "init": Kind("function of torch.nn.init", "initializers", torch.nn.init, _is_initializer, {}, ("tensor",)),
    "functional": Kind("function of torch.nn.functional", "functions", torch.nn.functional, _is_functional, {}),
    "optimizer": Kind(
        "optimizer of torch.optim",
        "optimizers",
        torch.optim,
        _is_optimizer,
        {
            "Optimizer": _ABSTRACT,
            "LBFGS": "it evaluates the loss several times per step, which design patterns with state do not allow",
            "Muon": "it takes only matrices, and mappings have biases as well",
            "SparseAdam": "it takes only sparse gradients, which no design pattern produces",
        },
        ("params",),
        optimizers,
    ),
    "scheduler": Kind(
        "scheduler of torch.optim.lr_scheduler",
        "schedulers",
        torch.optim.lr_scheduler,
        _is_scheduler,
        {"LRScheduler": _ABSTRACT, "LambdaLR": _CALLABLE, "MultiplicativeLR": _CALLABLE},
        ("optimizer",),
    ),
}


@functools.cache
def names(kind: str) -> tuple[str, ...]:
    """Return every name that a method file may use for ``kind``, sorted."""
    return tuple(sorted(_members(kind)))


@functools.cache
def _members(kind: str) -> dict[str, Any]:
    """Return what is of a kind and may be used, by name."""
    of_kind = KINDS[kind]
    found = {**vars(of_kind.namespace), **(vars(of_kind.own) if of_kind.own is not None else {})}
    return {
        name: member
        for name, member in found.items()
        if not name.startswith("_") and of_kind.accepts(member) and name not in of_kind.refused
    }


def resolve(kind: str, name: str) -> Callable[..., Any]:
    """Return the class or function that ``name`` stands for.

    Raises:
        FactoryError: There is none, or it cannot be used from a file.
    """
    of_kind = KINDS[kind]
    full_name = f"{name}_" if kind == "init" and not name.endswith("_") else name
    if full_name in of_kind.refused:
        raise FactoryError("RC201", f'"{name}" cannot be used: {of_kind.refused[full_name]}')
    if full_name not in names(kind):
        raise unknown_name(name, names(kind), of_kind.title, of_kind.plural)
    found: Callable[..., Any] = _members(kind)[full_name]
    return found


def unknown_name(name: str, known: Collection[str], title: str, plural: str) -> FactoryError:
    """Return the error of a name that stands for nothing that can be used, with the name that was probably meant."""
    last = name.rpartition(".")[2]
    if _PLAIN_NAME.fullmatch(name):
        message, near = f'there is no {title} called "{name}"', nearest(name, known)
    else:
        message, near = f'"{name}" is not the plain name of a {title}', last if last in known else ""
    remedy = f'Did you mean "{near}"?' if near else f'"recombine list {plural}" shows what there is.'
    error = FactoryError("RC201", message, remedy)
    error.fix = near if near in (last, certain(name, known)) else ""
    return error


def arguments_of(kind: str, block: Mapping[str, Any]) -> dict[str, Any]:
    """Return the named arguments that stand beside the keys of ours."""
    return {key: value for key, value in block.items() if key not in KEYS_OF_OURS[kind]}


def build_layer(block: Mapping[str, Any], named_layers: dict[str, nn.Module] | None = None) -> nn.Module:
    """Build a layer, nested ones first.

    Args:
        block: ``{"type": ..., arguments}`` that :func:`recombine.signatures.check_block` found nothing wrong with.
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
            raise FactoryError("RC204", f'"{value}" is no dtype of torch', 'Write for example "float32".')
        return dtype
    return value


def call(name: str, target: Callable[..., Any], *positional: Any, **named: Any) -> Any:
    """Call ``target``; what it refuses becomes a FactoryError with its own words."""
    try:
        return target(*positional, **named)
    except REFUSALS as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise FactoryError("RC204", f"{name} refuses its arguments: {lines[0]}") from error


def function(block: Mapping[str, Any]) -> functools.partial[Any]:
    """Return a function of torch.nn.functional with its arguments bound; it is called with its input alone."""
    target = resolve("functional", block["function_name"])
    named = {key: plain_value(key, value) for key, value in arguments_of("functional", block).items()}
    return functools.partial(_apply, target, block["input_argument_name"], named)


def _apply(target: Callable[..., Any], input_name: str, named: Mapping[str, Any], x: torch.Tensor) -> Any:
    return target(**{input_name: x}, **named)
