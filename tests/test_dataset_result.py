import csv
import json

import numpy as np
import pytest
import torch

from recombine import dataset_result as module
from recombine.callbacks.base import Scored
from recombine.dataset_folders import dataset_folders
from recombine.dataset_result import dataset_result, read_dataset_result
from recombine.errors import UsageError
from recombine.evaluate import Evaluation
from recombine.label_free import LabelFree
from recombine.load import load_dict
from recombine.metrics import Agreement, Scores
from recombine.selection import Evaluated, select
from tests.methods import small

FREE = LabelFree(0.25, 1.5, 30.0, 0.9, 2, 0.6, 3, "output of encoder")
HISTORY = [Evaluated("training", 4, Scores(0.5, 0.25, 0.125), FREE), Evaluated("", 6, Scores(1.0, 1.0, 1.0), None)]


def scored(name="few", labels=(5, 5, 7), assigned=True, **more):
    """Return the final word on a dataset of three samples."""
    (dataset,) = load_dict(small({"/datasets/0/name": name})).require().datasets
    clusters, confidence = torch.tensor([1, 1, 0]), torch.tensor([0.5, 1.0, 1 / 3])
    evaluation = Evaluation(clusters, confidence, None, {}, FREE) if assigned else None
    return Scored(dataset, 3, evaluation, torch.tensor(labels) if labels is not None else None, ("why",), **more)


def table(path):
    """Return the rows of a CSV file."""
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_assignments_are_a_table_with_labels_where_there_are_some(tmp_path):
    result = dataset_result(scored(), tmp_path / "few")
    assert result.assignments_file == tmp_path / "few" / "assignments.csv"
    assert table(result.assignments_file) == [
        ["index", "cluster", "confidence", "label"],
        ["0", "1", "0.5", "5"],
        ["1", "1", "1", "5"],
        ["2", "0", "0.333333", "7"],
    ]
    unlabelled = dataset_result(scored("b", None), tmp_path / "b")
    assert table(unlabelled.assignments_file)[:2] == [["index", "cluster", "confidence"], ["0", "1", "0.5"]]
    assert (unlabelled.scores, unlabelled.confusion_file, unlabelled.label_free) == (None, None, FREE)
    assert list((tmp_path / "b").iterdir()) == [unlabelled.assignments_file]
    assert result.clusters.tolist() == [1, 1, 0]
    assert result.confidence.tolist() == pytest.approx([0.5, 1, 1 / 3])


def test_blocks_of_rows_make_one_table(tmp_path, monkeypatch):
    whole = dataset_result(scored(), tmp_path).assignments_file.read_text()
    monkeypatch.setattr(module, "_ROWS", 2)
    assert dataset_result(scored(), tmp_path).assignments_file.read_text() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["assignments.csv", "confusion.csv"]


def test_without_assignments_there_are_no_tables(tmp_path):
    result = dataset_result(scored(assigned=False), tmp_path)
    assert (result.assignments_file, result.clusters, result.confidence, result.scores) == (None, None, None, None)
    assert list(tmp_path.iterdir()) == []
    assert {key: value for key, value in result.summary().items() if value is not None} == {
        "num_samples": 3,
        "num_clusters": 4,
        "oracle": ["why"],
        "num_evaluations": 0,
    }


def test_the_confusion_matrix_has_matched_pairs_on_its_diagonal(tmp_path):
    result = dataset_result(scored(), tmp_path)
    assert result.confusion_file == tmp_path / "confusion.csv"
    assert table(result.confusion_file) == [["class", "1", "0"], ["5", "2", "0"], ["7", "0", "1"]]


def test_classes_have_names_where_the_dataset_has_them(tmp_path):
    result = dataset_result(scored(labels=(1, 1, 2), class_names=("cat", "dog, hot")), tmp_path)
    assert [row[0] for row in table(result.confusion_file)] == ["class", "dog, hot", "2"]


@pytest.mark.parametrize(
    ("names", "folders"),
    [
        (["a/b", "a_b", "a b"], ["a_b", "a_b_2", "a_b_3"]),
        (["a_2", "a", "a/"], ["a_2", "a", "a_3"]),
        (["Digits", "digits"], ["Digits", "digits_2"]),
        (["checkpoints"], ["checkpoints_2"]),
        (["../x", "聚", "类"], ["x", "unnamed", "unnamed_2"]),
        (["result.json", "run.log"], ["result.json_2", "run.log_2"]),
    ],
)
def test_every_dataset_has_a_folder_of_its_own_whatever_is_there(names, folders):
    assert dataset_folders(names) == dict(zip(names, folders, strict=True))
    assert dataset_folders(names) == dataset_folders(list(names))


