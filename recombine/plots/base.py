"""The contract of pictures: what a run is shown as."""

import importlib
import inspect
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, ClassVar

from numpy.typing import NDArray

from recombine import plots as folder
from recombine.canvas import Film, Still
from recombine.projection import Layout, layout
from recombine.run_data import DatasetRun


class Studio:
    """What the pictures of a run share.

    Args:
        projection: How many features become points in a plane.
    """

    def __init__(self, projection: str) -> None:
        self.projection = projection
        self._known: dict[tuple[str, ...], Layout] = {}

    def layout(self, key: Sequence[str], values: NDArray[Any]) -> Layout:
        """Return ``values (S, D)`` in a plane; what has the same key is computed once."""
        known = tuple(key)
        if known not in self._known:
            self._known[known] = layout(values, self.projection)
        return self._known[known]


class Picture(ABC):
    """One kind of picture. A subclass is found by its being in this folder.

    Attributes:
        name: Its name on the command line and in file names.
        order: Its place among the others.
    """

    name: ClassVar[str]
    order: ClassVar[int]

    @abstractmethod
    def draw(self, dataset: DatasetRun, studio: Studio) -> Iterator[tuple[str, Still | Film]]:
        """Yield the pictures of this kind of a dataset, each with its file name without the ending.

        Raises:
            MissingError: The run lacks what the picture is made of.
        """


@cache
def pictures() -> dict[str, Picture]:
    """Return the pictures by name, in order."""
    stems = [module.name for module in pkgutil.iter_modules(folder.__path__) if module.name != "base"]
    modules = [importlib.import_module(f"{folder.__name__}.{stem}") for stem in sorted(stems)]
    found = [value() for module in modules for value in vars(module).values() if _is_own(value, module.__name__)]
    return {picture.name: picture for picture in sorted(found, key=lambda picture: picture.order)}


def title(dataset: DatasetRun, what: str) -> str:
    """Return the first line of a picture: method, dataset, and what it shows; a run that did not end well says so."""
    record = dataset.run.record
    state = "" if record.status == "finished" else f" · {record.status} run"
    return f"{record.method} · {dataset.name} · {what}{state}"


def detail(dataset: DatasetRun, *words: str) -> str:
    """Return the second line of a picture: the words, and the seed."""
    return " · ".join([*(word for word in words if word), f"seed {dataset.run.record.seed}"])


def sample_in_words(dataset: DatasetRun) -> str:
    """Return how many samples are shown."""
    shown, there = len(dataset.positions), dataset.num_samples
    return f"n = {shown:,}" if shown == there else f"n = {shown:,} of {there:,} samples, drawn at random"


def _is_own(value: Any, module: str) -> bool:
    return inspect.isclass(value) and issubclass(value, Picture) and value.__module__ == module
