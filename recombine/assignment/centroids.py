"""Centroids in feature space: where they come from, and how they are refreshed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recombine.clock import Clock, Interval
from recombine.distances import squared_distances, sums_of_nearest
from recombine.errors import ParameterFileError
from recombine.kmeans import k_means, require_numbers
from recombine.mapping import Mapping
from recombine.parameter_files import load_tensor
from recombine.randomness import derive, generator

_AT_INTERVALS = ("classical_clustering", "means_of_assigned_samples")


@dataclass(frozen=True)
class CentroidOptions:
    """The centroid properties of a cluster assignment strategy; names and defaults are the schema's."""

    use_centroids_during_phases: tuple[str, ...]
    centroid_initialization_strategy: str
    centroid_initialization_classical_clustering_method: str
    centroid_initialization_classical_clustering_num_restarts: int
    centroid_file_path: Path | None
    centroid_recalculation_strategy: str
    centroid_recalculation_classical_clustering_method: str
    centroid_recalculation_classical_clustering_num_restarts: int
    centroid_recalculation_interval: Interval | None


class Centroids(nn.Module):
    """K points among the features of one extractor.

    Args:
        extractor: The mapping in whose feature space the centroids lie.
        num_clusters: K.
        num_features: D, the size of the extractor's flattened output.
    """

    def __init__(self, extractor: Mapping, num_clusters: int, num_features: int) -> None:
        super().__init__()
        self._extractor = (extractor,)
        self.positions = nn.Parameter(torch.zeros(num_clusters, num_features))
        self.is_initialized = False

    @property
    def extractor(self) -> Mapping:
        """The mapping whose features the centroids live among."""
        return self._extractor[0]

    def distances(self, features: Tensor) -> Tensor:
        """Return squared Euclidean distances ``(B, K)`` of ``features (B, D)`` to the centroids."""
        return squared_distances(features, self.positions)

    def place(self, positions: Tensor) -> None:
        """Move the centroids to ``positions (K, D)``."""
        with torch.no_grad():
            self.positions.copy_(positions)
        self.is_initialized = True

    def get_extra_state(self) -> dict[str, Any]:
        """Return what the state dict holds beside the positions."""
        return {"is_initialized": self.is_initialized}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`get_extra_state` returned."""
        self.is_initialized = bool(state["is_initialized"])


def initialize(centroids: Centroids, options: CentroidOptions, features: Callable[[], Tensor], seed: int) -> None:
    """Place the centroids as the method file asks.

    Args:
        centroids: What to place.
        options: The centroid properties of the method file.
        features: Gives the extractor's output on the whole dataset, ``(N, D)``; called only if needed.
        seed: From which all draws derive.

    Raises:
        ParameterFileError: ``load_from_file`` names a file that does not hold ``(K, D)`` numbers.
        DivergedError: The features to cluster are NaN or infinite.
    """
    shape = centroids.positions.shape
    draws = generator(seed, "centroid initialization")
    match options.centroid_initialization_strategy:
        case "classical_clustering":
            restarts = options.centroid_initialization_classical_clustering_num_restarts
            positions = k_means(features(), shape[0], restarts, derive(seed, "centroid initialization"))
        case "random_feature_representations":
            points = features()
            positions = points[torch.randperm(len(points), generator=draws)[: shape[0]].to(points.device)]
        case "random_uniform_noise":
            positions = torch.rand(shape, generator=draws) * 2 - 1
        case _:
            positions = read_positions(options.centroid_file_path, tuple(shape))
    centroids.place(positions)


def recalculate(
    centroids: Centroids, options: CentroidOptions, features: Callable[[], Tensor], seed: int, clock: Clock
) -> bool:
    """Move the centroids by ``features() (N, D)`` if this iteration is due for it; tell whether it was.

    Clusters keep their numbers: a centroid that k-means found takes the number of the old one that it is matched with.

    Raises:
        DivergedError: The features are NaN or infinite.
    """
    interval, strategy = options.centroid_recalculation_interval, options.centroid_recalculation_strategy
    if strategy not in _AT_INTERVALS or interval is None or clock.iteration == 0 or not clock.is_due(interval):
        return False
    old, points = centroids.positions.detach(), features()
    if strategy == "classical_clustering":
        restarts = options.centroid_recalculation_classical_clustering_num_restarts
        draws = derive(seed, "centroid recalculation", clock.iteration)
        centroids.place(in_order_of(old, k_means(points, len(old), restarts, draws)))
    else:
        centroids.place(means_of_nearest(points, old))
    return True


def means_of_nearest(points: Tensor, old: Tensor) -> Tensor:
    """Return the mean of those of ``points (N, D)`` that each of ``old (K, D)`` is nearest to, ``(K, D)``.

    This is one of Lloyd's iterations (1982). A centroid that is nearest to none stays where it is.

    Raises:
        DivergedError: Some feature is NaN or infinite.
    """
    require_numbers(points)
    sums, counts = sums_of_nearest(points, old)
    return torch.where(counts[:, None] > 0, sums / counts[:, None].clamp_min(1), old)


def in_order_of(old: Tensor, new: Tensor) -> Tensor:
    """Return the rows of ``new (K, D)``, each where the row of ``old (K, D)`` is that it replaces.

    The pairs are those with the smallest sum of squared distances (Kuhn 1955).
    """
    from scipy.optimize import linear_sum_assignment  # here, as it takes long to import and validation needs none

    costs = squared_distances(old.detach(), new).nan_to_num(torch.inf).clamp_max(torch.finfo(old.dtype).max)
    _, order = linear_sum_assignment(costs.double().cpu().numpy())
    return new[torch.from_numpy(order).to(new.device)]


def read_positions(path: Path | None, shape: tuple[int, ...]) -> Tensor:
    """Read centroids of ``shape (K, D)`` from a file that ``save_centroids`` wrote.

    Raises:
        ParameterFileError: The file is absent, unreadable, or of another shape.
    """
    if path is None:
        raise ParameterFileError('"load_from_file" needs "centroid_file_path"')
    positions = load_tensor(path)
    if tuple(positions.shape) != shape:
        raise ParameterFileError(
            f"{path}: holds centroids of shape {tuple(positions.shape)}; the method needs {shape} (clusters, features)"
        )
    return positions
