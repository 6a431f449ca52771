import json
import os
import re
import urllib.request
from pathlib import Path

import pytest
import torch

from recombine import preflight
from recombine.batch import BatchOptions, prepare
from recombine.datasets.base import Samples
from recombine.execute import LogOptions
from recombine.load import load_dict
from recombine.preflight import Preflight, size_findings, tail_findings
from tests.methods import found_with_data, rich, small

DATASET, PATTERN, OPTIMIZER, LAYER = (
    "/datasets/0",
    "/phases/0/design_patterns/0",
    "/phases/0/optimizers/0",
    "/mappings/0/layers/1",
)
STRATEGY, SCHEDULERS = "/cluster_assignment_strategy", "/phases/0/optimizer_learning_rate_schedulers"
UNLABELLED = Samples(torch.zeros(60, 1, 8, 8, dtype=torch.uint8))


def loading(path):
    """Return changes that load the encoder from a file."""
    return {"/phases/0/load_mapping_parameters": [{"mapping_name": "encoder", "path_to_file": path}]}


def saving(path, keep_old_files=False):
    """Return a block that saves the encoder to a file."""
    return {
        "mapping_name": "encoder",
        "path_to_file_or_dir": path,
        "saving_interval": 1,
        "keep_old_files": keep_old_files,
    }


def encoder(width=8):
    """Return parameters that fit the encoder if its hidden layer is 8 wide."""
    sizes = {
        "layers.1.weight": (width, 64),
        "layers.1.bias": (width,),
        "layers.3.weight": (3, width),
        "layers.3.bias": (3,),
    }
    return {name: torch.zeros(size) for name, size in sizes.items()}


def _offline(*_, **__):
    raise OSError("no network")


