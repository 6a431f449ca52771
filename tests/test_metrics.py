from itertools import permutations, product

import numpy as np
import pytest
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    fowlkes_mallows_score,
    homogeneity_completeness_v_measure,
    normalized_mutual_info_score,
)
from sklearn.metrics.cluster import contingency_matrix

from recombine import metrics
from recombine.metrics import (
    Agreement,
    Counts,
    Scores,
    agreement,
    clustering_accuracy,
    confusion,
    contingency,
    counts,
    score,
)


def _brute_force(labels, clusters):
    """Return the best accuracy over all one-to-one namings of clusters by classes; spare ones stay unnamed."""
    classes, groups = sorted(set(labels)), sorted(set(clusters))
    names = classes + [None] * (len(groups) - len(classes))
    best = 0
    for chosen in permutations(names, len(groups)):
        named = dict(zip(groups, chosen, strict=True))
        best = max(best, sum(named[c] == y for c, y in zip(clusters, labels, strict=True)))
    return best / len(labels)


@pytest.mark.parametrize(("classes", "clusters"), [(4, 4), (3, 5), (5, 3), (2, 1), (1, 4)])
@pytest.mark.parametrize("seed", range(4))
def test_accuracy_equals_brute_force(classes, clusters, seed):
    draws = np.random.default_rng(seed)
    labels, found = draws.integers(classes, size=20), draws.integers(clusters, size=20) * 7 + 3
    assert clustering_accuracy(labels, found) == pytest.approx(_brute_force(labels.tolist(), found.tolist()))


def test_scores_are_pinned():
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
    clusters = np.array([5, 5, 1, 1, 1, 1, 2, 2, 5, 2])
    found = score(labels, clusters)
    assert found.acc == pytest.approx(0.8)
    assert found.nmi == pytest.approx(_nmi(labels, clusters))
    assert found.nmi == pytest.approx(0.6181, abs=1e-4)
    assert found.ari == pytest.approx(_ari(labels, clusters))
    assert found.ari == pytest.approx(0.4318, abs=1e-4)


def test_a_perfect_and_a_trivial_clustering():
    labels = np.array([0, 0, 1, 1, 2, 2])
    assert score(labels, (labels + 1) % 3) == Scores(1.0, pytest.approx(1.0), pytest.approx(1.0))
    assert score(labels, np.zeros(6, dtype=np.int64)) == Scores(pytest.approx(1 / 3), 0.0, 0.0)


def test_in_words_and_by_name():
    scores = Scores(0.9784, 0.9436, 0.9515)
    assert str(scores) == "ACC 0.978, NMI 0.944, ARI 0.952"
    assert scores.as_dict() == {"acc": 0.9784, "nmi": 0.9436, "ari": 0.9515}


def _nmi(labels, clusters):
    """Return mutual information over the mean of the entropies, from the definition."""
    n = len(labels)
    information = 0.0
    for y in set(labels.tolist()):
        for c in set(clusters.tolist()):
            joint = np.sum((labels == y) & (clusters == c)) / n
            if joint:
                information += joint * np.log(joint / (np.mean(labels == y) * np.mean(clusters == c)))
    return information / ((_entropy(labels) + _entropy(clusters)) / 2)


def _entropy(values):
    shares = np.array([np.mean(values == value) for value in set(values.tolist())])
    return -np.sum(shares * np.log(shares))


def _ari(labels, clusters):
    """Return the adjusted Rand index by counting pairs of samples."""
    pairs = [(i, j) for i in range(len(labels)) for j in range(i)]
    together = np.array([[labels[i] == labels[j], clusters[i] == clusters[j]] for i, j in pairs], dtype=float)
    both, (by_class, by_cluster) = np.sum(together.prod(1)), together.sum(0)
    expected = by_class * by_cluster / len(pairs)
    return (both - expected) / ((by_class + by_cluster) / 2 - expected)


