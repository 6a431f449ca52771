"""Samples beside what the autoencoder makes of them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recombine.canvas import Still
from recombine.gallery import Cell, Row, gallery, is_image, limits_of
from recombine.grouping import BY_CLASS, Grouping, by_class, by_cluster
from recombine.plots.base import Picture, Studio, detail, title
from recombine.run_data import DatasetRun
from recombine.samples import plain_view
from recombine.trained import autoencoder, trained

_SAMPLES = 4
_MOST_ROWS = 20
_CUT = "grey levels of the originals"

Images = NDArray[np.float32]


class Reconstructions(Picture):
    """The first samples of each class, or of each cluster where there are no labels, and their reconstructions."""

    name, order = "reconstructions", 2

    def draw(self, dataset: DatasetRun, studio: Studio) -> Iterator[tuple[str, Still]]:
        """Yield ``reconstructions``."""
        networks = trained(dataset)
        encoder, decoder = autoencoder(dataset, networks.method)
        samples = plain_view(dataset.data, dataset.positions)
        outcome = networks.reconstructed(samples, encoder, decoder)
        error = float((outcome - samples).square().mean())
        originals, decoded = samples.numpy(), outcome.numpy()
        grouping = by_class(dataset) or by_cluster(dataset)
        rows = _rows(originals, decoded, grouping)
        heads, legend = (["original", "decoded"] * _SAMPLES, _CUT) if is_image(originals[0]) else _curves()
        limits = limits_of([originals] if is_image(originals[0]) else [originals, decoded])
        words = detail(dataset, legend, f"mean squared error {error:.4g} per element, n = {len(samples):,}")
        head = f"reconstructions {networks.when}"
        yield "reconstructions", Still(gallery(rows, heads, limits, title(dataset, head), words))


def _curves() -> tuple[list[str], str]:
    """Return the heads of the columns of samples that are no images, and what their two lines are."""
    return [""] * _SAMPLES, "curves over the features: original grey, decoded orange"


def _rows(originals: Images, decoded: Images, grouping: Grouping | None) -> list[Row]:
    """Return a row for each group of the samples ``(S, ...)``, at most 20."""
    if grouping is None:
        return [_row("", originals, decoded, np.arange(len(originals)))]
    what = "class" if grouping.title == BY_CLASS else "cluster"
    return [
        _row(f"{what} {grouping.looks[value].mark}", originals, decoded, np.flatnonzero(grouping.values == value))
        for value in grouping.present()[:_MOST_ROWS]
    ]


def _row(name: str, originals: Images, decoded: Images, places: NDArray[np.int64]) -> Row:
    """Return the first samples at ``places``, each beside its reconstruction."""
    cells: list[Cell | None] = []
    for place in places[:_SAMPLES]:
        if is_image(originals[0]):
            cells += [Cell(originals[place]), Cell(decoded[place])]
        else:
            cells.append(Cell(originals[place], decoded[place]))
    whole = _SAMPLES * (2 if is_image(originals[0]) else 1)
    return Row(name, [*cells, *[None] * (whole - len(cells))])