def test_good_methods_pass_and_leave_no_trace(tmp_path):
    state = torch.random.get_rng_state()
    assert found_with_data(small(), tmp_path) == []
    assert found_with_data(rich(), tmp_path) == []
    assert torch.equal(torch.random.get_rng_state(), state)
    assert [path.name for path in tmp_path.iterdir()] == ["method.json"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {f"{DATASET}/num_clusters": 61},
            f"RC502 at {DATASET}/num_clusters: 61 clusters are asked for, but there are only 60 samples. Write at "
            f"most 60.",
        ),
        (
            {f"{DATASET}/batch_size": 61},
            f"RC502 at {DATASET}/batch_size: the batch size 61 is larger than the dataset, which has 60 samples. "
            f"Write at most 60.",
        ),
        (
            {f"{DATASET}/index_of_last_sample_to_use": 1797},
            f"RC501 at {DATASET}: index_of_last_sample_to_use is 1797, but the samples are numbered 0 to 1796.",
        ),
        (
            {f"{LAYER}/out_features": 7},
            'RC503 at /mappings/0/layers/3: mapping "encoder": layer "Linear_3", Linear(in_features=8, out_features=3, '
            "bias=True), "
            'cannot take the output of layer "ReLU_2", which has the shape (2, 7) with the batch first: mat1 and mat2 '
            "shapes cannot be multiplied (2x7 and 8x3).",
        ),
        (
            {"/mappings/1/layers/0/in_features": 5},
            'RC503 at /mappings/1/layers/0: the pattern "reconstruction" cannot work on these networks: mapping '
            '"decoder": layer "Linear_0", Linear(in_features=5, out_features=64, bias=True), cannot take the output of '
            'layer "Linear_3" of '
            'mapping "encoder", which has the shape (8, 3) with the batch first: mat1 and mat2 shapes cannot be '
            "multiplied "
            "(8x3 and 5x64).",
        ),
        (
            {"/mappings/1/layers/0/out_features": 5},
            f'RC503 at {PATTERN}: the pattern "reconstruction" cannot work on these networks: the output of the '
            f"mapping "
            '"decoder" is to equal what it reconstructs, but has 5 elements per sample instead of 64 (shape (5,) '
            "instead of "
            "(1, 8, 8)).",
        ),
        (
            {
                "/mappings/0/layer_initialization": [
                    {"layer_names": ["hidden"], "weight_type": "bias", "type": "xavier_uniform"}
                ]
            },
            'RC503 at /mappings/0: mapping "encoder": xavier_uniform for layer "hidden" refuses its arguments: Fan '
            "in and "
            "fan out can not be computed for tensor with fewer than 2 dimensions.",
        ),
        (
            {f"{DATASET}/transforms": [{"type": "Resize", "size": "x"}]},
            f'RC502 at {DATASET}/transforms: the transforms of view "plain" cannot work on the samples: unsupported '
            "operand type(s) for /: 'str' and 'int'.",
        ),
        (
            {
                f"{DATASET}/batch_augmentations": [
                    {"name": "v", "transforms": [{"type": "Normalize", "mean": [0], "std": [1]}]}
                ],
                f"{PATTERN}/batch_augmentation_name": "v",
            },
            f'RC502 at {DATASET}/batch_augmentations/0/transforms: view "v": Normalize needs a tensor: put '
            f"ToTensor "
            "before it.",
        ),
        (
            {SCHEDULERS: [{"type": "StepLR", "optimizer_name": "Adam_0", "step_size": "x"}]},
            f"RC204 at {SCHEDULERS}/0: StepLR refuses its arguments: unsupported operand type(s) for %: 'int' and "
            f"'str'.",
        ),
        (
            {SCHEDULERS: [{"type": "OneCycleLR", "optimizer_name": "Adam_0", "max_lr": 1}]},
            f"RC204 at {SCHEDULERS}/0: OneCycleLR refuses its arguments: You must define either total_steps OR "
            f"(epochs AND "
            "steps_per_epoch).",
        ),
        (
            {
                "/mappings/2": {"name": "empty", "type": "design_pattern_specific"},
                f"{OPTIMIZER}/trained_mapping_names": ["empty"],
            },
            f'RC402 at {OPTIMIZER}: optimizer "Adam_0" trains nothing: its mappings have no parameters.',
        ),
        ({"/device": "cuda:77"}, None),
        (
            {"/device": "meta"},
            'RC507 at /device: device "meta" cannot be used: it holds no numbers. Write "cpu" or "cuda_if_available".',
        ),
    ],
)
def test_what_data_and_networks_do_not_allow(changes, problem):
    (found,) = found_with_data(small(changes))
    if problem is None:
        assert re.match(
            'error RC507 at /device: device "cuda:77" cannot be used: .*Write "cpu" or "cuda_if_available"\\.', found
        )
    else:
        assert found == f"error {problem}"


def test_a_device_does_not_hide_other_mistakes():
    found = found_with_data(small({"/device": "nowhere", f"{DATASET}/num_clusters": 61}))
    assert [text.split()[1] for text in found] == ["RC507", "RC502"]


@pytest.mark.parametrize("arguments", [{}, {"download": True}])
def test_a_dataset_that_is_not_there_says_where_it_was_looked_for(tmp_path, monkeypatch, arguments):
    monkeypatch.setattr(urllib.request, "urlopen", _offline)
    block = {"dataset": "MNIST", "root": "nowhere", "batch_size": 2, "num_clusters": 2, "shuffle": True, **arguments}
    (found,) = found_with_data(small({DATASET: block}), tmp_path)
    if arguments:
        assert found.startswith(
            f'error RC501 at {DATASET}: dataset "MNIST" could not be downloaded to {tmp_path}/nowhere: '
        )
        assert found.endswith("Mend the cause, or put the files there, or give --data-root.")
    else:
        assert found == (
            f'error RC501 at {DATASET}: dataset "MNIST" was not found complete. Looked in:\n'
            f"  {tmp_path}/nowhere: Dataset not found\n"
            'To mend it, add "download": true, correct "root", or give --data-root.'
        )


