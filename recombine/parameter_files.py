"""Reading and writing parameters: tensors only, never objects, never half a file."""

import io
import pickle
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import IO, Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from recombine.errors import ParameterFileError
from recombine.files import write_beside

_UNREADABLE = (
    RuntimeError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
)
#: How an archive begins; torch tells its newer format from the older one by that.
_ARCHIVE = b"PK\x03\x04"
_MOST_DIFFERENCES = 4
_LONGEST_NAME = 80
_NOT_PLAIN = "is no plain block of real numbers"


def save_tensors(tensors: Any, path: Path) -> None:
    """Write a tensor, or a dict of tensors, to ``path``.

    Raises:
        ParameterFileError: The file cannot be written.
    """
    try:
        write_beside(path, partial(_save, tensors))
    except OSError as error:
        raise ParameterFileError(f"{path}: cannot be written: {error.strerror or error}") from error


def _save(tensors: Any, path: Path) -> None:
    # Given a path, torch writes its name into the file: the same tensors would give other bytes.
    with path.open("wb") as file:
        torch.save(tensors, file)


def may_hold_tensors(path: Path) -> bool:
    """Tell whether a file is empty, or begins like one that :func:`save_tensors` wrote; False for what is no file."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(_ARCHIVE)) in (b"", _ARCHIVE)
    except OSError:
        return False


def load_tensor(path: Path) -> Tensor:
    """Read one tensor.

    Raises:
        ParameterFileError: The file is absent, unreadable, or holds something else.
    """
    content = _load(path)
    if not isinstance(content, Tensor):
        raise ParameterFileError(f"{path}: holds {type(content).__name__}, not a tensor")
    if not _is_plain(content):
        raise ParameterFileError(f"{path}: {_NOT_PLAIN}")
    return content


def load_parameters(module: nn.Module, path: Path) -> None:
    """Read the parameters of ``module`` from ``path``.

    Raises:
        ParameterFileError: The file is absent, unreadable, or does not fit the module.
    """
    state = check_parameters(module, path)
    module.load_state_dict(state)


def check_parameters(module: nn.Module, path: Path) -> dict[str, Tensor]:
    """Return the parameters in ``path`` if they fit ``module`` name by name and shape by shape.

    Raises:
        ParameterFileError: The file is absent, unreadable, or does not fit.
    """
    state = _load(path)
    if not isinstance(state, dict):
        raise ParameterFileError(f"{path}: holds {type(state).__name__}, not the parameters of a mapping")
    found = list(_differences(module.state_dict(), state))
    if found:
        more = f"; and {len(found) - _MOST_DIFFERENCES} more" if len(found) > _MOST_DIFFERENCES else ""
        raise ParameterFileError(f"{path}: does not fit the mapping: {'; '.join(found[:_MOST_DIFFERENCES])}{more}")
    return state


def _differences(own: Mapping[str, Any], state: Mapping[Any, Any]) -> Iterator[str]:
    for name, value in own.items():
        if name not in state:
            yield f'it lacks "{name}"'
        elif not isinstance(state[name], Tensor):
            yield f'"{name}" is no tensor'
        elif not _is_plain(state[name]):
            yield f'"{name}" {_NOT_PLAIN}'
        elif not is_lazy(value) and state[name].shape != value.shape:
            yield f'"{name}" has the shape {tuple(state[name].shape)}, but the mapping needs {tuple(value.shape)}'
    yield from (f'it has "{_in_words(name)}", which the mapping lacks' for name in state if name not in own)


def _is_plain(tensor: Tensor) -> bool:
    """Tell whether a tensor is a block of real numbers, and not sparse, nested, quantized, or without any numbers."""
    is_dense = tensor.layout is torch.strided and tensor.device.type == "cpu"
    return is_dense and not (tensor.is_nested or tensor.is_quantized or tensor.is_complex())


def _in_words(name: Any) -> str:
    """Return the name of an entry; what is none could be endless when it is written down."""
    return name[:_LONGEST_NAME] if isinstance(name, str) else type(name).__name__


def _load(path: Path) -> Any:
    try:
        mode = path.stat().st_mode
        if not (S_ISREG(mode) or S_ISDIR(mode)):
            # Devices and pipes may never end.
            raise ParameterFileError(f"{path}: cannot be read: it is a device or a pipe, not a file")
        with path.open("rb") as file:
            return read_tensors(file, path)
    except OSError as error:
        raise ParameterFileError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_tensors(file: IO[bytes], path: Path) -> Any:
    """Return the tensors and plain values in an open file, on the CPU; objects are refused, not built.

    Raises:
        ParameterFileError: It holds something else; the text names ``path``.
    """
    try:
        with warnings.catch_warnings():
            # torch wonders about pickles of other protocols, and then refuses them.
            warnings.simplefilter("ignore")
            _check_archive(file, path)
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ParameterFileError(
            f"{path}: refused: it is no plain file of tensors. Files with other objects can run code when opened; "
            "save the tensors alone (torch.save(module.state_dict(), path))"
        ) from error
    except _UNREADABLE as error:
        raise ParameterFileError(f"{path}: cannot be read as a file of tensors: {_first_line(error)}") from error


def _check_archive(file: IO[bytes], path: Path) -> None:
    """Make sure that what an archive holds takes no more memory than the file; torch itself compresses nothing."""
    if file.read(len(_ARCHIVE)) == _ARCHIVE:
        size = file.seek(0, io.SEEK_END)
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
        is_compressed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
        if is_compressed or sum(entry.file_size for entry in entries) > size:
            raise ParameterFileError(
                f"{path}: refused: it is an archive that is larger unpacked than packed, which torch.save never writes"
            )
    file.seek(0)


def _first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its type where there is none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
