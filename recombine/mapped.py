"""Samples that stay on disk: the operating system reads those that are asked for, and may forget them again."""

import shutil
import tempfile
import warnings
from array import array
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recombine.errors import DataError
from recombine.memory import BUDGET_VARIABLE, in_words, memory_budget

_ALIGNMENT = 4  # bytes of a float32

Kind = tuple[torch.Size, torch.dtype]


class MappedSamples(Sequence[Tensor]):
    """Samples of unequal shapes, one behind the other in a file; each becomes a tensor when it is asked for.

    Args:
        content: The bytes of the file.
        starts: Where each sample starts in it.
        kinds: Shape and type of each sample.
    """

    def __init__(self, content: Tensor, starts: Sequence[int], kinds: Sequence[Kind]) -> None:
        self._content = content
        self._starts = starts
        self._kinds = kinds

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._kinds)

    @overload
    def __getitem__(self, position: int) -> Tensor: ...

    @overload
    def __getitem__(self, position: slice) -> "MappedSamples": ...

    def __getitem__(self, position: int | slice) -> "Tensor | MappedSamples":
        """Return one sample, or the samples of a range; neither is read yet."""
        if isinstance(position, slice):
            return MappedSamples(self._content, self._starts[position], self._kinds[position])
        start, (shape, dtype) = self._starts[position], self._kinds[position]
        size = shape.numel() * dtype.itemsize
        return self._content[start : start + size].view(dtype).view(shape)


def open_array(path: Path) -> Any:
    """Return the array of a .npy file, mapped and read-only; nothing of it is read yet. The exceptions are numpy's."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


def tensor_over(values: NDArray[Any]) -> Tensor:
    """Return a tensor over the memory of an array, which may be read-only: nobody writes to samples."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(values)


def gathered(samples: Iterable[Tensor], count: int) -> Tensor | Sequence[Tensor]:
    """Return samples together: ``(N, ...)`` where they have one shape and type, else one by one.

    Where N times the size of the first one is more than the memory budget, they go to a temporary file without name,
    which ends with the process, and are mapped.

    Args:
        samples: The samples in order, each contiguous in memory.
        count: Their number N, at least 1.

    Raises:
        DataError: The disk has no room for them.
    """
    arriving = iter(samples)
    first = next(arriving)
    samples, size = chain([first], arriving), count * first.nbytes
    if size <= memory_budget():
        return _in_memory(samples, count, first)
    with _temporary_file(size) as file:
        return _in_file(samples, file)


def _in_memory(samples: Iterable[Tensor], count: int, first: Tensor) -> Tensor | list[Tensor]:
    together = torch.empty((count, *first.shape), dtype=first.dtype)
    apart: list[Tensor] = []
    for position, sample in enumerate(samples):
        if not apart and (sample.shape, sample.dtype) == (first.shape, first.dtype):
            together[position] = sample
        else:
            apart = apart or list(together[:position])
            apart.append(sample)
    return apart or together


def _temporary_file(size: int) -> IO[bytes]:
    """Open a file without name that has room for ``size`` bytes."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DataError(
            f"the samples take about {in_words(size)}, more than a dataset may take in memory "
            f"({in_words(memory_budget())}), and {folder} has only {in_words(free)} free to keep them in. "
            f"Set TMPDIR to a folder on a larger disk, or {BUDGET_VARIABLE} to the bytes that a dataset may take"
        )
    return tempfile.TemporaryFile(prefix="recombine-")


def _in_file(samples: Iterable[Tensor], file: IO[bytes]) -> Tensor | MappedSamples:
    starts, end = array("q"), 0
    kinds: list[Kind] = []
    known: dict[Kind, Kind] = {}
    for sample in samples:
        kind = (sample.shape, sample.dtype)
        starts.append(end)
        kinds.append(known.setdefault(kind, kind))
        end += _append(file, sample)
    content = tensor_over(np.memmap(file, dtype=np.uint8, mode="r"))
    if len(known) > 1:
        return MappedSamples(content, starts, kinds)
    shape, dtype = kinds[0]
    rows = content.view(dtype).view(len(kinds), -1)
    return rows[:, : shape.numel()].view(len(kinds), *shape)


def _append(file: IO[bytes], sample: Tensor) -> int:
    """Write a sample, filled up to whole numbers, and return how many bytes that took."""
    content = sample.numpy().tobytes()
    content += bytes(-len(content) % _ALIGNMENT)
    try:
        file.write(content)
        file.flush()
    except OSError as error:
        raise DataError(f"the samples cannot be kept in {tempfile.gettempdir()}: {error.strerror}") from error
    return len(content)
