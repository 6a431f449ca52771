"""Temperatures that fall in the course of a phase."""

import math
from collections.abc import Callable, Mapping
from typing import Any


def temperature(schedule: Mapping[str, Any], iteration: int) -> float:
    """Return the temperature in an iteration of a phase.

    After n whole intervals it is, but never below the minimum::

        constant:     initial
        exponential:  initial exp(-rate n)
        cumulative:   initial exp(-rate 1) exp(-rate 2) ... exp(-rate n) = initial exp(-rate n (n + 1) / 2)

    The last is how the code of Nazi et al. (arXiv 1910.07623) lowers it: each time by a larger factor.

    Args:
        schedule: ``type``, ``initial`` > 0, ``minimum`` > 0, ``rate`` >= 0 for each interval, and ``interval`` in
            iterations, >= 1.
        iteration: Index of the iteration in its phase, >= 0.
    """
    times = iteration // schedule["interval"]
    initial: float = schedule["initial"]
    if schedule["type"] == _CONSTANT:
        return initial
    lowered = initial * math.exp(-schedule["rate"] * _FACTORS[schedule["type"]](times))
    return max(lowered, float(schedule["minimum"]))


def _sum(times: int) -> float:
    return times * (times + 1) / 2


_CONSTANT = "constant"
_FACTORS: dict[str, Callable[[int], float]] = {"exponential": float, "cumulative": _sum}
