"""Sets of points as a dataset."""

from pathlib import Path

import pytest
import torch

from recombine import point_sets
from recombine.datasets.base import open_dataset
from recombine.datasets.pointsets import PointGenerator, PointSets
from recombine.errors import DataError

NUMBERS = torch.tensor([1, 5, 3, 2])


def draws(seed=0):
    """Return a generator."""
    return torch.Generator().manual_seed(seed)


def test_a_dataset_of_no_samples_but_one_to_show():
    source = PointSets()
    samples = source.decode()
    assert (len(source), len(samples), source.sample_shape()) == (1, 1, (2,))
    assert samples.tensor().tolist() == [[0.5, 0.5]]
    assert samples.kind == "other"
    assert samples.labels is None
    assert samples.class_names is None


@pytest.mark.parametrize(
    ("arguments", "make", "sigma"),
    [
        ({}, point_sets.shapes, 0.05),
        ({"kind": "shapes", "sigma": 0.1}, point_sets.shapes, 0.1),
        ({"kind": "blobs"}, point_sets.blobs, 0.025),
        ({"kind": "blobs", "sigma": 1}, point_sets.blobs, 1),
    ],
)
def test_a_method_file_names_it(arguments, make, sigma):
    source = open_dataset("PointSets", arguments, Path())
    assert isinstance(source, PointSets)
    points, clusters = source.decode().set_generator.draw(NUMBERS, 30, draws())
    expected = make(NUMBERS, 30, draws(), sigma)
    assert torch.equal(points, expected.points)
    assert torch.equal(clusters, expected.clusters)
    assert points.shape == (4, 30, 2)


def test_what_it_makes_is_part_of_its_digest():
    digests = {
        PointSets(*arguments).decode().digest
        for arguments in (("shapes",), ("blobs",), ("shapes", 0.1), ("blobs", 0.1))
    }
    assert len(digests) == 4
    assert PointSets().decode().digest == PointSets("shapes", 0.05).decode().digest
    assert PointSets().decode().digest in digests


def test_generators_are_the_same_by_what_they_make():
    assert PointGenerator("shapes", 0.05) == PointSets().decode().set_generator
    assert repr(PointGenerator("blobs", 0.1)) == "PointGenerator(kind='blobs', sigma=0.1)"


@pytest.mark.parametrize("kind", ["rings", "", 3, None, ["shapes"]])
def test_other_kinds_are_refused(kind):
    with pytest.raises(DataError, match='the kind of the dataset "PointSets" is "shapes" or "blobs", not "'):
        PointSets(kind)


@pytest.mark.parametrize("sigma", [0, -0.1, float("inf"), float("nan"), "0.1", [0.1], True])
def test_a_sigma_is_a_number_above_zero(sigma):
    with pytest.raises(DataError, match='the sigma of the dataset "PointSets" is a number above 0, not '):
        PointSets(sigma=sigma)
    with pytest.raises(DataError, match='the sigma of the dataset "PointSets" is a number above 0'):
        open_dataset("PointSets", {"sigma": sigma}, Path())
