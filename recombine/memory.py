"""How much memory there is, and how much of it one dataset may take."""

import math
import os
from collections.abc import Iterable

from torch import Tensor
from torch.nn.parameter import is_lazy

from recombine.errors import DataError

#: The variable that replaces the budget, in bytes.
BUDGET_VARIABLE = "RECOMBINE_MEMORY_BUDGET"
_SHARE = 0.5


def physical_memory() -> float:
    """Return the memory of this machine in bytes; infinity where it does not tell."""
    if not hasattr(os, "sysconf"):
        return math.inf
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


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
