"""``--seeds``: with which seeds a method runs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from recombine.errors import UsageError

_MOST = 10_000
_PART = re.compile(r"(\d{1,19})(?:-(\d{1,19}))?")


@dataclass(frozen=True)
class Seeds:
    """The seeds of the runs of a method.

    Attributes:
        count: So many, from the method's own on; used where nothing is listed.
        listed: These, in this order.
    """

    count: int = 1
    listed: tuple[int, ...] = ()

    def __call__(self, own: int) -> Sequence[int]:
        """Return the seeds for a method whose own seed is ``own``."""
        return self.listed or range(own, own + self.count)


def parse_seeds(text: str | None) -> Seeds:
    """Return the seeds that ``N``, or a list such as ``0,3,5-9``, stands for; None stands for the method's own.

    Raises:
        UsageError: It is neither, or names more than 10,000 seeds, or one of them twice.
    """
    if text is None:
        return Seeds()
    parts = [_PART.fullmatch(part.strip()) for part in text.split(",")]
    if not all(parts):
        raise UsageError(f'--seeds "{text}": write a number of seeds (10), or a list of them (0,3,5-9)')
    if len(parts) == 1 and "-" not in text:
        return Seeds(count=len(_checked(text, range(min(int(text), _MOST + 1)))))
    bounds = [(int(part[1]), int(part[2] or part[1])) for part in parts if part is not None]
    if any(last - first >= _MOST for first, last in bounds):
        _checked(text, range(_MOST + 1))
    return Seeds(listed=tuple(_checked(text, [seed for first, last in bounds for seed in range(first, last + 1)])))


def _checked(text: str, seeds: Sequence[int]) -> Sequence[int]:
    """Return seeds that are at least one, not too many, and all different."""
    if not seeds:
        raise UsageError(f'--seeds "{text}" names no seed')
    if len(seeds) > _MOST:
        raise UsageError(f'--seeds "{text}" names more than {_MOST:,} seeds')
    if len(set(seeds)) < len(seeds):
        raise UsageError(f'--seeds "{text}" names a seed twice')
    return seeds
