import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from recombine.errors import UsageError
from recombine.palette import COLOURS
from recombine.set_looks import OTHER_COLOUR, TRUE_COLOUR
from recombine.set_pictures import draw_count_uncertainty, draw_example, draw_hierarchy, modal_probabilities
from tests.set_samples import example_of, features, images, points

IS_HERE = True
try:
    import matplotlib  # noqa: F401
except ImportError:
    IS_HERE = False
needs_matplotlib = pytest.mark.skipif(not IS_HERE, reason="pictures need matplotlib")
HIERARCHY = SimpleNamespace(
    linkage=[[0, 1, 0.1, 2], [2, 3, 0.2, 2], [4, 5, 1.0, 4]],
    thresholds=[0.0, 0.1, 0.2, 1.0],
    misclassification_rate=[0.5, 0.25, 0.0, 0.5],
    homogeneity=torch.tensor([1.0, 1.0, 1.0, 0.0]),
    completeness=np.array([0.5, 0.7, 1.0, 1.0]),
)


@pytest.fixture
def drawn(monkeypatch):
    """Return the figures that are saved, by the stem of their file; nothing is written."""
    figures = {}
    monkeypatch.setattr(
        "recombine.canvas.Still.save",
        lambda still, path, formats: [figures.setdefault(path.name, still.figure) and path],
    )
    return figures


def heading(figure):
    """Return the two lines above a figure."""
    return [text.get_text() for text in figure.texts if text.get_text().strip()]


def colours_of(bars):
    """Return the colours of bars in hexadecimal digits."""
    from matplotlib.colors import to_hex

    return [to_hex(bar.get_facecolor()) for bar in bars]


@needs_matplotlib
@pytest.mark.parametrize("make", [points, images, features])
def test_the_files_of_a_set(tmp_path, make):
    example = make()
    files = draw_example(example, tmp_path / "new")
    names = {f"prediction_{count:04}.png" for count in example.counts}
    names |= {"solution.png", "prediction.png", "cluster_probabilities.png"}
    assert {file.name for file in files} == names == {file.name for file in (tmp_path / "new").iterdir()}
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)
    same = f"prediction_{example.predicted_count:04}.png"
    assert (tmp_path / "new" / "prediction.png").read_bytes() == (tmp_path / "new" / same).read_bytes()


@needs_matplotlib
def test_points_in_the_unit_square_have_fixed_limits(tmp_path, drawn):
    draw_example(points(), tmp_path)
    axes = drawn["prediction_0004"].axes[0]
    assert (axes.get_xlim(), axes.get_ylim()) == ((-0.2, 1.2), (-0.2, 1.2))
    (cloud,) = [collection for collection in axes.collections if len(collection.get_offsets())]
    assert (cloud.get_alpha(), len(cloud.get_offsets())) == (0.8, 4)
    assert heading(drawn["prediction_0004"])[0] == "Set 0 · 4 clusters · 1 empty · p = 0.100"
    assert heading(drawn["solution"])[0] == "Set 0 · 3 classes"


@needs_matplotlib
def test_the_bar_of_the_true_count_is_green(tmp_path, drawn):
    draw_example(points(), tmp_path)
    bars = drawn["cluster_probabilities"].axes[0].patches
    assert colours_of(bars) == [OTHER_COLOUR, OTHER_COLOUR, TRUE_COLOUR, OTHER_COLOUR]
    assert [bar.get_height() for bar in bars] == pytest.approx([0.1, 0.2, 0.6, 0.1])


@needs_matplotlib
def test_images_stand_in_rows_with_edges_by_class(tmp_path, drawn):
    draw_example(images(class_names=("cat", "$x_{$", "a very long name of a class")), tmp_path)
    axes = drawn["prediction_0004"].axes[0]
    assert len(axes.images) == 5
    edges = [line for line in axes.lines if len(line.get_xdata()) == 5]
    assert [edge.get_color() for edge in edges] == [COLOURS[number] for number in (0, 0, 1, 1, 2)]
    words = [text.get_text() for text in axes.texts]
    assert {"cluster 0\n2 objects", "cluster 2\n1 object", "cluster 3\nempty", "cat #0", "$x_{$ #10"} <= set(words)
    assert "a very l… #30" in words


