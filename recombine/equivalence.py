"""Whether runs reproduce a published figure: a test of equivalence, which can say yes, no and not yet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from recombine.intervals import CONFIDENCE, FEWEST, mean, sample_std, t_quantile, t_tail

Word = Literal["reproduced", "different", "undecided"]

#: The least margin, in the unit of the score: published figures are rounded to a hundredth or a thousandth.
LEAST_MARGIN = 0.01
LEVEL = 1 - CONFIDENCE
_MOST_RUNS = 1000
_FEWEST_FOR_SPREAD = 2


@dataclass(frozen=True)
class Claim:
    """A published figure.

    Attributes:
        mean: The figure.
        spread: Its sample standard deviation over the runs behind it, at least 0, or None where nobody said.
        num: Number of the runs behind it, or None where nobody said.

    Raises:
        ValueError: A number is not finite, negative, or no number of runs.
    """

    mean: float
    spread: float | None = None
    num: int | None = None

    def __post_init__(self) -> None:
        """Make sure that the figure can be compared with."""
        if not math.isfinite(self.mean):
            raise ValueError("the claimed mean is not finite")
        if self.spread is not None and not 0 <= self.spread < math.inf:
            raise ValueError(f"a claimed spread of {self.spread} is not a number from 0 on")
        if self.num is not None and self.num < 1:
            raise ValueError(f"a claim of {self.num} runs is none")

    @property
    def is_constant(self) -> bool:
        """Whether it must be taken as exact, as its spread or the number of its runs is not known."""
        return self.spread is None or self.num is None or self.num < _FEWEST_FOR_SPREAD

    @property
    def margin(self) -> float:
        """How near counts as the same, unless somebody says otherwise: its spread, at least 0.01."""
        return max(self.spread or 0.0, LEAST_MARGIN)


@dataclass(frozen=True)
class Verdict:
    """What runs say of a claim.

    Attributes:
        word: ``reproduced``, ``different`` or ``undecided``.
        claim: The figure compared with.
        margin: How near counts as the same, in the unit of the score.
        num: Number of our runs.
        mean: Their mean.
        std: Their sample standard deviation; None for a single run.
        interval: 95 % Welch interval of our mean minus the claimed one; None below three runs.
        p_same: p-value of the test for equivalence, the larger of its two; None below three runs.
        more_runs: How many more runs would decide if mean and spread stayed as they are; 0 where it is decided, None
            where a thousand runs in all would not.
    """

    word: Word
    claim: Claim
    margin: float
    num: int
    mean: float
    std: float | None
    interval: tuple[float, float] | None
    p_same: float | None
    more_runs: int | None

    @property
    def difference(self) -> float:
        """Our mean minus the claimed one."""
        return self.mean - self.claim.mean

    def __str__(self) -> str:
        """Return the verdict with the figures behind it, in one line."""
        spread = f" ± {self.std:.4f}" if self.std is not None else ""
        ours = f"{self.mean:.4f}{spread} over {self.num} {'run' if self.num == 1 else 'runs'}"
        bounds = "" if self.interval is None else " [{:+.4f}, {:+.4f}]".format(*self.interval)
        figures = f"{ours}, claimed {_claim_text(self.claim)}; difference {self.difference:+.4f}{bounds}"
        return f"{self.word}: {figures}, margin {self.margin:.4f}{_remedy(self)}"


@dataclass(frozen=True)
class _Summary:
    """Our runs: how many, their mean and their spread."""

    num: int
    mean: float
    std: float


def verdict(ours: Sequence[float], claim: Claim, margin: float | None = None) -> Verdict:
    """Say whether runs reproduce a claim.

    With ``d`` the difference of the means, ``se^2 = s^2/n + S^2/m`` its squared standard error (``s``, ``n`` ours,
    ``S``, ``m`` claimed) and Welch's (1947) degrees of freedom:

    - ``reproduced``: two one-sided t-tests at level 0.05 both reject, ``d <= -margin`` and ``d >= margin``
      (Schuirmann 1987); the same as a 90 % interval of the difference inside the margin.
    - ``different``: the 95 % interval of the difference lies outside of [-margin, margin] altogether.
    - ``undecided``: neither, or fewer than three runs.

    A claim without spread or without a number of runs is taken as exact (``S = 0``): one-sample tests.

    Args:
        ours: Scores of independent runs, at least one.
        claim: The published figure, in the same unit.
        margin: How near counts as the same, above 0; None: the claimed spread, at least 0.01.

    Raises:
        ValueError: There is no score, one is not finite, or the margin is not a number above 0.
    """
    near = claim.margin if margin is None else margin
    if not 0 < near < math.inf:
        raise ValueError(f"a margin of {near} is not a number above 0")
    center, std = mean(ours), sample_std(ours)
    start = Verdict("undecided", claim, near, len(ours), center, std, None, None, None)
    if std is None or len(ours) < FEWEST:
        return replace(start, more_runs=FEWEST - len(ours))
    summary = _Summary(len(ours), center, std)
    word = _word(summary, claim, near)
    figures = replace(start, word=word, interval=_interval(summary, claim), p_same=_p_same(summary, claim, near))
    return replace(figures, more_runs=_more_runs(summary, claim, near) if word == "undecided" else 0)


def _word(ours: _Summary, claim: Claim, margin: float) -> Word:
    if _p_same(ours, claim, margin) < LEVEL:
        return "reproduced"
    low, high = _interval(ours, claim)
    return "different" if low > margin or high < -margin else "undecided"


def _more_runs(ours: _Summary, claim: Claim, margin: float) -> int | None:
    """Return how many more runs with the same mean and spread would decide."""
    # One by one: with more runs Welch's degrees of freedom can fall again, so that no bisection would do.
    numbers = range(ours.num + 1, _MOST_RUNS + 1)
    decided = (num for num in numbers if _word(replace(ours, num=num), claim, margin) != "undecided")
    first = next(decided, None)
    return None if first is None else first - ours.num


def _p_same(ours: _Summary, claim: Claim, margin: float) -> float:
    """Return the larger p-value of the two one-sided tests; without any spread 0 inside of the margin, else 1."""
    difference, (error, degrees) = ours.mean - claim.mean, _error(ours, claim)
    if error == 0:
        return 0.0 if abs(difference) < margin else 1.0
    return t_tail((margin - abs(difference)) / error, degrees)


def _interval(ours: _Summary, claim: Claim) -> tuple[float, float]:
    difference, (error, degrees) = ours.mean - claim.mean, _error(ours, claim)
    half = t_quantile((1 + CONFIDENCE) / 2, degrees) * error if error > 0 else 0.0
    return difference - half, difference + half


def _error(ours: _Summary, claim: Claim) -> tuple[float, float]:
    """Return the standard error of the difference of the means, and its degrees of freedom (Welch 1947)."""
    own, freedom = ours.std**2 / ours.num, ours.num - 1
    if claim.spread is None or claim.num is None or claim.num < _FEWEST_FOR_SPREAD:
        return math.sqrt(own), freedom
    theirs = claim.spread**2 / claim.num
    both = own + theirs
    if both == 0:
        return 0.0, freedom
    # In shares of the whole, whose squares do not vanish where the spreads are tiny.
    return math.sqrt(both), 1 / ((own / both) ** 2 / freedom + (theirs / both) ** 2 / (claim.num - 1))


def _claim_text(claim: Claim) -> str:
    spread = f" ± {claim.spread:.4f}" if claim.spread is not None else ""
    runs = f" over {claim.num} {'run' if claim.num == 1 else 'runs'}" if claim.num is not None else ""
    exact = " (taken as exact: its spread or its number of runs is not known)" if claim.is_constant else ""
    return f"{claim.mean:.4f}{spread}{runs}{exact}"


def _remedy(found: Verdict) -> str:
    """Return what would decide an undecided question."""
    if found.word != "undecided":
        return ""
    if found.more_runs is None:
        return f"; even {_MOST_RUNS} runs with this mean and spread would not decide"
    if found.num < FEWEST:
        return f"; at least {found.more_runs} more needed for any verdict"
    more = f"{found.more_runs} more {'run' if found.more_runs == 1 else 'runs'}"
    return f"; about {more} with this mean and spread would decide"
