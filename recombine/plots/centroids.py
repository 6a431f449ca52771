"""What stands for each cluster, decoded."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recombine.assignment.centroid_similarity import CentroidSimilarity
from recombine.canvas import Still
from recombine.errors import NetworkError
from recombine.gallery import Cell, Row, gallery, is_image, limits_of
from recombine.grouping import cluster_looks
from recombine.mapping import Mapping
from recombine.plots.base import Picture, Studio, detail, title
from recombine.run_data import DatasetRun, MissingError
from recombine.samples import plain_view
from recombine.trained import Trained, autoencoder, trained

_COLUMNS, _COLUMNS_OF_CURVES = 10, 5


class Centroids(Picture):
    """The centroids of a method that assigns by some, else the means of the clusters' features, seen by the decoder.

    A decoder that needs what its encoder found on the way cannot see them: then the samples nearest to them are shown.
    """

    name, order = "centroids", 3

    def draw(self, dataset: DatasetRun, studio: Studio) -> Iterator[tuple[str, Still]]:
        """Yield ``centroids``."""
        networks = trained(dataset)
        encoder, decoder = autoencoder(dataset, networks.method)
        clusters, points, what = _points(dataset, networks, encoder)
        samples = plain_view(dataset.data, dataset.positions)
        try:
            decoded = networks.decoded(points, encoder, decoder, samples[:1]).numpy()
        except NetworkError:
            decoded, what = _nearest(dataset, points).numpy(), f"samples nearest to the {what}"
        else:
            what = f"decoded {what}"
        rows = _rows(dataset, clusters, decoded)
        heads = [""] * len(rows[0].cells)
        is_shown = is_image(decoded[0])
        limits = limits_of([samples.numpy()] if is_shown else [decoded])
        scale = "grey levels of the samples" if is_shown else "curves over the features"
        words = detail(dataset, f"{len(clusters)} clusters{_matched(dataset)}", scale)
        yield "centroids", Still(gallery(rows, heads, limits, title(dataset, f"{what} {networks.when}"), words))


def _matched(dataset: DatasetRun) -> str:
    return ", each with the class that it is matched with" if dataset.matching else ""


def _points(dataset: DatasetRun, networks: Trained, encoder: Mapping) -> tuple[list[int], Tensor, str]:
    """Return clusters, the points that stand for them ``(K, D)``, and what these are."""
    own = networks.method.centroids
    # Where k-means has the last word, its clusters have other numbers than the centroids.
    are_clusters = isinstance(networks.method.assignment, CentroidSimilarity)
    if are_clusters and own is not None and own.is_initialized and own.extractor is encoder:
        return list(range(len(own.positions))), own.positions.detach(), "centroids"
    if networks.method.extractor is not encoder:
        space = networks.method.extractor.name
        raise MissingError(f'the clusters lie in the space of "{space}", the decoder starts from "{encoder.name}"')
    if dataset.clusters is None:
        raise MissingError("no sample has a cluster yet")
    frame = dataset.frame(dataset.moments[-1])
    members = dataset.clusters[frame.positions]
    kinds = np.unique(members)
    means = np.stack([frame.features[members == kind].mean(0) for kind in kinds])
    return [int(kind) for kind in kinds], torch.from_numpy(means), "means of the clusters"


def _nearest(dataset: DatasetRun, points: Tensor) -> Tensor:
    """Return the samples ``(K, ...)`` nearest to points ``(K, D)``, of those whose features are kept."""
    frame = dataset.frame(dataset.moments[-1])
    chosen = torch.cdist(points, torch.from_numpy(frame.features)).argmin(1).numpy()
    return plain_view(dataset.data, frame.positions[chosen])


def _rows(dataset: DatasetRun, clusters: list[int], decoded: NDArray[np.float32]) -> list[Row]:
    """Return the decoded points ``(K, ...)`` in rows, by the number of their look."""
    looks = cluster_looks(dataset)
    order = sorted(range(len(clusters)), key=lambda place: looks[clusters[place]].number)
    width = min(_COLUMNS if is_image(decoded[0]) else _COLUMNS_OF_CURVES, len(order))
    rows = [order[start : start + width] for start in range(0, len(order), width)]
    return [
        Row(
            "",
            [*(Cell(decoded[place], name=looks[clusters[place]].name) for place in row), *[None] * (width - len(row))],
        )
        for row in rows
    ]
