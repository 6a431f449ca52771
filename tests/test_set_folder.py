"""What a run leaves behind of sets."""

import csv
import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

import recombine
from recombine.errors import UsageError
from recombine.evaluate import evaluate
from recombine.set_folder import KeptSets, write_sets
from recombine.set_hierarchy import Hierarchy
from recombine.set_metrics import SetScores
from recombine.set_report import CHOSEN
from tests.set_methods import BY_CLASSIFIER, built, of_digits, of_points

KEPT = "for_pictures.npz"
UNCERTAIN = {"/cluster_assignment_strategy/count_uncertainty_passes": 3}


@pytest.fixture(scope="module")
def report():
    """Return a report on sets of digits."""
    return evaluate(*built(of_digits(UNCERTAIN))).sets


@pytest.fixture(scope="module")
def written(report, tmp_path_factory):
    """Return the folder of that report."""
    folder = tmp_path_factory.mktemp("sets") / "new"
    write_sets(report, folder, "Digits & more")
    return folder


def rows(path, separator=";"):
    """Return the cells of a table."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter=separator))


def test_the_files(written):
    tables = {f"prediction_{k:04}.csv" for k in (1, 2, 3)}
    tables |= {"input.csv", "cluster_probabilities.csv", "cluster_probabilities2.csv"}
    expected = {f"examples/{number}/{name}" for number in ("000", "001") for name in tables}
    expected |= {"scores.csv", "metric_stats.csv", "counts.csv", "count_uncertainty.csv", "index.html", KEPT}
    expected |= {f"hierarchy_{metric}.csv" for metric in ("cosine", "euclidean")}
    assert {str(path.relative_to(written)) for path in written.rglob("*") if path.is_file()} == expected


def test_scores_have_six_digits(report, written):
    header, *table = rows(written / "scores.csv")
    assert header == ["clustering", "metric", "mean", "standard_deviation"]
    wanted = [
        [name, metric, f"{found.mean:.6g}", f"{found.std:.6g}"]
        for name, row in report.table.items()
        for metric, found in row.items()
    ]
    assert table == wanted
    assert len(wanted) == 10 * len(fields(SetScores))
    header, *stats = rows(written / "metric_stats.csv")
    assert header == ["metric", "average", "standard_deviation"]
    assert stats == [row[1:] for row in wanted if row[0] == CHOSEN]


def test_counts_are_a_table(report, written):
    header, *table = rows(written / "counts.csv")
    told = [int(name.removeprefix("told_")) for name in header[1:]]
    assert header[0] == "true_count"
    assert told == list(range(told[0], told[-1] + 1))
    assert {int(row[0]): dict(zip(told, map(int, row[1:]), strict=True)) for row in table} == report.counts
    assert sum(int(cell) for row in table for cell in row[1:]) == report.num_sets


def test_uncertainty_is_a_row_for_each_number(report, written):
    header, *table = rows(written / "count_uncertainty.csv")
    assert header == ["set", "true_count", "answer", "cluster_count", "probability"]
    assert len(table) == 5 * 3
    found = report.uncertainty[1]
    assert table[3:6] == [
        ["1", str(found.true_count), str(found.answer), str(k), f"{p:.6g}"]
        for k, p in zip(found.counts, found.probabilities, strict=True)
    ]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_hierarchies_have_a_row_for_each_threshold(report, written, metric):
    header, *table = rows(written / f"hierarchy_{metric}.csv")
    tree = report.hierarchies.by_metric[metric]
    assert header == ["thresholds", "num_clusters", "misclassification_rate", "homogeneity", "completeness"]
    assert [[float(row[0]), int(row[1])] for row in table] == [
        [pytest.approx(height, rel=1e-5), count]
        for height, count in zip(tree.thresholds, tree.num_clusters, strict=True)
    ]


def test_the_page_is_of_the_examples(written):
    page = (written / "index.html").read_text(encoding="utf-8")
    assert "Digits &amp; more" in page


def test_what_pictures_need_comes_back(report, written):
    kept = KeptSets(written)
    assert len(kept.examples) == len(report.examples) == 2
    for found, example in zip(kept.examples, report.examples, strict=True):
        for name in ("number", "counts", "class_names"):
            assert getattr(found, name) == getattr(example, name)
        for name in ("index", "values", "classes", "count_probs"):
            own, other = getattr(found, name), getattr(example, name)
            assert torch.equal(own, other)
            assert own.dtype == other.dtype
        assert all(map(torch.equal, found.cluster_probs, example.cluster_probs))
    assert len(kept.uncertainty) == 5
    for found, uncertain in zip(kept.uncertainty, report.uncertainty, strict=True):
        assert (found.counts, found.true_count) == (uncertain.counts, uncertain.true_count)
        assert np.array_equal(found.passes, uncertain.passes)
    assert np.array_equal(kept.hierarchies.classes, report.hierarchies.classes)
    for metric, tree in report.hierarchies.by_metric.items():
        for one in fields(Hierarchy):
            assert np.array_equal(getattr(kept.hierarchies.by_metric[metric], one.name), getattr(tree, one.name))


def test_a_report_of_little_comes_back(report, tmp_path):
    little = replace(report, examples=(), scores=(), uncertainty=(), hierarchies=None)
    write_sets(little, tmp_path, "x")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"scores.csv", "metric_stats.csv", "counts.csv", KEPT}
    kept = KeptSets(tmp_path)
    assert (kept.examples, kept.uncertainty, kept.hierarchies) == ([], [], None)


def test_classes_without_names_come_back_without(tmp_path):
    report = evaluate(*built(of_points())).sets
    write_sets(report, tmp_path, "points")
    assert report.examples[0].class_names is None
    assert KeptSets(tmp_path).examples[0].class_names is None


def flipped(data):
    """Return bytes of which one in the middle is another."""
    place = len(data) // 2
    return data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:200], lambda data: data[:-30], flipped, lambda data: b"text" * 99]
)
def test_a_damaged_file_says_what_to_do(written, tmp_path, damage):
    (tmp_path / KEPT).write_bytes(damage((written / KEPT).read_bytes()))
    with pytest.raises(UsageError) as caught:
        KeptSets(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / KEPT} cannot be read: ")
    assert str(caught.value).endswith(". Run the method again with --fresh")


def test_a_file_of_something_else_says_what_to_do(tmp_path):
    np.savez(tmp_path / KEPT, num_examples=np.array(1))
    with pytest.raises(UsageError, match="Run the method again with --fresh"):
        KeptSets(tmp_path)


def test_nothing_at_all_is_another_matter(tmp_path):
    with pytest.raises(FileNotFoundError):
        KeptSets(tmp_path)


# --- in the folder of a run ---------------------------------------------------------------------------------------


def run_of(folder, method):
    """Run a method; return its result, its folder, and the last line about a dataset."""
    result = recombine.run(method, log_dir=folder)
    (line,) = [line for line in (result.folder / "run.log").read_text().splitlines() if "Final performance" in line]
    return result, result.folder, line


def test_the_result_of_a_run(tmp_path):
    result, folder, line = run_of(tmp_path, of_digits())
    said = json.loads((folder / "result.json").read_text())["datasets"]["Digits"]
    found = result.datasets["Digits"]
    assert said["sets"] == found.sets
    assert said["sets"]["num_sets"] == 7
    assert said["scored_on"] == "7 sets of classes for test, one by one, evaluation mode, plain view"
    assert (said["confusion"], said["label_free"], found.confusion_file) == (None, None, None)
    assert not (folder / "Digits" / "confusion.csv").exists()
    rate = said["sets"]["scores"][CHOSEN]["misclassification_rate"]["mean"]
    assert said["scores"]["acc"] == pytest.approx(1 - rate)
    assert f"ACC {1 - rate:.3f}, " in line
    stats = dict(row[:2] for row in rows(folder / "Digits" / "sets" / "metric_stats.csv")[1:])
    assert float(stats["misclassification_rate"]) == pytest.approx(rate, abs=1e-5)
    assert said["oracle"] == [
        f'the pattern "{name}" of phase "training" is supervised' for name in ("cluster_count", "pairwise_clustering")
    ]


def test_assignments_name_the_set_and_the_place_in_the_dataset(tmp_path):
    _, data = built(of_digits())
    result, folder, _ = run_of(tmp_path, of_digits())
    header, *table = rows(folder / "Digits" / "assignments.csv", ",")
    assert header == ["index", "cluster", "confidence", "label", "set", "dataset_index"]
    columns = dict(zip(header, zip(*table, strict=True), strict=True))
    assert [int(cell) for cell in columns["index"]] == list(range(42))
    assert [int(cell) for cell in columns["set"]] == [number // 6 for number in range(42)]
    assert [int(cell) for cell in columns["dataset_index"]] == data.evaluated_index.tolist()
    assert [int(cell) for cell in columns["label"]] == data.labels.tolist()
    assert [int(cell) for cell in columns["cluster"]] == result.datasets["Digits"].clusters.tolist()


def test_a_classifier_leaves_tables_and_no_examples(tmp_path):
    _, folder, line = run_of(tmp_path, of_digits(BY_CLASSIFIER))
    names = {path.name for path in (folder / "Digits" / "sets").iterdir()}
    assert names == {"scores.csv", "metric_stats.csv", "counts.csv", KEPT}
    said = json.loads((folder / "result.json").read_text())["datasets"]["Digits"]
    assert said["oracle"] == []
    assert f"ACC {1 - said['sets']['scores'][CHOSEN]['misclassification_rate']['mean']:.3f}, " in line


def test_a_dataset_without_sets_has_no_folder_of_sets(tmp_path):
    plain = of_digits(BY_CLASSIFIER | {"/datasets/0/sets": None})
    _, folder, _ = run_of(tmp_path, plain)
    assert not (folder / "Digits" / "sets").exists()
    assert "sets" not in json.loads((folder / "result.json").read_text())["datasets"]["Digits"]
