"""Clusterings of one set of points without a trained network, to compare one with.

Each is a pure function of its arguments. Points are ``(n, D)`` floats, n >= 1; clusters are ``(n,)`` int64 from 0 on,
and each of them has a point, except where a random assignment leaves one without.
"""

import warnings
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating]
Clusters = NDArray[np.int64]
Noise = Literal["one_cluster", "own_clusters"]

_NUM_RESTARTS = 10
_MAX_SEED = 2**32


def k_means(points: Points, num_clusters: int, seed: int) -> Clusters:
    """Return the best of ten k-means++ runs on ``points (n, D)``.

    Fewer clusters than ``num_clusters`` come out where fewer points than that differ. One OpenMP thread adds up the
    centres, so that the same seed gives the same bits.

    Raises:
        ValueError: ``num_clusters`` is not in 1 to n, or a coordinate is NaN or infinite.
    """
    # Imported here: scikit-learn takes a second to import, and to validate a method file needs none of it.
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    model = KMeans(num_clusters, n_init=_NUM_RESTARTS, random_state=seed % _MAX_SEED)
    with warnings.catch_warnings(), threadpool_limits(limits=1, user_api="openmp"):
        warnings.simplefilter("ignore", ConvergenceWarning)  # it tells of points that are the same
        return _renumbered(model.fit_predict(points))


def dbscan(points: Points, eps: float, min_samples: int, noise: Noise) -> Clusters:
    """Return the clusters of DBSCAN (Ester, Kriegel, Sander and Xu 1996) of ``points (n, D)``, by Euclidean distances.

    Args:
        points: The points, ``(n, D)``.
        eps: Two points at most this far apart are neighbours, above 0; see :func:`neighbor_eps`.
        min_samples: A point with so many neighbours, itself counted, lies inside a cluster; at least 1.
        noise: What becomes of the points outside every cluster: "one_cluster" of all of them, or a cluster for each
            ("own_clusters"). Their numbers follow those of the clusters.

    Raises:
        ValueError: ``eps`` or ``min_samples`` is out of its range, ``noise`` is neither of the two, or a coordinate is
            NaN or infinite.
    """
    from sklearn.cluster import DBSCAN

    if noise not in ("one_cluster", "own_clusters"):
        raise ValueError(f'noise is "{noise}": it can be "one_cluster" or "own_clusters"')
    clusters: Clusters = DBSCAN(eps=eps, min_samples=min_samples).fit_predict(points).astype(np.int64)
    outside, next_number = clusters < 0, clusters.max() + 1
    clusters[outside] = next_number + (np.arange(outside.sum()) if noise == "own_clusters" else 0)
    return clusters


def neighbor_eps(points: Points, num_neighbors: int, factor: float) -> float:
    """Return ``factor`` times the median distance of ``points (n, D)`` to their ``num_neighbors``-th nearest neighbour.

    A radius for :func:`dbscan` from the set alone, without labels, as a number in place of the valley that a user is to
    find in the sorted graph of these distances (Ester et al. 1996, who take the fourth neighbour in two dimensions).
    With ``min_samples = num_neighbors + 1`` and a factor of 1, half of the points lie inside a cluster; a factor above
    1 takes in sparser ones. The median ignores outliers. Of a set of fewer points the farthest neighbour counts.

    Returns:
        A number above 0, be it the smallest there is because points are the same.

    Raises:
        ValueError: ``num_neighbors`` is below 1, or ``factor`` is not above 0.
    """
    from scipy.spatial.distance import pdist, squareform

    if num_neighbors < 1 or not factor > 0:
        raise ValueError(f"num_neighbors is {num_neighbors} and factor {factor}: from 1 on, and above 0")
    nearest = np.sort(squareform(pdist(points)), axis=1)  # in column 0, each point itself
    distances = nearest[:, min(num_neighbors, len(points) - 1)]
    return max(factor * float(np.median(distances)), float(np.finfo(np.float64).tiny))


def random_assignment(
    num_objects: int, num_clusters: int, min_per_cluster: int, generator: np.random.Generator
) -> Clusters:
    """Return clusters as the sampler of sets draws classes: so many objects of each, the others uniformly, shuffled.

    Args:
        num_objects: n.
        num_clusters: K, at least 1.
        min_per_cluster: So many objects are certain to be in each cluster, at least 0.
        generator: What draws.

    Returns:
        Numbers in 0 to K - 1, ``(n,)``.

    Raises:
        ValueError: A number is out of its range, or n is below K * ``min_per_cluster``.
    """
    certain = num_clusters * min_per_cluster
    if num_clusters < 1 or min_per_cluster < 0 or num_objects < max(certain, 1):
        raise ValueError(f"{num_objects} objects do not make {num_clusters} clusters of {min_per_cluster} or more")
    clusters = np.arange(num_objects, dtype=np.int64) % num_clusters
    clusters[certain:] = generator.integers(num_clusters, size=num_objects - certain)
    generator.shuffle(clusters)
    return clusters


def _renumbered(clusters: NDArray[np.integer]) -> Clusters:
    """Return clusters ``(n,)`` with numbers from 0 on, without gaps."""
    numbers: Clusters = np.unique(clusters, return_inverse=True)[1].astype(np.int64)
    return numbers
