"""A table of samples x features: the way in for people who cluster data of their own."""

import csv
import lzma
import zipfile
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recombine.datasets.base import NotThereError, OwnDataset, Samples, check_finite, numbered
from recombine.errors import DataError
from recombine.mapped import open_array, tensor_over
from recombine.memory import in_words, memory_budget

#: What archives raise: RuntimeError where they need a password, NotImplementedError (which is one) for odd methods.
_OF_ARCHIVES = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError)
_UNREADABLE = (OSError, ValueError, EOFError, MemoryError, csv.Error, *_OF_ARCHIVES)
_OWN_ARGUMENTS = {".csv": ("label_column", "delimiter"), ".npy": (), ".npz": ("label_key", "data_key")}
_DIMENSIONS = 2
_MAPPABLE = ("float32", "float64", "float16", "uint8", "int8", "int16", "int32", "int64", "bool")

NumberedRows = list[tuple[int, list[str]]]


class Table(OwnDataset):
    """Features ``(N, D)`` from a .csv, .npy or .npz file.

    They are read into memory as float32. An .npy file for which the memory budget does not suffice is mapped: its
    numbers stay on disk as they are, and become float32 a batch at a time; bytes stay in 0..255 in both cases. Labels
    are integers from 0, or words, which are numbered in alphabetical order.

    Args:
        root: The file. A .csv file may have one line of column names; an .npy file holds one array; an .npz file one
            array of features, or several of which ``data_key`` names that of the features.
        label_column: csv only: name of the column of labels, or its index from 0 (from the end if negative).
        delimiter: csv only: the character between cells, default the comma.
        label_key: npz only: the array of labels ``(N,)``.
        data_key: npz only: the array of features ``(N, D)``.

    Raises:
        NotThereError: If there is no such file.
        DataError: If the file is of another type, or an argument belongs to another type of file.
    """

    def __init__(
        self,
        root: Path,
        label_column: str | int | None = None,
        delimiter: str | None = None,
        label_key: str | None = None,
        data_key: str | None = None,
    ) -> None:
        self._root = root
        self._given = {
            "label_column": label_column,
            "delimiter": delimiter,
            "label_key": label_key,
            "data_key": data_key,
        }
        if not root.is_file():
            raise NotThereError("no such file")
        self._check_arguments()

    def __len__(self) -> int:
        """Return the number of samples N."""
        return len(self._samples)

    def sample_shape(self) -> tuple[int, ...]:
        """Return ``(D,)``."""
        return tuple(self._samples.tensor().shape[1:])

    def decode(self) -> Samples:
        """Return all rows; DataError that names the line of what is no finite number."""
        return self._samples

    def _check_arguments(self) -> None:
        suffix = self._root.suffix.lower()
        if suffix not in _OWN_ARGUMENTS:
            raise DataError(f"{self._root}: a Table is a .csv, .npy or .npz file")
        for argument, value in self._given.items():
            if value is not None and argument not in _OWN_ARGUMENTS[suffix]:
                raise DataError(f'{self._root}: "{argument}" has no meaning for a {suffix} file')

    @cached_property
    def _samples(self) -> Samples:
        readers = {".csv": self._read_csv, ".npy": self._read_npy, ".npz": self._read_npz}
        try:
            return readers[self._root.suffix.lower()]()
        except _UNREADABLE as error:
            raise DataError(f"{self._root} cannot be read: {error}") from error

    def _read_csv(self) -> Samples:
        delimiter = str(self._given["delimiter"] or ",")
        if len(delimiter) != 1:
            raise DataError(f'{self._root}: "delimiter" is one character, not "{delimiter}"')
        with self._root.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter)
            rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
        header, rows = _split_header(rows, self._given["label_column"])
        if not rows:
            raise DataError(f"{self._root}: no rows of numbers")
        self._check_widths(rows)
        label = self._label_position(header, len(rows[0][1]))
        words = None if label is None else [row.pop(label).strip() for _, row in rows]
        features = np.array([self._numbers(line, row) for line, row in rows], dtype=np.float64)
        return _samples(features, None if words is None else np.array(words), self._root)

    def _check_widths(self, rows: NumberedRows) -> None:
        width = len(rows[0][1])
        for line, row in rows:
            if len(row) != width:
                raise DataError(f"{self._root}:{line}: {len(row)} cells, where the rows before have {width}")

    def _label_position(self, header: list[str] | None, width: int) -> int | None:
        column = self._given["label_column"]
        if column is None:
            return None
        if isinstance(column, int):
            if not -width <= column < width:
                raise DataError(f"{self._root}: label_column is {column}, but there are {width} columns")
            return column % width
        if header is None or column not in header:
            columns = ", ".join(header) if header else "without names"
            raise DataError(f'{self._root}: no column is called "{column}"; the columns: {columns}')
        return header.index(column)

    def _numbers(self, line: int, row: list[str]) -> list[float]:
        numbers = []
        for cell in row:
            number = _number(cell)
            if number is None:
                raise DataError(f'{self._root}:{line}: "{cell.strip()}" is no number')
            numbers.append(number)
        return numbers

    def _read_npy(self) -> Samples:
        array = open_array(self._root)
        if not isinstance(array, np.ndarray):
            raise DataError(f"{self._root} is no .npy file")
        if array.ndim == _DIMENSIONS and array.size * torch.float32.itemsize > memory_budget():
            return _mapped_samples(array, self._root)
        return _samples(array, None, self._root)

    def _read_npz(self) -> Samples:
        archive = np.load(self._root, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise DataError(f"{self._root} is no .npz file")
        with archive:
            self._check_size(archive)
            label_key, data_key = self._given["label_key"], self._given["data_key"]
            others = [key for key in archive.files if key != label_key]
            if data_key is None and len(others) != 1:
                raise DataError(f'{self._root}: "data_key" must say which array is the features: {", ".join(others)}')
            for key in (label_key, data_key):
                if key is not None and key not in archive.files:
                    raise DataError(f'{self._root}: no array is called "{key}"; the arrays: {", ".join(archive.files)}')
            labels = None if label_key is None else archive[label_key]
            return _samples(archive[data_key or others[0]], labels, self._root)

    def _check_size(self, archive: Any) -> None:
        """Raise DataError where an archive would take more memory unpacked than a dataset may take."""
        size = sum(entry.file_size for entry in archive.zip.infolist())
        if size > memory_budget():
            limit = in_words(memory_budget())
            raise DataError(
                f"{self._root} takes {in_words(size)} unpacked, and a dataset may take {limit} in memory: "
                "store it as .npy, which can stay on disk"
            )


def _split_header(rows: NumberedRows, label_column: Any) -> tuple[list[str] | None, NumberedRows]:
    """Return the line of column names, if there is one, and the rows below it.

    The first line has names if labels are looked for by name, or if none of its cells is a number.
    """
    if not rows:
        return None, rows
    first = rows[0][1]
    if isinstance(label_column, str) or all(_number(cell) is None for cell in first):
        return [cell.strip() for cell in first], rows[1:]
    return None, rows


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _samples(features: NDArray[Any], labels: NDArray[Any] | None, root: Path) -> Samples:
    """Return features ``(N, D)`` and labels ``(N,)`` as samples; DataError where they are none."""
    _check_features(features, root)
    with np.errstate(over="ignore"):
        values = torch.from_numpy(features.astype(np.float32))
    check_finite(values.numpy(), root)
    if labels is None:
        return Samples(values)
    if labels.shape != (len(values),):
        raise DataError(f"{root}: {len(values)} samples, but labels of shape {tuple(labels.shape)}")
    return Samples(values, *numbered(labels))


def _mapped_samples(features: NDArray[Any], root: Path) -> Samples:
    """Return features ``(N, D)`` as they lie in their file; DataError where torch does not know their type."""
    _check_features(features, root)
    if features.dtype.name not in _MAPPABLE or not features.dtype.isnative:
        raise DataError(
            f"{root}: {features.dtype.str} features of shape {features.shape} do not fit in memory, and only "
            f"{', '.join(_MAPPABLE)} in the byte order of this machine can stay on disk: store them so"
        )
    check_finite(features, root)
    return Samples(tensor_over(features))


def _check_features(features: NDArray[Any], root: Path) -> None:
    if features.dtype.kind not in "fiub" or features.ndim != _DIMENSIONS or 0 in features.shape:
        raise DataError(
            f"{root}: features are a non-empty array of numbers of shape (samples, features), not "
            f"{features.dtype} of shape {tuple(features.shape)}"
        )
