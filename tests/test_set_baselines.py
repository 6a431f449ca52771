import warnings

import numpy as np
import pytest
from sklearn.cluster import DBSCAN, KMeans

from recombine.metrics import clustering_accuracy
from recombine.set_baselines import dbscan, k_means, neighbor_eps, random_assignment

CENTRES = np.array([[0.0, 0], [4, 0], [0, 4]])


def blobs(count=20, seed=0):
    """Return three round clusters of points, and their labels."""
    draws = np.random.default_rng(seed)
    labels = np.arange(3 * count) % 3
    return CENTRES[labels] + draws.normal(scale=0.2, size=(3 * count, 2)), labels


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# --- k-means ------------------------------------------------------------------------------------------------------


def test_k_means_finds_blobs():
    points, labels = blobs()
    clusters = k_means(points, 3, seed=5)
    assert clusters.shape == labels.shape
    assert clusters.dtype == np.int64
    assert clustering_accuracy(labels, clusters) == 1


@pytest.mark.parametrize("seed", range(5))
def test_k_means_is_that_of_scikit_learn_with_ten_restarts(seed):
    points = np.random.default_rng(seed).random((72, 2))
    expected = KMeans(5, n_init=10, random_state=seed).fit_predict(points)
    assert np.array_equal(k_means(points, 5, seed), expected)
    assert np.array_equal(k_means(points, 5, seed), k_means(points, 5, seed))


