"""One process on one device."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin

from recombine.cuda_graphs import CudaGraphs
from recombine.engines.base import Engine
from recombine.errors import UsageError
from recombine.mapping import Mapping
from recombine.method import Method
from recombine.recording import Recorder

_IF_AVAILABLE = "cuda_if_available"
_FULL, _TENSOR_CORES, _REDUCED = "float32", "tf32", "bfloat16"
_BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")


class SingleDevice(Engine):
    """Everything on one device.

    Args:
        name: A torch device such as ``cpu`` or ``cuda:1``, or ``cuda_if_available``.
        precision: How networks compute: ``float32``, ``tf32`` or ``bfloat16``. What the device has no instructions for
            is ``float32``: on a CPU, ``tf32``, and on most also ``bfloat16``.
        cuda_graphs: Whether a GPU repeats steps from recordings.

    Raises:
        UsageError: There is no such device on this machine.
    """

    def __init__(self, name: str, precision: str = _FULL, cuda_graphs: bool = True) -> None:
        self._device = find_device(name)
        self._precision = precision
        self._cuda_graphs = cuda_graphs

    @property
    def device(self) -> torch.device:
        """Where parameters and batches live."""
        return self._device

    def place(self, method: Method) -> None:
        """Move a method to the device."""
        method.to(self._device)
        for mapping in method.mappings.values():
            if self._precision == _REDUCED and self._computes_in_bfloat16():
                mapping.reduced_precision = torch.bfloat16
            if self._device.type != "cuda" or self._precision != _FULL:
                _store_channels_last(mapping)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Let float32 mean float32 on a GPU, also where torch would take fewer bits, or TF32 if the method says so."""
        backends = _float32_backends()
        before = [backend.fp32_precision for backend in backends]
        try:
            if self._device.type == "cuda":
                for backend in backends:
                    backend.fp32_precision = "tf32" if self._precision == _TENSOR_CORES else "ieee"
            yield
        finally:
            for backend, precision in zip(backends, before, strict=True):
                if backend.fp32_precision != precision:
                    backend.fp32_precision = precision

    def recorder(self) -> Recorder | None:
        """Return what records CUDA graphs, on a GPU."""
        return CudaGraphs() if self._cuda_graphs and self._device.type == "cuda" else None

    def describe(self) -> str:
        """Return the device in words."""
        if self._device.type == "cuda":
            return f"{self._device} ({torch.cuda.get_device_name(self._device)}, {self._precision})"
        precision = "" if self._precision == _FULL else f", {self._precision}"
        if precision and not (self._precision == _REDUCED and self._computes_in_bfloat16()):
            precision = f"; it has no {self._precision}, here that is float32"
        return f"{self._device} ({torch.get_num_threads()} threads{precision})"

    def _computes_in_bfloat16(self) -> bool:
        """Tell whether the device multiplies bfloat16 numbers by instructions of its own."""
        if self._device.type == "cuda":
            return True
        found: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        return any(found.get(name) for name in _BFLOAT16_INSTRUCTIONS)


def _store_channels_last(mapping: Mapping) -> None:
    """Store the kernels of a mapping's convolutions of images, and with them what these put out, channels last.

    A CPU takes somewhat less time then; the tensor cores of a GPU want this layout.
    """
    for layer in mapping.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and not isinstance(layer, LazyModuleMixin):
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)


def _float32_backends() -> tuple[Any, ...]:
    """Return what decides how many bits of a float32 number count on a GPU: in matrix products, cuDNN's layers."""
    cudnn: Any = torch.backends.cudnn
    return torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn


def find_device(name: str) -> torch.device:
    """Return the device that ``name`` stands for.

    Raises:
        UsageError: It is no device, or not on this machine.
    """
    if name == _IF_AVAILABLE:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        lines = str(error).strip().splitlines() or ["torch does not know it"]
        raise UsageError(f'device "{name}" cannot be used: {lines[0]}. Write "cpu" or "{_IF_AVAILABLE}".') from error
    if device.type == "meta":
        raise UsageError(f'device "{name}" cannot be used: it holds no numbers. Write "cpu" or "{_IF_AVAILABLE}".')
    return device
