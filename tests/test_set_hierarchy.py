import warnings

import numpy as np
import pytest
from scipy.cluster.hierarchy import dendrogram, fcluster
from scipy.spatial.distance import pdist, squareform
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import completeness_score, homogeneity_score
from sklearn.metrics.pairwise import cosine_distances as cosine_of_scikit_learn

from recombine.errors import DivergedError
from recombine.metrics import clustering_accuracy
from recombine.set_hierarchy import condensed_distances, cosine_distances, hierarchy

METRICS, LINKAGES = ("cosine", "euclidean"), ("complete", "single", "average")


def embedded(seed=0, count=50, dim=8):
    """Return features around four directions, and the labels of those, in random order."""
    draws = np.random.default_rng(seed)
    labels = draws.integers(4, size=count)
    return draws.normal(size=(4, dim))[labels] + 0.6 * draws.normal(size=(count, dim)), labels * 3 + 1


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("linkage", LINKAGES)
def test_every_number_of_clusters_equals_scikit_learn(metric, linkage):
    features, labels = embedded()
    tree = hierarchy(features, labels, metric, linkage)
    assert tree.num_clusters.tolist() == list(range(50, 0, -1))
    for index, number in enumerate(tree.num_clusters.tolist()):
        clusters = AgglomerativeClustering(number, metric=metric, linkage=linkage).fit_predict(features)
        assert tree.misclassification_rate[index] == pytest.approx(1 - clustering_accuracy(labels, clusters))
        assert tree.homogeneity[index] == pytest.approx(homogeneity_score(labels, clusters))
        assert tree.completeness[index] == pytest.approx(completeness_score(labels, clusters))


@pytest.mark.parametrize("metric", METRICS)
def test_heights_are_those_of_scikit_learn(metric):
    features, labels = embedded(1)
    tree = hierarchy(features, labels, metric)
    model = AgglomerativeClustering(metric=metric, linkage="complete", compute_distances=True).fit(features)
    assert tree.thresholds == pytest.approx(np.append(0, np.sort(model.distances_)))
    assert tree.merges[:, 2] == pytest.approx(tree.thresholds[1:])


@pytest.mark.parametrize("metric", METRICS)
def test_cutting_at_a_threshold_gives_its_scores(metric):
    features, labels = embedded(2)
    features = np.round(features[:, :2])  # many distances are the same, many objects too
    tree = hierarchy(features, labels, metric)
    assert len(tree.thresholds) < len(labels)
    assert tree.thresholds[0] == 0
    assert np.all(np.diff(tree.thresholds) > 0)
    for index, threshold in enumerate(tree.thresholds):
        clusters = fcluster(tree.merges, threshold, "distance")
        assert tree.num_clusters[index] == len(set(clusters))
        assert tree.misclassification_rate[index] == pytest.approx(1 - clustering_accuracy(labels, clusters))
        assert tree.homogeneity[index] == pytest.approx(homogeneity_score(labels, clusters))


def test_the_order_of_the_objects_does_not_matter():
    features, labels = embedded(3)
    order = np.random.default_rng(0).permutation(len(labels))
    tree, other = hierarchy(features, labels, "cosine"), hierarchy(features[order], labels[order], "cosine")
    assert other.misclassification_rate == pytest.approx(tree.misclassification_rate)
    assert other.thresholds == pytest.approx(tree.thresholds)


def test_the_tree_is_that_of_the_distances_and_not_of_the_rows_of_their_matrix():
    points = np.array([[0.0], [1], [3], [7]])
    tree = hierarchy(points, np.array([0, 0, 0, 1]), "euclidean")
    assert tree.thresholds.tolist() == [0, 1, 3, 7]
    assert tree.num_clusters.tolist() == [4, 3, 2, 1]
    assert tree.misclassification_rate == pytest.approx([0.5, 0.25, 0, 0.25])
    assert tree.homogeneity == pytest.approx([1, 1, 1, 0])
    assert tree.completeness[-2:] == pytest.approx([1, 1])
    assert dendrogram(tree.merges, no_plot=True)["leaves"] == [3, 2, 0, 1]


