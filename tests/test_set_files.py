import csv

import pytest

from recombine.set_files import score_names, write_example, write_metric_stats
from tests.set_samples import features, images, points

SCORES = {2: {"mr": 0.25, "nmi": 0.5}, 3: {"mr": 0.0, "nmi": 1.0, "ari": 2 / 3}}


def rows(path):
    """Return the cells of a file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter=";"))


def test_the_files_of_points(tmp_path):
    files = write_example(points(), SCORES, tmp_path / "new")
    names = ["input.csv", "cluster_probabilities.csv", "cluster_probabilities2.csv"]
    names += [f"prediction_{count:04}.csv" for count in (1, 2, 3, 4)]
    assert [file.name for file in files] == names
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == sorted(names)


def test_objects_and_their_classes_by_place(tmp_path):
    """Two objects that are equal keep their own rows: nothing is looked up by value."""
    write_example(points(), SCORES, tmp_path)
    assert (tmp_path / "input.csv").read_text() == (
        "input_index;cluster_index;class;x;y;dataset_index\n"
        "0;2;7;0.1;0.2;0\n"
        "1;0;2;0.333333;0.5;10\n"
        "2;2;7;0.1;0.2;20\n"
        "3;1;4;1;0;30\n"
    )


def test_probabilities_of_the_counts(tmp_path):
    write_example(points(), SCORES, tmp_path)
    assert rows(tmp_path / "cluster_probabilities.csv") == [
        ["real_cluster_count", "predicted_cluster_count", *(f"probability_{count}" for count in (1, 2, 3, 4))],
        ["3", "3", "0.1", "0.2", "0.6", "0.1"],
    ]


def test_scores_of_each_count(tmp_path):
    write_example(points(), SCORES, tmp_path)
    assert rows(tmp_path / "cluster_probabilities2.csv") == [
        ["cluster_count", "probability", "metric_mr", "metric_nmi", "metric_ari"],
        ["1", "0.1", "", "", ""],
        ["2", "0.2", "0.25", "0.5", ""],
        ["3", "0.6", "0", "1", "0.666667"],
        ["4", "0.1", "", "", ""],
    ]
    assert score_names(SCORES) == ["mr", "nmi", "ari"]


def test_predictions_of_points(tmp_path):
    write_example(points(), {}, tmp_path)
    found = rows(tmp_path / "prediction_0003.csv")
    assert found[0] == ["input_index", "x", "y", "cluster_index", "cluster_probability"] + [
        f"cluster{cluster}_probability" for cluster in range(3)
    ]
    assert found[1] == ["0", "0.1", "0.2", "2", "0.9", "0.05", "0.05", "0.9"]
    assert len(found) == 5
    assert rows(tmp_path / "cluster_probabilities2.csv")[0] == ["cluster_count", "probability"]


@pytest.mark.parametrize("example", [images(), features()])
def test_predictions_of_other_objects_have_all_their_columns(tmp_path, example):
    write_example(example, {}, tmp_path)
    found = rows(tmp_path / "prediction_0002.csv")
    assert found[0] == ["input_index", "cluster_index", "cluster_probability"] + [
        "cluster0_probability",
        "cluster1_probability",
    ]
    assert found[2] == ["1", "1", "0.9", "0.1", "0.9"]
    assert {len(row) for row in found} == {5}
    assert rows(tmp_path / "input.csv")[0] == ["input_index", "cluster_index", "class", "dataset_index"]


def test_names_with_separators_are_one_cell(tmp_path):
    names = ('a; "b"\nc', "dog", "cat")
    write_example(images(class_names=names), {}, tmp_path)
    assert [row[2] for row in rows(tmp_path / "input.csv")[1:]] == [names[label] for label in (0, 1, 0, 2, 1)]


def test_statistics_of_metrics(tmp_path):
    write_metric_stats(tmp_path / "new" / "metric_stats.csv", {"mr": (0.0123456789, 0.5), "nmi": (1.0, float("nan"))})
    assert (tmp_path / "new" / "metric_stats.csv").read_text() == (
        "metric;average;standard_deviation\nmr;0.0123457;0.5\nnmi;1;nan\n"
    )


def test_a_file_takes_the_place_of_an_older_one(tmp_path):
    write_metric_stats(tmp_path / "stats.csv", {"mr": (1.0, 0.0)})
    write_metric_stats(tmp_path / "stats.csv", {})
    assert (tmp_path / "stats.csv").read_text() == "metric;average;standard_deviation\n"
    assert [file.name for file in tmp_path.iterdir()] == ["stats.csv"]
