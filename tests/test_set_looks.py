import numpy as np
import pytest
import torch

from recombine.set_looks import by_class, by_cluster, group_sizes, pixels, plural, point_limits
from tests.set_samples import example_of, images, points


def test_classes_are_numbered_in_ascending_order():
    looks = by_class(points(class_names=("0", "1", "a lion", "3", "ox"))).looks
    assert [(label, look.number, look.mark, look.name) for label, look in looks.items()] == [
        (2, 0, "2", "2: a lion"),
        (4, 1, "ox", "ox"),
        (7, 2, "7", "7"),
    ]


def test_clusters_look_like_the_classes_that_they_are_matched_with():
    classes, values = [5, 5, 5, 9, 9, 9], torch.zeros(6, 2)
    example = example_of(values, classes)
    example.cluster_probs[3][:] = torch.eye(4)[[2, 2, 0, 1, 1, 1]]
    grouping = by_cluster(example, 4)
    assert {cluster: look.number for cluster, look in grouping.looks.items()} == {2: 0, 1: 1, 0: 2, 3: 3}
    assert list(grouping.looks) == [0, 1, 2, 3]
    assert group_sizes(grouping) == {0: 1, 1: 3, 2: 2, 3: 0}


def test_a_cluster_that_shares_nothing_with_a_class_does_not_look_like_it():
    example = example_of(torch.zeros(3, 2), [0, 0, 1])
    example.cluster_probs[1][:] = torch.eye(2)[[0, 1, 1]]
    assert {cluster: look.number for cluster, look in by_cluster(example, 2).looks.items()} == {0: 0, 1: 1}
    example = example_of(torch.zeros(3, 2), [0, 1, 2])
    example.cluster_probs[1][:] = torch.eye(2)[[0, 0, 0]]
    assert sorted(look.number for look in by_cluster(example, 2).looks.values())[-1] == 3


def test_limits_of_points():
    assert point_limits(torch.tensor([[-0.2, 1.2], [0.5, 0.5]])) == ((-0.2, 1.2), (-0.2, 1.2))
    (left, right), (low, high) = point_limits(torch.tensor([[10.0, 3.0], [12.0, 4.0]]))
    assert (left, right) == pytest.approx((9.9, 12.1))
    assert (low, high) == pytest.approx((2.4, 4.6))
    assert point_limits(torch.tensor([[5.0, 5.0]])) == ((4, 6), (4, 6))


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (0, 255)])
def test_pixels_fill_the_range_and_leave_the_images_alone(low, high):
    values = torch.linspace(low, high, 2 * 3 * 4 * 5).view(2, 3, 4, 5)
    before = values.clone()
    found = pixels(values)
    assert (found.dtype, found.shape) == (np.uint8, (2, 4, 5, 3))
    assert (found.min(), found.max()) == (0, 255)
    assert torch.equal(values, before)
    assert found[0, 0, 0, 2] == round(255 * 40 / 119)


def test_large_images_are_reduced():
    assert pixels(torch.rand(2, 1, 200, 100), 96).shape == (2, 96, 48, 1)
    assert pixels(torch.rand(2, 1, 20, 10), 96).shape == (2, 20, 10, 1)


def test_pixels_of_one_value_and_of_none():
    assert pixels(torch.ones(1, 1, 2, 2)).max() == 0
    broken = images().values.clone()
    broken[0, 0, 0, 0], broken[0, 0, 0, 1] = float("nan"), float("inf")
    assert pixels(broken)[1:].max() == 255


def test_words():
    assert [plural("class", 1), plural("class", 0), plural("cluster", 2)] == ["class", "classes", "clusters"]