def test_the_summary_says_everything(tmp_path):
    result = dataset_result(scored(selection=select(HISTORY)), tmp_path / "few")
    summary = result.summary()
    ones = ("acc", "nmi", "ari", "ami", "homogeneity", "completeness", "v_measure", "fowlkes_mallows", "purity")
    numbers = {"num_used_clusters": 2, "num_classes": 2}
    assert summary.pop("scores") == {name: pytest.approx(1) for name in ones} | numbers
    assert summary == {
        "num_samples": 3,
        "num_clusters": 4,
        "scored_on": "all samples, evaluation mode, plain view",
        "oracle": ["why"],
        "assignments": "few/assignments.csv",
        "confusion": "few/confusion.csv",
        "label_free": {
            "silhouette": 0.25,
            "davies_bouldin": 1.5,
            "calinski_harabasz": 30.0,
            "assignment_entropy": 0.9,
            "num_used_clusters": 2,
            "mean_confidence": 0.6,
            "sample_size": 3,
            "space": "output of encoder",
        },
        "chosen": {
            "by": "silhouette",
            "value": 0.25,
            "phase": "training",
            "iteration": 4,
            "scores": {"acc": 0.5, "nmi": 0.25, "ari": 0.125},
        },
        "best": {name: {"value": 1.0, "phase": "", "iteration": 6} for name in ("acc", "nmi", "ari")},
        "num_evaluations": 2,
    }


@pytest.mark.parametrize("changes", [{}, {"labels": None}, {"assigned": False}, {"selection": select(HISTORY)}])
def test_a_result_is_read_as_it_was_written(tmp_path, changes):
    written = dataset_result(scored(**changes), tmp_path / "few")
    read = read_dataset_result(tmp_path, "few", json.loads(json.dumps(written.summary())))
    assert read.summary() == written.summary()
    assert (read.name, read.scores, read.selection) == (written.name, written.scores, written.selection)
    assert (read.assignments_file, read.confusion_file) == (written.assignments_file, written.confusion_file)
    if written.clusters is None:
        assert (read.clusters, read.confidence) == (None, None)
    else:
        assert (read.clusters.dtype, read.confidence.dtype) == (np.int64, np.float32)
        assert read.clusters.tolist() == written.clusters.tolist()
        assert read.confidence.tolist() == pytest.approx(written.confidence.tolist(), rel=1e-5)


def test_a_dataset_of_one_sample_is_read(tmp_path):
    evaluation = Evaluation(torch.tensor([3]), torch.tensor([0.25]), None)
    (dataset,) = load_dict(small()).require().datasets
    written = dataset_result(Scored(dataset, 1, evaluation, torch.tensor([4]), ()), tmp_path / "one")
    read = read_dataset_result(tmp_path, "one", written.summary())
    assert (read.clusters.tolist(), read.confidence.tolist()) == ([3], [0.25])


def test_results_of_earlier_versions_are_read(tmp_path):
    written = dataset_result(scored(), tmp_path / "few").summary()
    known = ("num_samples", "num_clusters", "oracle", "assignments")
    older = {key: written[key] for key in known} | {"scores": {"acc": 1.0, "nmi": 0.5, "ari": 0.25}}
    read = read_dataset_result(tmp_path, "few", older)
    assert read.scores == Scores(1.0, 0.5, 0.25)
    assert not isinstance(read.scores, Agreement)
    assert (read.label_free, read.selection, read.confusion_file) == (None, None, None)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "not found"),
        ("index,cluster,confidence\n0,1,0.5\n", "it has 1 rows for 3 samples"),
        ("index,cluster,confidence\n", "it has 0 rows for 3 samples"),
        ("index,cluster,confidence\n0,1,0.5\n1,x,1\n2,0,1\n", "'x'"),
    ],
)
def test_a_table_that_is_not_whole_is_named(tmp_path, content, reason):
    result = dataset_result(scored(), tmp_path / "few")
    result.assignments_file.unlink()
    if content is not None:
        result.assignments_file.write_text(content)
    with pytest.raises(UsageError) as caught:
        read_dataset_result(tmp_path, "few", result.summary())
    assert str(caught.value).startswith(f"{result.assignments_file} cannot be read: ")
    assert str(caught.value).endswith(". Run the method again with --fresh")
    assert reason in str(caught.value)
