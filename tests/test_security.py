"""Attacks that the text of a method file alone can make; those that need other files are in test_security_files.py."""

import json
import os
import socket
import subprocess
import time

import pytest

from recombine.load import load_file
from recombine.problems import has_errors
from tests.methods import TRANSFORMER_LAYER, found_with_data, rich, shown, small, written
from tests.set_methods import of_points

CODES_OF_NAMES = ("RC105", "RC201")
#: Names that code could be reached by, if names were looked up in Python.
NAMES = (
    "os.system",
    "builtins.eval",
    "torch.nn.Linear",
    "torch.hub.load",
    "Linear.__init__",
    "__import__",
    "__builtins__",
    "__class__",
    "_parse",
    "_ConvNd",
    "functional",
    "modules",
    "warnings",
    "math",
    "partial",
    "Tensor",
    "Any",
    "eval",
    "handle_torch_function",
    "../Linear",
    "Linear\n",
    "Lіnear",  # noqa: RUF001  (a Cyrillic letter)
    "",
)
#: One of each kind, for places that share their lists with others.
FEW_NAMES = ("os.system", "torch.nn.Linear", "__import__", "_parse", "functional", "partial", "eval")
WITH_ALL_NAMES = ("layer", "function before", "transform", "dataset", "optimizer")
LAYERS, TRANSFORMS = "/mappings/0/layers", "/datasets/0/transforms"
SCHEDULERS = "/phases/0/optimizer_learning_rate_schedulers"
FUNCTION = {"input_argument_name": "input"}
PLACES = {
    "layer": lambda name: {f"{LAYERS}/0": {"type": name}},
    "layer by position": lambda name: {f"{LAYERS}/0": {"type": "Sequential", "positional_arguments": [{"type": name}]}},
    "layer by name": lambda name: {
        f"{LAYERS}/0": {"type": "TransformerEncoder", "num_layers": 1, "encoder_layer": {"type": name}}
    },
    "layer in a layer in a layer": lambda name: {
        f"{LAYERS}/0": {
            "type": "TransformerEncoder",
            "num_layers": 1,
            "encoder_layer": {**TRANSFORMER_LAYER, "activation": {"type": name}},
        }
    },
    "initialisation": lambda name: {
        "/mappings/3/layer_initialization/0": {"layer_names": ["scores"], "weight_type": "weight", "type": name}
    },
    "function before": lambda name: {"/mappings/0/pre_processing_functions": [{**FUNCTION, "function_name": name}]},
    "function after": lambda name: {"/mappings/2/post_processing_functions/0": {**FUNCTION, "function_name": name}},
    "optimizer": lambda name: {"/phases/1/optimizers/0/type": name},
    "scheduler": lambda name: {f"{SCHEDULERS}/0": {"type": name, "optimizer_name": "rival"}},
    "scheduler in a scheduler": lambda name: {
        f"{SCHEDULERS}/0": {"type": "ChainedScheduler", "optimizer_name": "rival", "schedulers": [{"type": name}]}
    },
    "transform": lambda name: {TRANSFORMS: [{"type": name}]},
    "transform in a transform": lambda name: {TRANSFORMS: [{"type": "RandomApply", "transforms": [{"type": name}]}]},
    "transform of a view": lambda name: {"/datasets/0/batch_augmentations/0/transforms": [{"type": name}]},
    "dataset": lambda name: {"/datasets/0/dataset": name},
    "pattern": lambda name: {"/phases/0/design_patterns/0/pattern": name},
    "strategy": lambda name: {"/cluster_assignment_strategy/type": name},
}


@pytest.fixture(autouse=True)
def nothing_happens(monkeypatch):
    """Fail where a connection is made, a name is looked up, a program runs, or text is evaluated."""
    happened = []
    watched = (
        (socket.socket, "connect"),
        (socket, "getaddrinfo"),
        (os, "system"),
        (subprocess.Popen, "__init__"),
    )
    for owner, name in watched:
        monkeypatch.setattr(owner, name, lambda *args, name=name, **more: happened.append((name, args)))
    yield
    assert happened == []


