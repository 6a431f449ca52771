import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from recombine import torchvision_dataset
from recombine.batch_requests import BatchOptions
from recombine.data import Data
from recombine.datasets.base import NotThereError, Samples, open_dataset
from recombine.errors import DataError
from recombine.torchvision_dataset import TorchvisionSource
from tests.datasets.files import write_image_folder, write_mnist
from tests.test_mapped import is_mapped, needs_proc

DATA_ROOT = os.environ.get("RECOMBINE_DATA_ROOT")


class ArrayDataset:
    """A dataset like torchvision's: arrays in some layout, and items as PIL images."""

    def __init__(self, data: Any, targets: Any, images: list[np.ndarray], classes: list[str] | None = None) -> None:
        self.data, self.targets, self._images = data, targets, images
        self.classes = classes

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, position: int) -> tuple[Any, Any]:
        return Image.fromarray(self._images[position]), int(self.targets[position])


def _both_ways(dataset: Any) -> tuple[Samples | None, Samples]:
    source = TorchvisionSource("Made", [dataset])
    return source._from_array(dataset), source._one_by_one()


def _assert_same(fast: Samples | None, slow: Samples) -> None:
    assert fast is not None
    assert torch.equal(fast.tensor(), slow.tensor())
    assert fast.labels is not None and slow.labels is not None
    assert torch.equal(fast.labels, slow.labels)
    assert fast.labels.dtype == torch.int64
    assert fast.class_names == slow.class_names


@pytest.mark.parametrize("layout", ["NHWC", "NCHW", "NHW"])
def test_arrays_give_what_items_give(layout: str) -> None:
    random = np.random.default_rng(0)
    data = random.integers(0, 256, (30, 5, 4, 3), dtype=np.uint8)
    images = list(data[..., 0] if layout == "NHW" else data)
    stored = {"NHWC": data, "NCHW": data.transpose(0, 3, 1, 2), "NHW": data[..., 0]}[layout]
    _assert_same(*_both_ways(ArrayDataset(stored, list(random.integers(0, 3, 30)), images, ["x", "y", "z"])))


def test_arrays_that_differ_from_the_items_are_not_believed() -> None:
    data = np.random.default_rng(0).integers(0, 256, (30, 4, 4), dtype=np.uint8)
    labels = np.arange(30)
    assert _both_ways(ArrayDataset(data, labels, list(data.transpose(0, 2, 1))))[0] is None
    shifted = ArrayDataset(data, labels, list(data))
    shifted.__class__ = type(
        "Shifted", (ArrayDataset,), {"__getitem__": lambda self, i: (Image.fromarray(data[i]), 29 - i)}
    )
    assert _both_ways(shifted)[0] is None
    assert TorchvisionSource("Made", [shifted]).decode().labels.tolist() == list(range(29, -1, -1))  # type: ignore[union-attr]


def _folder(root: Path, shapes: list[tuple[int, int]]) -> Samples:
    write_image_folder(root, shapes)
    return open_dataset("ImageFolder", {"root": "."}, root).decode()


@needs_proc
@pytest.mark.parametrize("shapes", [[(5, 4)] * 6, [(5, 4), (6, 3)] * 3])
def test_image_folders_beyond_the_budget_stay_on_disk(tmp_path: Path, monkeypatch, shapes: list) -> None:
    kept = _folder(tmp_path, shapes)
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", "0")
    samples = _folder(tmp_path, shapes)
    assert is_mapped(samples.values[0])
    assert not is_mapped(kept.values[0])
    assert samples.is_ragged is kept.is_ragged is (len(set(shapes)) > 1)
    assert all(torch.equal(one, other) for one, other in zip(samples.values, kept.values, strict=True))
    assert samples.labels is not None and kept.labels is not None
    assert torch.equal(samples.labels, kept.labels)
    assert samples.class_names == kept.class_names == ("a", "b")
    views = {"plain": [{"type": "CenterCrop", "size": 3}], "a": [{"type": "RandomCrop", "size": 3}]}
    options = BatchOptions(batch_size=4, shuffle=True, drop_last=True, seed=0)
    ours, theirs = (
        Data("d", one, views, options, torch.device("cpu")).training_batch("p", 1, views).views
        for one in (samples, kept)
    )
    assert all(torch.equal(ours[view], theirs[view]) for view in views)


