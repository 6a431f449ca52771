import math

import numpy as np
import pytest
from scipy import stats

from recombine.equivalence import Claim, verdict

SPREAD_OUT = [0.88, 0.90, 0.92, 0.89]


def by_scipy(ours, claim, margin):
    """Return word, interval and p-value from scipy's tests of summary statistics."""
    pair = [stats.ttest_ind_from_stats(
        np.mean(ours) + shift, np.std(ours, ddof=1), len(ours), claim.mean, claim.spread, claim.num,
        equal_var=False, alternative=side,
    ) for shift, side in ((margin, "greater"), (-margin, "less"))]  # fmt: skip
    p_same = max(test.pvalue for test in pair)
    own, theirs = np.var(ours, ddof=1) / len(ours), claim.spread**2 / claim.num
    degrees = (own + theirs) ** 2 / (own**2 / (len(ours) - 1) + theirs**2 / (claim.num - 1))
    center = np.mean(ours) - claim.mean
    half = stats.t.ppf(0.975, degrees) * math.sqrt(own + theirs)
    outside = center - half > margin or center + half < -margin
    word = "reproduced" if p_same < 0.05 else "different" if outside else "undecided"
    return word, (center - half, center + half), p_same


@pytest.mark.parametrize("shift", [-0.2, -0.05, -0.02, 0.0, 0.01, 0.03, 0.1])
@pytest.mark.parametrize("num", [3, 5, 20])
@pytest.mark.parametrize("margin", [None, 0.03])
def test_verdicts_are_those_of_scipys_tests(shift, num, margin):
    ours = (np.random.default_rng(num).normal(0.9 + shift, 0.02, num)).tolist()
    claim = Claim(0.9, 0.025, 10)
    word, interval, p_same = by_scipy(ours, claim, margin or 0.025)
    found = verdict(ours, claim, margin)
    assert found.word == word
    assert found.interval == pytest.approx(interval, rel=1e-9)
    assert found.p_same == pytest.approx(p_same, rel=1e-8, abs=1e-15)
    assert (found.more_runs == 0) == (word != "undecided")


def test_all_three_words_occur():
    claim = Claim(0.9, 0.02, 10)
    assert verdict([0.9, 0.91, 0.89, 0.9], claim).word == "reproduced"
    assert verdict([0.8, 0.81, 0.79, 0.8], claim).word == "different"
    assert verdict(SPREAD_OUT, Claim(0.91, 0.02, 10)).word == "undecided"


@pytest.mark.parametrize("claim", [Claim(0.9), Claim(0.9, 0.02), Claim(0.9, None, 10), Claim(0.9, 0.02, 1)])
def test_a_claim_of_unknown_spread_is_taken_as_exact(claim):
    ours = [0.905, 0.9, 0.91, 0.895]
    found = verdict(ours, claim, 0.02)
    assert claim.is_constant
    tests = [stats.ttest_1samp(ours, 0.88, alternative="greater"), stats.ttest_1samp(ours, 0.92, alternative="less")]
    assert found.p_same == pytest.approx(max(test.pvalue for test in tests), rel=1e-9)
    interval = stats.ttest_1samp(ours, 0.9).confidence_interval(0.95)
    assert found.interval == pytest.approx((interval.low - 0.9, interval.high - 0.9), rel=1e-6)
    assert "taken as exact: its spread or its number of runs is not known" in str(found)


def test_the_margin_is_the_claimed_spread_but_at_least_a_hundredth():
    assert verdict(SPREAD_OUT, Claim(0.9, 0.02, 5)).margin == 0.02
    assert verdict(SPREAD_OUT, Claim(0.9, 0.002, 5)).margin == 0.01
    assert verdict(SPREAD_OUT, Claim(0.9)).margin == 0.01
    assert verdict(SPREAD_OUT, Claim(0.9, 0.02, 5), 0.5).margin == 0.5


