"""Everything that a method file can name."""

from recombine import factory, registry, torchvision_classes
from recombine.datasets.base import own_datasets

_KINDS = {
    "layers": "layer",
    "initializers": "init",
    "functions": "functional",
    "optimizers": "optimizer",
    "schedulers": "scheduler",
}


def entries(kind: str) -> list[tuple[str, str]]:
    """Return names and titles of one kind of things: ``patterns``, ``strategies``, ``layers``, ``datasets``, ..."""
    if kind == "patterns":
        return [(entry.id, entry.title) for entry in registry.patterns().values()]
    if kind == "strategies":
        return [(entry.id, entry.title) for entry in registry.strategies().values()]
    if kind == "transforms":
        return [(name, "") for name in _usable("transform")]
    if kind == "datasets":
        own = [(name, _first_line(cls.__doc__)) for name, cls in own_datasets().items()]
        return own + [(name, "of torchvision.datasets") for name in _usable("dataset")]
    return [(name, "") for name in factory.names(_KINDS[kind])]


def _usable(kind: torchvision_classes.Kind) -> list[str]:
    return [name for name in torchvision_classes.names(kind) if torchvision_classes.refusal(kind, name) is None]


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