@pytest.mark.parametrize("root", ["file", "a" * 5000, "file/below"])
def test_a_root_that_cannot_be_read_is_one_problem(tmp_path, root):
    (tmp_path / "file").write_text("")
    for dataset in ("MNIST", "ImageFolder", "COIL20"):
        block = {"dataset": dataset, "root": root, "batch_size": 2, "num_clusters": 2, "shuffle": True}
        (found,) = found_with_data(small({DATASET: block}), tmp_path)
        assert found.startswith(f'error RC501 at {DATASET}: dataset "{dataset}" was not found complete. Looked in:\n')


def test_classifiers_are_as_wide_as_there_are_clusters():
    assert found_with_data(rich({"/mappings/3/layers/0/out_features": 7})) == [
        'error RC503 at /mappings/3: classifier "classifier" gives 7 outputs, but dataset "few" has 4 clusters. Make '
        "its "
        "last layer 4 wide."
    ]


def test_a_classifier_that_no_pattern_uses_is_tried_all_the_same():
    (found,) = found_with_data(
        rich({"/mappings/3/layers/0/in_features": 7, "/phases/1/design_patterns/2/enabled": False})
    )
    assert found.startswith('error RC503 at /mappings/3/layers/0: mapping "classifier": layer "scores", ')


def test_every_mapping_that_cannot_be_built_is_named():
    start = [{"layer_names": ["hidden"], "weight_type": "bias", "type": "orthogonal"}]
    decoder = [{"layer_names": ["Linear_0"], "weight_type": "bias", "type": "dirac"}]
    found = found_with_data(
        small({"/mappings/0/layer_initialization": start, "/mappings/1/layer_initialization": decoder})
    )
    assert [text.split(": ")[0] for text in found] == ["error RC503 at /mappings/0", "error RC503 at /mappings/1"]


def test_networks_larger_than_the_memory_are_refused_before_they_are_built(monkeypatch):
    monkeypatch.setattr(preflight, "physical_memory", lambda: 2.0**30)
    assert found_with_data(small({f"{LAYER}/out_features": 10**8})) == [
        'error RC508 at /mappings/0: mapping "encoder" needs 24 GiB for its parameters alone, and this machine has 1 '
        "GiB of "
        "memory. Make its layers smaller."
    ]
    assert found_with_data(small()) == []


def test_what_networks_keep_beside_their_parameters_counts_as_well(monkeypatch):
    monkeypatch.setattr(preflight, "physical_memory", lambda: 2.0**30)
    block = {"type": "BatchNorm1d", "num_features": 10**8}
    (found,) = found_with_data(small({LAYER: block}))
    assert found.startswith('error RC508 at /mappings/0: mapping "encoder" needs 1 GiB for its parameters alone, ')
    (found,) = found_with_data(
        small({f"{LAYER}/out_features": 3 * 10**6, "/mappings/1/layers/0/out_features": 5 * 10**7})
    )
    assert found.startswith("error RC508 at /mappings: the mappings together need ")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "{}/e.pth: cannot be read: No such file or directory."),
        (
            encoder(5),
            '{}/e.pth: does not fit the mapping: "layers.1.weight" has the shape (5, 64), but the mapping needs (8, '
            "64); "
            '"layers.1.bias" has the shape (5,), but the mapping needs (8,); "layers.3.weight" has the shape (3, 5), '
            "but the "
            "mapping needs (3, 8).",
        ),
        (
            os.getcwd,
            "{}/e.pth: refused: it is no plain file of tensors. Files with other objects can run code when opened; "
            "save the "
            "tensors alone (torch.save(module.state_dict(), path)).",
        ),
        (encoder(), None),
    ],
)
def test_parameters_are_tried_before_anything_runs(tmp_path, content, problem):
    if content is not None:
        torch.save(content, tmp_path / "e.pth")
    place = "/phases/0/load_mapping_parameters/0/path_to_file"
    expected = [] if problem is None else [f"error RC504 at {place}: {problem.format(tmp_path)}"]
    assert found_with_data(small(loading("e.pth")), tmp_path) == expected


