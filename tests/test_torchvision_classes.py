import json

import pytest

from recombine import torchvision_classes as classes
from recombine.errors import DataError


def test_table_of_a_version_that_is_unknown_is_inspected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classes, "_read_tables", dict)
    classes._entries.cache_clear()
    assert "RandomAffine" in classes.names("transform")
    classes._entries.cache_clear()


def test_rewriting_keeps_other_versions(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "table.json"
    table.write_text(json.dumps({"0.1.0": {"transform": {}, "dataset": {}}}))
    monkeypatch.setattr(classes, "TABLE_FILE", table)
    rewritten = json.loads(classes.table_text())
    assert rewritten["0.1.0"] == {"transform": {}, "dataset": {}}
    assert rewritten[classes._installed_version()] == classes._live_table()


def test_shipped_table_is_what_the_installed_version_offers() -> None:
    assert classes.TABLE_FILE.read_text(encoding="utf-8") == classes.table_text()


def test_parameters() -> None:
    size = {"name": "size", "required": True, "schema": {"type": ["integer", "array"]}}
    assert classes.parameters("transform", "CenterCrop") == [size]
    (flag,) = [p for p in classes.parameters("dataset", "MNIST") if p["name"] == "train"]
    assert flag["schema"] == {"type": ["boolean", "integer"], "default": True}
    assert [p["name"] for p in classes.parameters("dataset", "MNIST")] == [
        "root",
        "train",
        "transform",
        "target_transform",
        "download",
    ]


def test_keyword_arguments_that_are_passed_on_are_named() -> None:
    known = [p["name"] for p in classes.parameters("dataset", "EMNIST")]
    assert known == ["root", "split", "train", "transform", "target_transform", "download"]


@pytest.mark.parametrize(
    ("kind", "name", "word"),
    [
        ("transform", "Lambda", "code"),
        ("transform", "FiveCrop", "several"),
        ("dataset", "DatasetFolder", "loader"),
        ("dataset", "VisionDataset", "abstract"),
        ("dataset", "FlyingChairs", "several"),
        ("dataset", "os.system", "no dataset"),
    ],
)
def test_refusals(kind, name: str, word: str) -> None:
    assert word in (classes.refusal(kind, name) or "")
    with pytest.raises(DataError, match=word):
        classes.resolve(kind, name)


def test_what_is_allowed_is_not_refused() -> None:
    assert classes.refusal("transform", "RandomAffine") is None
    assert classes.refusal("dataset", "MNIST") is None


def test_arguments_that_are_code() -> None:
    assert 'its "transforms" list' not in (classes.refused_argument("dataset", "loader") or "")
    assert '"transforms" list' in (classes.refused_argument("dataset", "transform") or "")
    assert classes.refused_argument("transform", "transforms") is None
    assert classes.refused_argument("dataset", "root") is None


@pytest.mark.parametrize("name", ["transforms.ToTensor", "_setup_size", "InterpolationMode", "torch", "functional"])
def test_only_public_classes_are_found(name: str) -> None:
    with pytest.raises(DataError):
        classes.resolve("transform", name)


def test_resolve() -> None:
    assert classes.resolve("transform", "ToTensor").__module__ == "torchvision.transforms.transforms"
