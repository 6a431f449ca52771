"""The schemas of classes and functions that a method file can name: one for each, with its arguments."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from torch import nn

from recombine import docstrings, factory, torchvision_classes
from recombine.argument_types import argument_schema
from recombine.datasets.base import own_datasets
from recombine.docstrings import Described
from recombine.signatures import NEVER, parameters_of
from recombine.subschemas import JsonObject

#: The key that holds the name, where it is not "type".
NAME_KEYS = {"functional": "function_name", "dataset": "dataset"}
#: Kinds whose arguments may name further classes of the kind, and arguments that are lists of these.
_NESTING = ("layer", "scheduler", "transform")
_LISTS = {"scheduler": "schedulers", "transform": "transforms"}
_TORCHVISION: tuple[torchvision_classes.Kind, ...] = ("dataset", "transform")
_UNSAID = Described("", "")
_RECURRENT = (nn.RNN, nn.LSTM, nn.GRU)


def class_definitions(ours: Mapping[str, Iterable[str]]) -> dict[str, JsonObject]:
    """Return the schemas by the names of their definitions.

    Args:
        ours: For each kind, the keys that stand beside the arguments; a schema of a class leaves what they hold open.
    """
    found: dict[str, JsonObject] = {}
    for kind, keys in ours.items():
        classes = dict(_classes(kind))
        found[definition_name(kind)] = _dispatcher(kind, classes)
        open_keys = dict.fromkeys((*keys, *factory.KEYS_OF_OURS.get(kind, ())), True)
        for name, schema in classes.items():
            own = {key: value for key, value in schema["properties"].items() if key not in open_keys}
            if _LISTS.get(kind) in own:
                own[_LISTS[kind]] = {**own[_LISTS[kind]], "type": "array", "items": reference(definition_name(kind))}
            schema["properties"] = {**own, **open_keys, **schema.pop("refined", {})}
            found[definition_name(kind, name)] = schema
    return found


def definition_name(kind: str, name: str = "") -> str:
    """Return the name of the definition of a class, or of what selects one of a kind."""
    return f"{kind}:{name}" if name else f"any_{kind}"


def reference(name: str) -> JsonObject:
    """Return a reference to a definition."""
    return {"$ref": f"#/definitions/{name}"}


def one_of(words: list[Any]) -> JsonObject:
    """Return a condition on a value without ``enum``: VS Code fails to describe a value that some ``enum`` lacks."""
    return {"const": words[0]} if len(words) == 1 else {"anyOf": [{"const": word} for word in words]}


def _dispatcher(kind: str, classes: Mapping[str, JsonObject]) -> JsonObject:
    """Return the schema that selects the schema of a class by its name."""
    key = NAME_KEYS.get(kind, "type")
    spellings = {name: [name, name.removesuffix("_")] if kind == "init" else [name] for name in classes}
    told = [(word, classes[name].get("description", "")) for name, words in spellings.items() for word in words]
    of_kind = factory.KINDS.get(kind)
    title, plural = (of_kind.title, of_kind.plural) if of_kind is not None else (kind, f"{kind}s")
    names = {
        "enum": [word for word, _ in told],
        "enumDescriptions": [text for _, text in told],
        "errorMessage": f'There is no {title} of that name. "recombine list {plural}" shows what there is.',
    }
    branches = [
        {"if": {"properties": {key: one_of(words)}}, "then": reference(definition_name(kind, name))}
        for name, words in spellings.items()
    ]
    known = {"if": {"properties": {key: {"enum": names["enum"]}}, "required": [key]}, "then": {"allOf": branches}}
    found = {key: names, **({"positional_arguments": _by_position()} if kind == "layer" else {})}
    return {"type": "object", "properties": found, "required": [key], **known}


def _by_position() -> JsonObject:
    """Return the schema of arguments by position: objects among them name layers."""
    is_layer = {"if": {"type": "object"}, "then": reference(definition_name("layer"))}
    return {"type": "array", "items": is_layer}


def _classes(kind: str) -> Iterator[tuple[str, JsonObject]]:
    """Yield the names of a kind with the schemas of their arguments."""
    if kind == "dataset":
        for name, cls in own_datasets().items():
            yield name, _torch_schema(kind, cls)
    for of_torchvision in (known for known in _TORCHVISION if known == kind):
        for name in torchvision_classes.usable(of_torchvision):
            yield name, _torchvision_schema(of_torchvision, name)
    for name in factory.names(kind) if kind in factory.KINDS else ():
        yield name, _torch_schema(kind, factory.resolve(kind, name))


def _torch_schema(kind: str, target: Callable[..., Any]) -> JsonObject:
    """Return the schema of a class or function that Python can inspect."""
    told = docstrings.arguments(_documentation(target))
    provided = factory.KINDS[kind].provided if kind in factory.KINDS else ()
    inspected = _inspected(target)
    parameters = parameters_of(target)
    known = [p for p in parameters or () if not p.variadic and p.name not in provided and not p.name.startswith("_")]
    found = {
        p.name: _argument(kind, inspected.get(p.name), told.get(p.name, _UNSAID)) for p in known if p.name not in NEVER
    }
    takes_any = parameters is None or any(p.variadic and not p.positional for p in parameters)
    if takes_any:
        found |= {name: _argument(kind, None, told.get(name, _UNSAID)) for name in _further(target, found, provided)}
    schema = _closed(target, found, takes_any)
    if kind == "functional":
        schema["refined"] = _input_names(list(found), takes_any)
    return schema | _requirements(kind, [p.name for p in known if p.required])


def _input_names(names: list[str], takes_any: bool) -> JsonObject:
    """Return the schema of the key that says which argument is the input, and that of the usual one."""
    usual = {names[0]: {"doNotSuggest": True}} if names else {}
    return {"input_argument_name": {"examples": ["input"]} if takes_any else {"enum": names}, **usual}


def _closed(target: Callable[..., Any], found: JsonObject, takes_any: bool) -> JsonObject:
    name = getattr(target, "__name__", "")
    text = docstrings.summary(_documentation(target))
    return {"title": name, "description": text, "properties": found, "additionalProperties": takes_any}


def _further(target: Callable[..., Any], found: JsonObject, provided: tuple[str, ...]) -> list[str]:
    """Return the arguments that only the documentation names."""
    names = docstrings.named_in_signature(_documentation(target))
    return [name for name in names if name not in (*found, *provided, *NEVER)]


def _requirements(kind: str, required: list[str]) -> JsonObject:
    """Return what says that arguments are required: unless some are given by position, or are the function's input."""
    if kind == "functional" and required[1:]:
        is_input = {"properties": {"input_argument_name": one_of(required[:1])}, "required": ["input_argument_name"]}
        return {"if": is_input, "then": {"required": required[1:]}}
    if kind == "layer":
        by_name = {"not": {"required": ["positional_arguments"]}}
        return {"if": by_name, "then": {"required": required}} if required else {}
    return {"required": required} if required and kind != "functional" else {}