@pytest.mark.parametrize(
    ("written", "there", "problems"),
    [
        ([saving("e.pth")], None, 0),
        ([saving("e.pth")], 5, 0),
        ([saving("e.pth", keep_old_files=True)], None, 0),
        ([saving("e.pth", keep_old_files=True)], 5, 1),
        ([saving("./")], None, 0),
        ([saving("other/")], None, 1),
        ([], None, 1),
    ],
)
def test_parameters_that_an_earlier_phase_writes_need_not_be_there_yet(tmp_path, written, there, problems):
    if there is not None:
        torch.save(encoder(there), tmp_path / "e.pth")
    last = {
        "name": "last",
        "order": 1,
        "exit_criteria": {"epochs": 1},
        "load_mapping_parameters": loading("e.pth").popitem()[1],
    }
    method = small({"/phases/1": last, "/phases/0/save_mapping_parameters": written})
    assert len(found_with_data(method, tmp_path)) == problems
    early = small({"/phases/1": {**last, "order": -1}, "/phases/0/save_mapping_parameters": written})
    expected = 0 if there == 8 else 1
    assert len(found_with_data(early, tmp_path)) == expected


def test_centroids_are_tried_before_anything_runs(tmp_path):
    changes = {
        f"{STRATEGY}/centroid_initialization_strategy": "load_from_file",
        f"{STRATEGY}/centroid_file_path": "c.pth",
    }
    place = f"error RC504 at {STRATEGY}/centroid_file_path: {tmp_path}/c.pth"
    assert found_with_data(rich(changes), tmp_path) == [f"{place}: cannot be read: No such file or directory."]
    torch.save(torch.zeros(4, 2), tmp_path / "c.pth")
    assert found_with_data(rich(changes), tmp_path) == [
        f"{place}: holds centroids of shape (4, 2); the method needs (4, 3) (clusters, features)."
    ]
    torch.save(torch.zeros(4, 3), tmp_path / "c.pth")
    assert found_with_data(rich(changes), tmp_path) == []


@pytest.mark.parametrize("key", ["save_mapping_parameters", "save_centroids"])
@pytest.mark.parametrize("path", ["../x.pth", "/x.pth", "link/x.pth", "a/../../x.pth"])
def test_saving_elsewhere_needs_to_be_allowed(tmp_path, key, path):
    folder = tmp_path / "method"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    block = {
        name: value
        for name, value in saving(path).items()
        if name != "mapping_name" or key == "save_mapping_parameters"
    }
    method = rich({f"/phases/1/{key}": [block]})
    allowed = "/" if path == "/x.pth" else str(tmp_path)
    assert found_with_data(method, folder) == [
        f'error RC505 at /phases/1/{key}/0/path_to_file_or_dir: "{path}" lies outside the folder of the method file, '
        f"where "
        f"it may save; allow it by --allow-write {allowed}."
    ]
    assert found_with_data(method, folder, allow_write=(Path(allowed),)) == []


def test_saving_below_a_file_is_told_before_anything_runs(tmp_path):
    method = small({"/phases/0/save_mapping_parameters": [saving("method.json/x.pth")]})
    (found,) = found_with_data(method, tmp_path)
    assert found.endswith(f'"method.json/x.pth" cannot be written: {tmp_path}/method.json is no folder.')


def test_samples_that_never_train_are_a_warning():
    assert found_with_data(small({f"{DATASET}/batch_size": 25})) == [
        f"warning RC506 at {DATASET}/batch_size: the last 10 of 60 samples are never trained on: they make no whole "
        'batch. Set "shuffle" to true or "drop_last" to false.'
    ]
    for changes in ({"shuffle": True}, {"drop_last": False}, {"batch_size": 30}):
        pointers = {f"{DATASET}/{key}": value for key, value in changes.items()}
        assert found_with_data(small({f"{DATASET}/batch_size": 25, **pointers})) == []


