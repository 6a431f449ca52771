"""The samples as they are, before any network."""

from collections.abc import Iterator

from recombine.canvas import Still
from recombine.grouping import by_class, by_cluster
from recombine.panels import scatter_figure
from recombine.plots.base import Picture, Studio, detail, sample_in_words, title
from recombine.run_data import DatasetRun
from recombine.samples import plain_view


class Raw(Picture):
    """A scatter of the samples in their plain view, flattened; by class and by final cluster."""

    name, order = "raw", 0

    def draw(self, dataset: DatasetRun, studio: Studio) -> Iterator[tuple[str, Still]]:
        """Yield ``raw``."""
        values = plain_view(dataset.data, dataset.positions).flatten(1).numpy()
        found = studio.layout(("raw", dataset.name), values)
        groupings = [by_class(dataset), by_cluster(dataset)]
        what = f"raw space, {values.shape[1]} features"
        words = detail(dataset, sample_in_words(dataset), found.words)
        yield "raw", Still(scatter_figure(found, groupings, title(dataset, what), words))