def slow_more(ours, claim, margin):
    """Return how many more runs of the same mean and spread decide, by making such runs."""
    center, std = np.mean(ours), np.std(ours, ddof=1)
    for num in range(len(ours) + 1, 1001):
        made = np.linspace(-1, 1, num)
        made = center + made / np.std(made, ddof=1) * std
        if by_scipy(made, claim, margin)[0] != "undecided":
            return num - len(ours)
    return None


@pytest.mark.parametrize("mean", [0.91, 0.9, 0.925])
def test_more_runs_are_found_as_by_making_them(mean):
    claim = Claim(mean, 0.02, 30)
    found = verdict(SPREAD_OUT, claim)
    assert found.word == "undecided"
    assert found.more_runs == slow_more(SPREAD_OUT, claim, 0.02)


def test_some_questions_stay_open():
    found = verdict([0.88, 0.90, 0.92, 0.90], Claim(0.92, 0.02, 10))
    assert (found.word, found.more_runs) == ("undecided", None)
    assert str(found).endswith("; even 1000 runs with this mean and spread would not decide")


@pytest.mark.parametrize(("ours", "more"), [([0.9], 2), ([0.9, 0.9], 1)])
def test_fewer_than_three_runs_decide_nothing(ours, more):
    found = verdict(ours, Claim(0.9, 0.02, 10))
    assert (found.word, found.more_runs, found.interval, found.p_same) == ("undecided", more, None, None)
    assert str(found).endswith(f"; at least {more} more needed for any verdict")


def test_runs_without_any_spread_are_compared_with_the_margin():
    assert verdict([0.9, 0.9, 0.9], Claim(0.905)).word == "reproduced"
    assert verdict([0.9, 0.9, 0.9], Claim(0.95, 0.0, 4)).word == "different"
    edge = verdict([0.5, 0.5, 0.5], Claim(0.25), 0.25)
    assert (edge.word, edge.interval, edge.p_same, edge.more_runs) == ("undecided", (0.25, 0.25), 1.0, None)


def test_the_sentence_has_all_figures():
    assert str(verdict([0.9, 0.91, 0.92], Claim(0.91, 0.02, 10))) == (
        "reproduced: 0.9100 ± 0.0100 over 3 runs, claimed 0.9100 ± 0.0200 over 10 runs; "
        "difference +0.0000 [-0.0201, +0.0201], margin 0.0200"
    )
    assert str(verdict([0.9], Claim(0.5, num=1))) == (
        "undecided: 0.9000 over 1 run, claimed 0.5000 over 1 run (taken as exact: its spread or its number of runs is "
        "not known); difference +0.4000, margin 0.0100; at least 2 more needed for any verdict"
    )


def test_what_cannot_be_tested_is_refused():
    with pytest.raises(ValueError, match="^there is no value$"):
        verdict([], Claim(0.9))
    with pytest.raises(ValueError, match="^a margin of 0 is not a number above 0$"):
        verdict([0.9], Claim(0.9), 0)
    with pytest.raises(ValueError, match="^the claimed mean is not finite$"):
        Claim(math.nan)
    with pytest.raises(ValueError, match=r"^a claimed spread of -1\.0 is not a number from 0 on$"):
        Claim(0.9, -1.0)
    with pytest.raises(ValueError, match="^a claim of 0 runs is none$"):
        Claim(0.9, 0.1, 0)


def test_equivalence_is_claimed_falsely_as_seldom_as_promised():
    """At a true difference of exactly the margin, at most a twentieth passes."""
    draws = np.random.default_rng(3)
    words = []
    for _ in range(1000):
        theirs = draws.normal(0.9, 0.02, 10)
        claim = Claim(theirs.mean(), theirs.std(ddof=1), 10)
        words.append(verdict(draws.normal(0.93, 0.02, 8).tolist(), claim, 0.03).word)
    assert words.count("reproduced") <= 70
    assert words.count("different") <= 40
