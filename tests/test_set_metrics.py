from dataclasses import fields
from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    fowlkes_mallows_score,
    homogeneity_completeness_v_measure,
    mutual_info_score,
    normalized_mutual_info_score,
)

from recombine.metrics import contingency
from recombine.set_baselines import random_assignment
from recombine.set_metrics import SetScores, Spread, misclassification_rate, set_scores, summary

NAMES = (
    "misclassification_rate nmi_geometric mutual_information ami_max ari homogeneity completeness v_measure "
    "fowlkes_mallows purity bbn bbn_normalized"
).split()
DEGENERATE = {
    "one cluster": ([0, 1, 2] * 4, [0] * 12),
    "one class": ([0] * 12, [0, 1, 2] * 4),
    "one of both": ([4] * 9, [7] * 9),
    "one object": ([4], [7]),
    "two objects together": ([4, 4], [7, 7]),
    "two objects apart": ([4, 5], [7, 9]),
    "alone in clusters": ([0, 1, 2] * 4, list(range(12))),
    "alone in classes": (list(range(12)), [0, 1, 2] * 4),
    "alone in both": (list(range(12)), list(range(12))[::-1]),
    "the same": ([0, 1, 2] * 4, [1, 2, 0] * 4),
    "independent": ([0, 1, 2] * 4, [0] * 4 + [1] * 4 + [2] * 4),
}


def drawn(seed):
    """Return classes and clusters of 1 to 40 objects that agree in anything from none to all of them."""
    draws = np.random.default_rng(seed)
    count, (classes, clusters) = draws.integers(1, 41), draws.integers(1, 8, size=2)
    labels = draws.integers(classes, size=count)
    found = np.where(draws.random(count) < draws.random(), labels, draws.integers(clusters, size=count))
    return labels * 5 - 3, found * 2 - 7


CASES = [pytest.param(*map(np.array, case), id=name) for name, case in DEGENERATE.items()]
CASES += [pytest.param(*drawn(seed), id=f"drawn {seed}") for seed in range(150)]


@pytest.mark.parametrize(("labels", "found"), CASES)
def test_what_scikit_learn_has_equals_it(labels, found):
    scores = set_scores(labels, found)
    explained = homogeneity_completeness_v_measure(labels, found)
    assert (scores.homogeneity, scores.completeness, scores.v_measure) == pytest.approx(explained, abs=1e-12)
    nmi = normalized_mutual_info_score(labels, found, average_method="geometric")
    assert scores.nmi_geometric == pytest.approx(nmi, abs=1e-12)
    assert scores.mutual_information == pytest.approx(mutual_info_score(labels, found), abs=1e-12)
    ami = adjusted_mutual_info_score(labels, found, average_method="max")
    assert scores.ami_max == pytest.approx(ami, abs=1e-11)
    assert scores.ari == pytest.approx(adjusted_rand_score(labels, found), abs=1e-12)
    assert scores.fowlkes_mallows == pytest.approx(fowlkes_mallows_score(labels, found), abs=1e-12)


@pytest.mark.parametrize(("labels", "found"), CASES)
def test_what_scikit_learn_lacks_equals_a_slow_computation(labels, found):
    scores = set_scores(labels, found)
    assert scores.purity == pytest.approx(slow_purity(labels, found))
    assert scores.bbn == pytest.approx(slow_bbn(labels, found))
    assert scores.bbn_normalized == pytest.approx(slow_bbn(labels, found) / slow_bbn(labels, labels))
    if max(len(set(labels)), len(set(found))) <= 5:
        assert scores.misclassification_rate == pytest.approx(slow_misclassification_rate(labels, found))


def slow_purity(labels, found):
    """Return the share of objects of their cluster's most frequent class, cluster by cluster."""
    members = [labels[found == cluster].tolist() for cluster in set(found)]
    return sum(max(own.count(label) for label in own) for own in members) / len(labels)


def slow_bbn(labels, found):
    """Return the sum over objects of the share of their cluster that has their class."""
    return sum(np.mean(labels[found == cluster] == label) for label, cluster in zip(labels, found, strict=True))


def slow_misclassification_rate(labels, found):
    """Return the sum over classes of size less overlap with the assigned cluster, for the best assignment, over n."""
    classes, clusters = sorted(set(labels)), sorted(set(found))
    clusters += [None] * (len(classes) - len(clusters))  # a class may have no cluster
    fewest = len(labels)
    for chosen in permutations(clusters, len(classes)):
        errors = 0
        for label, cluster in zip(classes, chosen, strict=True):
            errors += np.sum(labels == label) - np.sum((labels == label) & (found == cluster))
        fewest = min(fewest, errors)
    return fewest / len(labels)


