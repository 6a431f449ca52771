"""Means of scores over seeds, their intervals, and paired differences."""

import functools
import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

#: How many values an interval needs: from two, it is as wide as to say nothing.
FEWEST = 3
CONFIDENCE = 0.95
POWER = 0.8
#: How many pairs the signed-rank test needs: with five, its smallest p-value is 0.06.
FEWEST_RANKED = 6
_MOST_PAIRS = 10_000
#: Differences that vary by less than this share of the values vary by rounding alone.
_ROUNDING = 1e-13


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean.

    Args:
        values: At least one number.

    Raises:
        ValueError: There is none, or one is not finite.
    """
    _check(values)
    return math.fsum(values) / len(values)


def sample_std(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation, ``sqrt(sum((x - mean)^2) / (n - 1))``; None for a single value.

    Raises:
        ValueError: There is no value, or one is not finite.
    """
    center = mean(values)
    if len(values) == 1:
        return None
    return math.sqrt(math.fsum((value - center) ** 2 for value in values) / (len(values) - 1))


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """Return Student's interval of the mean, ``mean -+ t * std / sqrt(n)`` (Student 1908); None below three values.

    ``t`` is the quantile ``(1 + confidence) / 2`` of the t distribution with ``n - 1`` degrees of freedom.

    Args:
        values: The scores of independent runs.
        confidence: In (0, 1).

    Raises:
        ValueError: There is no value, one is not finite, or the confidence is out of range.
    """
    quantile = _upper_quantile(confidence)
    center, std = mean(values), sample_std(values)
    if std is None or len(values) < FEWEST:
        return None
    half = t_quantile(quantile, len(values) - 1) * std / math.sqrt(len(values))
    return center - half, center + half


@functools.lru_cache
def t_quantile(probability: float, degrees: float) -> float:
    """Return the quantile of the t distribution at a probability in (0, 1); ``degrees`` of freedom above 0."""
    from scipy.special import stdtrit  # scipy.stats would take a second to import

    return float(stdtrit(degrees, probability))


def t_tail(statistic: float, degrees: float) -> float:
    """Return the probability that a t distribution with ``degrees`` of freedom lies above ``statistic``."""
    from scipy.special import stdtr

    return float(stdtr(degrees, -statistic))


@dataclass(frozen=True)
class Paired:
    """Two samples compared pair by pair; differences are those of the first minus the second.

    Attributes:
        num: Number of pairs.
        means: The mean of each sample.
        difference: Mean of the differences.
        std: Their sample standard deviation; None for a single pair, 0 where they are constant.
        interval: 95 % t-interval of the mean difference; None below three pairs.
        p_t: Two-sided p-value of the paired t-test; None below three pairs, or where the differences are constant.
        p_ranks: Two-sided exact p-value of the signed-rank test; None below six pairs, or where all are equal.
        effect: Cohen's d_z, the mean difference in its standard deviations; None as for ``p_t``.
        is_constant: Whether there are several pairs and all have the same difference, up to rounding.
    """

    num: int
    means: tuple[float, float]
    difference: float
    std: float | None
    interval: tuple[float, float] | None
    p_t: float | None
    p_ranks: float | None
    effect: float | None
    is_constant: bool


def compare_pairs(first: Sequence[float], second: Sequence[float]) -> Paired:
    """Compare two samples of which the values at one position belong together.

    With ``d`` the differences, the test statistic is ``mean(d) / (std(d) / sqrt(n))`` against a t distribution with
    ``n - 1`` degrees of freedom (Student 1908); the effect size is ``mean(d) / std(d)`` (Cohen 1988, d_z).

    Args:
        first: At least one number.
        second: As many.

    Raises:
        ValueError: The lengths differ, there is no pair, or a value is not finite.
    """
    differences = [one - other for one, other in zip(first, second, strict=True)]
    center, std = mean(differences), sample_std(differences)
    scale = max(map(abs, (*first, *second)))
    is_constant = std is not None and max(differences) - min(differences) <= _ROUNDING * scale
    if is_constant:
        center = 0.0 if abs(center) <= _ROUNDING * scale else center
        differences, std = [center] * len(differences), 0.0
    p_t = effect = None
    if std and len(differences) >= FEWEST:
        effect = center / std
        p_t = 2 * t_tail(abs(effect) * math.sqrt(len(differences)), len(differences) - 1)
    interval = (center, center) if is_constant and len(differences) >= FEWEST else t_interval(differences)
    p_ranks = signed_rank_p(differences) if len(differences) >= FEWEST_RANKED else None
    means = (mean(first), mean(second))
    return Paired(len(differences), means, center, std, interval, p_t, p_ranks, effect, is_constant)


