"""What ``torchvision.transforms`` and ``torchvision.datasets`` offer to a method file, known without importing them.

The table ``torchvision_signatures.json`` is generated. ``python -m recombine.generate`` rewrites the part of the
installed version and keeps the others. A version that the table lacks is imported and inspected.
"""

import importlib.metadata
import inspect
import json
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from recombine.argument_types import argument_schema
from recombine.docstrings import arguments
from recombine.errors import DataError
from recombine.torchvision_import import torchvision

Kind = Literal["transform", "dataset"]
TABLE_FILE = Path(__file__).with_name("torchvision_signatures.json")

_CODE_ARGUMENTS = ("transform", "target_transform", "loader", "is_valid_file", "lambd")
#: The first that a class has; MNIST's kin has ``train``, Omniglot ``background``, most others ``split``.
_SPLIT_SELECTORS = ("train", "background", "split")
_PAIRS = "a sample is several images; only datasets of single images can be clustered"
_REFUSED_TRANSFORMS = {
    "Lambda": "it runs code, which a method file cannot hold",
    "FiveCrop": "it returns several images for one",
    "TenCrop": "it returns several images for one",
}
_PICKLES = "it opens pickled objects that lie beside its data, and those can run code"
_REFUSED_DATASETS = {
    "VisionDataset": "it is the abstract base of the datasets",
    "DatasetFolder": 'it needs a loader, which is code and cannot be given in JSON; use "ImageFolder"',
    "LFWPairs": _PAIRS,
    "LSUN": _PICKLES,
    "LSUNClass": _PICKLES,
    "Kinetics": "a sample is a video",
    "HMDB51": "a sample is a video",
    "UCF101": "a sample is a video",
}
_REFUSED_MODULES = {"torchvision.datasets._optical_flow": _PAIRS, "torchvision.datasets._stereo_matching": _PAIRS}


class Parameter(TypedDict):
    """One parameter of a constructor.

    ``variadic`` stands only beside those that take any further arguments, ``schema`` only where something is known of
    the values: their JSON schema, with the default.
    """

    name: str
    required: bool
    schema: NotRequired[dict[str, Any]]
    variadic: NotRequired[bool]


class Entry(TypedDict):
    """One class: its parameters, and why a method file cannot use it, if so."""

    parameters: list[Parameter]
    refused: NotRequired[str]


Table = dict[str, dict[str, Entry]]


def names(kind: Kind) -> list[str]:
    """Return the names of all classes of a kind, sorted, also of those that :func:`refusal` refuses."""
    return sorted(_entries(kind))


def usable(kind: Kind) -> list[str]:
    """Return the names of the classes of a kind that a method file can use, sorted."""
    return [name for name in names(kind) if refusal(kind, name) is None]


def parameters(kind: Kind, name: str) -> list[Parameter]:
    """Return the constructor's parameters without ``self``; KeyError for a class that does not exist."""
    return _entries(kind)[name]["parameters"]


def split_selector(name: str) -> str | None:
    """Return the parameter by which a dataset selects its split, or None where it has none."""
    known = {parameter["name"] for parameter in parameters("dataset", name)}
    return next((selector for selector in _SPLIT_SELECTORS if selector in known), None)


def refusal(kind: Kind, name: str) -> str | None:
    """Return why a method file cannot use a class, or None if it can."""
    entry = _entries(kind).get(name)
    if entry is None:
        return f"torchvision has no {kind} of that name"
    return entry.get("refused")


def refused_argument(kind: Kind, argument: str) -> str | None:
    """Return why an argument cannot be given in a method file, or None if it can."""
    if argument in _CODE_ARGUMENTS or (kind == "dataset" and argument == "transforms"):
        advice = '; the transforms of a dataset stand in its "transforms" list' if "transform" in argument else ""
        return f"it is code, which a method file cannot hold{advice}"
    return None


def resolve(kind: Kind, name: str) -> type:
    """Return the class called ``name``.

    Raises:
        DataError: If there is none, or it is refused. Only public classes of torchvision's own modules are found.
    """
    reason = refusal(kind, name)
    if reason is not None:
        raise DataError(f'{kind} "{name}" cannot be used: {reason}')
    found: type = _live_classes(kind)[name]
    return found


@cache
def _entries(kind: Kind) -> dict[str, Entry]:
    version = _installed_version()
    tables = _read_tables()
    return tables[version][kind] if version in tables else _live_table()[kind]


def _installed_version() -> str:
    """Return torchvision's version without the local part that names its build."""
    return importlib.metadata.version("torchvision").split("+")[0]


def _read_tables() -> dict[str, Table]:
    tables: dict[str, Table] = json.loads(TABLE_FILE.read_text(encoding="utf-8"))
    return tables


def _live_table() -> Table:
    kinds: tuple[Kind, ...] = ("transform", "dataset")
    return {kind: {name: _entry(kind, found) for name, found in _live_classes(kind).items()} for kind in kinds}


def _live_classes(kind: Kind) -> dict[str, type]:
    module = getattr(torchvision(), f"{kind}s")
    return {name: value for name, value in sorted(vars(module).items()) if _is_offered(name, value)}


def _is_offered(name: str, value: Any) -> bool:
    """Whether a member of a torchvision module is a public class of torchvision that can be instantiated."""
    if name.startswith("_") or not inspect.isclass(value) or issubclass(value, Enum):
        return False
    return value.__module__.startswith("torchvision.")


def _entry(kind: Kind, found: type) -> Entry:
    entry: Entry = {"parameters": _constructor_parameters(found)}
    by_name = _REFUSED_TRANSFORMS if kind == "transform" else _REFUSED_DATASETS
    reason = by_name.get(found.__name__) or _REFUSED_MODULES.get(found.__module__)
    if reason is not None:
        entry["refused"] = reason
    return entry


def _constructor_parameters(found: type) -> list[Parameter]:
    """Return the constructor's parameters; its ``**kwargs`` stand for those of the next constructor above."""
    known: dict[str, Parameter] = {}
    for owner in [above for above in found.__mro__ if "__init__" in vars(above)]:
        signature = list(inspect.signature(vars(owner)["__init__"], eval_str=True).parameters.values())[1:]
        for parameter in signature:
            if not parameter.name.startswith("_") and parameter.kind is not parameter.VAR_KEYWORD:
                told = arguments(owner.__doc__).get(parameter.name)
                known.setdefault(parameter.name, _described(parameter, told.words if told is not None else ""))
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature):
            break
    return list(known.values())


def _described(parameter: inspect.Parameter, words: str) -> Parameter:
    variadic = parameter.kind is parameter.VAR_POSITIONAL
    described: Parameter = {
        "name": parameter.name,
        "required": parameter.default is parameter.empty and not variadic,
    }
    schema = argument_schema(parameter, words)
    if schema:
        described["schema"] = schema
    if variadic:
        described["variadic"] = True
    return described


def table_text() -> str:
    """Return the table as JSON, with what the installed version offers and what is known of the others."""
    return _formatted({**_read_tables(), _installed_version(): _live_table()})


def _formatted(tables: dict[str, Table]) -> str:
    """Return the table as JSON with one class a line."""
    versions = []
    for version, table in sorted(tables.items()):
        kinds = []
        for kind, entries in table.items():
            lines = ",\n".join(f"      {json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items())
            kinds.append(f"    {json.dumps(kind)}: {{\n{lines}\n    }}")
        versions.append(f"  {json.dumps(version)}: {{\n" + ",\n".join(kinds) + "\n  }")
    return "{\n" + ",\n".join(versions) + "\n}\n"
