import errno
import io
import os
import tempfile
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from recombine import mapped
from recombine.datasets.base import Samples
from recombine.errors import DataError
from recombine.mapped import MappedSamples, gathered, open_array, tensor_over


def _images(*shapes, dtype=torch.uint8):
    draws = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, shape, generator=draws).to(dtype) for shape in shapes]


@pytest.fixture(params=[False, True], ids=["in memory", "on disk"])
def on_disk(request, monkeypatch):
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", "0" if request.param else str(2**40))
    return request.param


def is_mapped(tensor):
    """Tell whether a tensor's memory belongs to a file, by the kernel's own list."""
    place = tensor.data_ptr()
    with open("/proc/self/maps") as file:
        for line in file:
            span, _, _, _, inode = line.split()[:5]
            first, last = (int(end, 16) for end in span.split("-"))
            if first <= place < last:
                return inode != "0"
    raise LookupError


needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="no /proc")


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 5, 3), (7,)])  # the second and third are no whole numbers of 4 bytes
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_samples_of_one_shape_become_one_tensor(on_disk, shape, dtype):
    samples = _images(*[shape] * 9, dtype=dtype)
    found = gathered(iter(samples), 9)
    assert isinstance(found, Tensor)
    assert found.dtype == dtype
    assert torch.equal(found, torch.stack(samples))
    index = torch.tensor([8, 0, 3, 3])
    assert torch.equal(found.index_select(0, index), torch.stack(samples)[index])


@pytest.mark.parametrize("shapes", [[(1, 4, 4), (1, 5, 3), (3, 2, 2)], [(2, 2)] * 4 + [(2, 3)]])
def test_samples_of_unequal_shapes_stay_apart(on_disk, shapes):
    samples = _images(*shapes)
    found = gathered(iter(samples), len(samples))
    assert not isinstance(found, Tensor)
    assert isinstance(found, MappedSamples) is on_disk
    assert len(found) == len(samples)
    assert all(torch.equal(one, other) for one, other in zip(found, samples, strict=True))
    assert torch.equal(found[-1], samples[-1])
    assert [tuple(one.shape) for one in found[1:3]] == shapes[1:3]


def test_types_may_differ(on_disk):
    samples = [*_images((1, 3, 3)), *_images((1, 3, 3), dtype=torch.float32)]
    found = gathered(iter(samples), 2)
    assert [one.dtype for one in found] == [torch.uint8, torch.float32]
    assert all(torch.equal(one, other) for one, other in zip(found, samples, strict=True))


@needs_proc
@pytest.mark.parametrize("shapes", [[(1, 40, 40)] * 4, [(1, 40, 40), (1, 30, 30)]])
def test_what_is_on_disk_is_mapped(on_disk, shapes):
    found = gathered(iter(_images(*shapes)), len(shapes))
    assert is_mapped(found[0]) is on_disk
    assert is_mapped(found[1:][0]) is on_disk


@needs_proc
def test_subsets_of_mapped_samples_are_no_copies(monkeypatch):
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", "0")
    even, uneven = _images(*[(1, 6, 6)] * 5), _images((1, 6, 6), (1, 5, 5), (1, 7, 7))
    for images in (even, uneven):
        samples = Samples(gathered(iter(images), len(images)), torch.arange(len(images)))
        part = samples.subset(1, 2)
        assert part.values[0].data_ptr() == samples.values[1].data_ptr()
        assert is_mapped(part.values[0])
        assert samples.is_ragged is part.is_ragged is (images is uneven)
        taken = part.take(torch.tensor([1, 0]))
        assert torch.equal(taken[0], images[2])
        assert torch.equal(taken[1], images[1])
        assert not any(is_mapped(one) for one in taken)


def test_the_budget_counts_all_samples_by_the_first(monkeypatch):
    monkeypatch.setattr(mapped, "_in_file", lambda samples, file: "on disk")
    images = _images(*[(1, 4, 4)] * 5)
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", str(5 * 16))
    assert isinstance(gathered(iter(images), 5), Tensor)
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", str(5 * 16 - 1))
    assert gathered(iter(images), 5) == "on disk"


def test_samples_are_written_as_they_come(monkeypatch):
    """No more than the first, which tells the size of all, and the newest are held."""
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", "0")
    alive, counts = [], []

    def made():
        for value in range(50):
            image = np.full((1, 8, 8), value, dtype=np.uint8)
            alive.append(weakref.ref(image))
            counts.append(sum(one() is not None for one in alive))
            yield torch.from_numpy(image)

    found = gathered(made(), 50)
    assert found[:, 0, 0, 0].tolist() == list(range(50))
    assert max(counts) <= 3


def test_the_file_has_no_name(monkeypatch, tmp_path):
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", "0")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = gathered(iter(_images((1, 4, 4), (1, 4, 4))), 2)
    assert len(found) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_noticed_before_anything_is_decoded(monkeypatch, tmp_path):
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", str(2**20))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(mapped.shutil, "disk_usage", lambda folder: SimpleNamespace(free=2**21))
    asked = []
    images = (asked.append(1) or torch.zeros(1, 1024, 1024, dtype=torch.uint8) for _ in range(3))
    with pytest.raises(DataError) as caught:
        gathered(images, 3)
    assert str(caught.value) == (
        "the samples take about 3.0 MiB, more than a dataset may take in memory (1.0 MiB), and "
        f"{tmp_path} has only 2.0 MiB free to keep them in. Set TMPDIR to a folder on a larger disk, or "
        "RECOMBINE_MEMORY_BUDGET to the bytes that a dataset may take"
    )
    assert len(asked) == 1


def test_a_disk_that_fills_up_is_the_user_s_to_mend(monkeypatch):
    class Full(io.BytesIO):
        def write(self, content):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DataError, match="the samples cannot be kept in .*: No space left on device"):
        mapped._in_file(_images((1, 2, 2)), Full())


@needs_proc
def test_arrays_are_opened_and_not_read(tmp_path, recwarn):
    values = np.arange(6000, dtype=np.float32).reshape(60, 100)
    np.save(tmp_path / "x.npy", values)
    tensor = tensor_over(open_array(tmp_path / "x.npy"))
    assert is_mapped(tensor)
    assert torch.equal(tensor, torch.from_numpy(values))
    assert not recwarn.list