def _argument(kind: str, found: inspect.Parameter | None, told: Described) -> JsonObject:
    nested = reference(definition_name(kind)) if kind in _NESTING else None
    schema = argument_schema(found, told.words, nested) if found is not None else {}
    if "$ref" in schema:
        schema = {"allOf": [schema]}
    return {**schema, "description": told.text} if told.text else schema


def _torchvision_schema(kind: torchvision_classes.Kind, name: str) -> JsonObject:
    """Return the schema of a class of torchvision, from the table."""
    parameters = [
        p
        for p in torchvision_classes.parameters(kind, name)
        if not torchvision_classes.refused_argument(kind, p["name"])
    ]
    found = {p["name"]: p.get("schema", {}) for p in parameters if not p.get("variadic")}
    required = [p["name"] for p in parameters if p["required"]]
    selector = torchvision_classes.split_selector(name) if kind == "dataset" else None
    if selector is not None:
        found["splits"] = {
            "type": "array",
            "description": f"Splits that are joined to one dataset, in place of {selector}.",
        }
        required = [key for key in required if key != selector]
    text = f"Of torchvision.{kind}s."
    schema = {"title": name, "description": text, "properties": found, "additionalProperties": False}
    return schema | ({"required": required} if required else {})


def _inspected(target: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return the parameters with their annotations, as far as Python can tell."""
    if target in _RECURRENT:
        target = nn.RNNBase
    # A lazy layer takes what the layer that it becomes takes, but some are annotated with less.
    target = getattr(target, "cls_to_become", None) or target
    try:
        return inspect.signature(target, eval_str=True).parameters
    except NameError:
        return inspect.signature(target).parameters
    except (TypeError, ValueError):
        return {}


def _documentation(target: Callable[..., Any]) -> str | None:
    return getattr(target, "__doc__", None)
