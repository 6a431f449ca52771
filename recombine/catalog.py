"""Everything that a method file can name."""

from collections.abc import Callable, Iterator

from recombine import factory, registry, torchvision_classes
from recombine.datasets.base import own_datasets

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
    for name in _usable("dataset"):
        yield name, "of torchvision.datasets"


def _transforms() -> Entries:
    return ((name, "") for name in _usable("transform"))


def _usable(kind: torchvision_classes.Kind) -> list[str]:
    return [name for name in torchvision_classes.names(kind) if torchvision_classes.refusal(kind, name) is None]


_OWN: dict[str, Callable[[], Entries]] = {
    "patterns": _patterns,
    "strategies": _strategies,
    "datasets": _datasets,
    "transforms": _transforms,
}
