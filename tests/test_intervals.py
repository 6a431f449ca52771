import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats

from recombine import intervals
from recombine.intervals import compare_pairs, holm, mean, pairs_needed, sample_std, signed_rank_p, t_interval

DRAWS = np.random.default_rng(0)


def drawn(num, shift=0.0):
    """Return numbers around ``shift``."""
    return (DRAWS.normal(size=num) + shift).tolist()


@pytest.mark.parametrize("num", [1, 2, 3, 10, 57])
def test_mean_and_deviation_are_numpys(num):
    values = drawn(num, 5)
    assert mean(values) == pytest.approx(np.mean(values), rel=1e-14)
    expected = None if num == 1 else pytest.approx(np.std(values, ddof=1), rel=1e-12)
    assert sample_std(values) == expected


@pytest.mark.parametrize("num", [3, 4, 10, 100])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_intervals_are_scipys(num, confidence):
    values = drawn(num, 5)
    expected = stats.t.interval(confidence, num - 1, loc=np.mean(values), scale=stats.sem(values))
    assert t_interval(values, confidence) == pytest.approx(expected, rel=1e-10)


def test_an_interval_by_hand():
    # With 2 degrees of freedom the quantile is (2p - 1) / sqrt(2p (1 - p)); the deviation is 1.
    half = 0.95 / math.sqrt(2 * 0.975 * 0.025) / math.sqrt(3)
    assert t_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - half, 2 + half), rel=1e-10)


def test_there_is_no_interval_below_three_values_and_no_deviation_of_one():
    assert t_interval([0.5]) is None
    assert t_interval([0.5, 0.6]) is None
    assert sample_std([0.5]) is None
    assert t_interval([0.5, 0.5, 0.5]) == (0.5, 0.5)


def test_what_is_no_sample_is_refused():
    with pytest.raises(ValueError, match="^there is no value$"):
        mean([])
    with pytest.raises(ValueError, match="^a value is not finite$"):
        sample_std([1.0, math.nan])
    with pytest.raises(ValueError, match=r"^a confidence of 1\.0 is not between 0 and 1$"):
        t_interval([1.0, 2.0, 3.0], 1.0)
    with pytest.raises(ValueError, match=r"^a power of 0 is not between 0 and 1$"):
        pairs_needed(0.5, 0)


@pytest.mark.parametrize(("num", "shift"), [(3, 0.1), (6, 1.0), (10, -0.5), (40, 0.3)])
def test_paired_comparisons_are_scipys(num, shift):
    first, second = drawn(num, shift), drawn(num)
    found = compare_pairs(first, second)
    expected = stats.ttest_rel(first, second)
    interval = expected.confidence_interval(0.95)
    differences = np.subtract(first, second)
    assert found.num == num
    assert found.means == pytest.approx((np.mean(first), np.mean(second)))
    assert found.difference == pytest.approx(np.mean(differences))
    assert found.p_t == pytest.approx(expected.pvalue, rel=1e-8)
    assert found.interval == pytest.approx((interval.low, interval.high), rel=1e-8)
    assert found.effect == pytest.approx(np.mean(differences) / np.std(differences, ddof=1))
    assert not found.is_constant
    ranked = stats.wilcoxon(differences, method="exact").pvalue if num >= 6 else None
    assert found.p_ranks == (None if ranked is None else pytest.approx(ranked, rel=1e-10))


def test_two_pairs_have_a_difference_and_no_test():
    found = compare_pairs([1.0, 3.0], [0.0, 1.0])
    assert (found.difference, found.std) == (1.5, pytest.approx(math.sqrt(0.5)))
    assert (found.interval, found.p_t, found.p_ranks, found.effect) == (None, None, None, None)
    assert compare_pairs([1.0], [0.5]).std is None


def test_a_constant_difference_is_no_division_by_zero():
    second = [0.1 * i for i in range(7)]
    found = compare_pairs([value + 0.1 for value in second], second)
    assert found.is_constant
    assert found.difference == pytest.approx(0.1)
    assert (found.std, found.p_t, found.effect) == (0.0, None, None)
    assert found.interval == (found.difference, found.difference)
    # All 2^7 signs, of which two are as extreme.
    assert found.p_ranks == pytest.approx(2 / 2**7)


def test_equal_values_have_the_difference_0():
    found = compare_pairs([0.1, 0.2, 0.7] * 2, [0.1, 0.2, 0.7] * 2)
    assert (found.is_constant, found.difference, found.interval, found.p_ranks) == (True, 0.0, (0.0, 0.0), None)


