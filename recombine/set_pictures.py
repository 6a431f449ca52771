"""Pictures of sets that were clustered: their objects, the cluster counts, hierarchies and uncertainty.

Everything here needs matplotlib, and raises UsageError with the command that installs it where it is absent.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recombine import canvas
from recombine.canvas import Still, figure
from recombine.grouping import Grouping, Look
from recombine.palette import colour
from recombine.panels import scatter_figure
from recombine.projection import Layout
from recombine.set_examples import SetExample
from recombine.set_looks import OTHER_COLOUR, TRUE_COLOUR, by_class, by_cluster, plural, point_limits
from recombine.set_montage import montage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = 20
_BAR_WIDTH, _LEAST_WIDTH, _BAR_HEIGHT = 0.55, 4.2, 3.2
_MOST_NAMED = 80
_LONGEST_UPRIGHT, _LONGEST_NAME = 2, 14
_TREE_SIZE = (9.0, 6.6)
_TREE = "0.35"


class Hierarchy(Protocol):
    """A hierarchical clustering of N objects that is cut at T thresholds. All may be tensors, arrays or lists.

    Attributes:
        linkage: The tree as SciPy has it, ``(N - 1, 4)``, N >= 2.
        thresholds: Where it is cut, ascending, ``(T,)``, T >= 1.
        misclassification_rate: Of the clusters at each threshold, ``(T,)``, in [0, 1].
        homogeneity: Likewise.
        completeness: Likewise.
    """

    @property
    def linkage(self) -> Any: ...  # noqa: D102

    @property
    def thresholds(self) -> Any: ...  # noqa: D102

    @property
    def misclassification_rate(self) -> Any: ...  # noqa: D102

    @property
    def homogeneity(self) -> Any: ...  # noqa: D102

    @property
    def completeness(self) -> Any: ...  # noqa: D102


def draw_example(example: SetExample, folder: Path) -> list[Path]:
    """Draw a set: its classes, its clusters for each cluster count, and the probabilities of the counts.

    Points become scatter plots over [-0.2, 1.2] (wider where a point lies outside), other objects rows by group.

    Args:
        example: The set.
        folder: Where the files go; it need not exist.

    Returns:
        ``solution.png``, ``prediction.png`` (for the most probable count), ``prediction_<k>.png`` for each k in four
        digits, and ``cluster_probabilities.png``.

    Raises:
        UsageError: matplotlib is not installed.
        OSError: A file cannot be written.
    """
    with canvas.style():
        words = f"{example.true_count} {plural('class', example.true_count)}"
        files = _save(_objects(example, by_class(example), words), folder / "solution")
        for count in example.counts:
            made = _objects(example, by_cluster(example, count), _clusters_in_words(example, count))
            if count == example.predicted_count:
                files += _save(made, folder / "prediction")
            files += _save(made, folder / f"prediction_{count:04}")
        return files + _save(_count_bars(example), folder / "cluster_probabilities")


def draw_hierarchy(hierarchy: Hierarchy, title: str, path: Path, classes: Sequence[str] | None = None) -> Path:
    """Draw a dendrogram, and below it what the clusters are worth at each threshold.

    The title gives the least misclassification rate (MR) and the lowest threshold that has it.

    Args:
        hierarchy: The tree and the curves.
        title: What was clustered, and how.
        path: The file, which ends with ``.png``.
        classes: Class of each object, N names in the order of the objects: they stand below the leaves, in the colours
            of the classes; or None.

    Raises:
        UsageError: matplotlib is not installed.
        OSError: The file cannot be written.
    """
    rates, thresholds = np.asarray(hierarchy.misclassification_rate), np.asarray(hierarchy.thresholds)
    best = int(np.nanargmin(rates))
    words = f"{_plain(title)} · least MR {rates[best]:.3f} at threshold {thresholds[best]:.3g}"
    with canvas.style():
        made = figure(_TREE_SIZE, words, "above: the tree; below: scores of the clusters below each threshold")
        tree, curves = made.subplots(2, 1)
        _draw_tree(tree, np.asarray(hierarchy.linkage, dtype=np.float64), classes)
        tree.axhline(thresholds[best], color=colour(6), linestyle="--", linewidth=1.0)
        _draw_curves(curves, hierarchy)
        curves.axvline(thresholds[best], color=colour(6), linestyle="--", linewidth=1.0)
        return _save(made, path.with_suffix(""))[0]


def modal_probabilities(passes: NDArray[Any]) -> NDArray[np.float64]:
    """Return the middle of the fullest of 20 equal bins of [0, 1] for each cluster count, ``(K,)``; the lowest of many.

    Args:
        passes: Probabilities of the K counts in R passes, ``(R, K)``, in [0, 1].
    """
    return np.array([(_histogram(column).argmax() + 0.5) / _BINS for column in np.asarray(passes).T])


def draw_count_uncertainty(
    passes: NDArray[Any], counts: Sequence[int], true_count: int, title: str, folder: Path
) -> list[Path]:
    """Draw how the probability of each cluster count is distributed over many passes of one set.

    Args:
        passes: Probabilities of the K counts in R passes, ``(R, K)``, in [0, 1]; an array, or a tensor on the CPU.
        counts: The K counts.
        true_count: The number of classes; its bars are green.
        title: What was passed.
        folder: Where the files go; it need not exist.

    Returns:
        ``count_uncertainty_<k>.png`` for each k in four digits, a histogram of 20 bins, and ``count_uncertainty.png``
        with the middles of the fullest bins, of which the greatest is the answer (the smallest count of several).

    Raises:
        UsageError: matplotlib is not installed.
        OSError: A file cannot be written.
    """
    table = np.asarray(passes, dtype=np.float64)
    modes, files = modal_probabilities(table), list[Path]()
    with canvas.style():
        for count, column, mode in zip(counts, table.T, modes, strict=True):
            words = f"{_plain(title)} · p({count}), mode {mode:.3f}"
            made = _histogram_figure(column, words, _bar_colour(count, true_count))
            files += _save(made, folder / f"count_uncertainty_{count:04}")
        answer = counts[int(modes.argmax())]
        words = f"{_plain(title)} · {answer} {plural('cluster', answer)}"
        detail = f"mode of p(k) over {len(table):,} passes; true count: {true_count} (green)"
        made = _bar_figure(counts, modes, true_count, (words, detail))
        return [*files, *_save(made, folder / "count_uncertainty")]


def _objects(example: SetExample, grouping: Grouping, words: str) -> "Figure":
    """Return a picture of the objects of a set by group."""
    title, detail = f"Set {example.number} · {words}", f"{len(example)} objects {grouping.title}"
    if not example.is_points:
        edges = "" if grouping.title == "by true class" else "; the edge shows the true class"
        return montage(example, grouping, title, f"{detail}{edges}")
    arrangement = Layout(example.values.double().numpy(), ("x", "y"), "", True)
    looks = {value: Look(look.number, _plain(look.mark), _plain(look.name)) for value, look in grouping.looks.items()}
    made = scatter_figure(arrangement, [replace(grouping, looks=looks)], title, f"{len(example)} points")
    x, y = point_limits(example.values)
    made.axes[0].set(xlim=x, ylim=y)
    return made


def _clusters_in_words(example: SetExample, count: int) -> str:
    empty, share = example.num_empty(count), example.probability(count)
    return f"{count} {plural('cluster', count)} · {empty} empty · p = {share:.3f}"


def _count_bars(example: SetExample) -> "Figure":
    found, true = example.predicted_count, example.true_count
    words = f"Set {example.number} · {found} {plural('cluster', found)}", f"p(k); true count: {true} (green)"
    return _bar_figure(example.counts, example.count_probs.numpy(), true, words)


def _bar_figure(counts: Sequence[int], values: NDArray[Any], true_count: int, words: tuple[str, str]) -> "Figure":
    """Return a bar for each cluster count, each with its value; the words are the title and its second line."""
    made = figure((max(_LEAST_WIDTH, 1 + _BAR_WIDTH * len(counts)), _BAR_HEIGHT), *words)
    axes = made.subplots()
    places = range(len(counts))
    bars = axes.bar(places, values, color=[_bar_colour(count, true_count) for count in counts], width=0.7)
    axes.bar_label(bars, [f"{value:.3f}" for value in values], padding=2, fontsize=8)
    axes.set_xticks(places, [str(count) for count in counts])
    axes.set_xlabel("number of clusters, k")
    axes.set_ylabel("p(k)")
    axes.set_ylim(0, 1.08)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    return made


def _histogram_figure(column: NDArray[Any], words: str, own_colour: str) -> "Figure":
    made = figure((_LEAST_WIDTH + 0.8, _BAR_HEIGHT), words, f"{len(column):,} passes in {_BINS} bins")
    axes = made.subplots()
    middles = (np.arange(_BINS) + 0.5) / _BINS
    axes.bar(middles, _histogram(column), width=0.9 / _BINS, color=own_colour)
    axes.set_xlim(0, 1)
    axes.set_xlabel("probability")
    axes.set_ylabel("passes")
    return made


def _histogram(column: NDArray[Any]) -> NDArray[np.int64]:
    return np.histogram(column, _BINS, (0, 1))[0]


def _draw_tree(axes: "Axes", linkage: NDArray[np.float64], classes: Sequence[str] | None) -> None:
    from scipy.cluster.hierarchy import dendrogram

    tree = dendrogram(linkage, no_plot=True)
    for across, along in zip(tree["icoord"], tree["dcoord"], strict=True):
        axes.plot(across, along, color=_TREE, linewidth=0.9)
    leaves: list[int] = tree["leaves"] or []
    axes.set_xlim(0, 10 * len(leaves))
    axes.set_ylim(0, 1.04 * float(linkage[:, 2].max()) or 1.0)
    axes.set_ylabel("distance")
    axes.set_xticks([])
    if classes is not None and len(leaves) <= _MOST_NAMED:
        _name_leaves(axes, [classes[leaf] for leaf in leaves], sorted(set(classes)))


def _name_leaves(axes: "Axes", names: Sequence[str], kinds: Sequence[str]) -> None:
    axes.set_xticks([5 + 10 * place for place in range(len(names))], [name[:_LONGEST_NAME] for name in names])
    upright = max(map(len, names)) <= _LONGEST_UPRIGHT
    axes.tick_params(axis="x", length=0, labelsize=7, labelrotation=0 if upright else 90)
    for label, name in zip(axes.get_xticklabels(), names, strict=True):
        label.set(color=colour(kinds.index(name)), parse_math=False, weight="bold")


def _draw_curves(axes: "Axes", hierarchy: Hierarchy) -> None:
    curves = {
        "misclassification rate": (hierarchy.misclassification_rate, colour(6), "-"),
        "homogeneity": (hierarchy.homogeneity, colour(0), "--"),
        "completeness": (hierarchy.completeness, colour(4), "-."),
    }
    for name, (values, own, kind) in curves.items():
        where: Any = "post"
        axes.step(
            np.asarray(hierarchy.thresholds), np.asarray(values), color=own, linestyle=kind, where=where, label=name
        )
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("threshold")
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(curves))


def _bar_colour(count: int, true_count: int) -> str:
    return TRUE_COLOUR if count == true_count else OTHER_COLOUR


def _plain(words: str) -> str:
    """Return words in which matplotlib sees no formulas."""
    return words.replace("$", r"\$")


def _save(made: "Figure", path: Path) -> list[Path]:
    return Still(made).save(path, ["png"])