@pytest.mark.parametrize(("classes", "clusters", "count"), [(10, 10, 5000), (3, 7, 400), (1, 4, 50), (1, 1, 9)])
def test_equals_scikit_learn(classes, clusters, count):
    draws = np.random.default_rng(0)
    labels = draws.integers(classes, size=count)
    found = np.where(draws.random(count) < 0.6, labels % clusters, draws.integers(clusters, size=count))
    scores = score(labels, found)
    assert scores.nmi == pytest.approx(normalized_mutual_info_score(labels, found), abs=1e-12)
    assert scores.ari == pytest.approx(adjusted_rand_score(labels, found), abs=1e-12)
    assert np.array_equal(contingency(labels, found), contingency_matrix(labels, found))


def test_blocks_make_no_difference(monkeypatch):
    draws = np.random.default_rng(1)
    labels, found = draws.integers(4, size=103) * 9, draws.integers(5, size=103, dtype=np.int32) - 2
    whole = score(labels, found)
    monkeypatch.setattr(metrics, "_BLOCK", 10)
    assert score(labels, found) == whole


def test_many_samples_overflow_nothing(monkeypatch):
    table = np.array([[3_000_000_000, 10], [20, 2_900_000_000]])
    monkeypatch.setattr(metrics, "contingency", lambda *_: table)
    found = score(np.empty(0, dtype=int), np.empty(0, dtype=int))
    assert found.ari == pytest.approx(1, abs=1e-6)
    assert found.acc == pytest.approx(1, abs=1e-6)


def _drawn(classes, clusters, count, seed=0):
    draws = np.random.default_rng(seed)
    labels = draws.integers(classes, size=count)
    found = np.where(draws.random(count) < 0.6, labels % clusters, draws.integers(clusters, size=count))
    return labels, found


