"""How much memory there is, and how much of it one dataset may take."""

import contextlib
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from torch import Tensor
from torch.nn.parameter import is_lazy

from recombine.errors import DataError

#: The variable that replaces the budget, in bytes.
BUDGET_VARIABLE = "RECOMBINE_MEMORY_BUDGET"
_SHARE = 0.5
#: Where Linux tells a container how much memory it may have: control groups of version 2 and 1.
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def physical_memory() -> float:
    """Return the memory of this machine, or of the container that it is, in bytes; infinity where it does not tell."""
    if not hasattr(os, "sysconf"):
        return math.inf
    whole = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min([whole, *_limits_of_container()])


def _limits_of_container() -> Iterator[float]:
    for path in _LIMITS:
        with contextlib.suppress(OSError, ValueError):
            yield float(int(path.read_text(encoding="ascii")))  # The word "max" where there is none.


def needed_for(tensors: Iterable[Tensor]) -> int:
    """Return how many bytes tensors take, or would take if they were not on the meta device; lazy ones none yet."""
    return sum(x.nelement() * x.element_size() for x in tensors if not is_lazy(x))


def memory_budget() -> float:
    """Return how many bytes a decoded dataset may take in memory: half of what there is, or what the user says.

    Raises:
        DataError: ``RECOMBINE_MEMORY_BUDGET`` is no number of bytes.
    """
    given = os.environ.get(BUDGET_VARIABLE, "").strip()
    if not given:
        return _SHARE * physical_memory()
    if not given.isdecimal():
        raise DataError(f'{BUDGET_VARIABLE} is "{given}", which is no number of bytes, such as 8000000000')
    return float(given)


def in_words(size: float) -> str:
    """Return a number of bytes in words."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"
