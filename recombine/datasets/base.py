"""Datasets: finding one, checking that it is complete, decoding it once into tensors."""

import hashlib
import importlib
import inspect
import math
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recombine import datasets as folder
from recombine.errors import DataError
from recombine.graph import Graph
from recombine.mapped import open_array, tensor_over
from recombine.set_draws import SetGenerator

SampleKind = Literal["image", "tensor_image", "other"]
_IMAGE_DIMENSIONS = 3
_BYTE = 255
_CHECKED_AT_ONCE = 2**22


Opened = TypeVar("Opened", bound="Source")


class NotThereError(DataError):
    """A dataset is not, or not completely, in the place where it was looked for."""


@dataclass(frozen=True)
class Samples:
    """A decoded dataset.

    Attributes:
        values: Samples ``(N, ...)``: images are ``(N, C, H, W)``, uint8 in [0, 255] or, if the dataset holds floats,
            float32 as they are; features are numbers ``(N, D)``, float32 where they lie in memory. Images of unequal
            sizes are a sequence of N tensors ``(C, H, W)``. They may be mapped from a file and are never written to.
        labels: Labels ``(N,)``, int64, or None.
        class_names: Names of the labels 0, 1, ..., or None.
        graph: Edges between the samples, or None.
        set_generator: What makes sets of samples, where the dataset has none of its own.
    """

    values: Tensor | Sequence[Tensor]
    labels: Tensor | None = None
    class_names: tuple[str, ...] | None = None
    graph: Graph | None = None
    set_generator: SetGenerator | None = None

    def __len__(self) -> int:
        """Return the number of samples N."""
        return len(self.values)

    @property
    def is_ragged(self) -> bool:
        """Whether the samples have unequal shapes."""
        return not isinstance(self.values, Tensor)

    @property
    def kind(self) -> SampleKind:
        """What one sample is: an image in bytes, an image in floats, or something that is no image."""
        first = self.values[0]
        if first.ndim != _IMAGE_DIMENSIONS:
            return "other"
        return "image" if first.dtype == torch.uint8 else "tensor_image"

    @property
    def scale(self) -> int:
        """The stored number that is 1 in a view: 255 in images of bytes; the numbers of a table stay as they are."""
        first = self.values[0]
        return _BYTE if first.dtype == torch.uint8 and first.ndim > 1 else 1

    def tensor(self) -> Tensor:
        """Return all samples ``(N, ...)``; an error of ours where they are ragged."""
        if not isinstance(self.values, Tensor):
            raise TypeError("samples of unequal shapes are no tensor")
        return self.values

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the shapes, types and values of the samples and their graph; labels have their own."""
        found = hashlib.sha256()
        tensors = self.values if self.is_ragged else [self.tensor()]
        for tensor in (*tensors, *(self.graph.tensors if self.graph is not None else ())):
            _hash(found, tensor)
        found.update(repr(self.set_generator).encode() if self.set_generator is not None else b"")
        return found.hexdigest()

    @cached_property
    def labels_digest(self) -> str | None:
        """SHA-256 of the labels, or None where there are none."""
        if self.labels is None:
            return None
        found = hashlib.sha256()
        _hash(found, self.labels)
        return found.hexdigest()

    @cached_property
    def same_label_share(self) -> float:
        """Share of pairs of different samples that have the same label, in [0, 1]; NaN without labels."""
        if self.labels is None or len(self) == 1:
            return math.nan
        counts = torch.unique(self.labels, return_counts=True)[1].double()
        return float((counts * (counts - 1)).sum() / (len(self) * (len(self) - 1)))

    def take(self, index: Tensor) -> Tensor | list[Tensor]:
        """Return copies of the samples at ``index (B,)``, on the CPU."""
        if not isinstance(self.values, Tensor):
            return [self.values[position].clone() for position in index.tolist()]
        return self.values.index_select(0, index)

    def subset(self, first: int | None, last: int | None) -> "Samples":
        """Return the samples from ``first`` to ``last``, both included; None stands for the end of the dataset.

        Raises:
            DataError: If the range is empty or leaves the dataset.
        """
        start = 0 if first is None else first
        end = len(self) - 1 if last is None else last
        for key, value in (("index_of_first_sample_to_use", start), ("index_of_last_sample_to_use", end)):
            if not 0 <= value < len(self):
                raise DataError(f"{key} is {value}, but the samples are numbered 0 to {len(self) - 1}")
        if start > end:
            raise DataError(f"index_of_first_sample_to_use ({start}) is above index_of_last_sample_to_use ({end})")
        labels = None if self.labels is None else self.labels[start : end + 1]
        graph = self.graph.part(start, end + 1) if self.graph is not None else None
        return replace(self, values=self.values[start : end + 1], labels=labels, graph=graph)


def _hash(found: "hashlib._Hash", values: Tensor) -> None:
    """Add the shape, the type and the values ``(N, ...)`` of a tensor to a hash, a block at a time."""
    found.update(f"{tuple(values.shape)} {values.dtype}".encode())
    rows = max(1, _CHECKED_AT_ONCE // max(1, math.prod(values.shape[1:])))
    for start in range(0, len(values), rows):
        found.update(values[start : start + rows].contiguous().numpy().tobytes())


class Source(ABC):
    """A complete dataset, opened but not yet decoded."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of samples N, at least 1."""

    @abstractmethod
    def sample_shape(self) -> tuple[int, ...]:
        """Return the shape of the first sample as it is stored, ``(C, H, W)`` for an image; cheap."""

    @abstractmethod
    def decode(self) -> Samples:
        """Decode every sample; DataError where one cannot be read."""


class OwnDataset(Source):
    """A dataset of this project: one class and one file in this folder.

    The class is named in method files by its name; its file has the same name in lower case. The constructor's
    parameters are the arguments that stand beside ``"dataset"``; one called ``root`` arrives as an absolute path.
    It raises :class:`NotThereError` where ``root`` does not hold the dataset.
    """


@dataclass(frozen=True)
class Request:
    """A dataset as the method file asks for it.

    Attributes:
        type_name: Name of a class of this folder or of ``torchvision.datasets``.
        arguments: Its constructor's arguments, as parsed from JSON; ``splits`` may stand among them.
        base_dir: The folder of the method file: relative roots start here.
        data_root: The folder of ``--data-root``, or None.
    """

    type_name: str
    arguments: Mapping[str, Any]
    base_dir: Path
    data_root: Path | None

    def roots(self) -> list[Path]:
        """Return the places where the dataset may be, the preferred first."""
        given = expanded(self.arguments["root"])
        own = self.base_dir / given
        if self.data_root is None:
            return [own]
        below = [self.data_root / given.name] if given.name not in ("", "..") else []
        places = [*below, self.data_root, self.data_root / self.type_name, own]
        return list(dict.fromkeys(places))

    def download_root(self) -> Path:
        """Return the place to download to."""
        places = self.roots()
        if self.data_root is None or places[0].is_dir():
            return places[0]
        return self.data_root


def open_dataset(type_name: str, arguments: Mapping[str, Any], base_dir: Path, data_root: Path | None = None) -> Source:
    """Find a dataset and open it.

    Args:
        type_name: Name of a dataset of this project or of a class in ``torchvision.datasets``.
        arguments: Its constructor's arguments as they stand in the method file, ``splits`` among them where several
            splits are to be joined.
        base_dir: The method file's folder, from which a relative ``root`` starts.
        data_root: Where to look for datasets first: in ``data_root/<last part of root>``, ``data_root``,
            ``data_root/<type_name>``, the first in which the dataset is complete.

    Raises:
        DataError: If the dataset is absent, incomplete, cannot be downloaded or read, or refuses its arguments.
    """
    request = Request(type_name, arguments, base_dir, data_root)
    if type_name in own_datasets():
        return _open_own(request)
    adapter = importlib.import_module("recombine.torchvision_dataset")
    source: Source = adapter.open_torchvision(request)
    return source


@cache
def own_datasets() -> dict[str, type[OwnDataset]]:
    """Return the datasets of this folder by name."""
    stems = [module.name for module in pkgutil.iter_modules(folder.__path__) if module.name != "base"]
    modules = [importlib.import_module(f"{folder.__name__}.{stem}") for stem in sorted(stems)]
    found = [value for module in modules for value in vars(module).values() if _is_own(value, module.__name__)]
    return {value.__name__: value for value in found}


def own_parameters(type_name: str) -> list[inspect.Parameter]:
    """Return the constructor's parameters of a dataset of this folder."""
    return list(inspect.signature(own_datasets()[type_name]).parameters.values())


