"""k-means as the rest of the package needs it: seeded, restarted, the same bits every time."""

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from torch import Tensor, from_numpy

from recombine.errors import DivergedError

_MAX_SEED = 2**32


def k_means(features: Tensor, num_clusters: int, num_restarts: int, seed: int) -> Tensor:
    """Return the centres ``(K, D)`` of the best of ``num_restarts`` k-means++ runs on ``features (N, D)``.

    One OpenMP thread adds up the centres: with more, the order of the sums, and so the last bits, would vary.

    Raises:
        DivergedError: Some feature is NaN or infinite.
    """
    points: NDArray[np.float32] = features.detach().cpu().float().numpy()
    if not np.isfinite(points).all():
        raise DivergedError("k-means cannot work on features that are NaN or infinite: the feature extractor diverged")
    with threadpool_limits(limits=1, user_api="openmp"):
        fitted = KMeans(num_clusters, n_init=num_restarts, random_state=seed % _MAX_SEED).fit(points)
    return from_numpy(fitted.cluster_centers_.astype(np.float32)).to(features.device)
