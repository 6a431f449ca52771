from pathlib import Path

import numpy as np
import pytest
import torch

from recombine.batch_requests import BatchOptions
from recombine.data import Data
from recombine.datasets.base import NotThereError
from recombine.datasets.table import Table
from recombine.errors import DataError
from tests.test_mapped import is_mapped, needs_proc


def _csv(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_without_header_and_labels(tmp_path: Path) -> None:
    table = Table(_csv(tmp_path, "1,2\n3,4.5\n\n-1e2, 0\n"))
    samples = table.decode()
    assert samples.tensor().tolist() == [[1, 2], [3, 4.5], [-100, 0]]
    assert samples.tensor().dtype == torch.float32
    assert samples.labels is None
    assert samples.kind == "other"
    assert (len(table), table.sample_shape()) == (3, (2,))


def test_csv_with_words_as_labels(tmp_path: Path) -> None:
    samples = Table(_csv(tmp_path, "x,kind,y\n1,pear,2\n3,apple,4\n5,pear,6\n"), label_column="kind").decode()
    assert samples.tensor().tolist() == [[1, 2], [3, 4], [5, 6]]
    assert samples.labels is not None
    assert samples.labels.tolist() == [1, 0, 1]
    assert samples.class_names == ("apple", "pear")


def test_csv_with_numbers_as_labels_by_index(tmp_path: Path) -> None:
    samples = Table(_csv(tmp_path, "1;2;7\n3;4;0\n"), label_column=-1, delimiter=";").decode()
    assert samples.tensor().tolist() == [[1, 2], [3, 4]]
    assert samples.labels is not None
    assert samples.labels.tolist() == [7, 0]
    assert samples.class_names is None


@pytest.mark.parametrize(
    ("text", "label", "message"),
    [
        ("1,2\n3,four\n", None, r'table.csv:2: "four" is no number'),
        ("a,b\n1,2\n\n3,\n", None, r'table.csv:4: "" is no number'),
        ("1,2\n3\n", None, "table.csv:2: 1 cells, where the rows before have 2"),
        ("a,b\n1,2\n", "c", 'no column is called "c"; the columns: a, b'),
        ("1,2\n3,4\n", 5, "label_column is 5, but there are 2 columns"),
        ("a,b\n", None, "no rows"),
        ("", None, "no rows"),
        ("1,nan\n", None, "feature 1 of sample 0 .* is not finite"),
        ("1,1e300\n", None, "not finite"),
    ],
)
def test_csv_mistakes(tmp_path: Path, text: str, label, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Table(_csv(tmp_path, text), label_column=label).decode()


def test_npy(tmp_path: Path) -> None:
    values = np.arange(6).reshape(3, 2)
    np.save(tmp_path / "x.npy", values)
    assert Table(tmp_path / "x.npy").decode().tensor().tolist() == values.tolist()


def test_npz(tmp_path: Path) -> None:
    values, labels = np.random.default_rng(0).normal(size=(4, 3)), np.array([2, 0, 1, 1])
    np.savez(tmp_path / "x.npz", features=values, y=labels)
    samples = Table(tmp_path / "x.npz", label_key="y").decode()
    np.testing.assert_array_equal(samples.tensor().numpy(), values.astype(np.float32))
    assert samples.labels is not None
    assert samples.labels.tolist() == [2, 0, 1, 1]
    with pytest.raises(DataError, match='"data_key" must say'):
        Table(tmp_path / "x.npz").decode()
    with pytest.raises(DataError, match='no array is called "z"; the arrays: features, y'):
        Table(tmp_path / "x.npz", label_key="y", data_key="z").decode()


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read"):
        Table(tmp_path / "x.npy").decode()


def test_arrays_of_other_shapes(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(4))
    with pytest.raises(DataError, match=r"not float64 of shape \(4,\)"):
        Table(tmp_path / "x.npy").decode()
    np.savez(tmp_path / "x.npz", x=np.zeros((4, 2)), y=np.zeros(3, dtype=int))
    with pytest.raises(DataError, match=r"4 samples, but labels of shape \(3,\)"):
        Table(tmp_path / "x.npz", label_key="y").decode()


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("1")
    (tmp_path / "x.npz").write_text("1")
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"a \.csv, \.npy or \.npz file"):
        Table(tmp_path / "x.txt")
    for name in ("x.npz", "x.csv"):
        with pytest.raises(DataError, match="cannot be read"):
            Table(tmp_path / name).decode()
    with pytest.raises(DataError, match='"label_key" has no meaning for a .csv file'):
        Table(tmp_path / "x.csv", label_key="y")
    with pytest.raises(NotThereError, match="no such file"):
        Table(tmp_path / "y.csv")


def _table_of(folder: Path, values: np.ndarray) -> Table:
    np.save(folder / "x.npy", values)
    return Table(folder / "x.npy")


@needs_proc
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int16", "bool"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_beyond_the_budget_stays_on_disk(tmp_path: Path, monkeypatch, dtype: str, order: str) -> None:
    values = np.asarray(np.random.default_rng(0).integers(0, 2, (30, 7)) * 200, dtype=dtype, order=order)
    kept = _table_of(tmp_path, values).decode()
    assert not is_mapped(kept.tensor())
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", str(30 * 7 * 4 - 1))
    samples = Table(tmp_path / "x.npy").decode()
    assert is_mapped(samples.tensor())
    options = BatchOptions(batch_size=4, shuffle=True, drop_last=True, seed=0)
    ours, theirs = (
        Data("d", one, {"plain": []}, options, torch.device("cpu")).training_batch("p", 2, ["plain"]).views["plain"]
        for one in (samples, kept)
    )
    assert ours.dtype == torch.float32
    assert torch.equal(ours, theirs)
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", str(30 * 7 * 4))
    assert not is_mapped(Table(tmp_path / "x.npy").decode().tensor())


@pytest.mark.parametrize("block", [1, 20, 2**22])
def test_numbers_on_disk_are_checked_in_blocks(tmp_path: Path, monkeypatch, block: int) -> None:
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", "0")
    monkeypatch.setattr("recombine.datasets.base._CHECKED_AT_ONCE", block)
    values = np.zeros((30, 7))
    values[17, 5] = 1e300  # beyond float32
    with pytest.raises(DataError, match=r"x.npy: feature 5 of sample 17 \(both from 0\) is not finite: inf"):
        _table_of(tmp_path, values).decode()


@pytest.mark.parametrize("dtype", [">f4", "uint32"])
def test_numbers_that_cannot_stay_on_disk(tmp_path: Path, monkeypatch, dtype: str) -> None:
    values = np.arange(6).reshape(3, 2).astype(dtype)
    assert _table_of(tmp_path, values).decode().tensor().tolist() == values.tolist()
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", "0")
    with pytest.raises(DataError, match=r"features of shape \(3, 2\) do not fit in memory, and only float32, float64"):
        Table(tmp_path / "x.npy").decode()
