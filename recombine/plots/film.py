"""The latent space over the training, as a film."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recombine.canvas import Film
from recombine.frames import Frame, Moment
from recombine.grouping import Grouping, by_class, by_cluster_then
from recombine.panels import scatter_panels
from recombine.plots.base import Picture, Studio, detail, sample_in_words, title
from recombine.projection import Layout, film, film_words
from recombine.run_data import DatasetRun, MissingError
from recombine.scatter import Cloud
from recombine.scatter import frame as fit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FEWEST = 5
_MOST = 100
_IMAGES = 150
_MOST_BETWEEN = 8
_RATE = 15
_PERCENT = 0.2


class LatentFilm(Picture):
    """The sample of the scatter plots, moving from the first embedding to the last.

    At most 100 embeddings are shown, at equal distances. Between two of them points move in a straight line; clusters
    change where an embedding is reached.
    """

    name, order = "film", 7

    def draw(self, dataset: DatasetRun, studio: Studio) -> Iterator[tuple[str, Film]]:
        """Yield ``film``."""
        chosen = spread(dataset.moments, _MOST)
        if len(chosen) < _FEWEST:
            raise MissingError(
                f"a film needs embeddings at an interval, and the run kept {len(chosen)}: run it again with "
                "--fresh --keep-embeddings N, N being a twentieth of its iterations or less"
            )
        yield "film", _Reel(dataset, studio, chosen).film()


def spread(moments: Sequence[Moment], most: int) -> list[Moment]:
    """Return at most ``most`` moments at equal distances, the first and the last among them."""
    places = np.linspace(0, len(moments) - 1, min(most, len(moments))).round().astype(int)
    return [moments[place] for place in places]


@dataclass(frozen=True)
class _Scene:
    """An embedding in the plane."""

    points: NDArray[np.float64]
    clusters: NDArray[np.int64] | None
    caption: str


class _Reel:
    """The scenes of a film, and the way from one to the next.

    Args:
        dataset: What to show.
        studio: How.
        moments: The moments of the scenes.
    """

    def __init__(self, dataset: DatasetRun, studio: Studio, moments: Sequence[Moment]) -> None:
        self._dataset = dataset
        layouts = _layouts(dataset, studio, moments)
        self._end = layouts[-1]
        self._scenes = [_scene(dataset, moment, found) for moment, found in zip(moments, layouts, strict=True)]
        self._between = int(np.clip(_IMAGES // len(moments), 1, _MOST_BETWEEN))
        self._clouds: list[Cloud] = []
        self._caption: Any = None

    def film(self) -> Film:
        """Return the film."""
        count = (len(self._scenes) - 1) * self._between + 1
        return Film(self._figure(), self._show, count, _RATE)

    def _figure(self) -> "Figure":
        dataset, last = self._dataset, self._scenes[-1]
        self._groupings = [by_class(dataset), by_cluster_then(dataset, last.clusters)]
        words = detail(dataset, sample_in_words(dataset), film_words(self._end))
        made, self._clouds = scatter_panels(self._end, self._groupings, title(dataset, "latent space"), words)
        points = np.concatenate([scene.points for scene in self._scenes])
        low, high = np.percentile(points, [_PERCENT, 100 - _PERCENT], axis=0)
        for axes in made.axes:
            fit(axes, np.stack([low, high]))
        self._caption = made.text(0.01, 0.012, "", fontsize=10, weight="bold")
        return made

    def _show(self, number: int) -> None:
        """Show the image of a number: a scene, or what lies between two."""
        place, step = divmod(number, self._between)
        scene = self._scenes[place]
        following = self._scenes[min(place + 1, len(self._scenes) - 1)]
        share = step / self._between
        points = (1 - share) * scene.points + share * following.points
        shown: list[Grouping | None] = [grouping for grouping in self._groupings if grouping is not None]
        for cloud, grouping in zip(self._clouds, shown or [None], strict=True):
            cloud.show(points, _values(grouping, scene))
        self._caption.set_text(scene.caption)


def _values(grouping: Grouping | None, scene: _Scene) -> NDArray[np.int64] | None:
    """Return the groups of the samples in a scene, ``(S,)``: clusters may change from scene to scene."""
    if grouping is None:
        return None
    is_of_the_moment = grouping.title == "by cluster" and scene.clusters is not None
    values: NDArray[np.int64] | None = scene.clusters if is_of_the_moment else grouping.values
    return values


def _layouts(dataset: DatasetRun, studio: Studio, moments: Sequence[Moment]) -> list[Layout]:
    """Return where the sample is at each of the moments, in order of time."""
    last = dataset.frame(moments[-1]).features
    end = studio.layout(("latent", dataset.name, moments[-1].file), last)
    earlier = (dataset.frame(moment).features for moment in moments[-2::-1])
    return [*reversed(list(film(end, last, earlier, studio.projection))), end]


def _scene(dataset: DatasetRun, moment: Moment, found: Layout) -> _Scene:
    frame: Frame = dataset.frame(moment)
    return _Scene(found.points, frame.clusters, f"{frame.phase}, iteration {moment.iteration:,}")