def test_a_warning_does_not_keep_the_rest_from_being_checked():
    changes = {f"{DATASET}/batch_size": 25, f"{DATASET}/transforms": [{"type": "Resize", "size": "x"}]}
    assert sorted(text.split(" at ")[0] for text in found_with_data(small(changes))) == ["error RC502", "warning RC506"]
    changes = {f"{DATASET}/batch_size": 25, f"{LAYER}/out_features": 7}
    assert sorted(text.split(" at ")[0] for text in found_with_data(small(changes))) == ["error RC503", "warning RC506"]


def test_a_last_batch_that_is_too_small_for_a_pattern_is_an_error():
    changes = {f"{DATASET}/batch_size": 59, f"{DATASET}/drop_last": False}
    assert found_with_data(rich(changes)) == [
        f"error RC405 at {DATASET}/drop_last: the last batch of an epoch has 1 of 60 samples, but the pattern "
        f'"{pattern}" needs at least 2. Set "drop_last" to true.'
        for pattern in ("adversarial_interpolation", "contrastive")
    ]


def test_scores_need_labels(monkeypatch):
    monkeypatch.setattr(preflight, "load_samples", lambda *_: UNLABELLED)
    last = {"name": "last", "order": 1, "performance_evaluation_interval": 1}
    for criteria, count in (
        ({"performance_evaluation_acc_gt": 0.5}, 1),
        ({"performance_evaluation_acc_gt": 0.5, "performance_evaluation_cluster_reassignment_ratio_lt": 0}, 1),
        ({"performance_evaluation_acc_gt": 0.5, "performance_evaluation_cluster_reassignment_ratio_lt": 0.1}, 0),
        ({"performance_evaluation_acc_gt": 0.5, "epochs": 1}, 0),
    ):
        found = found_with_data(small({"/phases/1": {**last, "exit_criteria": criteria}}))
        errors = [text for text in found if text.startswith("error")]
        assert errors == count * [
            'error RC401 at /phases/1/exit_criteria: the phase could never end on dataset "Digits", which has no '
            "labels to "
            'score against. Add "iterations" or "epochs".'
        ]


def test_mappings_that_are_kept_must_fit_the_next_dataset():
    second = {**small()["datasets"][0], "name": "second", "reinitialize_mappings": False}
    assert found_with_data(small({"/datasets/1": second})) == []
    smaller = {**second, "transforms": [{"type": "CenterCrop", "size": 4}, {"type": "ToTensor"}]}
    (found,) = found_with_data(small({"/datasets/1": smaller}))
    assert found.startswith('error RC503 at /mappings/0/layers/1: mapping "encoder": layer "hidden", ')


def test_datasets_are_decoded_once_for_all_methods_of_a_batch(monkeypatch):
    calls = []

    def load(*arguments):
        calls.append(arguments)
        return UNLABELLED

    monkeypatch.setattr(preflight, "load_samples", load)
    cache = {}
    for seed in (0, 1):
        prepare(load_dict(small({"/seed": seed})), BatchOptions(LogOptions(Path("logs"))), cache)
    assert len(calls) == 1
    prepare(
        load_dict(small({f"{DATASET}/index_of_last_sample_to_use": 58})), BatchOptions(LogOptions(Path("logs"))), cache
    )
    assert len(calls) == 2


def test_sizes_are_checked_for_what_they_are():
    (config,) = load_dict(small()).require().datasets
    assert [f.pointer for f in size_findings(config, 3, "/d")] == ["/d/num_clusters", "/d/batch_size"]
    assert list(size_findings(config, 60, "/d")) == []
    assert [(f.code, f.is_warning) for f in tail_findings(config, {61}, "/d")] == [("RC506", True)]
    assert list(tail_findings(config, {3, 60}, "/d")) == []


def test_the_checks_are_of_one_method(tmp_path):
    loaded = load_dict(rich())
    checks = Preflight(loaded.require(), None, None, {})
    checks.places = type("Anywhere", (), {"check": staticmethod(lambda path, replaces: None)})()
    assert checks.check() == []
    assert len(checks.samples["few"]) == 60
    assert json.dumps(loaded.require().resolved)