def test_a_small_spread_is_no_constant():
    found = compare_pairs([0.9, 0.9 + 1e-9, 0.9 - 1e-9], [0.8, 0.8, 0.8])
    assert not found.is_constant
    assert found.std == pytest.approx(1e-9, rel=1e-4)


def test_pairs_must_be_pairs():
    with pytest.raises(ValueError, match="zip"):
        compare_pairs([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="^there is no value$"):
        compare_pairs([], [])


def by_enumeration(differences):
    """Return the p-value of the signed-rank test from all signs, slowly."""
    kept = [value for value in differences if value != 0]
    ranks = stats.rankdata(np.abs(kept))
    half = ranks.sum() / 2
    seen = abs(sum(rank for rank, value in zip(ranks, kept, strict=True) if value > 0) - half)
    sums = [sum(itertools.compress(ranks, signs)) for signs in itertools.product([0, 1], repeat=len(kept))]
    return np.mean([abs(total - half) >= seen - 1e-9 for total in sums])


@pytest.mark.parametrize(
    "differences",
    [
        [1, 2, 3, 4, 5, 6],
        [1, 1, -1, 2, 2, 3, -3, 5],
        [0, 0, 1, -2, 2, 2, 4],
        [1, -1, 2, -2],
        [3],
        drawn(9, 0.7),
    ],
)
def test_the_signed_rank_test_counts_all_signs(differences):
    assert signed_rank_p(differences) == pytest.approx(by_enumeration(differences), rel=1e-10)


def test_six_equal_signs_are_the_first_to_pass():
    assert signed_rank_p([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(0.0625)
    assert signed_rank_p([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) == pytest.approx(0.03125)
    assert signed_rank_p([0.0, 0.0]) is None


def integrated_power(effect, num):
    """Return the power of a two-sided paired t-test, integrated over the deviation that is seen."""
    degrees, shift = num - 1, effect * math.sqrt(num)
    critical = stats.t.ppf(0.975, degrees)
    deviations = np.linspace(0, 4, 40_001)
    density = stats.chi.pdf(deviations * math.sqrt(degrees), degrees) * math.sqrt(degrees)
    shown = stats.norm.sf(critical * deviations - shift) + stats.norm.cdf(-critical * deviations - shift)
    return integrate.trapezoid(density * shown, deviations)


@pytest.mark.parametrize(("effect", "num"), [(0.2, 199), (0.5, 34), (0.8, 15), (-0.8, 15), (2.0, 5), (50.0, 3)])
def test_numbers_of_pairs_are_the_published_ones(effect, num):
    """Those of Cohen's small, medium and large effects are what G*Power gives."""
    assert pairs_needed(effect) == num


@pytest.mark.parametrize("effect", [0.1, 0.15, 0.33, 0.55, 0.76, 1.0, 1.19, 1.4, 1.7])
def test_one_pair_fewer_would_not_do(effect):
    num = pairs_needed(effect)
    assert integrated_power(effect, num) >= 0.8 > integrated_power(effect, num - 1)


def test_the_smaller_an_effect_the_more_pairs_it_needs():
    """Whatever the search for the number meets on its way, far tails for example."""
    found = [pairs_needed(effect) for effect in np.geomspace(0.03, 300, 400)]
    assert found == sorted(found, reverse=True)
    assert (found[0], found[-1]) == (8723, 3)


def test_some_differences_need_too_many_pairs():
    assert pairs_needed(0.0) is None
    assert pairs_needed(0.02) is None
    assert pairs_needed(0.0281) == 9943


def test_simulated_pairs_show_the_difference_as_often_as_promised():
    draws = np.random.default_rng(1).normal(0.8, 1.0, size=(4000, pairs_needed(0.8)))
    shown = stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05
    assert shown.mean() == pytest.approx(0.8, abs=0.025)


def test_intervals_cover_the_mean_as_often_as_promised():
    rows = np.random.default_rng(2).normal(0.7, 0.1, size=(2000, 5)).tolist()
    found = [t_interval(row) for row in rows]
    assert np.mean([low <= 0.7 <= high for low, high in found]) == pytest.approx(0.95, abs=0.015)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.2]) == [0.2]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_quantiles_and_tails_are_scipys():
    for degrees in (1, 2.5, 9, 1000):
        assert intervals.t_quantile(0.975, degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-9)
        assert intervals.t_tail(2.5, degrees) == pytest.approx(stats.t.sf(2.5, degrees), rel=1e-9)
        assert intervals.t_tail(-1.0, degrees) == pytest.approx(stats.t.sf(-1.0, degrees), rel=1e-9)