def test_labels_choose_the_best_threshold_and_it_is_an_oracle():
    features, labels = embedded(4)
    tree = hierarchy(features, labels, "cosine")
    best = tree.misclassification_rate.min()
    assert tree.best_misclassification_rate == best
    assert type(tree.best_threshold) is float
    assert tree.best_threshold == min(tree.thresholds[tree.misclassification_rate == best])
    for name in ("best_threshold", "best_misclassification_rate"):
        assert getattr(type(tree), name).__doc__.startswith("Oracle: ")


def test_objects_that_are_the_same_merge_at_zero():
    features = np.random.default_rng(0).normal(size=(3, 5)).repeat(4, axis=0)
    labels = np.arange(12) // 4
    for metric in METRICS:
        tree = hierarchy(features, labels, metric)
        assert tree.num_clusters.tolist() == [3, 2, 1]
        assert (tree.best_threshold, tree.best_misclassification_rate) == (0, 0)


@pytest.mark.parametrize("metric", METRICS)
def test_one_and_two_objects(metric):
    one = hierarchy(np.ones((1, 3)), np.array([5]), metric)
    assert (one.thresholds.tolist(), one.num_clusters.tolist(), one.misclassification_rate.tolist()) == ([0], [1], [0])
    assert one.merges.shape == (0, 4)
    assert (one.best_threshold, one.best_misclassification_rate) == (0, 0)
    two = hierarchy(np.eye(2), np.array([5, 5]), metric)
    assert two.misclassification_rate.tolist() == [0.5, 0]
    assert two.best_threshold == pytest.approx(1 if metric == "cosine" else np.sqrt(2))


# --- distances ----------------------------------------------------------------------------------------------------


def test_distances_are_those_of_scipy():
    features, _ = embedded()
    assert cosine_distances(features) == pytest.approx(pdist(features, "cosine"))
    assert condensed_distances(features, "cosine") == pytest.approx(pdist(features, "cosine"))
    assert condensed_distances(features, "euclidean") == pytest.approx(pdist(features))
    single = condensed_distances(features.astype(np.float32), "cosine")
    assert single.dtype == np.float64
    assert single == pytest.approx(pdist(features, "cosine"), abs=1e-6)


def test_zero_vectors_are_at_a_right_angle_to_all():
    features = np.array([[0.0, 0], [1, 0], [0, 0], [-2, 0], [0, 3]])
    expected = [1, 1, 1, 1, 1, 2, 1, 1, 1, 1]
    assert cosine_distances(features).tolist() == expected
    assert squareform(cosine_distances(features)) == pytest.approx(cosine_of_scikit_learn(features))
    tree = hierarchy(features, np.arange(5), "cosine")
    assert np.isfinite(tree.merges).all()
    assert (tree.thresholds[-1], tree.num_clusters[-1]) == (2, 1)


def test_vectors_of_any_length_have_a_direction():
    features = np.array([[1e-200, 0], [1e200, 0], [0, 1e-300], [-1e250, 0]])
    assert cosine_distances(features) == pytest.approx([0, 1, 2, 1, 2, 1])


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "labels"),
    [(np.ones((3, 2)), np.zeros(2, int)), (np.ones((0, 2)), np.zeros(0, int)), (np.ones(3), np.zeros(3, int))],
)
def test_other_shapes_are_refused(features, labels):
    with pytest.raises(ValueError, match=r"are not \(n, D\) and \(n,\) with n >= 1"):
        hierarchy(features, labels, "cosine")


def test_other_metrics_and_linkages_are_refused():
    with pytest.raises(ValueError, match='metric is "l1": it can be "cosine" or "euclidean"'):
        hierarchy(np.eye(3), np.arange(3), "l1")
    with pytest.raises(ValueError, match='linkage is "ward": it can be "single", "complete" or "average"'):
        hierarchy(np.eye(3), np.arange(3), "cosine", "ward")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_refused(value):
    features = np.eye(3)
    features[1, 1] = value
    with pytest.raises(DivergedError, match="NaN or infinite"):
        hierarchy(features, np.arange(3), "euclidean")
