"""Many features as points in a plane: t-SNE, PCA, UMAP, for one moment or for a film.

Everything is computed on one thread with a fixed ``random_state``: the same features give the same points.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recombine.errors import UsageError

#: Names of the projections; the first is the default.
PROJECTIONS = ("tsne", "pca", "umap")
RANDOM_STATE = 0
_PLANE = 2
_PERPLEXITY = 30.0
_NEIGHBOURS = 15
_FEWEST = 5
_EXAGGERATION = 12
_LEAST_RATE = 50.0
_REFINEMENT = 250

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """Points in a plane.

    Attributes:
        points: ``(S, 2)``.
        axes: What the two axes are.
        words: How the points were made.
        has_scale: Whether the numbers on the axes mean something.
    """

    points: Points
    axes: tuple[str, str]
    words: str
    has_scale: bool


def layout(values: NDArray[Any], projection: str) -> Layout:
    """Return ``values (S, D)`` in a plane.

    One or two features need no projection, and for fewer than five samples, or for samples that are all alike, every
    projection is PCA.

    Raises:
        UsageError: The projection needs a package that is not there.
    """
    points = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    if points.shape[1] <= _PLANE:
        return _as_it_is(points)
    if projection == "pca" or len(points) < _FEWEST or not np.ptp(points, axis=0).any():
        return _by_pca(points)
    with _one_thread():
        found = _tsne(points) if projection == "tsne" else _umap(points)
    return _unscaled(found, projection, len(points))


def film(end: Layout, last: NDArray[Any], earlier: Iterable[NDArray[Any]], projection: str) -> Iterator[Layout]:
    """Yield where the samples are at earlier moments of a film, from the one before the last back to the first.

    PCA shows every moment along the components of the last one. t-SNE and UMAP start from the points of the moment
    after, and the outcome is turned to lie upon them as well as it can (:func:`aligned`).

    Args:
        end: The layout of the last moment, as :func:`layout` gives it.
        last: Features at the last moment, ``(S, D)``.
        earlier: Features ``(S, D)`` at the moments before, the latest first.
        projection: One of :data:`PROJECTIONS`.
    """
    if end.has_scale:
        shared = _shared_axes(last)
        for values in earlier:
            yield Layout(shared(values), end.axes, end.words, True)
        return
    points = end.points
    for values in earlier:
        with _one_thread():
            moved = _refined(np.asarray(values, dtype=np.float64), points, projection)
        points = aligned(moved, points)
        yield Layout(points, end.axes, end.words, False)


def aligned(points: Points, target: Points) -> Points:
    """Return ``points (S, 2)`` shifted, turned and mirrored so that they lie upon ``target (S, 2)`` by least squares.

    They get the spread of the target as well, since t-SNE and UMAP have no scale. The rest is the orthogonal Procrustes
    problem (Schoenemann 1966).
    """
    centred, centre = points - points.mean(0), target.mean(0)
    spread, wanted = np.linalg.norm(centred), np.linalg.norm(target - centre)
    if spread > 0:
        centred = centred * (wanted / spread)
    left, _, right = np.linalg.svd(centred.T @ (target - centre))
    turned: Points = centred @ (left @ right) + centre
    return turned


def film_words(end: Layout) -> str:
    """Return in words how the moments of a film belong together."""
    if end.has_scale:
        return f"{end.words} of the last moment"
    return f"{end.words}, each moment started from the points of the one after it and aligned (Procrustes)"


def _as_it_is(points: Points) -> Layout:
    """Return the layout of samples ``(S, 1 or 2)`` that need no projection; one feature is spread at random."""
    if points.shape[1] == _PLANE:
        return Layout(points, ("feature 1", "feature 2"), "the two features themselves", True)
    spread = np.random.default_rng(RANDOM_STATE).uniform(size=len(points))
    axes = ("the one feature", "spread at random")
    return Layout(np.column_stack([points[:, 0], spread]), axes, "the one feature itself", True)


def _by_pca(points: Points) -> Layout:
    from sklearn.decomposition import PCA

    if len(points) == 1 or not np.ptp(points, axis=0).any():
        return Layout(np.zeros((len(points), _PLANE)), ("PC 1", "PC 2"), "PCA; all samples are alike", True)
    with _one_thread():
        fitted = PCA(_PLANE, random_state=RANDOM_STATE).fit(points)
    shares = [f"PC {number} ({share:.0%} of the variance)" for number, share in _numbered(fitted)]
    return Layout(fitted.transform(points), (shares[0], shares[1]), "PCA", True)


def _numbered(fitted: Any) -> list[tuple[int, float]]:
    return list(enumerate(fitted.explained_variance_ratio_, start=1))


def _shared_axes(last: NDArray[Any]) -> Callable[[NDArray[Any]], Points]:
    """Return what takes features ``(S, D)`` of any moment to the plane in which the last moment is seen."""
    from sklearn.decomposition import PCA

    points = np.asarray(last, dtype=np.float64)
    if points.shape[1] <= _PLANE:
        return lambda values: _as_it_is(np.asarray(values, dtype=np.float64)).points
    if len(points) == 1 or not np.ptp(points, axis=0).any():
        return lambda values: np.zeros((len(values), _PLANE))
    with _one_thread():
        fitted = PCA(_PLANE, random_state=RANDOM_STATE).fit(points)
    return lambda values: np.asarray(fitted.transform(np.asarray(values, dtype=np.float64)))


def _unscaled(points: Points, projection: str, count: int) -> Layout:
    if projection == "tsne":
        words = f"t-SNE (perplexity {_perplexity(count):g}, random_state {RANDOM_STATE})"
        return Layout(points, ("t-SNE 1", "t-SNE 2"), words, False)
    words = f"UMAP ({_neighbours(count)} neighbours, random_state {RANDOM_STATE})"
    return Layout(points, ("UMAP 1", "UMAP 2"), words, False)


def _tsne(points: Points) -> Points:
    from sklearn.manifold import TSNE

    found = TSNE(_PLANE, perplexity=_perplexity(len(points)), init="pca", random_state=RANDOM_STATE)
    return np.asarray(found.fit_transform(points), dtype=np.float64)


def _umap(points: Points) -> Points:
    found = _umap_class()(n_neighbors=_neighbours(len(points)), random_state=RANDOM_STATE, n_jobs=1)
    return np.asarray(found.fit_transform(points), dtype=np.float64)


def _refined(values: Points, start: Points, projection: str) -> Points:
    """Return features ``(S, D)`` in the plane, found from ``start (S, 2)`` on, without tearing it apart first."""
    if not np.ptp(values, axis=0).any():
        return np.zeros_like(start)
    count = len(values)
    if projection == "umap":
        near = start.astype(np.float32)
        options = {"n_neighbors": _neighbours(count), "random_state": RANDOM_STATE, "n_jobs": 1}
        return np.asarray(_umap_class()(init=near, **options).fit_transform(values), dtype=np.float64)
    from sklearn.manifold import TSNE

    rate = max(count / _EXAGGERATION / 4, _LEAST_RATE)
    found = TSNE(_PLANE, perplexity=_perplexity(count), init=start, early_exaggeration=1.0, learning_rate=rate)
    # The number of iterations changed its name in scikit-learn 1.5.
    steps = "max_iter" if "max_iter" in found.get_params() else "n_iter"
    found.set_params(random_state=RANDOM_STATE, **{steps: _REFINEMENT})
    return np.asarray(found.fit_transform(values), dtype=np.float64)


def _perplexity(count: int) -> float:
    return min(_PERPLEXITY, (count - 1) // 3)


def _neighbours(count: int) -> int:
    return min(_NEIGHBOURS, count - 1)


def _umap_class() -> Any:
    try:
        from umap import UMAP
    except ImportError as error:
        raise UsageError("UMAP is not installed: pip install umap-learn, or take another --projection") from error
    return UMAP


@contextmanager
def _one_thread() -> Iterator[None]:
    """Add up on one thread: with more, the order of sums, and so the last bits, would vary."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
