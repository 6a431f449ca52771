"""Pictures of a run that clustered sets."""

import copy

import pytest

import recombine
from recombine.errors import UsageError
from recombine.plots.base import Studio, pictures
from recombine.plotting import PlotOptions, plot
from recombine.run_data import MissingError, RunData
from tests.set_methods import BY_CLASSIFIER, of_digits, of_points

pytest.importorskip("matplotlib", reason="pictures need matplotlib")
UNCERTAIN = {"/cluster_assignment_strategy/count_uncertainty_passes": 3}
OF_A_SET = ["solution", "prediction", *(f"prediction_{k:04}" for k in (1, 2, 3)), "cluster_probabilities"]
OF_COUNTS = [*(f"count_uncertainty_{k:04}" for k in (1, 2, 3)), "count_uncertainty"]


def run_of(folder, method):
    """Run a method and return its folder."""
    recombine.run(copy.deepcopy(method), log_dir=folder)
    (run,) = folder.glob(f"*_{method['name']}_*")
    return run


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Return the folder of a run on sets of digits."""
    return run_of(tmp_path_factory.mktemp("digits"), of_digits(UNCERTAIN))


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    """Return the folder of a run on sets of points, with one example."""
    return run_of(tmp_path_factory.mktemp("points"), of_points({"/datasets/0/sets/num_examples": 1}))


def dataset_of(run):
    """Return what the run left behind of its dataset."""
    (dataset,) = RunData(run).datasets.values()
    return dataset


def drawn(run, name="sets"):
    """Return the pictures of one kind by name."""
    return {stem: still.figure for stem, still in pictures()[name].draw(dataset_of(run), Studio("pca"))}


def heading(figure):
    """Return the first line above a figure."""
    return next(text.get_text() for text in figure.texts if text.get_text().strip())


def test_the_pictures_of_sets(digits):
    found = drawn(digits)
    assert list(found) == [
        *(f"sets/{number:03}/{name}" for number in (0, 1) for name in OF_A_SET),
        *(f"sets/{number:03}_{name}" for number in range(5) for name in OF_COUNTS),
        "sets/hierarchy_cosine",
        "sets/hierarchy_euclidean",
    ]
    (run,) = digits.glob("Digits/sets/examples/001/cluster_probabilities.csv")
    predicted = run.read_text().splitlines()[1].split(";")[1]
    assert heading(found["sets/001/cluster_probabilities"]).startswith(f"Set 1 · {predicted} cluster")
    assert heading(found["sets/003_count_uncertainty_0002"]).startswith("sets · Digits · set 3 · p(2), mode ")
    assert heading(found["sets/hierarchy_cosine"]).startswith("sets · Digits · 50 objects, cosine distances · least MR")
    names = [label.get_text() for label in found["sets/hierarchy_cosine"].axes[0].get_xticklabels()]
    assert len(names) == 50
    assert set(names) <= {"7", "8", "9"}


def test_points_are_scattered(points):
    found = drawn(points)
    assert list(found)[: len(OF_A_SET)] == [f"sets/000/{name}" for name in OF_A_SET]
    clouds = found["sets/000/solution"].axes[0].collections
    assert sum(len(cloud.get_offsets()) for cloud in clouds) >= 6


def test_the_command_writes_them_below_the_dataset(points, tmp_path):
    lines = list(plot(points, PlotOptions(("sets",), output=tmp_path)))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(lines) == sorted(map(str, files))
    assert len(files) == len(OF_A_SET) + 2
    assert (tmp_path / "PointSets" / "sets" / "000" / "solution.png").read_bytes().startswith(b"\x89PNG")


def test_clusters_of_different_sets_are_never_compared(digits):
    figures = drawn(digits, "raw") | drawn(digits, "latent")
    assert list(figures) == ["raw", "latent_1_training"]
    for figure in figures.values():
        assert [axes.get_title(loc="left") for axes in figure.axes] == ["by true class"]
    with pytest.raises(MissingError, match="^each set has clusters of its own$"):
        drawn(digits, "confusion")


def test_what_there_is_no_example_of_is_said(tmp_path):
    run = run_of(tmp_path, of_digits(BY_CLASSIFIER))
    words = 'sets cannot be drawn: the run kept no example: num_examples of "sets" is 0, or the strategy is not '
    with pytest.raises(UsageError) as caught:
        list(plot(run, PlotOptions(("sets",))))
    assert str(caught.value) == f'{words}"set_clustering"'


def test_a_damaged_file_is_one_message(tmp_path):
    run = run_of(tmp_path, of_points())
    file = run / "PointSets" / "sets" / "for_pictures.npz"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UsageError, match=r"for_pictures\.npz cannot be read: .*Run the method again with --fresh"):
        drawn(run)
