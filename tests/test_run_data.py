import json

import numpy as np
import pytest

from recombine.errors import UsageError
from recombine.frames import Moment
from recombine.label_free import sample_positions
from recombine.run_data import MissingError, RunData, phase_ends
from tests.methods import DIVERGING
from tests.pictures import TWO_PHASES, dataset_of, run_of

TABLE = {"dataset": "Table", "root": "table.csv", "batch_size": 4, "num_clusters": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_of(tmp_path_factory.mktemp("run"), TWO_PHASES)


def test_a_finished_run_is_read(folder):
    found = dataset_of(folder)
    rows = [line.split(",") for line in (folder / "Digits" / "assignments.csv").read_text().splitlines()[1:]]
    assert found.clusters.tolist() == [int(row[1]) for row in rows]
    assert found.labels.tolist() == [int(row[3]) for row in rows]
    assert (found.num_samples, found.phases) == (60, ("training", "more"))
    assert found.moments == [Moment(0, 6, True), Moment(1, 4, True)]
    assert found.positions.tolist() == list(range(60))
    assert found.class_names == {label: str(label) for label in range(10)}
    assert [event["event"] for event in found.events][:2] == ["dataset_started", "phase_started"]


def test_the_confusion_table_is_the_file(folder):
    found = dataset_of(folder).confusion
    rows = [line.split(",") for line in (folder / "Digits" / "confusion.csv").read_text().splitlines()]
    assert found.clusters == tuple(int(cell) for cell in rows[0][1:])
    assert found.classes == tuple(row[0] for row in rows[1:])
    assert found.table.tolist() == [[int(cell) for cell in row[1:]] for row in rows[1:]]


def test_the_matching_is_that_of_the_confusion_table(folder):
    found = dataset_of(folder)
    pairs = list(zip(found.confusion.clusters, found.confusion.classes, strict=False))
    assert len(pairs) == 4
    assert found.matching == {cluster: int(name) for cluster, name in pairs}


def test_the_data_is_read_again_and_checked(folder, tmp_path):
    found = dataset_of(folder)
    assert found.data.labels.tolist() == found.labels.tolist()
    description = json.loads((folder / "run.json").read_text())
    description["parts"]["data"]["Digits"]["samples"] = "0" * 64
    copied = tmp_path / "copy"
    copied.mkdir()
    for name in ("config.json", "result.json", "events.jsonl"):
        (copied / name).write_bytes((folder / name).read_bytes())
    (copied / "run.json").write_text(json.dumps(description))
    with pytest.raises(MissingError, match="^the dataset is not what it was when the run started$"):
        _ = dataset_of(copied).data


def test_data_that_is_gone_is_named(tmp_path):
    (tmp_path / "table.csv").write_text("\n".join(f"{i},{i % 3},{i * i % 7}" for i in range(12)))
    place = str(tmp_path / "table.csv")
    changes = {
        "/datasets/0": {**TABLE, "root": place},
        "/mappings/0/layers": [{"type": "Linear", "in_features": 3, "out_features": 3}],
        "/mappings/1/layers": [{"type": "Linear", "in_features": 3, "out_features": 3}],
    }
    run = run_of(tmp_path / "logs", changes)
    assert dataset_of(run, "Table").labels is None
    (tmp_path / "table.csv").rename(tmp_path / "moved.csv")
    with pytest.raises(MissingError, match=r"it needs the dataset: .*was not found complete"):
        _ = dataset_of(run, "Table").data
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "moved.csv").rename(tmp_path / "elsewhere" / "table.csv")
    assert dataset_of(run, "Table", tmp_path / "elsewhere").data.num_samples == 12


def test_without_embeddings_the_sample_is_drawn_and_the_option_named(tmp_path):
    run = run_of(tmp_path, {"/datasets/0/index_of_last_sample_to_use": None})
    for file in (run / "Digits" / "embeddings").iterdir():
        file.unlink()
    found = dataset_of(run)
    assert found.positions.tolist() == sample_positions(1797, 0, "Digits").tolist()
    with pytest.raises(
        MissingError,
        match=r"^the run kept no embeddings: run it again with --fresh, or with --fresh --keep-embeddings N",
    ):
        _ = found.moments


def test_a_failed_run_has_labels_from_its_data(tmp_path):
    run = run_of(tmp_path, DIVERGING)
    data = RunData(run)
    assert (data.record.status, data.datasets["Digits"].clusters) == ("failed", None)
    assert len(np.unique(data.datasets["Digits"].labels)) == 10
    with pytest.raises(MissingError, match="^the run wrote no confusion.csv"):
        _ = data.datasets["Digits"].confusion


def test_a_dataset_whose_turn_did_not_come_says_so(tmp_path):
    first = {"dataset": "Digits", "batch_size": 20, "num_clusters": 4, "index_of_last_sample_to_use": 59}
    changes = {**DIVERGING, "/datasets/1": {**first, "name": "second", "order": 1}, "/datasets/0/order": 0}
    found = dataset_of(run_of(tmp_path, changes), "second")
    with pytest.raises(MissingError, match="^the run did not come to this dataset$"):
        _ = found.num_samples


def test_a_history_that_was_cut_off_in_a_line_is_read_up_to_there(folder, tmp_path):
    found = RunData(folder)
    whole = len(found.events)
    for name in ("config.json", "result.json", "run.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    text = (folder / "events.jsonl").read_text()
    (tmp_path / "events.jsonl").write_text(text[:-20])
    assert len(RunData(tmp_path).events) == whole - 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "nowhere", r"^there is no folder .*nowhere"),
        (lambda folder: folder, r" holds no run: no folder in it has a result\.json or a run\.json$"),
    ],
)
def test_a_folder_that_is_no_run_is_refused(tmp_path, make, message):
    with pytest.raises(UsageError, match=message):
        RunData(make(tmp_path))


def test_a_folder_of_runs_is_told_from_a_run(folder):
    with pytest.raises(UsageError, match=rf"is no run, but holds a run: name one, for example {folder}$"):
        RunData(folder.parent)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("result.json", "{", r"cannot be drawn: .*result\.json: it is not whole JSON"),
        ("config.json", "[]", r"has no config\.json that can be read: it cannot be drawn"),
        ("config.json", '{"name": "x"}', r"the configuration in .* cannot be read by this version"),
        ("Digits/assignments.csv", "index,cluster\n0,x\n", r"assignments\.csv cannot be read"),
        ("Digits/confusion.csv", "class,0\n3,\n", r"confusion\.csv cannot be read"),
        ("Digits/embeddings/01_00000004_end.npz", "", r"01_00000004_end\.npz cannot be read"),
    ],
)
def test_spoiled_files_are_named(folder, tmp_path, name, content, message):
    for file in folder.rglob("*"):
        if file.is_file():
            place = tmp_path / file.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read_bytes())
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=message):
        found = dataset_of(tmp_path)
        _ = (found.positions, found.clusters, found.confusion)


def test_the_last_moment_of_each_phase_counts():
    moments = [Moment(0, 0), Moment(0, 5, True), Moment(1, 0), Moment(1, 2), Moment(3, 4, True)]
    assert phase_ends(moments) == [Moment(0, 5, True), Moment(1, 2), Moment(3, 4, True)]
