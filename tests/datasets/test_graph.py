"""Graphs from lists of edges."""

import numpy as np
import pytest
import torch

from recombine.datasets.base import NotThereError
from recombine.datasets.graph import Graph
from recombine.errors import DataError

TRIANGLES = "0,1\n1,2\n0,2\n3,4\n4,5\n3,5\n2,3\n"


def written(folder, text=TRIANGLES, name="edges.csv"):
    """Write a file and return its path."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_two_triangles(tmp_path):
    written(tmp_path, "a\na\na\nb\nb\nb\n", "labels.txt")
    source = Graph(written(tmp_path, "# two triangles\n" + TRIANGLES), labels="labels.txt")
    samples = source.decode()
    assert (len(source), source.sample_shape()) == (6, (6,))
    assert torch.equal(samples.tensor(), torch.eye(6))
    assert samples.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert samples.class_names == ("a", "b")
    weights = samples.graph.within(torch.arange(6))
    assert torch.equal(weights, weights.T)
    assert weights.sum(1).tolist() == [2, 2, 3, 3, 2, 2]


def test_weights_features_and_edges_both_ways(tmp_path):
    features = np.arange(8, dtype=np.float64).reshape(4, 2)
    np.save(tmp_path / "features.npy", features)
    np.save(tmp_path / "labels.npy", np.array([2, 0, 1, 1]))
    source = Graph(written(tmp_path, "0,1,0.5\n1,0,0.5\n2, 1, 3\n"), features="features.npy", labels="labels.npy")
    samples = source.decode()
    assert torch.equal(samples.tensor(), torch.from_numpy(features).float())
    assert samples.labels.tolist() == [2, 0, 1, 1]
    expected = torch.zeros(4, 4)
    expected[0, 1] = expected[1, 0] = 0.5
    expected[1, 2] = expected[2, 1] = 3
    assert torch.equal(samples.graph.within(torch.arange(4)), expected)


def test_a_part_keeps_the_edges_within_it_and_has_a_digest_of_its_own(tmp_path):
    samples = Graph(written(tmp_path)).decode()
    part = samples.subset(2, 5)
    assert torch.equal(part.graph.within(torch.arange(4)), samples.graph.within(torch.arange(2, 6)))
    others = Graph(written(tmp_path, TRIANGLES.replace("2,3", "2,4"), "others.csv")).decode()
    assert samples.digest != others.digest


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no edge"),
        ("# none\n\n", "holds no edge"),
        ("0,1\n1;2\n", r'edges.csv:2: "source,target" or "source,target,weight" is expected, not "1;2"'),
        ("0,1\n1\n", "edges.csv:2: "),
        ("0,1,2,3\n", "edges.csv:1: "),
        ("0,-1\n", "edges.csv:1: "),
        ("0,1.5\n", "edges.csv:1: "),
        ("0,nan\n", "edges.csv:1: "),
        ("1,1\n", "an edge joins two nodes"),
        ("0,1,0\n", "with a weight above 0, unlike 0,1,0"),
        ("0,1,-2\n", "with a weight above 0"),
        ("0,1,inf\n", "with a weight above 0"),
        ("0,1,1\n1,0,2\n", "the edge between 0 and 1 stands there with different weights"),
        ("0,9000\n", 'without "features", a graph has at most 8,192 nodes, here 9,001'),
    ],
)
def test_what_is_no_list_of_edges_is_told(tmp_path, text, problem):
    with pytest.raises(DataError, match=problem):
        Graph(written(tmp_path, text)).decode()


def test_features_and_labels_must_fit(tmp_path):
    np.save(tmp_path / "few.npy", np.zeros((5, 2)))
    np.save(tmp_path / "flat.npy", np.zeros(6))
    np.save(tmp_path / "nan.npy", np.full((6, 2), np.nan))
    path = written(tmp_path)
    for name, problem in (("few", "at least 6 samples"), ("flat", "at least 6 samples"), ("nan", "not finite")):
        with pytest.raises(DataError, match=problem):
            Graph(path, features=f"{name}.npy").decode()
    written(tmp_path, "0\n1\n", "labels.txt")
    with pytest.raises(DataError, match="instead of 6 labels, integers or words"):
        Graph(path, labels="labels.txt").decode()
    path.write_bytes(b"\xff\xfe0,1\n")
    with pytest.raises(DataError, match="cannot be read"):
        Graph(path).decode()


def test_absent_files_are_told(tmp_path):
    with pytest.raises(NotThereError, match="no such file"):
        Graph(tmp_path / "nowhere.csv")
    with pytest.raises(NotThereError, match=r"no file .*features\.npy"):
        Graph(written(tmp_path), features="features.npy")
