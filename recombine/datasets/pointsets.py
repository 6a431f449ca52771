"""Sets of points in the plane, made afresh for every batch."""

from dataclasses import dataclass

import torch
from torch import Tensor

from recombine import point_sets
from recombine.datasets.base import OwnDataset, Samples
from recombine.errors import DataError

_KINDS = {"shapes": point_sets.shapes, "blobs": point_sets.blobs}
_SIGMA = {"shapes": point_sets.SIGMA, "blobs": 0.025}


@dataclass(frozen=True)
class PointGenerator:
    """Makes sets of points.

    Attributes:
        kind: ``shapes`` or ``blobs``.
        sigma: Standard deviation of a blob.
    """

    kind: str
    sigma: float

    def draw(self, num_clusters: Tensor, size: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return sets with ``num_clusters (S,)`` clusters: points ``(S, n, 2)`` and their clusters ``(S, n)``."""
        points, clusters = _KINDS[self.kind](num_clusters, size, draws, self.sigma)
        return points, clusters


class PointSets(OwnDataset):
    """Sets of points in the plane in clusters of different shapes, as Learning to Cluster (2018) is trained on.

    The dataset has no samples of its own: its ``sets`` say how many points and clusters a set has.

    Args:
        kind: ``shapes``: rings, half moons and Gaussian blobs, one in the other or beside each other. ``blobs``:
            Gaussian blobs in the unit square alone.
        sigma: Standard deviation of a blob, > 0. Without it 0.05 for ``shapes``, 0.025 for ``blobs``.

    Raises:
        DataError: There is no such kind, or sigma is not above 0.
    """

    def __init__(self, kind: str = "shapes", sigma: float | None = None) -> None:
        if not isinstance(kind, str) or kind not in _KINDS:
            raise DataError(f'the kind of the dataset "PointSets" is "shapes" or "blobs", not "{kind}"')
        if sigma is not None and not (type(sigma) in (int, float) and 0 < sigma < float("inf")):
            raise DataError(f'the sigma of the dataset "PointSets" is a number above 0, not {sigma}')
        self._generator = PointGenerator(kind, _SIGMA[kind] if sigma is None else sigma)

    def __len__(self) -> int:
        """Return 1: a point that shows what points look like."""
        return 1

    def sample_shape(self) -> tuple[int, ...]:
        """Return ``(2,)``."""
        return (2,)

    def decode(self) -> Samples:
        """Return what makes the sets, with one point."""
        return Samples(torch.full((1, 2), 1 / 2), set_generator=self._generator)
