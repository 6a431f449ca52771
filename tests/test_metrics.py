from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from recombine import metrics
from recombine.metrics import Scores, clustering_accuracy, contingency, score


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
