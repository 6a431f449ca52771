"""Whatever fits or does not is found without weights: the same as with them."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from recombine.load import load_file
from recombine.mapping import Mapping
from recombine.preflight import Preflight
from recombine.shape_checks import Trial, shape_findings
from recombine.weightless import WEIGHTLESS, lighten, made
from tests.methods import SMALL, changed, rich, small, written

ROOT = Path(__file__).parents[1]
LAYERS = [
    (nn.Linear(6, 4), (3, 6)),
    (nn.Conv2d(2, 5, 3, stride=2, padding=1), (3, 2, 9, 9)),
    (nn.MaxPool2d(2), (3, 2, 8, 8)),
    (nn.MaxPool2d(2, return_indices=True), (3, 2, 8, 8)),
    (nn.BatchNorm1d(6), (3, 6)),
    (nn.Flatten(), (3, 2, 4)),
    (nn.Unflatten(1, (2, 3)), (3, 6)),
    (nn.LSTM(6, 4, bidirectional=True, batch_first=True), (3, 5, 6)),
    (nn.LSTM(6, 4, num_layers=2, proj_size=3), (5, 3, 6)),
    (nn.GRU(6, 4), (5, 3, 6)),
    (nn.RNN(6, 4), (5, 6)),
    (nn.TransformerEncoderLayer(8, 2, batch_first=True), (3, 5, 8)),
    (nn.Sequential(nn.Linear(6, 4), nn.ReLU()), (3, 6)),
    (nn.LazyLinear(4), (3, 6)),
    (nn.Embedding(7, 3), None),
]


def shapes(value):
    """Return the shapes and types in a nest of tuples."""
    return [shapes(each) for each in value] if isinstance(value, tuple) else (value.shape, value.dtype)


def light(layer):
    """Return a layer as one without weights."""
    lighten([Mapping("m", "feature_extractor", [("layer", layer.to(WEIGHTLESS))])])
    return layer


@pytest.mark.parametrize(("layer", "size"), LAYERS, ids=lambda each: type(each).__name__)
def test_a_layer_without_weights_gives_the_shapes_of_one_with_them(layer, size):
    x = torch.zeros(3, 2, dtype=torch.int64) if size is None else torch.rand(size)
    expected = shapes(layer(x))
    given = x.clone().requires_grad_(x.is_floating_point())
    answer = light(layer)(given)
    assert shapes(answer) == expected
    first = answer[0] if isinstance(answer, tuple) else answer
    wanted = [each for each in (given, *layer.parameters()) if each.requires_grad]
    assert all(grad is not None for grad in torch.autograd.grad(first.sum(), wanted))


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (nn.Linear(6, 4), (3, 5)),
        (nn.LSTM(6, 4), (3, 2, 5)),
        (nn.BatchNorm1d(6), (1, 6)),
        (nn.Conv2d(2, 2, 9), (1, 2, 8, 8)),
    ],
)
def test_what_a_layer_refuses_it_refuses_without_weights(layer, size):
    with pytest.raises((RuntimeError, ValueError)) as with_weights:
        layer(torch.rand(size))
    with pytest.raises(type(with_weights.value)):
        light(layer)(torch.rand(size))


def test_layers_of_the_same_kind_and_other_sizes_are_told_apart():
    first, second = light(nn.MaxPool2d(2)), light(nn.MaxPool2d(2, return_indices=True))
    x = torch.rand(1, 1, 8, 8)
    assert first(x).shape == (1, 1, 4, 4)
    assert [each.shape for each in second(x)] == [(1, 1, 4, 4), (1, 1, 4, 4)]
    assert light(nn.MaxPool2d(4))(x).shape == (1, 1, 2, 2)


def test_made_tensors_of_any_size_take_no_memory():
    large = made((10**6, 10**6))
    assert large.shape == (10**6, 10**6)
    assert large.untyped_storage().nbytes() == 4


@pytest.mark.parametrize("method", [small(), rich()], ids=["small", "rich"])
def test_a_method_that_fits_is_not_built_with_weights(method, tmp_path, monkeypatch):
    monkeypatch.setattr(Preflight, "rehearse", None)
    assert shape_findings(load_file(written(tmp_path, method)).require()) == []


def test_no_shipped_configuration_needs_weights_to_be_told_right(monkeypatch):
    """A trial that fails is repeated with weights: for methods that fit, this would only take time."""
    seen = []
    original = Trial.findings
    monkeypatch.setattr(Trial, "findings", lambda self: seen.append(original(self)) or seen[-1])
    files = [
        path for path in sorted((ROOT / "configurations").rglob("*.json")) if "phases" in json.loads(path.read_text())
    ]
    findings = [found for path in files for found in shape_findings(load_file(path).require())]
    assert findings == []
    assert len(seen) > 60
    assert None not in seen


def test_a_shape_that_only_data_tells_is_left_to_the_run(tmp_path):
    images = {"dataset": "ImageFolder", "root": "nowhere", "batch_size": 20, "num_clusters": 4}
    method = changed(SMALL, {"/datasets/0": images, "/mappings/0/layers/1/in_features": 63})
    assert shape_findings(load_file(written(tmp_path, method)).require()) == []
    images["transforms"] = [{"type": "Grayscale"}, {"type": "Resize", "size": [8, 8]}, {"type": "ToTensor"}]
    (found,) = shape_findings(load_file(written(tmp_path, changed(method, {"/datasets/0": images}))).require())
    assert (found.code, found.pointer) == ("RC503", "/mappings/0/layers/1")