@needs_proc
def test_splits_beyond_the_budget_are_one_mapped_tensor(tmp_path: Path, monkeypatch) -> None:
    folders = [tmp_path / name for name in ("train", "test")]
    kept = [_folder(folder, [(5, 4)] * 4) for folder in folders]
    parts = [torchvision_dataset.resolve("dataset", "ImageFolder")(str(folder)) for folder in folders]
    source = TorchvisionSource("ImageFolder", parts)
    assert torch.equal(source.decode().tensor(), torch.cat([one.tensor() for one in kept]))
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", "0")
    samples = source.decode()
    assert is_mapped(samples.tensor())
    assert torch.equal(samples.tensor(), torch.cat([one.tensor() for one in kept]))
    assert samples.labels is not None
    assert samples.labels.tolist() == [0, 0, 1, 1] * 2


def test_some_unlabelled_samples_leave_none_labelled() -> None:
    data = np.zeros((3, 2, 2), dtype=np.uint8)
    parts = [ArrayDataset(None, np.array(labels), list(data)) for labels in ([0, 1, 1], [-1, -1, -1])]
    assert TorchvisionSource("Made", parts).decode().labels is None


def test_negative_labels_mean_none() -> None:
    data = np.zeros((3, 2, 2), dtype=np.uint8)
    fast, slow = _both_ways(ArrayDataset(data, np.array([-1, -1, -1]), list(data)))
    assert fast is not None
    assert fast.labels is None
    assert slow.labels is None


def test_mnist(tmp_path: Path) -> None:
    written = write_mnist(tmp_path)
    source = open_dataset("MNIST", {"root": ".", "train": False}, tmp_path)
    samples = source.decode()
    assert (len(source), source.sample_shape()) == (12, (1, 28, 28))
    assert torch.equal(samples.tensor(), written["t10k"])
    assert samples.labels is not None
    assert torch.equal(samples.labels, written["t10k_labels"])
    assert samples.class_names is not None
    assert samples.class_names[3] == "3 - three"


def test_joined_splits(tmp_path: Path) -> None:
    written = write_mnist(tmp_path)
    source = open_dataset("MNIST", {"root": ".", "splits": ["train", "test"]}, tmp_path)
    samples = source.decode()
    assert len(source) == 52
    assert torch.equal(samples.tensor(), torch.cat([written["train"], written["t10k"]]))
    assert samples.labels is not None
    assert torch.equal(samples.labels, torch.cat([written["train_labels"], written["t10k_labels"]]))


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("MNIST", {"splits": ["train", "all"]}, 'has the splits "train" and "test", not "all"'),
        ("MNIST", {"splits": ["train"], "train": True}, 'give either "train" or "splits"'),
        ("ImageFolder", {"splits": ["train"]}, "has no splits"),
        ("MNIST", {"splits": []}, '"splits" names no split'),
        ("MNIST", {"loader": "x"}, 'no argument "loader"'),
        ("ImageFolder", {"loader": "x"}, '"loader" cannot be given: it is code'),
        ("DatasetFolder", {}, "it needs a loader"),
        ("Nothing", {}, "no dataset of that name"),
        ("EMNIST", {}, 'needs the argument "split"'),
        ("EMNIST", {"split": "all"}, "Unknown value 'all'"),
    ],
)
def test_mistakes(tmp_path: Path, name: str, arguments: dict, text: str) -> None:
    write_mnist(tmp_path)
    with pytest.raises(DataError, match=text):
        open_dataset(name, {"root": ".", **arguments}, tmp_path)


def test_root_is_needed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='needs the argument "root"'):
        open_dataset("MNIST", {}, tmp_path)


@pytest.mark.parametrize("place", ["shared/sets", "shared", "shared/MNIST"])
def test_data_root(tmp_path: Path, place: str) -> None:
    write_mnist(tmp_path / place)
    assert len(open_dataset("MNIST", {"root": "../sets"}, tmp_path / "method", tmp_path / "shared")) == 40


def test_absence_says_where_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotThereError) as caught:
        open_dataset("MNIST", {"root": "sets"}, tmp_path)
    assert f"{tmp_path / 'sets'}: Dataset not found\n" in str(caught.value)
    assert '"download": true' in str(caught.value)
    assert "--data-root" in str(caught.value)


def test_a_dataset_without_downloads_does_not_advise_one(tmp_path: Path) -> None:
    with pytest.raises(NotThereError) as caught:
        open_dataset("ImageFolder", {"root": "sets"}, tmp_path)
    assert "download" not in str(caught.value)


def _no_network(*_: object, **__: object) -> None:
    raise socket.gaierror(-2, "Name or service not known")