def test_any_seed_does():
    points, _ = blobs()
    assert np.array_equal(k_means(points, 3, 2**32 + 1), k_means(points, 3, 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_points_that_are_the_same_do_not_warn(dtype):
    points = np.array([[0.1, 0.2], [0.3, 0.1]], dtype=dtype).repeat(6, axis=0)
    clusters = k_means(points, 5, seed=0)
    assert sorted(set(clusters)) == [0, 1]
    assert clustering_accuracy(np.arange(12) // 6, clusters) == 1
    assert k_means(np.zeros((4, 2), dtype), 3, seed=0).tolist() == [0] * 4


@pytest.mark.parametrize("num_clusters", [0, 4])
def test_there_are_at_most_as_many_clusters_as_points(num_clusters):
    assert sorted(k_means(np.eye(3), 3, seed=0)) == [0, 1, 2]
    with pytest.raises(ValueError, match="clusters"):
        k_means(np.eye(3), num_clusters, seed=0)


# --- DBSCAN -------------------------------------------------------------------------------------------------------

FAR = np.array([[50.0, 50], [-50, 50], [50.1, 50]])


def test_dbscan_without_noise_is_that_of_scikit_learn():
    points, labels = blobs()
    clusters = dbscan(points, eps=1, min_samples=5, noise="own_clusters")
    assert clusters.dtype == np.int64
    assert np.array_equal(clusters, DBSCAN(eps=1, min_samples=5).fit_predict(points))
    assert clustering_accuracy(labels, clusters) == 1


@pytest.mark.parametrize(("noise", "expected"), [("own_clusters", [3, 4, 5]), ("one_cluster", [3, 3, 3])])
def test_noise_has_the_numbers_after_the_clusters(noise, expected):
    points, _ = blobs()
    points = np.concatenate([FAR[:1], points, FAR[1:]])
    clusters = dbscan(points, eps=1, min_samples=5, noise=noise)
    assert clusters[[0, -2, -1]].tolist() == expected
    assert np.array_equal(clusters[1:-2], DBSCAN(eps=1, min_samples=5).fit_predict(points)[1:-2])


@pytest.mark.parametrize(("noise", "expected"), [("own_clusters", [0, 1, 2]), ("one_cluster", [0, 0, 0])])
def test_nothing_but_noise(noise, expected):
    assert dbscan(FAR, eps=1, min_samples=5, noise=noise).tolist() == expected


def test_another_kind_of_noise_is_refused():
    with pytest.raises(ValueError, match='noise is "drop": it can be "one_cluster" or "own_clusters"'):
        dbscan(FAR, eps=1, min_samples=5, noise="drop")


@pytest.mark.parametrize("num_neighbors", [1, 4, 71, 200])
def test_the_radius_is_the_median_distance_to_a_neighbour(num_neighbors):
    points = np.random.default_rng(0).random((72, 2))
    distances = [sorted(np.linalg.norm(points - point, axis=1))[1:][min(num_neighbors, 71) - 1] for point in points]
    assert neighbor_eps(points, num_neighbors, 1.0) == pytest.approx(np.median(distances))
    assert neighbor_eps(points, num_neighbors, 2.5) == pytest.approx(2.5 * np.median(distances))


def test_half_of_the_points_lie_inside_clusters_at_factor_one():
    points = np.random.default_rng(0).random((72, 2))
    fitted = DBSCAN(eps=neighbor_eps(points, 4, 1.0), min_samples=5).fit(points)
    assert len(fitted.core_sample_indices_) == 36


def test_the_radius_finds_blobs_at_any_scale_and_in_spite_of_outliers():
    points, labels = blobs(40)
    for scale in (1e-6, 1, 1e6):
        around = np.concatenate([points, FAR[:2]]) * scale
        clusters = dbscan(around, neighbor_eps(around, 4, 3.0), 5, "own_clusters")
        assert clustering_accuracy(labels, clusters[:-2]) == 1
        assert clusters[-2:].tolist() == [3, 4]


def test_points_that_are_the_same_are_a_cluster_at_any_radius():
    points = np.array([[0.0, 0], [1, 1]]).repeat(6, axis=0)
    eps = neighbor_eps(points, 4, 2.0)
    assert 0 < eps < 1e-300
    assert dbscan(points, eps, 5, "own_clusters").tolist() == [0] * 6 + [1] * 6


def test_a_single_point_is_noise():
    point = np.zeros((1, 2))
    assert dbscan(point, neighbor_eps(point, 4, 2.0), 5, "one_cluster").tolist() == [0]


@pytest.mark.parametrize(("num_neighbors", "factor"), [(0, 1.0), (4, 0.0), (4, float("nan"))])
def test_a_rule_without_sense_is_refused(num_neighbors, factor):
    with pytest.raises(ValueError, match="from 1 on, and above 0"):
        neighbor_eps(np.eye(3), num_neighbors, factor)


# --- chance -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("num_objects", "num_clusters", "least"), [(72, 5, 2), (20, 3, 1), (10, 5, 2), (7, 1, 2)])
def test_a_random_assignment_has_objects_in_every_cluster(num_objects, num_clusters, least):
    draws = np.random.default_rng(0)
    drawn = [random_assignment(num_objects, num_clusters, least, draws) for _ in range(200)]
    assert {(clusters.shape, clusters.dtype) for clusters in drawn} == {((num_objects,), np.dtype(np.int64))}
    assert min(np.bincount(clusters, minlength=num_clusters).min() for clusters in drawn) >= least
    assert {clusters.max() for clusters in drawn} == {num_clusters - 1}


def test_what_is_not_certain_is_uniform_in_number_and_place():
    draws = np.random.default_rng(1)
    drawn = np.array([random_assignment(12, 3, 2, draws) for _ in range(20_000)])
    sizes = (drawn == 0).sum(1)
    assert sizes.mean() == pytest.approx(4, abs=0.05)
    assert sizes.var() == pytest.approx(6 * (1 / 3) * (2 / 3), abs=0.05)  # binomial: six of twelve are free
    assert (drawn == 0).mean(0) == pytest.approx(np.full(12, 1 / 3), abs=0.02)


def test_a_cluster_may_stay_empty_if_that_is_allowed():
    drawn = random_assignment(2, 5, 0, np.random.default_rng(0))
    assert drawn.shape == (2,)
    assert drawn.max() < 5


def test_the_generator_alone_decides():
    first, second = (random_assignment(30, 4, 2, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, random_assignment(30, 4, 2, np.random.default_rng(8)))


@pytest.mark.parametrize(("num_objects", "num_clusters", "least"), [(9, 5, 2), (0, 1, 0), (5, 0, 2), (5, 2, -1)])
def test_too_few_objects_are_refused(num_objects, num_clusters, least):
    with pytest.raises(ValueError, match=f"{num_objects} objects do not make {num_clusters} clusters of {least}"):
        random_assignment(num_objects, num_clusters, least, np.random.default_rng(0))
