import csv
import json
from datetime import datetime

import pytest
import torch

from recombine import results
from recombine.callbacks.base import Scored
from recombine.errors import UsageError
from recombine.evaluate import Evaluation
from recombine.load import load_dict
from recombine.metrics import Scores
from recombine.results import Result, config_hash, dataset_result, new_folder, write_environment, write_result
from tests.methods import small

NOW = datetime(2026, 1, 2, 3, 4, 5)
SCORES = Scores(acc=2 / 3, nmi=0.5, ari=0.25)


def config(**changes):
    """Return the configuration of the small method, its dataset changed."""
    return load_dict(small({f"/datasets/0/{key}": value for key, value in changes.items()})).require()


def scored(name="few", labels=(5, 5, 7), scores=SCORES, assigned=True):
    """Return the final word on a dataset of three samples."""
    (dataset,) = config(name=name).datasets
    evaluation = Evaluation(torch.tensor([1, 1, 0]), torch.tensor([0.5, 1.0, 1 / 3]), scores) if assigned else None
    return Scored(dataset, 3, evaluation, torch.tensor(labels) if labels is not None else None, ("why",))


def table(path):
    """Return the rows of a CSV file."""
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_assignments_are_a_table_with_labels_where_there_are_some(tmp_path):
    result = dataset_result(scored(), tmp_path)
    assert result.assignments_file == tmp_path / "few" / "assignments.csv"
    assert table(result.assignments_file) == [
        ["index", "cluster", "confidence", "label"],
        ["0", "1", "0.5", "5"],
        ["1", "1", "1", "5"],
        ["2", "0", "0.333333", "7"],
    ]
    unlabelled = dataset_result(scored("b", None, None), tmp_path)
    assert table(unlabelled.assignments_file)[:2] == [["index", "cluster", "confidence"], ["0", "1", "0.5"]]
    assert result.clusters.tolist() == [1, 1, 0]
    assert result.confidence.tolist() == pytest.approx([0.5, 1, 1 / 3])


def test_blocks_of_rows_make_one_table(tmp_path, monkeypatch):
    whole = dataset_result(scored(), tmp_path).assignments_file.read_text()
    monkeypatch.setattr(results, "_ROWS", 2)
    assert dataset_result(scored(), tmp_path).assignments_file.read_text() == whole
    assert list((tmp_path / "few_2").iterdir()) == [tmp_path / "few_2" / "assignments.csv"]


def test_without_assignments_there_is_no_table(tmp_path):
    result = dataset_result(scored(assigned=False), tmp_path)
    assert (result.assignments_file, result.clusters, result.confidence, result.scores) == (None, None, None, None)
    assert list(tmp_path.iterdir()) == []
    assert result.summary()["scores"] is None


@pytest.mark.parametrize(
    ("names", "folders"),
    [
        (["a/b", "a_b", "a b"], ["a_b", "a_b_2", "a_b_3"]),
        (["checkpoints"], ["checkpoints_"]),
        (["../x", "聚", "类"], ["x", "unnamed", "unnamed_2"]),
        (["result.json"], ["result.json_2"]),
    ],
)
def test_every_dataset_gets_a_folder_of_its_own_within_the_run_s(tmp_path, names, folders):
    (tmp_path / "result.json").write_text("")
    files = [dataset_result(scored(name), tmp_path).assignments_file for name in names]
    assert files == [tmp_path / folder / "assignments.csv" for folder in folders]
    assert all(file.is_file() for file in files)


def test_a_run_gets_a_new_folder_named_after_time_and_method(tmp_path):
    names = [new_folder(tmp_path / "logs", "a/b\n", NOW).name for _ in range(3)]
    assert names == ["2026-01-02_03-04-05_a_b", "2026-01-02_03-04-05_a_b_2", "2026-01-02_03-04-05_a_b_3"]
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == names


def test_a_log_folder_that_cannot_be_written_to_is_the_user_s_mistake(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError) as caught:
        new_folder(tmp_path / "file" / "logs", "m", NOW)
    assert str(caught.value) == (
        f"the log folder {tmp_path}/file/logs cannot be written to: a part of its path is a file. "
        "Name another with --log-dir"
    )


def test_the_result_file_says_everything(tmp_path):
    folder = new_folder(tmp_path, "m", NOW)
    datasets = {"few": dataset_result(scored(), folder), "none": dataset_result(scored("none", assigned=False), folder)}
    result = Result("m", "m.json", 3, "finished", folder, datasets, 1.5)
    write_result(result, config())
    content = json.loads((folder / "result.json").read_text())
    packages = content.pop("packages")
    assert set(packages) == {"recombine", "torch", "torchvision", "numpy", "scikit-learn", "scipy", "jsonschema"}
    assert packages["torch"] == torch.__version__
    assert content == {
        "method": "m",
        "source": "m.json",
        "status": "finished",
        "error": None,
        "seed": 3,
        "seconds": 1.5,
        "config_hash": config_hash(config()),
        "datasets": {
            "few": {
                "num_samples": 3,
                "num_clusters": 4,
                "scores": {"acc": 2 / 3, "nmi": 0.5, "ari": 0.25},
                "scored_on": "all samples, evaluation mode, plain view",
                "oracle": ["why"],
                "assignments": "few/assignments.csv",
            },
            "none": {
                "num_samples": 3,
                "num_clusters": 4,
                "scores": None,
                "scored_on": None,
                "oracle": ["why"],
                "assignments": None,
            },
        },
    }


def test_the_environment_names_what_bits_depend_on(tmp_path):
    write_environment(tmp_path, "cpu (1 threads)")
    content = json.loads((tmp_path / "environment.json").read_text())
    assert set(content) == {"python", "platform", "packages", "device", "threads", "processors", "command"}
    assert (content["device"], content["threads"]) == ("cpu (1 threads)", torch.get_num_threads())
