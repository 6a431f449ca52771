"""Collections of few and small images or recordings, with any number of classes, in the layouts of the large ones.

Every function writes into a folder ``root``; each class has images of a brightness of its own, on noise.
"""

import pickle
from pathlib import Path

import numpy as np
import scipy.io
from numpy.typing import NDArray
from PIL import Image

from tests.datasets.files import write_idx
from tests.datasets.speech import sweep, write_wav

EACH = 4  # images of a class


def images(classes: int, side: int, each: int = EACH, channels: int = 3) -> NDArray[np.uint8]:
    """Return images ``(classes, each, side, side, channels)``."""
    noise = np.random.default_rng(classes).integers(0, 60, (classes, each, side, side, channels), dtype=np.uint8)
    levels = np.linspace(0, 190, classes).astype(np.uint8)
    return noise + levels[:, None, None, None, None]


def _save(path: Path, image: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.squeeze()).save(path)


def write_folders(root: Path, classes: int, side: int = 12, name: str = "class_{}/{}.png", channels: int = 3) -> None:
    """Write a folder for each class, named as ``name`` says of the number of a class and of an image."""
    for number, own in enumerate(images(classes, side, channels=channels)):
        for position, image in enumerate(own):
            _save(root / name.format(number + 1, position), image)


def write_uneven_folders(root: Path, classes: int, name: str = "class_{}/{}.jpg") -> None:
    """Write a folder for each class, with images of several sizes."""
    for number, own in enumerate(images(classes, 24)):
        for position, image in enumerate(own):
            _save(root / name.format(number + 1, position), image[position:, number % 3 :])


def write_cifar(root: Path, classes: int) -> None:
    """Write CIFAR-10 or CIFAR-100 with the first ``classes`` of their classes."""
    if classes == 10:
        folder, names = root / "cifar-10-batches-py", [*(f"data_batch_{batch}" for batch in range(1, 6)), "test_batch"]
        meta, key = ("batches.meta", "label_names"), "labels"
    else:
        folder, names = root / "cifar-100-python", ["train", "test"]
        meta, key = ("meta", "fine_label_names"), "fine_labels"
    pixels = images(classes, 32, 2 * len(names)).transpose(1, 0, 4, 2, 3).reshape(len(names), 2 * classes, -1)
    labels = 2 * list(range(classes))
    files = {name: {"data": own, key: labels} for name, own in zip(names, pixels, strict=True)}
    files[meta[0]] = {meta[1]: [f"n{number}" for number in range(max(classes, 100 if key != "labels" else 10))]}
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(pickle.dumps(content))


def write_mnist_like(root: Path, name: str) -> None:
    """Write ten classes in MNIST's layout, of which validation can borrow: eleven images each for training."""
    for prefix, each in (("train", 11), ("t10k", 1)):
        pixels = images(10, 28, each, 1)
        write_idx(root / name / "raw" / f"{prefix}-images-idx3-ubyte", pixels.reshape(-1, 28, 28))
        write_idx(root / name / "raw" / f"{prefix}-labels-idx1-ubyte", np.arange(10, dtype=np.uint8).repeat(each))


def write_flowers(root: Path, classes: int) -> None:
    """Write the first classes of Flowers-102, a third of the images in each split."""
    folder, count = root / "flowers-102", classes * EACH
    for number, image in enumerate(images(classes, 24).reshape(count, 24, 24, 3), 1):
        _save(folder / "jpg" / f"image_{number:05d}.jpg", image[number % 3 :])
    scipy.io.savemat(folder / "imagelabels.mat", {"labels": [np.arange(classes).repeat(EACH) + 1]})
    numbers = np.random.default_rng(0).permutation(count) + 1
    first, second = count // 3, 2 * count // 3
    splits = {"trnid": [numbers[:first]], "valid": [numbers[first:second]], "tstid": [numbers[second:]]}
    scipy.io.savemat(folder / "setid.mat", splits)


def write_omniglot(root: Path, classes: int) -> None:
    """Write characters of an alphabet for each part of Omniglot, half of them in each."""
    for number, own in enumerate(images(classes, 105, channels=1)):
        part, alphabet = ("background", "Greek") if number % 2 else ("evaluation", "Oriya")
        folder = root / "omniglot-py" / f"images_{part}"
        for position, image in enumerate(own):
            _save(folder / alphabet / f"character{number:02d}" / f"{number:04d}_{position:02d}.png", image)
        folder.with_suffix(".zip").touch()


def write_sun397(root: Path, classes: int) -> None:
    """Write the first scenes of an SUN397, images of unequal sizes."""
    names = [f"/a/scene_{number:02d}" for number in range(1, classes + 1)]
    write_uneven_folders(root / "SUN397" / "a", classes, "scene_{:02d}/sun_{}.jpg")
    (root / "SUN397" / "ClassName.txt").write_text("".join(f"{name}\n" for name in names))


def write_cars(root: Path, classes: int) -> None:
    """Write the first models of Stanford Cars, half of the images in each split."""
    folder = root / "stanford_cars"
    (folder / "devkit").mkdir(parents=True)
    pixels, labels = images(classes, 24), np.arange(classes).repeat(EACH // 2) + 1
    annotations = {
        "train": folder / "devkit" / "cars_train_annos.mat",
        "test": folder / "cars_test_annos_withlabels.mat",
    }
    for part, (split, path) in enumerate(annotations.items()):
        names = [f"{number:05d}.jpg" for number in range(1, len(labels) + 1)]
        for position, (name, image) in enumerate(zip(names, pixels[:, part::2].reshape(-1, 24, 24, 3), strict=True)):
            _save(folder / f"cars_{split}" / name, image[position % 3 :])
        rows = np.array(list(zip(labels, names, strict=True)), dtype=[("class", np.uint8), ("fname", object)])
        scipy.io.savemat(path, {"annotations": rows[None]})
    models = np.array([f"model {number}" for number in range(1, classes + 1)], dtype=object)
    scipy.io.savemat(folder / "devkit" / "cars_meta.mat", {"class_names": models[None]})


def write_speech(root: Path, speakers: int) -> None:
    """Write speakers of two recordings of half a second each, in TIMIT's layout."""
    for number in range(speakers):
        folder = root / ("TEST" if number % 3 == 0 else "TRAIN") / "DR1" / f"FABC{number}"
        for position in range(2):
            write_wav(folder / f"SA{position + 1}.WAV", sweep(8000, start=200 + 100 * number + 20 * position))
