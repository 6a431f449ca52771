"""One process on one device."""

import torch
from torch import nn

from recombine.engines.base import Engine
from recombine.errors import UsageError

_IF_AVAILABLE = "cuda_if_available"


class SingleDevice(Engine):
    """Everything on one device.

    Args:
        name: A torch device such as ``cpu`` or ``cuda:1``, or ``cuda_if_available``.

    Raises:
        UsageError: There is no such device on this machine.
    """

    def __init__(self, name: str) -> None:
        self._device = find_device(name)

    @property
    def device(self) -> torch.device:
        """Where parameters and batches live."""
        return self._device

    def place(self, module: nn.Module) -> None:
        """Move a module to the device."""
        module.to(self._device)

    def describe(self) -> str:
        """Return the device in words."""
        if self._device.type == "cuda":
            return f"{self._device} ({torch.cuda.get_device_name(self._device)})"
        return f"{self._device} ({torch.get_num_threads()} threads)"


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
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        lines = str(error).strip().splitlines() or ["torch does not know it"]
        raise UsageError(f'device "{name}" cannot be used: {lines[0]}. Write "cpu" or "{_IF_AVAILABLE}".') from error
    if device.type == "meta":
        raise UsageError(f'device "{name}" cannot be used: it holds no numbers. Write "cpu" or "{_IF_AVAILABLE}".')
    return device
