"""Everything that a method file can name."""

import inspect
import json
import re
from collections.abc import Callable, Iterator

from recombine import factory, registry, schemas, torchvision_classes
from recombine.datasets.base import own_datasets
from recombine.label_free import LabelFree
from recombine.metrics import Agreement, Scores

_NO_SCORES = ("sample_size", "space")
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)

Entries = Iterator[tuple[str, str]]


def entries(kind: str) -> Entries:
    """Yield names and titles of one kind of things: ``patterns``, ``strategies``, ``layers``, ``datasets``, ..."""
    if kind in _OWN:
        return _OWN[kind]()
    singular = next(singular for singular, of_kind in factory.KINDS.items() if of_kind.plural == kind)
    return ((name, "") for name in factory.names(singular))


def _patterns() -> Entries:
    return ((entry.id, entry.title) for entry in registry.patterns().values())


def _strategies() -> Entries:
    return ((entry.id, entry.title) for entry in registry.strategies().values())


def _datasets() -> Entries:
    for name, cls in own_datasets().items():
        yield name, (cls.__doc__ or "").strip().partition("\n")[0]
    for name in torchvision_classes.usable("dataset"):
        yield name, "of torchvision.datasets"


def _transforms() -> Entries:
    return ((name, "") for name in torchvision_classes.usable("transform"))


def _metrics() -> Entries:
    """Yield the scores of a run by the classes that hold them, whose documentation tells what they are."""
    for owner in (Scores, Agreement, LabelFree):
        for name, text in _ATTRIBUTE.findall((inspect.getdoc(owner) or "").partition("Attributes:")[2]):
            if name not in _NO_SCORES:
                yield name, " ".join(text.split())


def _configurations() -> Entries:
    """Yield the method files that come with a checkout, from the folder of configurations, with what they say."""
    root = schemas.root().parent / "configurations"
    for path in sorted(root.rglob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and "phases" in content:
            text = content.get("description", "")
            lines = text if isinstance(text, list) else [text]
            yield path.relative_to(root.parent).as_posix(), lines[0].partition(". ")[0] if lines else ""


_OWN: dict[str, Callable[[], Entries]] = {
    "patterns": _patterns,
    "strategies": _strategies,
    "datasets": _datasets,
    "transforms": _transforms,
    "metrics": _metrics,
    "configurations": _configurations,
}