def test_there_are_twelve_in_order():
    assert [field.name for field in fields(SetScores)] == NAMES
    scores = set_scores(*drawn(3))
    assert list(scores.as_dict()) == NAMES
    assert all(type(value) is float for value in scores.as_dict().values())


@pytest.mark.parametrize(
    ("labels", "found", "expected"),
    [
        ([0, 0, 1, 1], [1, 1, 2, 2], 0),
        ([1] * 4, [2, 2, 1, 1], 0.5),
        ([1] * 4, [1, 2, 3, 4], 0.75),
        ([1, 2, 3, 4], [1] * 4, 0.75),
        ([1, 2, 2, 4], [1] * 4, 0.5),
        ([0, 0, 0, 1, 1, 1, 1, 2, 2], [7, 7, 3, 3, 2, 2, 1, 0, 0], 1 / 3),
    ],
)
def test_published_examples_of_the_misclassification_rate(labels, found, expected):
    labels, found = np.array(labels), np.array(found)
    assert set_scores(labels, found).misclassification_rate == pytest.approx(expected)
    assert misclassification_rate(contingency(labels, found)) == pytest.approx(expected)


def test_any_values_of_labels_are_pure_in_pure_clusters():
    scores = set_scores(np.array([3, 7, 3, 7]), np.array([0, 1, 0, 1]))
    assert scores.purity == 1
    assert (scores.bbn, scores.bbn_normalized) == (4, 1)


def test_numbers_are_pinned():
    labels, found = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2]), np.array([5, 5, 1, 1, 1, 1, 2, 2, 5, 3])
    expected = [0.3, 0.570096, 0.673012, 0.298658, 0.28, 0.618066, 0.525850, 0.568241, 0.456435, 0.8, 43 / 6, 43 / 60]
    assert list(set_scores(labels, found).as_dict().values()) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("count", range(2, 60))
def test_objects_alone_in_both_are_a_perfect_match_whatever_is_rounded(count):
    scores = set_scores(np.arange(count), np.arange(count))
    assert (scores.ami_max, scores.ari, scores.misclassification_rate) == (1, 1, 0)
    assert scores.nmi_geometric == pytest.approx(1)


def test_each_class_and_each_cluster_may_be_renamed():
    labels, found = drawn(5)
    renamed = set_scores(100 - labels, -3 * found)
    assert renamed.as_dict() == pytest.approx(set_scores(labels, found).as_dict())


@pytest.mark.parametrize(
    ("labels", "found"),
    [(np.zeros(3, int), np.zeros(1, int)), (np.zeros(0, int), np.zeros(0, int)), (np.zeros((2, 2), int),) * 2],
)
def test_arrays_of_another_shape_are_refused(labels, found):
    with pytest.raises(ValueError, match=r"are not of one shape \(n,\) with n >= 1"):
        set_scores(labels, found)


def test_the_summary_has_means_and_population_deviations():
    scores = [set_scores(*drawn(seed)) for seed in range(20)]
    found = summary(scores)
    assert list(found) == NAMES
    for name, spread in found.items():
        values = [getattr(one, name) for one in scores]
        assert (spread.mean, spread.std) == pytest.approx((np.mean(values), np.std(values)))
    assert summary(scores[:1])["ari"] == Spread(scores[0].ari, 0)


def test_a_summary_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no scores"):
        summary([])


@pytest.mark.parametrize(
    ("count", "published_nmi", "derived_nmi", "derived_mr"), [(72, 0.232, 0.234, 0.476), (20, 0.346, 0.341, 0.411)]
)
def test_random_partitions_reach_the_published_baselines(count, published_nmi, derived_nmi, derived_mr):
    """Two independent partitions with the same k, from 1 to 5 in equal parts, and at least 2 objects of each kind."""
    draws = np.random.default_rng(0)
    numbers = np.tile(np.arange(1, 6), 160)
    pairs = [[random_assignment(count, number, 2, draws) for _ in range(2)] for number in numbers]
    found = summary([set_scores(*pair) for pair in pairs])
    assert found["nmi_geometric"].mean == pytest.approx(published_nmi, abs=0.01)
    assert found["nmi_geometric"].mean == pytest.approx(derived_nmi, abs=0.005)
    assert found["misclassification_rate"].mean == pytest.approx(derived_mr, abs=0.005)
