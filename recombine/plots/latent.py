"""The latent space after each phase."""

from collections.abc import Iterator

from recombine.canvas import Still
from recombine.files import safe_name
from recombine.frames import Frame, Moment
from recombine.grouping import by_class, by_cluster_then
from recombine.panels import scatter_figure
from recombine.plots.base import Picture, Studio, detail, sample_in_words, title
from recombine.run_data import DatasetRun, phase_ends


class Latent(Picture):
    """A scatter of the features of the strategy's extractor, by class and by cluster.

    The clusters are those of the moment; where nothing was assigned yet, the final ones.
    """

    name, order = "latent", 1

    def draw(self, dataset: DatasetRun, studio: Studio) -> Iterator[tuple[str, Still]]:
        """Yield ``latent_<number of the phase>_<phase>`` for each phase."""
        for moment in phase_ends(dataset.moments):
            frame = dataset.frame(moment)
            found = studio.layout(("latent", dataset.name, moment.file), frame.features)
            groupings = [by_class(dataset), by_cluster_then(dataset, frame.clusters)]
            what = f"latent space {_when(frame, moment)}"
            words = detail(dataset, sample_in_words(dataset), f"{frame.features.shape[1]} features", found.words)
            yield _stem(frame, moment), Still(scatter_figure(found, groupings, title(dataset, what), words))


def _when(frame: Frame, moment: Moment) -> str:
    if not frame.phase:
        return "as scored, without training on it"
    if moment.is_end:
        return f'after phase "{frame.phase}" ({moment.iteration:,} iterations)'
    return f'in phase "{frame.phase}" at iteration {moment.iteration:,}'


def _stem(frame: Frame, moment: Moment) -> str:
    return f"latent_{moment.position + 1}_{safe_name(frame.phase)}" if frame.phase else "latent"
