"""The contract of engines: on what a run computes."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

import torch

from recombine.method import Method
from recombine.recording import Recorder


class Engine(ABC):
    """The device, and what it takes to use it."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where parameters and batches live."""

    @abstractmethod
    def place(self, method: Method) -> None:
        """Move a method to where it computes, and tell its networks how precisely."""

    @abstractmethod
    def computing(self) -> AbstractContextManager[None]:
        """Set up the device for a run, and restore it afterwards."""

    def recorder(self) -> Recorder | None:
        """Return what records steps on the device, or None where every step runs operation by operation."""
        return None

    @abstractmethod
    def describe(self) -> str:
        """Return the device in words, for the log."""
