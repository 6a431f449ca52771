"""k-means as the rest of the package needs it: seeded, restarted, the same bits every time."""

import torch
from torch import Tensor

from recombine.errors import DivergedError
from recombine.lloyd import best_centres
from recombine.randomness import generator

#: Beyond this number of samples k-means is fitted on a random sample of this size; the log says so.
SAMPLE_LIMIT = 2**18
#: From this number of features N * D on, what lies on an accelerator is clustered there.
_LEAST_ON_ACCELERATOR = 2**18
_MAX_SEED = 2**32


def k_means(features: Tensor, num_clusters: int, num_restarts: int, seed: int) -> Tensor:
    """Return the centres ``(K, D)`` of the best of ``num_restarts`` k-means++ runs on ``features (N, D)``.

    Of more than :data:`SAMPLE_LIMIT` samples, that many are drawn by the seed. scikit-learn fits on the CPU; where the
    features lie on an accelerator and are many, torch fits them there by the same algorithm with other draws.

    Raises:
        DivergedError: Some feature is NaN or infinite.
    """
    require_numbers(features)
    points = sampled(features.detach(), seed).float()
    if points.device.type == "cpu" or points.nelement() < _LEAST_ON_ACCELERATOR:
        return _by_scikit_learn(points.cpu(), num_clusters, num_restarts, seed).to(features.device)
    return best_centres(points, num_clusters, num_restarts, generator(seed, "k-means"))


def require_numbers(features: Tensor) -> None:
    """Raise DivergedError if one of ``features (N, D)`` is NaN or infinite."""
    if not all(bool(extreme.isfinite()) for extreme in features.detach().aminmax()):
        raise DivergedError("k-means cannot work on features that are NaN or infinite: the feature extractor diverged")


def sampled(points: Tensor, seed: int) -> Tensor:
    """Return ``points (N, D)``, or :data:`SAMPLE_LIMIT` of them in their order, drawn without replacement."""
    if len(points) <= SAMPLE_LIMIT:
        return points
    chosen = torch.randperm(len(points), generator=generator(seed, "k-means sample"))[:SAMPLE_LIMIT]
    return points.index_select(0, chosen.sort().values.to(points.device))


def _by_scikit_learn(points: Tensor, num_clusters: int, num_restarts: int, seed: int) -> Tensor:
    """Return the centres ``(K, D)`` of ``points (N, D)``, float32 on the CPU.

    One OpenMP thread adds up the centres: with more, the order of the sums, and so the last bits, would vary.
    """
    # Imported here: scikit-learn takes a second to import, and to validate a method file needs none of it.
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="openmp"):
        fitted = KMeans(num_clusters, n_init=num_restarts, random_state=seed % _MAX_SEED).fit(points.numpy())
    return torch.from_numpy(fitted.cluster_centers_).float()
