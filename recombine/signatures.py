"""Blocks that name torch objects, held against the signatures of what they name."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from recombine.factory import KEYS_OF_OURS, KINDS, FactoryError, arguments_of, resolve
from recombine.misspelt import certain
from recombine.pointers import escaped
from recombine.problems import nearest, suggestion

#: Arguments that no block can give, with the reason.
NEVER = {"device": "recombine places every module on the method's own device"}
_KINDS_THAT_NEST = ("layer", "scheduler")


def check_block(kind: str, block: Mapping[str, Any]) -> Iterator[FactoryError]:
    """Yield every mistake in how ``block`` names and configures its torch object, nested blocks included."""
    name_key = "function_name" if kind == "functional" else "type"
    name = block[name_key]
    try:
        target = resolve(kind, name)
    except FactoryError as error:
        error.key = f"/{name_key}"
        yield error
        return
    named, positional = arguments_of(kind, block), block.get("positional_arguments", ())
    parameters = parameters_of(target)
    provided = (block["input_argument_name"],) if kind == "functional" else KINDS[kind].provided
    if kind == "functional" and not _takes(parameters, provided[0]):
        known = [parameter.name for parameter in parameters or ()]
        message = f'{name} takes no argument "{provided[0]}"'
        yield FactoryError("RC202", message, suggestion(provided[0], known), "/input_argument_name")
    elif parameters is not None:
        call = Call(name, len(positional), provided, KEYS_OF_OURS[kind])
        yield from check_arguments(call, parameters, named)
    for key, value in named.items():
        yield from _check_nested(kind, value, f"/{escaped(key)}")
    yield from _check_nested(kind, positional, "/positional_arguments")


def nested_blocks(value: Any, key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the outermost objects in the value of an argument, with their paths."""
    if isinstance(value, Mapping):
        yield key, value
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            yield from nested_blocks(item, f"{key}/{position}")


def _check_nested(kind: str, value: Any, key: str) -> Iterator[FactoryError]:
    for place, block in nested_blocks(value, key):
        if kind not in _KINDS_THAT_NEST:
            yield FactoryError("RC103", "an object cannot be given here", "Write a plain value.", place)
        elif not isinstance(block.get("type"), str):
            message = 'an object as an argument must name a class by "type"'
            yield FactoryError("RC102", message, 'Add "type".', place)
        elif not has_plain_keys(block):
            message = '"name" must be a string, and "positional_arguments" a list'
            yield FactoryError("RC103", message, "", place)
        else:
            for error in check_block(kind, block):
                error.key = place + error.key
                yield error


def has_plain_keys(block: Mapping[str, Any]) -> bool:
    """Tell whether the name and the positional arguments of a block, if it has them, are what they must be."""
    return isinstance(block.get("name", ""), str) and isinstance(block.get("positional_arguments", []), (list, tuple))


@dataclass(frozen=True)
class Parameter:
    """One parameter of a class or function that a file can configure."""

    name: str
    required: bool
    positional: bool = True
    variadic: bool = False


#: Layers whose own signatures say nothing; they take what their base does, apart from its mode, and this.
_RECURRENT: dict[Any, tuple[Parameter, ...]] = {
    nn.RNN: (Parameter("nonlinearity", False, positional=False),),
    nn.LSTM: (),
    nn.GRU: (),
}


@functools.cache
def parameters_of(target: Callable[..., Any]) -> tuple[Parameter, ...] | None:
    """Return what ``target`` takes, without ``self``; None where Python cannot tell (some built-in functions)."""
    if getattr(target, "__init__", None) is nn.Module.__init__:
        return ()  # Its signature takes anything, but it then refuses everything.
    if target in _RECURRENT:
        return tuple(p for p in parameters_of(nn.RNNBase) or () if p.name != "mode") + _RECURRENT[target]
    try:
        found = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return None
    return tuple(_parameter(parameter) for parameter in found)


def _parameter(found: inspect.Parameter) -> Parameter:
    variadic = found.kind in (found.VAR_POSITIONAL, found.VAR_KEYWORD)
    positional = found.kind not in (found.KEYWORD_ONLY, found.VAR_KEYWORD)
    return Parameter(found.name, found.default is found.empty and not variadic, positional, variadic)


@dataclass(frozen=True)
class Call:
    """A call that a block stands for.

    Attributes:
        name: What is called, for messages.
        count: The number of positional arguments.
        provided: Parameters that recombine passes itself.
        ours: Keys that may stand beside the arguments, and may be what a misspelt one means.
    """

    name: str
    count: int = 0
    provided: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()


def check_arguments(call: Call, parameters: tuple[Parameter, ...], named: Mapping[str, Any]) -> Iterator[FactoryError]:
    """Yield the arguments of a call that are unknown, given twice, or missing.

    Args:
        call: The call.
        parameters: What is called takes.
        named: The named arguments.
    """
    own = [p for p in parameters if p.name not in call.provided]
    positional = [p.name for p in own if p.positional and not p.variadic]
    if call.count > len(positional) and not any(p.variadic and p.positional for p in own):
        message = f"{call.name} takes at most {len(positional)} positional arguments, not {call.count}"
        yield FactoryError("RC202", message, "", "/positional_arguments")
    yield from _unknown_arguments(call, own, named)
    for key in [key for key in named if key in positional[: call.count]]:
        message = f'{call.name} gets "{key}" twice: by name and by position'
        yield FactoryError("RC202", message, "Remove one of them.", f"/{key}")
    for parameter in own:
        if parameter.required and parameter.name not in [*named, *positional[: call.count]]:
            message = f'{call.name} requires the argument "{parameter.name}"'
            yield FactoryError("RC203", message, f'Add "{parameter.name}".', about=parameter.name)


def _unknown_arguments(call: Call, own: list[Parameter], named: Mapping[str, Any]) -> Iterator[FactoryError]:
    known = [p.name for p in own if not p.variadic and not p.name.startswith("_") and p.name not in NEVER]
    takes_any = any(p.variadic and not p.positional for p in own)
    for key in named:
        place = f"/{escaped(key)}"
        if key in NEVER:
            yield FactoryError("RC202", f'"{key}" cannot be given: {NEVER[key]}', "Remove it.", place)
        elif key in call.provided:
            yield FactoryError("RC202", f'"{key}" cannot be given: recombine itself passes it', "Remove it.", place)
        elif key not in known and (not takes_any or key.startswith("_")):
            meant = nearest(key, [name for name in [*known, *call.ours] if name not in named])
            remedy = suggestion(key, [meant] if meant else known) or "It takes no arguments."
            error = FactoryError("RC202", f'{call.name} takes no argument "{key}"', remedy, place, meant)
            error.fix = (
                meant if meant == certain(key, [name for name in [*known, *call.ours] if name not in named]) else ""
            )
            yield error


def _takes(parameters: tuple[Parameter, ...] | None, key: str) -> bool:
    """Tell whether a function may take an argument called ``key``, as far as Python can tell."""
    return parameters is None or any(parameter.variadic or parameter.name == key for parameter in parameters)
