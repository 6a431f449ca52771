"""The contract of engines: on what a run computes."""

from abc import ABC, abstractmethod

import torch
from torch import nn


class Engine(ABC):
    """The device, and what it takes to use it."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where parameters and batches live."""

    @abstractmethod
    def place(self, module: nn.Module) -> None:
        """Move a module to where it computes."""

    @abstractmethod
    def describe(self) -> str:
        """Return the device in words, for the log."""