@needs_matplotlib
def test_long_rows_are_broken_and_the_eleventh_class_has_a_broken_edge(tmp_path, drawn):
    draw_example(example_of(torch.rand(23, 4), [*range(11), *[0] * 12], count_probs=(0.5, 0.5)), tmp_path)
    axes = drawn["prediction_0001"].axes[0]
    assert axes.get_ylim() == (3, 0)
    edges = [line for line in axes.lines if len(line.get_xdata()) == 5]
    assert len(edges) == 23
    assert [edge.get_linestyle() for edge in edges].count("--") == 1


@needs_matplotlib
def test_signs_of_formulas_in_names_are_letters(tmp_path):
    draw_example(points(class_names=tuple("$\\frac{$" for _ in range(8))), tmp_path)
    draw_hierarchy(HIERARCHY, "$\\frac{$", tmp_path / "tree.png", ["$\\frac{$", "b", "b", "a"])


@needs_matplotlib
def test_a_hierarchy(tmp_path, drawn):
    draw_hierarchy(HIERARCHY, "Digits", tmp_path / "tree.png", ["long name", "b", "b", "a"])
    figure = drawn["tree"]
    assert heading(figure)[0] == "Digits · least MR 0.000 at threshold 0.2"
    tree, curves = figure.axes
    assert len(tree.lines) == 3 + 1
    assert [label.get_text() for label in tree.get_xticklabels()] == ["long name", "b", "b", "a"]
    assert [line.get_ydata().tolist() for line in curves.lines[:2]] == [[0.5, 0.25, 0.0, 0.5], [1.0, 1.0, 1.0, 0.0]]
    assert [text.get_text() for text in curves.get_legend().get_texts()][0] == "misclassification rate"


@needs_matplotlib
def test_the_file_of_a_hierarchy(tmp_path):
    assert draw_hierarchy(HIERARCHY, "Digits", tmp_path / "a.b.png") == tmp_path / "a.b.png"
    assert (tmp_path / "a.b.png").read_bytes().startswith(b"\x89PNG")


def test_modes_are_middles_of_bins():
    passes = np.array([[0.02, 0.98], [0.01, 1.0], [0.52, 0.48]])
    assert modal_probabilities(passes) == pytest.approx([0.025, 0.975])
    assert modal_probabilities(torch.tensor([[0.3], [0.9]])) == pytest.approx([0.325])


@needs_matplotlib
def test_uncertainty_of_counts(tmp_path, drawn):
    passes = torch.tensor([[0.1, 0.9], [0.12, 0.88], [0.6, 0.4]])
    files = draw_count_uncertainty(passes, (2, 3), 3, "Digits · set 0", tmp_path)
    assert [file.name for file in files] == ["count_uncertainty_0002", "count_uncertainty_0003", "count_uncertainty"]
    histogram = drawn["count_uncertainty_0002"].axes[0].patches
    assert len(histogram) == 20
    assert [bar.get_height() for bar in histogram] == [2 if bin_ == 2 else 1 if bin_ == 12 else 0 for bin_ in range(20)]
    summary = drawn["count_uncertainty"].axes[0].patches
    assert [bar.get_height() for bar in summary] == pytest.approx([0.125, 0.875])
    assert colours_of(summary) == [OTHER_COLOUR, TRUE_COLOUR]
    assert heading(drawn["count_uncertainty"])[0] == "Digits · set 0 · 3 clusters"


@needs_matplotlib
def test_the_files_of_uncertainty(tmp_path):
    files = draw_count_uncertainty(np.full((4, 2), 0.5), (1, 2), 5, "x", tmp_path / "new")
    assert [file.name for file in files] == [
        "count_uncertainty_0001.png",
        "count_uncertainty_0002.png",
        "count_uncertainty.png",
    ]
    assert all(file.is_file() for file in files)


@pytest.mark.parametrize(
    "draw",
    [
        lambda folder: draw_example(points(), folder),
        lambda folder: draw_hierarchy(HIERARCHY, "x", folder / "x.png"),
        lambda folder: draw_count_uncertainty(np.full((4, 2), 0.5), (1, 2), 1, "x", folder),
    ],
)
def test_without_matplotlib_the_remedy_is_named(tmp_path, monkeypatch, draw):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError) as caught:
        draw(tmp_path)
    assert str(caught.value) == "pictures need matplotlib, which is not installed: pip install matplotlib"
    assert list(tmp_path.iterdir()) == []