def first_complete(request: Request, construct: Callable[..., Opened], remedy: str = "") -> Opened:
    """Return the dataset at the first of the request's roots where ``construct`` finds it complete.

    Args:
        request: What the method file asks for.
        construct: Called with the request's arguments and a root; raises NotThereError if the dataset is not there.
        remedy: What else may help if it is nowhere, with a comma behind it.

    Raises:
        NotThereError: If it is nowhere; the text says where it was looked for and what to do.
    """
    reasons = []
    for root in request.roots():
        try:
            return construct(**{**request.arguments, "root": root})
        except NotThereError as error:
            reasons.append(f"  {root}: {error}")
        except OSError as error:
            reasons.append(f"  {root}: {error.strerror or error}")
    raise NotThereError(
        f'dataset "{request.type_name}" was not found complete. Looked in:\n'
        + "\n".join(reasons)
        + f'\nTo mend it, {remedy}correct "root", or give --data-root.'
    )


def expanded(path: Any) -> Path:
    """Return a path as a file names it, ``~`` being the user's own folder.

    Raises:
        DataError: It starts in the folder of a user whom this machine does not know.
    """
    try:
        return Path(str(path)).expanduser()
    except RuntimeError as error:
        raise DataError(f'"{path}" starts in the folder of a user whom this machine does not know') from error


def image_tensor(image: Any) -> Tensor:
    """Return a PIL image as a tensor ``(C, H, W)``: uint8, or float32 for images of more than 8 bits a channel."""
    array = np.array(image.convert("L") if image.mode == "1" else image)
    tensor = torch.from_numpy(array if array.dtype == np.uint8 else array.astype(np.float32))
    return tensor.unsqueeze(0) if tensor.ndim < _IMAGE_DIMENSIONS else tensor.permute(2, 0, 1).contiguous()


def stacked(tensors: list[Tensor]) -> Tensor | list[Tensor]:
    """Return samples of equal shape and type as one tensor ``(N, ...)``, others as they are."""
    kinds = {(tensor.shape, tensor.dtype) for tensor in tensors}
    return torch.stack(tensors) if len(kinds) == 1 else tensors


def numbered(labels: NDArray[Any]) -> tuple[Tensor, tuple[str, ...] | None]:
    """Return labels ``(N,)`` as int64, and the words they stand for, if they are words."""
    if labels.dtype.kind in "iub":
        numbers = tensor_over(labels.astype(np.int64, copy=False))
        if int(numbers.min()) >= 0:
            return numbers, None
    if labels.dtype.kind == "U" and all(label.isdecimal() for label in labels.tolist()):
        return torch.tensor([int(label) for label in labels.tolist()]), None
    words, numbers_of_words = np.unique(labels, return_inverse=True)
    return torch.from_numpy(numbers_of_words.astype(np.int64)), tuple(str(word) for word in words)


def array_of(path: Path) -> NDArray[Any]:
    """Open a .npy file; DataError where it is none."""
    try:
        array = open_array(path)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} is no .npy file")
    return array


def check_finite(values: NDArray[Any], root: Path) -> None:
    """Raise DataError where something in ``values (N, ...)`` is not finite in float32; looks at a block at a time."""
    if values.dtype.kind != "f":
        return
    rows = max(1, _CHECKED_AT_ONCE // max(1, math.prod(values.shape[1:])))
    for start in range(0, len(values), rows):
        with np.errstate(over="ignore"):
            block = values[start : start + rows].astype(np.float32).reshape(len(values[start : start + rows]), -1)
        if not np.isfinite(block).all():
            row, column = np.argwhere(~np.isfinite(block))[0].tolist()
            place = f"feature {column} of sample {start + row} (both from 0)"
            raise DataError(f"{root}: {place} is not finite: {block[row, column]}")


def _is_own(value: Any, module: str) -> bool:
    return inspect.isclass(value) and issubclass(value, OwnDataset) and value.__module__ == module


def _open_own(request: Request) -> Source:
    dataset = own_datasets()[request.type_name]
    known = [parameter.name for parameter in own_parameters(request.type_name)]
    for argument in request.arguments:
        if argument not in known:
            takes = ", ".join(known) if known else "none"
            raise DataError(f'dataset "{request.type_name}" has no argument "{argument}"; its arguments: {takes}')
    if "root" not in known:
        return dataset(**request.arguments)
    if "root" not in request.arguments:
        raise DataError(f'dataset "{request.type_name}" needs "root", the place of its files')
    return first_complete(request, dataset)