@pytest.mark.parametrize("name", ["MNIST", "CIFAR10"])
def test_download_without_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _no_network)
    with pytest.raises(DataError) as caught:
        open_dataset(name, {"root": "sets", "download": True}, tmp_path)
    assert "could not be downloaded" in str(caught.value)
    assert "Name or service not known" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_download_is_not_tried_for_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path)
    monkeypatch.setattr(torchvision_dataset, "_downloaded", None)
    assert len(open_dataset("MNIST", {"root": ".", "download": True}, tmp_path)) == 40


def test_broken_files(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    (tmp_path / "MNIST/raw/train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03abc")
    with pytest.raises(DataError, match="MNIST"):
        open_dataset("MNIST", {"root": "."}, tmp_path)
    write_image_folder(tmp_path / "images", [(4, 4)] * 3)
    (tmp_path / "images/b/001.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="sample 2 cannot be read"):
        open_dataset("ImageFolder", {"root": "images"}, tmp_path).decode()


def test_a_file_as_root(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("MNIST", "ImageFolder", "USPS"):
        with pytest.raises(DataError, match="was not found complete"):
            open_dataset(name, {"root": "file"}, tmp_path)


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pycocotools", None)
    monkeypatch.setitem(__import__("sys").modules, "pycocotools.coco", None)
    with pytest.raises(DataError, match="it needs the package pycocotools"):
        open_dataset("CocoCaptions", {"root": ".", "annFile": "x"}, tmp_path)


def test_image_folder(tmp_path: Path) -> None:
    images = write_image_folder(tmp_path / "images", [(5, 4)] * 4)
    samples = open_dataset("ImageFolder", {"root": "images"}, tmp_path).decode()
    expected = [images[number].transpose(2, 0, 1) for number in (0, 2, 1, 3)]
    np.testing.assert_array_equal(samples.tensor().numpy(), np.stack(expected))
    assert samples.labels is not None
    assert samples.labels.tolist() == [0, 0, 1, 1]
    assert samples.class_names == ("a", "b")


def test_images_of_unequal_sizes_stay_a_list(tmp_path: Path) -> None:
    write_image_folder(tmp_path / "images", [(5, 4), (6, 4), (5, 7)])
    samples = open_dataset("ImageFolder", {"root": "images"}, tmp_path).decode()
    assert samples.is_ragged
    assert [tuple(value.shape) for value in samples.values] == [(3, 5, 4), (3, 5, 7), (3, 6, 4)]


def test_fake_data() -> None:
    arguments = {"size": 7, "image_size": [3, 5, 6], "num_classes": 4}
    first, second = (open_dataset("FakeData", arguments, Path()).decode() for _ in range(2))
    assert tuple(first.tensor().shape) == (7, 3, 5, 6)
    assert torch.equal(first.tensor(), second.tensor())
    assert first.labels is not None
    assert int(first.labels.max()) < 4


def test_items_of_other_types() -> None:
    floats = [(torch.full((1, 2, 2), 0.5), 1), (torch.full((1, 2, 2), 0.25), 0)]
    samples = TorchvisionSource("Made", [floats]).decode()
    assert samples.kind == "tensor_image"
    assert samples.tensor()[:, 0, 0, 0].tolist() == [0.5, 0.25]
    gray = TorchvisionSource("Made", [[torch.zeros(2, 2, dtype=torch.uint8)] * 3]).decode()
    assert tuple(gray.tensor().shape) == (3, 1, 2, 2)
    assert gray.labels is None
    captions = TorchvisionSource("Made", [[(Image.new("L", (2, 2)), "a dog")] * 3]).decode()
    assert captions.labels is None
    with pytest.raises(DataError, match="sample 0 is a str, no image"):
        TorchvisionSource("Made", [["text"]]).decode()


@pytest.mark.skipif(DATA_ROOT is None, reason="RECOMBINE_DATA_ROOT names no folder with MNIST")
@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "USPS"])
def test_real_datasets_decode_alike_both_ways(name: str) -> None:
    source = open_dataset(name, {"root": "sets", "train": False}, Path(), Path(str(DATA_ROOT)))
    assert isinstance(source, TorchvisionSource)
    _assert_same(source._from_array(source._parts[0]), source._one_by_one())


@pytest.mark.skipif(DATA_ROOT is None, reason="RECOMBINE_DATA_ROOT names no folder with MNIST")
def test_real_mnist() -> None:
    samples = open_dataset("MNIST", {"root": "sets"}, Path(), Path(str(DATA_ROOT))).decode()
    assert tuple(samples.tensor().shape) == (60000, 1, 28, 28)
    assert samples.labels is not None
    assert samples.labels.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
