from pathlib import Path

import numpy as np
import pytest
import torch

from recombine.batch_requests import BatchOptions
from recombine.data import Data
from recombine.datasets.base import NotThereError, open_dataset
from recombine.datasets.images import Images
from recombine.errors import DataError
from tests.test_mapped import is_mapped, needs_proc

RANDOM = np.random.default_rng(0)


def _saved(folder: Path, *shape: int, dtype: str = "uint8", name: str = "x.npy") -> tuple[Path, np.ndarray]:
    values = RANDOM.integers(0, 256, shape).astype(dtype)
    np.save(folder / name, values)
    return folder / name, values


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize(
    ("shape", "axes", "channels"),
    [
        ((9, 6, 5), None, None),
        ((9, 6, 5, 3), (0, 3, 1, 2), None),
        ((9, 3, 6, 5), (0, 1, 2, 3), None),
        ((9, 4, 6, 1), (0, 1, 2, 3), "first"),
        ((9, 4, 6, 1), (0, 3, 1, 2), "last"),
        ((9, 5, 6, 7), (0, 3, 1, 2), "last"),
    ],
)
def test_layouts(tmp_path: Path, dtype: str, shape: tuple, axes: tuple | None, channels: str | None) -> None:
    path, values = _saved(tmp_path, *shape, dtype=dtype)
    images = Images(path, channels=channels)
    samples = images.decode()
    expected = torch.from_numpy(values[:, None] if axes is None else values.transpose(axes))
    assert torch.equal(samples.tensor(), expected)
    assert samples.labels is None
    assert samples.kind == ("image" if dtype == "uint8" else "tensor_image")
    assert (len(images), images.sample_shape()) == (9, tuple(expected.shape[1:]))


def test_labels_lie_beside_the_images(tmp_path: Path) -> None:
    path, _ = _saved(tmp_path, 4, 6, 5)
    np.save(tmp_path / "y.npy", np.array([2, 0, 1, 1], dtype=np.uint8))
    np.save(tmp_path / "words.npy", np.array(["b", "a", "b", "a"]))
    samples = open_dataset("Images", {"root": "x.npy", "labels": "y.npy"}, tmp_path).decode()
    assert samples.labels is not None
    assert (samples.labels.tolist(), samples.labels.dtype, samples.class_names) == ([2, 0, 1, 1], torch.int64, None)
    samples = Images(path, str(tmp_path / "words.npy")).decode()
    assert samples.labels is not None
    assert (samples.labels.tolist(), samples.class_names) == ([1, 0, 1, 0], ("a", "b"))


@needs_proc
@pytest.mark.parametrize("shape", [(9, 60, 50), (9, 60, 50, 3)])
def test_images_and_labels_stay_on_disk(tmp_path: Path, shape: tuple) -> None:
    path, values = _saved(tmp_path, *shape)
    np.save(tmp_path / "y.npy", np.arange(9))
    samples = Images(path, "y.npy").decode()
    assert samples.labels is not None
    assert is_mapped(samples.tensor())
    assert is_mapped(samples.labels)
    assert is_mapped(samples.subset(2, 5).tensor())
    options = BatchOptions(batch_size=4, shuffle=True, drop_last=True, seed=0)
    data = Data("d", samples, {"plain": []}, options, torch.device("cpu"))
    batch = data.training_batch("p", 1, ["plain"])
    images = values[:, None] if len(shape) == 3 else values.transpose(0, 3, 1, 2)
    assert torch.equal(batch.views["plain"], torch.from_numpy(images[batch.index.numpy()]).float() / 255)


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((9, 6), "uint8", r"images are uint8 or float32 of shape .*, not uint8 of shape \(9, 6\)"),
        ((9, 6, 6), "float64", "not float64"),
        ((0, 6, 6), "uint8", r"not uint8 of shape \(0, 6, 6\)|cannot be read"),
        ((9, 3, 6, 3), "uint8", r'which dimension of \(9, 3, 6, 3\) has the channels\? Add "channels": "first"'),
        ((9, 5, 6, 7), "uint8", "which dimension"),
    ],
)
def test_what_is_no_images(tmp_path: Path, shape: tuple, dtype: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Images(_saved(tmp_path, *shape, dtype=dtype)[0]).decode()


def test_floats_must_be_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.zeros((9, 2, 3), dtype=np.float32)
    values[7, 1, 0] = np.nan
    np.save(tmp_path / "x.npy", values)
    for block in (1, 13, 2**20):
        monkeypatch.setattr("recombine.datasets.base._CHECKED_AT_ONCE", block)
        with pytest.raises(DataError, match=r"x.npy: feature 3 of sample 7 \(both from 0\) is not finite: nan"):
            Images(tmp_path / "x.npy").decode()


def test_other_mistakes(tmp_path: Path) -> None:
    path, _ = _saved(tmp_path, 4, 6, 5)
    np.save(tmp_path / "y.npy", np.zeros(3, dtype=int))
    np.save(tmp_path / "z.npy", np.zeros(4))
    (tmp_path / "text.npy").write_text("1")
    with pytest.raises(NotThereError, match="no such file"):
        Images(tmp_path / "absent.npy")
    with pytest.raises(NotThereError, match=f"no labels {tmp_path}/absent.npy"):
        Images(path, "absent.npy")
    with pytest.raises(DataError, match='"channels" is "first" or "last", not "second"'):
        Images(path, channels="second")
    with pytest.raises(DataError, match=r"y.npy: int64 of shape \(3,\) instead of 4 labels, integers or words"):
        Images(path, "y.npy").decode()
    with pytest.raises(DataError, match=r"z.npy: float64 of shape \(4,\) instead of 4 labels"):
        Images(path, "z.npy").decode()
    with pytest.raises(DataError, match="text.npy cannot be read"):
        len(Images(tmp_path / "text.npy"))