def refusals(tmp_path, method, at_most=5.0):
    """Return what is wrong with a file, which must be told in ``at_most`` seconds and leave no file behind."""
    path, started = written(tmp_path, method), time.perf_counter()
    loaded = load_file(path)
    assert time.perf_counter() - started < at_most
    assert has_errors(loaded.problems)
    assert loaded.config is None
    assert [file.name for file in tmp_path.iterdir()] == ["method.json"]
    return [shown(problem) for problem in loaded.problems]


@pytest.mark.parametrize("place", PLACES)
def test_no_name_reaches_code_anywhere(tmp_path, place):
    for name in NAMES if place in WITH_ALL_NAMES else FEW_NAMES:
        (pointer,) = PLACES[place](name)
        found = [text for text in refusals(tmp_path, rich(PLACES[place](name))) if pointer in text]
        assert any(text.startswith(tuple(f"error {code} " for code in CODES_OF_NAMES)) for text in found), (name, found)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({TRANSFORMS: [{"type": "Lambda", "lambd": "print"}]}, 'RC201 at /datasets/0/transforms/0/type: "Lambda"'),
        ({f"{SCHEDULERS}/0": {"type": "LambdaLR", "optimizer_name": "rival", "lr_lambda": "x"}}, "RC201"),
        ({"/datasets/0/dataset": "DatasetFolder"}, 'RC201 at /datasets/0/dataset: "DatasetFolder" cannot be used'),
        ({"/datasets/0/dataset": "LSUN"}, 'RC201 at /datasets/0/dataset: "LSUN" cannot be used: it opens pickled'),
        ({"/datasets/0/dataset": "LSUNClass"}, "RC201"),
        ({"/datasets/0/dataset": "Kinetics"}, "RC201"),
    ],
)
def test_classes_that_hold_or_open_code_are_refused(tmp_path, changes, found):
    assert any(f"error {found}" in text for text in refusals(tmp_path, rich(changes)))


@pytest.mark.parametrize("argument", ["loader", "transform", "target_transform", "is_valid_file", "url", "mirrors"])
def test_no_argument_of_a_dataset_is_code_or_an_address(tmp_path, argument):
    block = {"dataset": "ImageFolder", "root": "x", "batch_size": 2, "num_clusters": 2, argument: "os.system"}
    assert refusals(tmp_path, small({"/datasets/0": block}))[0].startswith(f"error RC202 at /datasets/0/{argument}: ")


@pytest.mark.parametrize("key", ["$ref", "$id", "__reduce__", "py/object"])
@pytest.mark.parametrize("place", ["", "/mappings/0", "/phases/0", "/datasets/0/transforms/0"])
def test_keys_that_mean_something_elsewhere_mean_nothing_here(tmp_path, place, key):
    address, pointer = "http://127.0.0.1:9/method.json", place + "/" + key.replace("/", "~1")
    method = small({"/datasets/0/transforms": [{"type": "ToTensor"}]})
    block = method
    for part in place.split("/")[1:]:
        block = block[int(part) if isinstance(block, list) else part]
    block[key] = address
    (found,) = refusals(tmp_path, method)
    assert found.startswith(("error RC101", "error RC202")), found
    assert f" at {pointer}: " in found


@pytest.mark.parametrize(
    "name", ["\x1b]0;owned\x07", "a\nb", "\u202egnp", "\u200f", "\u061c", "\u2066", "\ufeff", "x" * 201]
)
@pytest.mark.parametrize(
    "pointer", ["/name", "/mappings/0/name", "/phases/0/name", "/datasets/0/name", "/phases/0/optimizers/0/name"]
)
def test_names_hide_nothing_and_end(tmp_path, pointer, name):
    found = refusals(tmp_path, small({pointer: name}))
    assert any(text.startswith((f"error RC106 at {pointer}", f"error RC104 at {pointer}")) for text in found)
    assert all(text.replace("\n", "").isprintable() for text in found)


ENDLESS = 10**9
COUNTS = {
    "TransformerEncoder": {"encoder_layer": TRANSFORMER_LAYER, "num_layers": ENDLESS},
    "LSTM": {"input_size": 64, "hidden_size": 4, "num_layers": ENDLESS},
    "GRU": {"positional_arguments": [64, 4, ENDLESS]},
    "Transformer": {"d_model": 4, "nhead": 2, "num_decoder_layers": ENDLESS},
    "Sequential": {"positional_arguments": [{"type": "RNN", "input_size": 4, "hidden_size": 4, "num_layers": ENDLESS}]},
}


