"""Collections of images on which clustering of unseen classes is measured, in the layouts in which they are given out.

MNIST and folders of images have tests of their own in test_torchvision_dataset.py.
"""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from recombine.data import BatchOptions, Data
from recombine.datasets.base import Samples, open_dataset
from recombine.errors import DataError
from recombine.torchvision_dataset import joined
from recombine.torchvision_import import torchvision
from tests.datasets.files import write_mnist

RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def no_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files have other checksums than those that are given out."""
    for module in ("cifar", "flowers102", "omniglot", "lfw"):
        monkeypatch.setattr(
            getattr(torchvision().datasets, module), "check_integrity", lambda path, *_: Path(path).exists()
        )


def _image(path: Path, height: int, width: int, gray: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (height, width) if gray else (height, width, 3)
    Image.fromarray(RANDOM.integers(0, 256, shape, dtype=np.uint8)).save(path)


def _samples(root: Path, name: str, **arguments: Any) -> Samples:
    return open_dataset(name, {"root": ".", **arguments}, root).decode()


def _labels(samples: Samples) -> list[int]:
    assert samples.labels is not None
    return samples.labels.tolist()


def _resized(samples: Samples, size: int, *first: dict) -> torch.Tensor:
    """Return all samples in a view that evens their sizes."""
    views = {"plain": [*first, {"type": "Resize", "size": [size, size]}, {"type": "ToTensor"}]}
    options = BatchOptions(batch_size=2, shuffle=False, drop_last=False, seed=0)
    data = Data("d", samples, views, options, torch.device("cpu"))
    return torch.cat([batch.views["plain"] for batch in data.evaluation_batches(2)])


def test_fashion_mnist(tmp_path: Path) -> None:
    written = write_mnist(tmp_path, name="FashionMNIST")
    samples = _samples(tmp_path, "FashionMNIST", splits=["train", "test"])
    assert torch.equal(samples.tensor(), torch.cat([written["train"], written["t10k"]]))
    assert _labels(samples) == [*written["train_labels"].tolist(), *written["t10k_labels"].tolist()]
    assert samples.class_names is not None
    assert samples.class_names[9] == "Ankle boot"


def _pickled(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))


def test_cifar10(tmp_path: Path) -> None:
    folder, pixels = tmp_path / "cifar-10-batches-py", RANDOM.integers(0, 256, (6, 4, 3 * 32 * 32), dtype=np.uint8)
    for number, name in enumerate([*(f"data_batch_{batch}" for batch in range(1, 6)), "test_batch"]):
        _pickled(folder / name, {"data": pixels[number], "labels": [number, 9, 0, 3]})
    _pickled(folder / "batches.meta", {"label_names": list("abcdefghij")})
    samples = _samples(tmp_path, "CIFAR10", splits=["train", "test"])
    assert torch.equal(samples.tensor(), torch.from_numpy(pixels).view(24, 3, 32, 32))
    assert _labels(samples) == [label for number in range(6) for label in (number, 9, 0, 3)]
    assert samples.class_names == tuple("abcdefghij")
    assert torch.equal(_samples(tmp_path, "CIFAR10", train=False).tensor(), samples.tensor()[20:])


def test_cifar100_has_its_fine_labels(tmp_path: Path) -> None:
    folder, pixels = tmp_path / "cifar-100-python", RANDOM.integers(0, 256, (2, 3, 3 * 32 * 32), dtype=np.uint8)
    for part, (name, fine) in enumerate({"train": [99, 1, 2], "test": [3, 0, 50]}.items()):
        _pickled(folder / name, {"data": pixels[part], "fine_labels": fine, "coarse_labels": [0, 0, 1]})
    _pickled(folder / "meta", {"fine_label_names": [f"n{number}" for number in range(100)]})
    samples = _samples(tmp_path, "CIFAR100", splits=["train", "test"])
    assert torch.equal(samples.tensor(), torch.from_numpy(pixels).view(6, 3, 32, 32))
    assert _labels(samples) == [99, 1, 2, 3, 0, 50]
    assert samples.class_names is not None
    assert samples.class_names[99] == "n99"


def test_flowers(tmp_path: Path) -> None:
    folder = tmp_path / "flowers-102"
    for number in range(1, 7):
        _image(folder / "jpg" / f"image_{number:05d}.jpg", 20 + number, 25)
    scipy.io.savemat(folder / "imagelabels.mat", {"labels": [[5, 5, 102, 1, 1, 7]]})
    scipy.io.savemat(folder / "setid.mat", {"trnid": [[2, 4]], "valid": [[1, 6]], "tstid": [[5, 3]]})
    samples = _samples(tmp_path, "Flowers102", splits=["train", "val", "test"])
    assert _labels(samples) == [4, 0, 4, 6, 0, 101]
    assert samples.is_ragged
    assert [tuple(image.shape) for image in samples.values][:2] == [(3, 22, 25), (3, 24, 25)]
    assert tuple(_resized(samples, 48).shape) == (6, 3, 48, 48)
    assert _labels(_samples(tmp_path, "Flowers102", split="val")) == [4, 6]


@pytest.fixture(params=[False, True])
def listing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """File systems list folders in orders of their own: forwards and backwards, for example."""
    listed = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: sorted(listed(path), reverse=request.param))


def _omniglot(root: Path) -> None:
    characters = {
        "images_background": ["Greek/character01", "Greek/character02"],
        "images_evaluation": ["Oriya/character01"],
    }
    for folder, names in characters.items():
        for name in names:
            for drawer in (1, 2):
                _image(root / "omniglot-py" / folder / name / f"0001_{drawer:02d}.png", 105, 105, gray=True)
        (root / "omniglot-py" / f"{folder}.zip").touch()


@pytest.mark.usefixtures("listing")
def test_omniglot(tmp_path: Path) -> None:
    _omniglot(tmp_path)
    samples = _samples(tmp_path, "Omniglot")
    assert tuple(samples.tensor().shape) == (4, 1, 105, 105)
    assert _labels(samples) == [0, 0, 1, 1]
    assert samples.class_names == ("Greek/character01", "Greek/character02")
    for position, name in enumerate(["character01/0001_01", "character01/0001_02", "character02/0001_01"]):
        image = np.array(Image.open(tmp_path / "omniglot-py/images_background/Greek" / f"{name}.png"))
        assert torch.equal(samples.tensor()[position, 0], torch.from_numpy(image))
    assert _labels(_samples(tmp_path, "Omniglot", background=False)) == [0, 0]


@pytest.mark.usefixtures("listing")
def test_both_parts_of_omniglot_keep_their_characters_apart(tmp_path: Path) -> None:
    _omniglot(tmp_path)
    samples = _samples(tmp_path, "Omniglot", splits=["evaluation", "background"])
    assert _labels(samples) == [0, 0, 1, 1, 2, 2]
    assert samples.class_names == ("Oriya/character01", "Greek/character01", "Greek/character02")
    with pytest.raises(DataError, match='has the splits "background" and "evaluation", not "train"'):
        _samples(tmp_path, "Omniglot", splits=["train"])
    with pytest.raises(DataError, match='give either "background" or "splits"'):
        _samples(tmp_path, "Omniglot", splits=["background"], background=True)


def test_sun397(tmp_path: Path) -> None:
    classes = ["/b/bar", "/a/apse/indoor", "/a/abbey"]
    for name in classes:
        for number in "2431":
            _image(tmp_path / f"SUN397{name}" / f"sun_{number}.jpg", 9, 9)
    (tmp_path / "SUN397" / "ClassName.txt").write_text("".join(f"{name}\n" for name in sorted(classes)))
    samples = _samples(tmp_path, "SUN397")
    assert _labels(samples) == [0] * 4 + [1] * 4 + [2] * 4
    assert samples.class_names == ("abbey", "apse/indoor", "bar")
    for position, name in [(0, "a/abbey/sun_1"), (3, "a/abbey/sun_4"), (4, "a/apse/indoor/sun_1"), (11, "b/bar/sun_4")]:
        image = np.array(Image.open(tmp_path / "SUN397" / f"{name}.jpg"))
        assert torch.equal(samples.tensor()[position], torch.from_numpy(image).permute(2, 0, 1))


@pytest.mark.usefixtures("listing")
def test_inaturalist(tmp_path: Path) -> None:
    for category in ("00000_A_B_C_D_E_f_g", "00001_A_B_C_D_E_f_h"):
        for number in range(3):
            _image(tmp_path / "2021_train_mini" / category / f"{number}.jpg", 9, 9)
    samples = _samples(tmp_path, "INaturalist", version="2021_train_mini")
    assert _labels(samples) == [0, 0, 0, 1, 1, 1]
    image = np.array(Image.open(tmp_path / "2021_train_mini/00001_A_B_C_D_E_f_h/2.jpg"))
    assert torch.equal(samples.tensor()[5], torch.from_numpy(image).permute(2, 0, 1))


def _faces(root: Path, images: str) -> None:
    """Write three people: two images of Ann, one of Bo, two of Cy."""
    people = {"Ann_A": 2, "Bo_B": 1, "Cy_C": 2}
    folder = root / "lfw-py"
    for name, count in people.items():
        for number in range(1, count + 1):
            _image(folder / images / name / f"{name}_{number:04d}.jpg", 25, 25)
    (folder / "lfw-names.txt").write_text("".join(f"{name}\t{count}\n" for name, count in people.items()))
    (folder / "peopleDevTrain.txt").write_text("2\nAnn_A\t2\nCy_C\t2\n")
    (folder / "peopleDevTest.txt").write_text("1\nBo_B\t1\n")
    (folder / "people.txt").write_text("2\n1\nCy_C\t2\n2\nAnn_A\t2\nBo_B\t1\n")
    for archive in ("lfw.tgz", "lfw-funneled.tgz", "lfw-deepfunneled.tgz"):
        (folder / archive).touch()


@pytest.mark.parametrize(
    ("image_set", "folder"),
    [(None, "lfw_funneled"), ("original", "lfw"), ("deepfunneled", "lfw-deepfunneled")],
)
def test_faces(tmp_path: Path, image_set: str | None, folder: str) -> None:
    _faces(tmp_path, folder)
    chosen = {} if image_set is None else {"image_set": image_set}
    samples = _samples(tmp_path, "LFWPeople", **chosen)
    assert tuple(samples.tensor().shape) == (5, 3, 25, 25)
    assert _labels(samples) == [2, 2, 0, 0, 1]
    assert samples.class_names == ("Ann_A", "Bo_B", "Cy_C")
    samples = _samples(tmp_path, "LFWPeople", splits=["train", "test"], **chosen)
    assert _labels(samples) == [0, 0, 2, 2, 1]
    assert samples.class_names == ("Ann_A", "Bo_B", "Cy_C")


@pytest.mark.parametrize(
    ("names", "gray"),
    [
        (["001.Black_footed_Albatross/Black_0001.jpg", "002.Laysan_Albatross/Laysan_0002.jpg"], False),
        (["n01443537/images/n01443537_0.JPEG", "n01629819/images/n01629819_0.JPEG"], True),
        (["Aaron Eckhart/1_face.jpeg", "Adam Brody/2_face.jpeg"], False),
        (["character_10_yna/1339.png", "digit_0/1.png"], True),
        (["obj1/obj1__0.png", "obj100/obj100__355.png"], False),
    ],
)
def test_folders_as_they_are_given_out(tmp_path: Path, names: list[str], gray: bool) -> None:
    """CUB-200, TinyImageNet, FaceScrub, Devanagari, and COIL-100 sorted into folders."""
    for number, name in enumerate(names):
        _image(tmp_path / name, 30 + number, 32, gray)
    samples = _samples(tmp_path, "ImageFolder")
    assert samples.is_ragged
    assert _labels(samples) == [0, 1]
    assert samples.class_names == tuple(name.partition("/")[0] for name in names)
    assert tuple(_resized(samples, 32).shape) == (2, 3, 32, 32)
    assert tuple(_resized(samples, 32, {"type": "Grayscale"}).shape) == (2, 1, 32, 32)


@pytest.mark.parametrize(
    ("names", "labels", "together"),
    [
        ([("a", "b"), ("a", "b")], [0, 1, 0, 1], ("a", "b")),
        ([("a", "b"), ("b", "c")], [0, 1, 1, 2], ("a", "b", "c")),
        ([("a", "b"), None], [0, 1, 0, 1], ("a", "b")),
        ([None, None], [0, 1, 0, 1], None),
    ],
)
def test_splits_are_numbered_alike(names: list, labels: list[int], together: tuple | None) -> None:
    parts = [Samples(torch.zeros(2, 1), torch.arange(2), own) for own in names]
    samples = joined(parts)
    assert _labels(samples) == labels
    assert samples.class_names == together
