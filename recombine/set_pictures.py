"""Pictures of sets that were clustered: their objects, the cluster counts, hierarchies and uncertainty.

Everything here needs matplotlib, and is drawn within :func:`recombine.canvas.style`, which says so where it is absent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recombine.canvas import Still, figure
from recombine.grouping import Grouping, Look
from recombine.palette import colour
from recombine.panels import scatter_figure
from recombine.projection import Layout
from recombine.set_analyses import NUM_BINS, CountUncertainty, histogram
from recombine.set_examples import SetExample
from recombine.set_hierarchy import Hierarchy
from recombine.set_looks import OTHER_COLOUR, TRUE_COLOUR, by_class, by_cluster, plural, point_limits
from recombine.set_montage import montage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAR_WIDTH, _LEAST_WIDTH, _BAR_HEIGHT = 0.55, 4.2, 3.2
_MOST_NAMED = 80
_LONGEST_UPRIGHT, _LONGEST_NAME = 2, 14
_TREE_SIZE = (9.0, 6.6)
_TREE = "0.35"


def example_pictures(example: SetExample) -> Iterator[tuple[str, Still]]:
    """Yield pictures of a set, each with its name: its classes, its clusters for each count, and the counts themselves.

    They are ``solution``, ``prediction`` (for the most probable count), ``prediction_<k>`` for each k in four digits,
    and ``cluster_probabilities``. Points become scatter plots over [-0.2, 1.2] (wider where a point lies outside),
    other objects rows by group.
    """
    words = f"{example.true_count} {plural('class', example.true_count)}"
    yield "solution", Still(_objects(example, by_class(example), words))
    yield "prediction", _prediction(example, example.predicted_count)
    for count in example.counts:
        yield f"prediction_{count:04}", _prediction(example, count)
    yield "cluster_probabilities", Still(_count_bars(example))


def hierarchy_picture(hierarchy: Hierarchy, title: str, classes: Sequence[str] | None = None) -> Still:
    """Return a picture of a dendrogram, and below it what the clusters are worth at each threshold.

    The title gives the least misclassification rate (MR) and the lowest threshold that has it: chosen by labels.

    Args:
        hierarchy: The tree and the curves.
        title: What was clustered, and how.
        classes: Class of each object, N names in the order of the objects: they stand below the leaves, in the colours
            of the classes; or None.
    """
    rate, threshold = hierarchy.best_misclassification_rate, hierarchy.best_threshold
    words = f"{_plain(title)} · least MR {rate:.3f} at threshold {threshold:.3g} (oracle)"
    made = figure(_TREE_SIZE, words, "above: the tree; below: scores of the clusters below each threshold")
    tree, curves = made.subplots(2, 1)
    _draw_tree(tree, hierarchy.merges, classes)
    tree.axhline(threshold, color=colour(6), linestyle="--", linewidth=1.0)
    _draw_curves(curves, hierarchy)
    curves.axvline(threshold, color=colour(6), linestyle="--", linewidth=1.0)
    return Still(made)


def count_pictures(found: CountUncertainty, title: str) -> Iterator[tuple[str, Still]]:
    """Yield pictures of how the probability of each cluster count is distributed over many passes of one set.

    They are ``count_uncertainty_<k>`` for each k in four digits, a histogram of 20 bins, and ``count_uncertainty`` with
    the middles of the fullest bins, of which the greatest is the answer. The bars of the true count are green.

    Args:
        found: The passes.
        title: What was passed.
    """
    modes = found.probabilities
    for count, column, mode in zip(found.counts, found.passes.T, modes, strict=True):
        words = f"{_plain(title)} · p({count}), mode {mode:.3f}"
        made = _histogram_figure(column, words, _bar_colour(count, found.true_count))
        yield f"count_uncertainty_{count:04}", Still(made)
    words = f"{_plain(title)} · {found.answer} {plural('cluster', found.answer)}"
    detail = f"mode of p(k) over {len(found.passes):,} passes; true count: {found.true_count} (green)"
    yield "count_uncertainty", Still(_bar_figure(found.counts, modes, found.true_count, (words, detail)))


def _prediction(example: SetExample, count: int) -> Still:
    return Still(_objects(example, by_cluster(example, count), _clusters_in_words(example, count)))


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
    made = figure((_LEAST_WIDTH + 0.8, _BAR_HEIGHT), words, f"{len(column):,} passes in {NUM_BINS} bins")
    axes = made.subplots()
    middles = (np.arange(NUM_BINS) + 0.5) / NUM_BINS
    axes.bar(middles, histogram(column), width=0.9 / NUM_BINS, color=own_colour)
    axes.set_xlim(0, 1)
    axes.set_xlabel("probability")
    axes.set_ylabel("passes")
    return made


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
