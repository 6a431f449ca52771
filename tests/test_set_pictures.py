"""Pictures of sets that were clustered."""

import numpy as np
import pytest
import torch

from recombine.palette import COLOURS
from recombine.set_analyses import CountUncertainty
from recombine.set_hierarchy import Hierarchy
from recombine.set_looks import OTHER_COLOUR, TRUE_COLOUR
from recombine.set_pictures import count_pictures, example_pictures, hierarchy_picture
from tests.set_samples import example_of, features, images, points

pytest.importorskip("matplotlib", reason="pictures need matplotlib")
HIERARCHY = Hierarchy(
    merges=np.array([[0, 1, 0.1, 2], [2, 3, 0.2, 2], [4, 5, 1.0, 4]]),
    thresholds=np.array([0.0, 0.1, 0.2, 1.0]),
    num_clusters=np.array([4, 3, 2, 1]),
    misclassification_rate=np.array([0.5, 0.25, 0.0, 0.5]),
    homogeneity=np.array([1.0, 1.0, 1.0, 0.0]),
    completeness=np.array([0.5, 0.7, 1.0, 1.0]),
)


def drawn(example):
    """Return the pictures of a set by name, each as its figure."""
    return {name: still.figure for name, still in example_pictures(example)}


def heading(figure):
    """Return the two lines above a figure."""
    return [text.get_text() for text in figure.texts if text.get_text().strip()]


def colours_of(bars):
    """Return the colours of bars in hexadecimal digits."""
    from matplotlib.colors import to_hex

    return [to_hex(bar.get_facecolor()) for bar in bars]


def is_png(files):
    """Tell whether the only one of some files is a PNG."""
    (file,) = files
    return file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("make", [points, images, features])
def test_the_pictures_of_a_set(tmp_path, make):
    example = make()
    stills = list(example_pictures(example))
    names = {f"prediction_{count:04}" for count in example.counts} | {"solution", "prediction", "cluster_probabilities"}
    assert sorted(name for name, _ in stills) == sorted(names)
    files = {name: still.save(tmp_path / name, ("png",)) for name, still in stills}
    assert all(is_png(saved) for saved in files.values())
    same = f"prediction_{example.predicted_count:04}"
    assert files["prediction"][0].read_bytes() == files[same][0].read_bytes()


def test_points_in_the_unit_square_have_fixed_limits():
    figures = drawn(points())
    axes = figures["prediction_0004"].axes[0]
    assert (axes.get_xlim(), axes.get_ylim()) == ((-0.2, 1.2), (-0.2, 1.2))
    (cloud,) = [collection for collection in axes.collections if len(collection.get_offsets())]
    assert (cloud.get_alpha(), len(cloud.get_offsets())) == (0.8, 4)
    assert heading(figures["prediction_0004"])[0] == "Set 0 · 4 clusters · 1 empty · p = 0.100"
    assert heading(figures["solution"])[0] == "Set 0 · 3 classes"


def test_the_bar_of_the_true_count_is_green():
    bars = drawn(points())["cluster_probabilities"].axes[0].patches
    assert colours_of(bars) == [OTHER_COLOUR, OTHER_COLOUR, TRUE_COLOUR, OTHER_COLOUR]
    assert [bar.get_height() for bar in bars] == pytest.approx([0.1, 0.2, 0.6, 0.1])


def test_images_stand_in_rows_with_edges_by_class():
    example = images(class_names=("cat", "$x_{$", "a very long name of a class"))
    axes = drawn(example)["prediction_0004"].axes[0]
    assert len(axes.images) == 5
    edges = [line for line in axes.lines if len(line.get_xdata()) == 5]
    assert [edge.get_color() for edge in edges] == [COLOURS[number] for number in (0, 0, 1, 1, 2)]
    words = [text.get_text() for text in axes.texts]
    assert {"cluster 0\n2 objects", "cluster 2\n1 object", "cluster 3\nempty", "cat #0", "$x_{$ #10"} <= set(words)
    assert "a very l… #30" in words


def test_long_rows_are_broken_and_the_eleventh_class_has_a_broken_edge():
    example = example_of(torch.rand(23, 4), [*range(11), *[0] * 12], count_probs=(0.5, 0.5))
    axes = drawn(example)["prediction_0001"].axes[0]
    assert axes.get_ylim() == (3, 0)
    edges = [line for line in axes.lines if len(line.get_xdata()) == 5]
    assert len(edges) == 23
    assert [edge.get_linestyle() for edge in edges].count("--") == 1


def test_signs_of_formulas_in_names_are_letters(tmp_path):
    example = points(class_names=tuple("$\\frac{$" for _ in range(8)))
    stills = dict(example_pictures(example))
    stills["tree"] = hierarchy_picture(HIERARCHY, "$\\frac{$", ["$\\frac{$", "b", "b", "a"])
    stills |= dict(count_pictures(CountUncertainty((1, 2), np.full((4, 2), 0.5), 1), "$\\frac{$"))
    assert all(is_png(still.save(tmp_path / name, ("png",))) for name, still in stills.items())


def test_a_hierarchy():
    figure = hierarchy_picture(HIERARCHY, "Digits", ["long name", "b", "b", "a"]).figure
    assert heading(figure)[0] == "Digits · least MR 0.000 at threshold 0.2 (oracle)"
    tree, curves = figure.axes
    assert len(tree.lines) == 3 + 1
    assert [label.get_text() for label in tree.get_xticklabels()] == ["long name", "b", "b", "a"]
    assert [line.get_ydata().tolist() for line in curves.lines[:2]] == [[0.5, 0.25, 0.0, 0.5], [1.0, 1.0, 1.0, 0.0]]
    assert [text.get_text() for text in curves.get_legend().get_texts()][0] == "misclassification rate"


def test_the_file_of_a_hierarchy(tmp_path):
    assert is_png(hierarchy_picture(HIERARCHY, "Digits").save(tmp_path / "a", ("png",)))


def test_uncertainty_of_counts():
    found = CountUncertainty((2, 3), np.array([[0.11, 0.91], [0.12, 0.92], [0.61, 0.41]]), 3)
    figures = {name: still.figure for name, still in count_pictures(found, "Digits · set 0")}
    assert list(figures) == ["count_uncertainty_0002", "count_uncertainty_0003", "count_uncertainty"]
    histogram = figures["count_uncertainty_0002"].axes[0].patches
    assert len(histogram) == 20
    assert [bar.get_height() for bar in histogram] == [2 if bin_ == 2 else 1 if bin_ == 12 else 0 for bin_ in range(20)]
    assert colours_of(histogram) == [OTHER_COLOUR] * 20
    assert colours_of(figures["count_uncertainty_0003"].axes[0].patches) == [TRUE_COLOUR] * 20
    summary = figures["count_uncertainty"].axes[0].patches
    assert [bar.get_height() for bar in summary] == pytest.approx([0.125, 0.925])
    assert colours_of(summary) == [OTHER_COLOUR, TRUE_COLOUR]
    assert heading(figures["count_uncertainty"])[0] == "Digits · set 0 · 3 clusters"


def test_the_files_of_uncertainty(tmp_path):
    stills = dict(count_pictures(CountUncertainty((1, 2), np.full((4, 2), 0.5), 5), "x"))
    assert list(stills) == ["count_uncertainty_0001", "count_uncertainty_0002", "count_uncertainty"]
    assert all(is_png(still.save(tmp_path / name, ("png",))) for name, still in stills.items())