@pytest.mark.parametrize("layer", COUNTS)
def test_layers_are_counted_before_they_are_built(tmp_path, layer):
    (found,) = refusals(tmp_path, small({LAYERS: [{"type": layer, **COUNTS[layer]}]}))
    assert found.startswith(f"error RC204 at {LAYERS}/0/")
    assert " stands for 1,000,000," in found
    assert found.endswith(" layers or operations, one after the other. At most 1,000 are possible.")


def test_layers_that_repeat_layers_are_multiplied(tmp_path):
    block = {"type": "TransformerEncoder", "encoder_layer": TRANSFORMER_LAYER, "num_layers": 100}
    for _ in range(2):
        block = {"type": "TransformerEncoder", "encoder_layer": block, "num_layers": 30}
    (found,) = refusals(tmp_path, small({LAYERS: [block]}))
    assert found.startswith(f"error RC204 at {LAYERS}/0/encoder_layer/num_layers: TransformerEncoder stands for 3,000 ")


@pytest.mark.parametrize(
    "transform",
    [
        {"type": "RandAugment", "num_ops": ENDLESS},
        {"type": "AugMix", "mixture_width": ENDLESS},
        {"type": "AugMix", "chain_depth": ENDLESS},
        {"type": "AugMix", "mixture_width": 40, "chain_depth": 1000},
    ],
)
def test_operations_on_images_are_counted(tmp_path, transform):
    (found,) = refusals(tmp_path, small({TRANSFORMS: [{"type": "RandomApply", "transforms": [transform]}]}))
    assert found.startswith(f"error RC204 at {TRANSFORMS}/0/transforms/0/")


@pytest.mark.parametrize(
    ("method", "pointer", "number"),
    [
        (small, "/datasets/0/num_workers", ENDLESS),
        (of_points, "/datasets/0/sets/num_objects", 10**300),
        (of_points, "/datasets/0/sets/num_evaluation_sets", ENDLESS),
        (of_points, "/datasets/0/batch_size", ENDLESS),
        (small, "/phases/0/exit_criteria/iterations", -(10**300)),
    ],
)
def test_numbers_have_bounds_where_nothing_else_gives_them(tmp_path, method, pointer, number):
    assert any(text.startswith(f"error RC104 at {pointer}: ") for text in refusals(tmp_path, method({pointer: number})))


@pytest.mark.parametrize("number", [10**300, 2**63, 2**40, 0, -1])
@pytest.mark.parametrize(
    "pointer",
    [
        f"{LAYERS}/1/out_features",
        "/datasets/0/batch_size",
        "/datasets/0/num_clusters",
        "/datasets/0/index_of_last_sample_to_use",
    ],
)
def test_enormous_sizes_are_refused_before_they_are_allocated(tmp_path, pointer, number):
    started = time.perf_counter()
    path = written(tmp_path, small({pointer: number}))
    loaded = load_file(path)
    found = [shown(p) for p in loaded.problems] or found_with_data(small({pointer: number}))
    assert any(text.startswith("error RC") for text in found), found
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    "device", ["meta", "cuda:99999", "privateuseone:0", "hpu", "mtia", "os.system", "../x", "\x1b[2J"]
)
def test_devices_are_asked_for_not_imported(device):
    (found,) = found_with_data(small({"/device": device}))
    assert found.startswith("error RC507 at /device: ")


@pytest.mark.parametrize(
    "text",
    [
        '"' + '\\"' * 500_000,
        '{"name": "' + '\\"' * 500_000,
        "[" * 1_000_000,
        '{"a":' * 200_000,
        json.dumps({"name": "x", "mappings": [[[[]]] * 1000] * 50}),
        '{"seed": ' + "9" * 1_000_000 + "}",
        json.dumps({f"key {i}": i for i in range(3000)}),
        json.dumps({"name": "x" * 1_500_000}),
    ],
    ids=["quotes", "quotes in a key", "brackets", "braces", "lists", "digits", "keys", "a long name"],
)
def test_megabytes_of_anything_are_answered_in_seconds(tmp_path, text):
    assert all(len(found) < 2000 for found in refusals(tmp_path, text, at_most=8))
