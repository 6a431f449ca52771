import numpy as np
import pytest

from recombine.grouping import Grouping, Look
from recombine.palette import COLOURS, NO_COLOUR
from recombine.projection import Layout
from recombine.scatter import Cloud, apart, densest, mark_places

pytest.importorskip("matplotlib", reason="pictures need matplotlib")
from matplotlib.colors import to_hex  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402


def cloud(points, values=None, numbers=None):
    """Return a cloud of points, the groups of which have the given numbers, and its axes."""
    grouping = None
    if values is not None:
        looks = {value: Look(number, f"m{value}", f"name {value}") for value, number in numbers.items()}
        grouping = Grouping("by true class", np.array(values), looks)
    axes = Figure().subplots()
    return Cloud(axes, Layout(np.array(points, dtype=float), ("a", "b"), "", True), grouping), axes


def shown(axes):
    """Return colour and marker by place of each point."""
    found = {}
    for collection in axes.collections:
        faces = collection.get_facecolors()
        for number, place in enumerate(collection.get_offsets()):
            found[tuple(np.asarray(place).tolist())] = to_hex(faces[number % len(faces)])
    return found


def test_every_sample_is_where_it_belongs_in_the_colour_of_its_group():
    _, axes = cloud([[0, 0], [1, 0], [2, 5], [3, 1]], [7, 4, 7, 4], {7: 0, 4: 3})
    assert shown(axes) == {(0, 0): COLOURS[0], (2, 5): COLOURS[0], (1, 0): COLOURS[3], (3, 1): COLOURS[3]}
    assert {text.get_text() for text in axes.texts} == {"m7", "m4"}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["name 7", "name 4"]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title(loc="left")) == ("a", "b", "by true class")


def test_the_eleventh_group_has_a_marker_of_its_own():
    _, axes = cloud([[0, 0], [1, 0]], [0, 10], {0: 0, 10: 10})
    drawn = [collection for collection in axes.collections if len(collection.get_offsets())]
    assert [to_hex(collection.get_facecolors()[0]) for collection in drawn] == [COLOURS[0], COLOURS[0]]
    paths = [collection.get_paths()[0].vertices for collection in drawn]
    assert paths[0].shape != paths[1].shape or not np.allclose(*paths)


def test_without_groups_all_look_the_same():
    _, axes = cloud([[0, 0], [1, 0]])
    assert set(shown(axes).values()) == {NO_COLOUR}
    assert axes.get_legend() is None


def test_points_and_groups_may_move():
    moving, axes = cloud([[0, 0], [1, 0], [2, 5]], [0, 0, 1], {0: 0, 1: 1})
    moving.show(np.array([[0.0, 9.0], [1.0, 9.0], [2.0, 9.0]]), np.array([1, 0, 0]), {0: (1.5, 9.0)})
    assert shown(axes) == {(0, 9): COLOURS[1], (1, 9): COLOURS[0], (2, 9): COLOURS[0]}
    visible = {text.get_text(): text.get_position() for text in axes.texts if text.get_visible()}
    assert visible == {"m0": (1.5, 9.0)}


def test_all_points_are_in_the_picture_in_equal_scales():
    _, axes = cloud([[-3, 0], [5, 1], [0, 2]])
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    assert (left < -3, right > 5, low < 0, high > 2) == (True,) * 4
    assert np.isclose(right - left, high - low)


def test_more_groups_than_a_legend_can_hold_have_marks_alone():
    values = list(range(40))
    _, axes = cloud([[value, value % 7] for value in values], values, {value: value for value in values})
    assert axes.get_legend() is None
    assert len(axes.texts) == 40


def test_the_densest_place_is_one_of_the_points():
    crowd = [[0.0, 0.0], [0.1, 0.0], [0.0, 0.1], [9.0, 9.0], [5.0, 5.0]]
    assert densest(np.array(crowd), 0.5) in {(0.0, 0.0), (0.1, 0.0), (0.0, 0.1)}
    ring = np.array([[-1.0, 0], [1, 0], [0, 1], [0, -1], [0.1, 0]])
    assert densest(ring, 100) == (0.1, 0)  # all are as dense: the one nearest to the mean


def test_marks_do_not_stand_upon_each_other():
    points = np.random.default_rng(0).normal(size=(300, 2))
    places = np.array(list(mark_places(points, np.arange(300) % 6).values()))
    distances = np.linalg.norm(places[:, None] - places[None], axis=2) + np.eye(6) * 9
    assert distances.min() > 0.04 * np.ptp(points, axis=0).max()
    far = np.array([[0.0, 0.0], [5.0, 5.0]])
    assert np.allclose(apart(far, (1.0, 1.0)), far, atol=1e-5)
    same = apart(np.zeros((3, 2)), (1.0, 1.0))
    assert np.linalg.norm(same[0] - same[1]) > 0.9