EDGES = {
    "one cluster": (np.arange(12) % 3, np.zeros(12, dtype=np.int64)),
    "one class": (np.zeros(12, dtype=np.int64), np.arange(12) % 3),
    "one of both": (np.full(9, 4), np.full(9, 7)),
    "one sample": (np.array([4]), np.array([7])),
    "each sample its own cluster": (np.arange(12) % 3, np.arange(12)),
    "each sample its own class": (np.arange(12), np.arange(12) % 3),
    "each sample its own of both": (np.arange(12), np.arange(12)[::-1]),
    "the same": (np.arange(12) % 3, (np.arange(12) + 1) % 3),
    "independent": (np.arange(12) % 3, np.arange(12) // 3),
    "more clusters": _drawn(3, 8, 500),
    "more classes": _drawn(8, 3, 500),
    "as many": _drawn(10, 10, 5000),
    "many": _drawn(60, 90, 2000),
    "gaps": tuple(values * 1000 - 7 for values in _drawn(5, 4, 300)),
}


@pytest.mark.parametrize("name", EDGES)
def test_every_score_equals_scikit_learn(name):
    labels, found = EDGES[name]
    scores = agreement(counts(labels, found))
    expected = homogeneity_completeness_v_measure(labels, found)
    assert (scores.homogeneity, scores.completeness, scores.v_measure) == pytest.approx(expected, abs=1e-12)
    assert scores.ami == pytest.approx(adjusted_mutual_info_score(labels, found), abs=1e-11)
    assert scores.fowlkes_mallows == pytest.approx(fowlkes_mallows_score(labels, found), abs=1e-12)
    assert scores.purity == pytest.approx(contingency_matrix(labels, found).max(0).sum() / len(labels))
    assert (scores.num_classes, scores.num_used_clusters) == (len(set(labels)), len(set(found)))
    three = score(labels, found)
    assert (scores.acc, scores.nmi, scores.ari) == (three.acc, three.nmi, three.ari)
    assert all(type(value) in (float, int) for value in scores.as_dict().values())


def test_the_expected_information_is_that_of_shuffled_clusters():
    labels, found = EDGES["more clusters"]
    draws = np.random.default_rng(0)
    shuffled = [metrics.mutual_information(contingency(labels, draws.permutation(found))) for _ in range(2000)]
    expected = metrics._expected_information(contingency(labels, found))
    assert expected == pytest.approx(np.mean(shuffled), abs=5 * np.std(shuffled) / np.sqrt(len(shuffled)))


def test_mass_far_from_the_mean_is_left_out_without_a_difference(monkeypatch):
    table = contingency(*_drawn(4, 5, 40_000))
    near = metrics._expected_information(table)
    monkeypatch.setattr(metrics, "_AT_LEAST", 10**9)
    assert near == pytest.approx(metrics._expected_information(table), rel=1e-12)


def test_samples_all_alone_are_a_perfect_match_whatever_is_rounded():
    alone = [agreement(counts(np.arange(count), np.arange(count))) for count in range(2, 120)]
    assert {scores.ami for scores in alone} == {1.0}


def test_all_scores_are_pinned():
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
    clusters = np.array([5, 5, 1, 1, 1, 1, 2, 2, 5, 3])
    scores = agreement(counts(labels, clusters)).as_dict()
    assert scores == pytest.approx(
        {
            "acc": 0.7,
            "nmi": 0.568241,
            "ari": 0.28,
            "ami": 0.335701,
            "homogeneity": 0.618066,
            "completeness": 0.525850,
            "v_measure": 0.568241,
            "fowlkes_mallows": 0.456435,
            "purity": 0.8,
            "num_used_clusters": 4,
            "num_classes": 3,
        },
        abs=1e-6,
    )


def test_a_billion_samples_overflow_nothing():
    table = np.array([[3_000_000_000, 10], [20, 2_900_000_000]])
    scores = agreement(Counts(table, np.arange(2), np.arange(2)))
    values = [value for name, value in scores.as_dict().items() if not name.startswith("num_")]
    assert values == pytest.approx([1] * len(values), abs=1e-6)
    chance = Counts(np.full((2, 2), 1_500_000_000), np.arange(2), np.arange(2))
    scores = agreement(chance)
    assert scores.fowlkes_mallows == pytest.approx(0.5)
    assert (scores.ami, scores.ari) == pytest.approx((0, 0), abs=1e-8)


def test_the_agreement_is_scores_in_words():
    scores = agreement(counts(*EDGES["the same"]))
    assert isinstance(scores, Scores)
    assert str(scores) == "ACC 1.000, NMI 1.000, ARI 1.000"
    assert Agreement(**scores.as_dict()) == scores


@pytest.mark.parametrize("name", EDGES)
def test_matched_pairs_stand_on_the_diagonal(name):
    labels, found = EDGES[name]
    matrix = confusion(counts(labels, found))
    table = matrix.table
    assert table.diagonal().sum() / len(labels) == clustering_accuracy(labels, found)
    for (row, label), (column, cluster) in product(enumerate(matrix.classes), enumerate(matrix.clusters)):
        assert table[row, column] == np.sum((labels == label) & (found == cluster))
    assert set(matrix.classes) == set(labels)
    assert set(matrix.clusters) == set(found)
    matched = min(table.shape)
    assert len(matrix.matching) == matched
    assert [matrix.matching[cluster] for cluster in matrix.clusters[:matched]] == list(matrix.classes[:matched])


def test_what_is_unmatched_stands_at_the_end_in_order():
    labels = np.array([7] * 4 + [3] * 3 + [9])
    found = np.array([2, 2, 2, 5, 8, 8, 5, 8])
    more_classes = confusion(counts(labels, np.where(found == 5, 8, found)))
    assert more_classes.classes == (3, 7, 9)
    assert more_classes.clusters == (8, 2)
    assert more_classes.table.tolist() == [[3, 0], [1, 3], [1, 0]]
    more_clusters = confusion(counts(np.where(labels == 9, 3, labels), found))
    assert more_clusters.classes == (3, 7)
    assert more_clusters.clusters == (8, 2, 5)
    assert more_clusters.table.tolist() == [[3, 0, 1], [0, 3, 1]]
    assert more_clusters.matching == {8: 3, 2: 7}