def signed_rank_p(differences: Sequence[float]) -> float | None:
    """Return the exact two-sided p-value of the signed-rank test (Wilcoxon 1945); None where every difference is 0.

    Zeros are left out, equal sizes share the mean of their ranks, and the distribution of the rank sum over all
    ``2^n`` signs is added up rank by rank, so that ties are exact too.

    Args:
        differences: Any number of finite numbers.
    """
    import numpy as np

    kept = [value for value in differences if value != 0]
    if not kept:
        return None
    # Twice the mean rank is a whole number.
    sizes = np.abs(kept)
    ranks = [int((sizes < size).sum() + (sizes <= size).sum()) + 1 for size in sizes]
    chances = np.zeros(sum(ranks) + 1)
    chances[0] = 1.0
    for rank in ranks:
        chances[rank:] = (chances[rank:] + chances[:-rank]) / 2
        chances[:rank] /= 2
    positive = sum(rank for rank, value in zip(ranks, kept, strict=True) if value > 0)
    tail = min(positive, sum(ranks) - positive)
    return min(1.0, 2 * float(chances[: tail + 1].sum()))


def pairs_needed(effect: float, power: float = POWER, confidence: float = CONFIDENCE) -> int | None:
    """Return how many pairs a two-sided paired t-test needs to show an effect of this size.

    The power of ``n`` pairs is the mass of the noncentral t distribution with noncentrality ``effect * sqrt(n)``
    beyond the critical value (Cohen 1988).

    Args:
        effect: Mean difference in standard deviations of the differences (d_z).
        power: Wanted probability of showing it, in (0, 1).
        confidence: One minus the level of the test, in (0, 1).

    Returns:
        At least 3; None where the effect is 0 or more than 10,000 pairs would be needed.

    Raises:
        ValueError: The power or the confidence is out of range.
    """
    quantile = _upper_quantile(confidence)
    if not 0 < power < 1:
        raise ValueError(f"a power of {power} is not between 0 and 1")
    if effect == 0:
        return None
    numbers = range(FEWEST, _MOST_PAIRS + 1)
    first = bisect_left(numbers, True, key=lambda num: _power(abs(effect), num, quantile) >= power)
    return numbers[first] if first < len(numbers) else None


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number: the chance of any false finding stays below the level (Holm 1979).

    The i-th smallest of m is multiplied by ``m - i + 1``, and is at least the one before it and at most 1.
    """
    corrected, lowest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        lowest = max(lowest, min(1.0, p_values[index] * (len(p_values) - place)))
        corrected[index] = lowest
    return corrected


def _power(effect: float, num: int, quantile: float) -> float:
    """Return the chance that ``num`` pairs show an effect above 0."""
    from scipy.special import nctdtr

    shift, critical = effect * math.sqrt(num), t_quantile(quantile, num - 1)
    below = [float(nctdtr(num - 1, shift, bound)) for bound in (-critical, critical)]
    # SciPy gives NaN where the mass is below 1e-20.
    none, most = (0.0 if math.isnan(mass) else mass for mass in below)
    return 1 - most + none


def _upper_quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence of {confidence} is not between 0 and 1")
    return (1 + confidence) / 2


def _check(values: Sequence[float]) -> None:
    if not values:
        raise ValueError("there is no value")
    if not all(map(math.isfinite, values)):
        raise ValueError("a value is not finite")
