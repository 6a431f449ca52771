"""torchvision, imported when it is first needed, also beside a torch that was built without CUDA."""

import importlib
import importlib.util
import pickle
import re
import struct
import tarfile
import zipfile
import zlib
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

_OPERATORS = ("nms", "qnms")
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


# What torchvision and the packages below it raise for files and arguments that are not as they should be.
FAILURES = (
    RuntimeError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AssertionError,
    AttributeError,
    ImportError,
    EOFError,
    SyntaxError,
    struct.error,
    zlib.error,
    pickle.UnpicklingError,
    tarfile.TarError,
    zipfile.BadZipFile,
)


@cache
def torchvision() -> ModuleType:
    """Return the module ``torchvision`` with its ``transforms`` and ``datasets``.

    The package registries' torchvision is built for CUDA. Its compiled operators do not load beside a CPU-only torch,
    and its Python part then describes an operator that nobody declared. In that case alone the schemas are declared
    here first. Nothing in this project calls them.
    """
    if torch.version.cuda is None and _built_for_cuda():
        _declare_operators()
    importlib.import_module("torchvision.transforms")
    importlib.import_module("torchvision.datasets")
    return importlib.import_module("torchvision")


def _built_for_cuda() -> bool:
    """Whether the installed torchvision is a CUDA build, read from its version file without importing it."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    return re.search(r"__version__ = ['\"][^'\"]*\+cu\d", text) is not None


@cache
def _declare_operators() -> Any:
    """Declare the operators; they live as long as the returned library, which the cache keeps."""
    create: Any = torch.library.Library
    library = create("torchvision", "FRAGMENT")
    for name in _OPERATORS:
        library.define(name + _SIGNATURE)
    return library
