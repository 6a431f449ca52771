"""The latent space over the training, as a film."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recombine.canvas import Film
from recombine.frames import Frame, Moment
from recombine.grouping import BY_CLASS, BY_CLUSTER, by_class, by_cluster_then
from recombine.panels import scatter_panels
from recombine.plots.base import Picture, Studio, detail, sample_in_words, title
from recombine.projection import Layout, film, film_words
from recombine.run_data import DatasetRun, MissingError
from recombine.scatter import Cloud, Marks, mark_places
from recombine.scatter import frame as fit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FEWEST = 5
_MOST = 60
_IMAGES = 150
_MOST_BETWEEN = 6
_RATE = 15
_PERCENT = 0.2


class LatentFilm(Picture):
    """The sample of the scatter plots, moving from the first embedding to the last.

    At most 60 embeddings are shown, at equal distances. Between two of them points move in a straight line; clusters
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
    """An embedding in the plane.

    Attributes:
        caption: When it was made.
        points: ``(S, 2)``.
        values: Groups of the samples ``(S,)`` in each scatter plot, or None where they have none.
        marks: Where the groups' marks stand in each scatter plot.
    """

    caption: str
    points: NDArray[np.float64]
    values: Sequence[NDArray[np.int64] | None]
    marks: Sequence[Marks]

    @classmethod
    def of(cls, caption: str, points: NDArray[np.float64], values: Sequence[NDArray[np.int64] | None]) -> "_Scene":
        """Return the scene of ``points (S, 2)``."""
        return cls(caption, points, values, [{} if kinds is None else mark_places(points, kinds) for kinds in values])

    def towards(self, following: "_Scene", share: float) -> "_Scene":
        """Return the scene a share in [0, 1) of the way to the following one; groups change when that is reached."""
        points = (1 - share) * self.points + share * following.points
        marks = [_between(own, its, share) for own, its in zip(self.marks, following.marks, strict=True)]
        return _Scene(self.caption, points, self.values, marks)


def _between(marks: Marks, following: Marks, share: float) -> Marks:
    ends = {value: following.get(value, place) for value, place in marks.items()}
    return {
        value: ((1 - share) * x + share * ends[value][0], (1 - share) * y + share * ends[value][1])
        for value, (x, y) in marks.items()
    }


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
        found = [by_class(dataset), by_cluster_then(dataset, dataset.frame(moments[-1]).clusters)]
        self._groupings = [grouping for grouping in found if grouping is not None]
        self._scenes = [self._scene(moment, one) for moment, one in zip(moments, layouts, strict=True)]
        self._between = int(np.clip(_IMAGES // len(moments), 1, _MOST_BETWEEN))
        self._clouds: list[Cloud] = []
        self._caption: Any = None

    def film(self) -> Film:
        """Return the film."""
        count = (len(self._scenes) - 1) * self._between + 1
        return Film(self._figure(), self._show, count, _RATE)

    def _figure(self) -> "Figure":
        dataset = self._dataset
        words = detail(dataset, sample_in_words(dataset), film_words(self._end))
        made, self._clouds = scatter_panels(self._end, self._groupings, title(dataset, "latent space"), words)
        points = np.concatenate([scene.points for scene in self._scenes])
        limits = np.percentile(points, [_PERCENT, 100 - _PERCENT], axis=0)
        for axes in made.axes:
            fit(axes, limits)
        self._caption = made.supxlabel(" ", x=0.01, ha="left", fontsize=10, fontweight="bold")
        return made

    def _show(self, number: int) -> None:
        """Show the image of a number: a scene, or what lies between two."""
        place, step = divmod(number, self._between)
        following = self._scenes[min(place + 1, len(self._scenes) - 1)]
        scene = self._scenes[place].towards(following, step / self._between)
        for cloud, values, marks in zip(self._clouds, scene.values, scene.marks, strict=True):
            cloud.show(scene.points, values, marks)
        self._caption.set_text(scene.caption)

    def _scene(self, moment: Moment, found: Layout) -> _Scene:
        frame = self._dataset.frame(moment)
        is_early = frame.clusters is None and any(grouping.title != BY_CLASS for grouping in self._groupings)
        note = " (nothing assigned yet: final clusters)" if is_early else ""
        caption = f"{frame.phase}, iteration {moment.iteration:,}{note}"
        return _Scene.of(caption, found.points, self._values(frame))

    def _values(self, frame: Frame) -> list[NDArray[np.int64] | None]:
        """Return the groups of the samples in an embedding, for each scatter plot."""
        found: list[NDArray[np.int64] | None] = []
        for grouping in self._groupings:
            is_of_the_moment = grouping.title == BY_CLUSTER and frame.clusters is not None
            found.append(frame.clusters if is_of_the_moment else grouping.values)
        return found or [None]


def _layouts(dataset: DatasetRun, studio: Studio, moments: Sequence[Moment]) -> list[Layout]:
    """Return where the sample is at each of the moments, in order of time; the features of one are held at a time."""
    last = dataset.frame(moments[-1]).features
    end = studio.layout(("latent", dataset.name, moments[-1].file), last)
    earlier = (dataset.frame(moment).features for moment in moments[-2::-1])
    return [*reversed(list(film(end, last, earlier, studio.projection))), end]
