"""Reading and writing parameters: tensors only, never objects, never half a file."""

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recombine.errors import ParameterFileError
from recombine.files import write_beside

_UNREADABLE = (OSError, RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError, TypeError)


def save_tensors(tensors: Any, path: Path) -> None:
    """Write a tensor, or a dict of tensors, to ``path``.

    Raises:
        ParameterFileError: The file cannot be written.
    """
    try:
        write_beside(path, lambda beside: torch.save(tensors, beside))
    except OSError as error:
        raise ParameterFileError(f"{path}: cannot be written: {error.strerror or error}") from error


def load_tensor(path: Path) -> Tensor:
    """Read one tensor.

    Raises:
        ParameterFileError: The file is absent, unreadable, or holds something else.
    """
    content = _load(path)
    if not isinstance(content, Tensor):
        raise ParameterFileError(f"{path}: holds {type(content).__name__}, not a tensor")
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
    own = module.state_dict()
    differences = [f'lacks "{name}"' for name in own if name not in state]
    differences += [f'has "{name}", which the mapping lacks' for name in state if name not in own]
    differences += [
        f'"{name}" has shape {tuple(state[name].shape)}, the mapping needs {tuple(own[name].shape)}'
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    if differences:
        raise ParameterFileError(f"{path}: does not fit the mapping: " + "; ".join(differences))
    return state


def _load(path: Path) -> Any:
    if not path.is_file():
        raise ParameterFileError(f"{path}: no such file")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ParameterFileError(
            f"{path}: refused: it is no plain file of tensors. Files with other objects can run code when opened; "
            "save the tensors alone (torch.save(module.state_dict(), path))"
        ) from error
    except _UNREADABLE as error:
        raise ParameterFileError(f"{path}: cannot be read as a file of tensors: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its type where there is none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
