import copy

import pytest
import torch
from torch import nn

from recombine.engines.single import SingleDevice, find_device
from recombine.errors import UsageError
from recombine.mapping import Mapping
from recombine.method import Method


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


@pytest.fixture(autouse=True)
def _seeded():
    """Draw the same each time: a norm over two outputs that are nearly equal magnifies rounding."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def _method():
    mapping = Mapping("encoder", "feature_extractor", [("linear", nn.Linear(3, 2)), ("norm", nn.LayerNorm(2))])
    return Method([mapping], nn.Module())


def test_places_methods_and_describes_itself():
    engine, placed = SingleDevice("cpu"), _method()
    engine.place(placed)
    assert placed.mappings["encoder"].layer("linear").weight.device == engine.device == torch.device("cpu")
    assert engine.describe() == f"cpu ({torch.get_num_threads()} threads)"


def _on_a_gpu(monkeypatch, precision):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    monkeypatch.setattr(nn.Module, "to", lambda module, device: module)
    return SingleDevice("cuda_if_available", precision)


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_a_gpu_is_described_by_its_name(monkeypatch, precision):
    assert _on_a_gpu(monkeypatch, precision).describe() == f"cuda (Some GPU, {precision})"


@pytest.mark.parametrize(("precision", "expected"), [("float32", "ieee"), ("tf32", "tf32"), ("bfloat16", "ieee")])
def test_float32_is_what_the_method_says_on_a_gpu(monkeypatch, precision, expected):
    backends = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn)
    before = [backend.fp32_precision for backend in backends]
    with _on_a_gpu(monkeypatch, precision).computing():
        assert [backend.fp32_precision for backend in backends] == [expected] * 3
    assert [backend.fp32_precision for backend in backends] == before


@pytest.mark.parametrize(("precision", "expected"), [("float32", None), ("tf32", None), ("bfloat16", torch.bfloat16)])
def test_networks_are_told_their_precision_on_a_gpu(monkeypatch, precision, expected):
    placed = _method()
    _on_a_gpu(monkeypatch, precision).place(placed)
    assert placed.mappings["encoder"].reduced_precision == expected


def _with_instructions(monkeypatch, **found):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, **found}, raising=False)


@pytest.mark.parametrize("instructions", ["avx512_bf16", "amx_bf16"])
def test_a_cpu_computes_in_bfloat16_where_it_has_instructions_for_it(monkeypatch, instructions):
    _with_instructions(monkeypatch, **{instructions: True})
    engine, placed, samples = SingleDevice("cpu", "bfloat16"), _method(), torch.rand(4, 3)
    exact = placed.mappings["encoder"](samples)
    engine.place(placed)
    found = placed.mappings["encoder"](samples)
    assert found.dtype == torch.float32
    assert not torch.equal(found, exact)
    torch.testing.assert_close(found, exact, rtol=0.05, atol=0.05)
    assert engine.describe() == f"cpu ({torch.get_num_threads()} threads, bfloat16)"


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_precision_changes_nothing_on_a_cpu_without_instructions_for_it(monkeypatch, precision):
    _with_instructions(monkeypatch, avx512_bf16=False)
    engine, placed, samples = SingleDevice("cpu", precision), _method(), torch.rand(4, 3)
    before = placed.mappings["encoder"](samples)
    engine.place(placed)
    with engine.computing():
        assert torch.equal(placed.mappings["encoder"](samples), before)
    assert engine.describe().endswith(f"threads; it has no {precision}, here that is float32)")


def _convolutional():
    layers = [("conv", nn.Conv2d(3, 4, 3)), ("lazy", nn.LazyConv2d(2, 3)), ("back", nn.ConvTranspose2d(2, 3, 5))]
    return Method([Mapping("encoder", "feature_extractor", layers)], nn.Module())


def _is_channels_last(method, name):
    weight = method.mappings["encoder"].layer(name).weight
    return weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()


def test_kernels_lie_channels_last_on_a_cpu_and_compute_the_same():
    torch.manual_seed(0)
    placed, samples = _convolutional(), torch.rand(5, 3, 9, 9)
    before = placed.mappings["encoder"](samples)
    placed = copy.deepcopy(placed)
    SingleDevice("cpu").place(placed)
    assert _is_channels_last(placed, "conv")
    assert _is_channels_last(placed, "back")
    after = placed.mappings["encoder"](samples)
    torch.testing.assert_close(after, before)
    assert after.is_contiguous(memory_format=torch.channels_last)


def test_a_layer_without_sizes_stays_as_it_is():
    placed = _convolutional()
    SingleDevice("cpu").place(placed)
    assert isinstance(placed.mappings["encoder"].layer("lazy"), nn.LazyConv2d)


@pytest.mark.parametrize(("precision", "expected"), [("float32", False), ("tf32", True), ("bfloat16", True)])
def test_kernels_lie_channels_last_on_a_gpu_for_its_tensor_cores(monkeypatch, precision, expected):
    placed = _convolutional()
    _on_a_gpu(monkeypatch, precision).place(placed)
    assert _is_channels_last(placed, "conv") == expected
