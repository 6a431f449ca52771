from pathlib import Path

import pytest
import torch

from recombine.datasets import base
from recombine.datasets.base import NotThereError, Samples, open_dataset, own_datasets
from recombine.errors import DataError


def _table(folder: Path, value: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "t.csv").write_text(f"{value},{value}\n1,2\n")


def _opened(base_dir: Path, data_root: Path | None, root: str = "data/t.csv") -> float:
    return float(open_dataset("Table", {"root": root}, base_dir, data_root).decode().tensor()[0, 0])


def test_every_file_of_the_folder_is_one_dataset() -> None:
    stems = {path.stem for path in Path(base.__file__).parent.glob("*.py")} - {"base", "__init__"}
    assert {name.lower() for name in own_datasets()} == stems
    assert {"Digits", "Table", "COIL20"} <= set(own_datasets())


def test_relative_roots_start_at_the_method_file(tmp_path: Path) -> None:
    _table(tmp_path / "data", 5)
    assert _opened(tmp_path, None) == 5
    assert _opened(Path("/"), None, str(tmp_path / "data" / "t.csv")) == 5


def test_data_root_goes_first(tmp_path: Path) -> None:
    _table(tmp_path / "method" / "data", 5)
    _table(tmp_path / "shared", 6)
    assert _opened(tmp_path / "method", tmp_path / "shared") == 6
    assert _opened(tmp_path / "method", tmp_path / "empty") == 5


def test_order_of_places_below_the_data_root() -> None:
    request = base.Request("MNIST", {"root": "../x/sets"}, Path("/m"), Path("/d"))
    assert request.roots() == [Path("/d/sets"), Path("/d"), Path("/d/MNIST"), Path("/m/../x/sets")]
    assert base.Request("MNIST", {"root": ".."}, Path("/m"), Path("/d")).roots()[0] == Path("/d")


def test_absence_names_every_place(tmp_path: Path) -> None:
    with pytest.raises(NotThereError) as caught:
        _opened(tmp_path / "m", tmp_path / "d")
    text = str(caught.value)
    for place in ("d/t.csv: no such file", "d: no such file", "d/Table: no such file", "m/data/t.csv: no such file"):
        assert f"  {tmp_path / place}" in text
    assert "--data-root" in text


def test_arguments_are_checked() -> None:
    with pytest.raises(DataError, match='"Digits" has no argument "train"; its arguments: none'):
        open_dataset("Digits", {"train": True}, Path())
    with pytest.raises(DataError, match='"Table" needs "root"'):
        open_dataset("Table", {}, Path())


def test_subset_is_inclusive() -> None:
    samples = Samples(torch.arange(10.0).view(10, 1), torch.arange(10))
    part = samples.subset(2, 5)
    assert part.tensor().flatten().tolist() == [2, 3, 4, 5]
    assert part.labels is not None
    assert part.labels.tolist() == [2, 3, 4, 5]
    assert len(samples.subset(None, None)) == 10
    assert len(samples.subset(9, 9)) == 1
    assert len(samples.subset(None, 3)) == 4


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (-1, 3, "index_of_first_sample_to_use is -1, but the samples are numbered 0 to 9"),
        (0, 10, "index_of_last_sample_to_use is 10"),
        (4, 3, "above"),
    ],
)
def test_subset_out_of_range(first: int, last: int, text: str) -> None:
    with pytest.raises(DataError, match=text):
        Samples(torch.zeros(10, 1)).subset(first, last)


def test_kinds_of_samples() -> None:
    image = torch.zeros(2, 1, 3, 3, dtype=torch.uint8)
    assert Samples(image).kind == "image"
    assert Samples(list(image)).kind == "image"
    assert Samples(image.float()).kind == "tensor_image"
    assert Samples(torch.zeros(2, 5)).kind == "other"


def _samples(values: torch.Tensor | list[torch.Tensor], labels: list[int] | None = None) -> Samples:
    return Samples(values, torch.tensor(labels) if labels is not None else None)


def test_equal_data_have_equal_digests() -> None:
    values = torch.arange(24, dtype=torch.uint8).reshape(4, 1, 2, 3)
    first, second = _samples(values, [0, 1, 0, 1]), _samples(values.clone(), [0, 1, 0, 1])
    assert first.digest == second.digest
    assert first.labels_digest == second.labels_digest
    assert len(first.digest) == len(str(first.labels_digest)) == 64
    # However they lie in memory.
    assert _samples(values.permute(0, 1, 3, 2).contiguous().permute(0, 1, 3, 2)).digest == first.digest
    assert _samples(torch.cat([values, values])[:4]).digest == first.digest


def test_data_that_differ_in_anything_have_digests_of_their_own() -> None:
    values = torch.arange(24, dtype=torch.uint8).reshape(4, 1, 2, 3)
    changed = values.clone()
    changed[3, 0, 1, 2] += 1
    others = [
        values,
        changed,
        values.flip(0),
        values[:3],
        values.reshape(4, 1, 3, 2),
        values.reshape(4, 6),
        values.to(torch.int8),
        values.float(),
        values.double(),
        list(values),
        [*values[:3], values[3].reshape(1, 3, 2)],
    ]
    assert len({_samples(other).digest for other in others}) == len(others)


def test_labels_are_told_apart_from_samples() -> None:
    values = torch.arange(4.0).reshape(2, 2)
    labelled = [_samples(values, labels) for labels in ([0, 1], [1, 0], [0, 0])]
    assert len({samples.digest for samples in [*labelled, _samples(values)]}) == 1
    assert len({samples.labels_digest for samples in labelled}) == 3
    assert _samples(values).labels_digest is None


def test_the_digest_does_not_depend_on_the_size_of_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.rand(50, 3)
    digests = {_samples(values).digest}
    for size in (1, 7, 100):
        monkeypatch.setattr(base, "_CHECKED_AT_ONCE", size)
        digests.add(_samples(values.clone()).digest)
    assert len(digests) == 1


def test_a_digest_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = _samples(torch.rand(5, 3), [0] * 5)
    found = samples.digest, samples.labels_digest
    monkeypatch.delattr(base, "_hash")
    assert (samples.digest, samples.labels_digest) == found
