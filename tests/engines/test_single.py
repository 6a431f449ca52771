import pytest
import torch
from torch import nn

from recombine.engines.single import SingleDevice, find_device
from recombine.errors import UsageError


def test_a_device_by_name():
    assert find_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(("available", "expected"), [(True, "cuda"), (False, "cpu")])
def test_cuda_if_available(monkeypatch, available, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    assert find_device("cuda_if_available") == torch.device(expected)


@pytest.mark.parametrize("name", ["gpu", "cpu:x", "", "hip:99", "meta"])
def test_devices_that_cannot_be_used_are_told(name):
    with pytest.raises(UsageError) as raised:
        find_device(name)
    assert str(raised.value).startswith(f'device "{name}" cannot be used: ')
    assert str(raised.value).endswith('Write "cpu" or "cuda_if_available".')


def test_an_absent_gpu_is_told(monkeypatch):
    def absent(*size, device):
        raise AssertionError("Torch not compiled with CUDA enabled")

    monkeypatch.setattr(torch, "empty", absent)
    with pytest.raises(UsageError, match='device "cuda:1" cannot be used: Torch not compiled with CUDA enabled'):
        find_device("cuda:1")


def test_places_modules_and_describes_itself():
    engine, module = SingleDevice("cpu"), nn.Linear(2, 2)
    engine.place(module)
    assert module.weight.device == engine.device == torch.device("cpu")
    assert engine.describe() == f"cpu ({torch.get_num_threads()} threads)"


def test_a_gpu_is_described_by_its_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    assert SingleDevice("cuda_if_available").describe() == "cuda (Some GPU)"
