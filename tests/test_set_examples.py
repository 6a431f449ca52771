from dataclasses import replace

import pytest
import torch

from tests.set_samples import example_of, features, images, points


def test_classes_and_counts():
    example = points()
    assert len(example) == 4
    assert example.class_labels == [2, 4, 7]
    assert example.class_numbers.tolist() == [2, 0, 2, 1]
    assert example.class_numbers.dtype == torch.int64
    assert (example.true_count, example.predicted_count) == (3, 3)
    assert example.probability(2) == pytest.approx(0.2)


def test_the_smallest_of_the_most_probable_counts_is_predicted():
    assert replace(points(), count_probs=torch.tensor([0.1, 0.4, 0.4, 0.1])).predicted_count == 2


def test_counts_need_not_start_at_one():
    example = points()
    shorter = replace(
        example, counts=(3, 4), count_probs=example.count_probs[2:], cluster_probs=example.cluster_probs[2:]
    )
    assert shorter.predicted_count == 3
    assert torch.equal(shorter.clusters(4), example.clusters(4))


def test_clusters_are_the_most_probable_ones():
    example = points()
    assert example.clusters(1).tolist() == [0, 0, 0, 0]
    assert example.clusters(2).tolist() == [0, 0, 0, 1]
    assert example.clusters(3).tolist() == [2, 0, 2, 1]
    assert example.clusters(3).dtype == torch.int64
    assert [example.num_empty(count) for count in example.counts] == [0, 0, 0, 1]
    assert example.soft_clusters(4).shape == (4, 4)


@pytest.mark.parametrize("ask", ["clusters", "num_empty", "probability", "soft_clusters"])
def test_other_counts_are_refused(ask):
    with pytest.raises(ValueError, match="not in tuple"):
        getattr(points(), ask)(5)


def test_what_the_objects_are():
    assert (points().is_points, points().is_images) == (True, False)
    assert (images().is_points, images().is_images) == (False, True)
    assert images(channels=1).is_images
    assert not images(channels=2).is_images
    assert not example_of(torch.zeros(2, 3, 1, 5), [0, 1]).is_images
    assert (features().is_points, features().is_images) == (False, False)


def test_names_of_classes():
    named = images(class_names=("cat", "dog"))
    assert [named.class_name(label) for label in (0, 1, 2, -1)] == ["cat", "dog", "2", "-1"]
    assert points().class_name(7) == "7"
