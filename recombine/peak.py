"""How much memory a process, and what it computes, has taken at most."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

_STATUS = Path("/proc/self/status")
_KIBI = 1024


def resident_bytes() -> int:
    """Return the memory that this process has now; where the system does not tell, the most that it has had."""
    return _from_status("VmRSS") or peak_bytes()


def peak_bytes() -> int:
    """Return the most memory that this process has had since its program began.

    Linux hands ``ru_maxrss`` on to a new process from the one that starts it, so that a small child of a large parent
    would seem large; what the kernel writes in ``/proc`` is the child's own.
    """
    own = _from_status("VmHWM")
    if own is not None:
        return own
    import resource  # here, as only systems like Unix have it

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * _KIBI


def _from_status(key: str) -> int | None:
    """Return a line of the kernel's own account of this process in bytes, or None where there is none."""
    try:
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) * _KIBI for line in lines if line.startswith(f"{key}:")]
    return found[0] if found else None


def tensor_bytes(tensors: Iterable[Tensor]) -> int:
    """Return how much memory tensors take; those that share it count once."""
    return sum(_storages(tensors).values())


def _storages(tensors: Iterable[Tensor]) -> dict[int, int]:
    storages = (tensor.untyped_storage() for tensor in tensors)
    return {storage.data_ptr(): storage.nbytes() for storage in storages}


class Kept:
    """What is kept for the way back of gradients.

    Args:
        others: Tensors that are there anyway, and do not count.
    """

    def __init__(self, others: Iterable[Tensor]) -> None:
        self._others = _storages(others)
        self._kept: dict[int, int] = {}

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note what autograd keeps while something is computed."""
        with torch.autograd.graph.saved_tensors_hooks(self._note, _as_it_is):
            yield

    @property
    def bytes(self) -> int:
        """How much memory that took."""
        return sum(size for place, size in self._kept.items() if place not in self._others)

    def _note(self, tensor: Tensor) -> Tensor:
        self._kept |= _storages([tensor])
        return tensor


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor
