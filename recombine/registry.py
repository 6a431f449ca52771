"""The open sets: which design patterns and assignment strategies there are, found by looking into their folders."""

import functools
import importlib
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from recombine import schemas
from recombine.assignment.base import AssignmentStrategy
from recombine.patterns.base import DesignPattern
from recombine.subschemas import JsonObject, Subschema


@dataclass(frozen=True)
class Entry:
    """A design pattern or an assignment strategy.

    Attributes:
        id: The identifier: the stem of its schema, its module and its test.
        schema_file: Its schema, relative to the schema folder.
        module: Its Python module.
        base: The class that its class derives from.
    """

    id: str
    schema_file: str
    module: str
    base: type[Any]

    @property
    def schema(self) -> JsonObject:
        """The content of the schema file."""
        return schemas.load(self.schema_file)

    @property
    def subschema(self) -> Subschema:
        """The schema with its place, so that its references can be followed."""
        return Subschema(self.schema, self.schema_file)

    @property
    def title(self) -> str:
        """What the entry is called in the ontology."""
        return str(self.schema["title"])

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other identifiers that files may use."""
        return tuple(self.schema.get("x-aliases", ()))

    @property
    def smallest_batch(self) -> int:
        """The smallest number of samples B that the entry can work with."""
        return int(self.schema.get("x-min-batch", 1))

    def implementation(self) -> type[Any]:
        """Return the one class of the module that derives from ``base``."""
        module = importlib.import_module(self.module)
        found = [
            member
            for member in vars(module).values()
            if inspect.isclass(member) and issubclass(member, self.base) and member.__module__ == module.__name__
        ]
        if len(found) != 1:
            raise RuntimeError(f"{self.module} defines {len(found)} classes derived from {self.base.__name__}, not one")
        return found[0]


_added: list[Entry] = []


@functools.cache
def patterns() -> dict[str, Entry]:
    """Return all design patterns by identifier."""
    own = _entries("design_patterns", "recombine.patterns", DesignPattern)
    return own | {entry.id: entry for entry in _added}


@functools.cache
def strategies() -> dict[str, Entry]:
    """Return all cluster assignment strategies by identifier."""
    return _entries("assignment_strategies", "recombine.assignment", AssignmentStrategy)


def add(entries: Iterable[Entry]) -> None:
    """Take in design patterns of other packages; their schemas have been added."""
    _added.extend(entries)
    patterns.cache_clear()


def _entries(folder: str, package: str, base: type[Any]) -> dict[str, Entry]:
    stems = sorted(path.stem for path in (schemas.root() / folder).glob("*.json"))
    return {stem: Entry(stem, f"{folder}/{stem}.json", f"{package}.{stem}", base) for stem in stems}
