import json
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from types import MappingProxyType

import pytest

from recombine.assignment.centroids import CentroidOptions
from recombine.config import (
    ClaimConfig,
    CycleConfig,
    DatasetConfig,
    MappingConfig,
    OptimizerConfig,
    PhaseConfig,
    centroid_keys,
    frozen,
)
from recombine.identity import config_hash
from recombine.load import load_dict, load_file
from recombine.subschemas import properties, resolve
from tests.methods import rich, small, written


def names(place):
    """Return the properties that a schema declares, without the free text."""
    return set(properties([resolve("method.json", place)])) - {"description"}


@pytest.mark.parametrize(
    ("cls", "place", "ours"),
    [
        (MappingConfig, "mapping.json", set()),
        (DatasetConfig, "dataset.json", {"arguments"}),
        (OptimizerConfig, "optimizer.json#/$defs/optimizer", {"arguments"}),
        (CycleConfig, "optimizer.json#/$defs/cycle", set()),
        (PhaseConfig, "phase.json", set()),
        (ClaimConfig, "claim.json", set()),
        (CentroidOptions, "common.json#/$defs/centroids", set()),
    ],
)
def test_the_fields_are_the_properties_of_the_schema(cls, place, ours):
    extra = {CentroidOptions: {"associated_feature_extractor_name"}, MappingConfig: {"architecture"}}.get(cls, set())
    assert {field.name for field in fields(cls)} == (names(place) - extra) | ours


def test_the_keys_of_centroids_are_those_of_the_schema():
    assert centroid_keys() == names("common.json#/$defs/centroids") | set()
    assert "use_centroids_during_phases" in centroid_keys()


def test_everything_is_there_and_nothing_can_be_changed():
    config = load_dict(rich()).require()
    assert (config.name, config.seed, config.device, config.extractor, config.folder) == (
        "rich",
        0,
        "cpu",
        "encoder",
        Path.cwd(),
    )
    assert [mapping.name for mapping in config.mappings] == ["encoder", "decoder", "head", "classifier", "critic"]
    assert config.mappings[3].softmax_layer_name == "softmax"
    optimizer = config.phases[0].optimizers[0]
    assert (optimizer.type, optimizer.name, optimizer.group_name) == ("SGD", "SGD_0", "autoencoder")
    assert dict(optimizer.arguments) == {"lr": 0.01}
    assert config.phases[1].optimizer_cycle == (CycleConfig(("Adam_0",), 1),)
    assert config.centroids.centroid_recalculation_strategy == "recalculation_by_design_pattern"
    assert dict(config.strategy)["similarity_measure"] == "student_t"
    with pytest.raises(FrozenInstanceError):
        config.seed = 1
    with pytest.raises(TypeError):
        config.mappings[0].layers[1]["in_features"] = 1
    with pytest.raises(TypeError):
        config.phases[0].design_patterns[0]["loss_weight_schedule"]["start_at_iteration"] = 5


def test_arguments_of_classes_are_apart_from_our_keys():
    dataset = {
        "dataset": "MNIST",
        "root": "x",
        "train": False,
        "batch_size": 2,
        "num_clusters": 2,
        "description": "free",
    }
    (config,) = load_dict(small({"/datasets/0": dataset})).require().datasets
    assert dict(config.arguments) == {"root": "x", "train": False}


def test_phases_and_datasets_come_in_order_and_only_if_enabled():
    phases = [
        {"name": name, "order": order, "exit_criteria": {"epochs": 1}}
        for name, order in (("c", 2), ("a", 1.5), ("b", 2))
    ]
    phases.append({**phases[0], "name": "off", "enabled": False})
    block = small()["datasets"][0]
    datasets = [{**block, "name": name, "order": order} for name, order in (("y", 1), ("x", 0), ("z", 1))]
    datasets.append({**block, "name": "off", "enabled": False, "order": -1})
    datasets[0]["phases"] = ["b", "a", "off"]
    changes = {"/phases": [*small()["phases"], *phases], "/datasets": datasets}
    config = load_dict(small(changes)).require()
    assert [phase.name for phase in config.phases] == ["training", "a", "c", "b"]
    assert [dataset.name for dataset in config.datasets] == ["x", "y", "z"]
    assert [phase.name for phase in config.phases_of(config.datasets[0])] == ["training", "a", "c", "b"]
    assert [phase.name for phase in config.phases_of(config.datasets[1])] == ["a", "b"]


def test_a_method_without_centroids_has_none():
    assert load_dict(small()).require().centroids is None


def test_the_file_of_centroids_is_relative_to_the_method(tmp_path):
    changes = {
        "/cluster_assignment_strategy/centroid_initialization_strategy": "load_from_file",
        "/cluster_assignment_strategy/centroid_file_path": "../c.pth",
    }
    config = load_file(written(tmp_path, rich(changes))).require()
    assert config.centroids.centroid_file_path == tmp_path / "../c.pth"
    assert config.folder == tmp_path


def test_the_resolved_configuration_is_plain_json_with_every_default_spelt_out():
    resolved = load_dict(rich()).require().resolved
    assert json.loads(json.dumps(resolved, allow_nan=False)) == resolved
    assert resolved["seed"] == 0
    assert resolved["mappings"][0]["layers"][0] == {"type": "Flatten", "positional_arguments": [], "name": "Flatten_0"}
    assert resolved["phases"][1]["design_patterns"][0]["temperature_parameter"] == 0.5
    assert resolved["datasets"][0]["shuffle"] is False


def test_claims_are_there_and_change_nothing():
    bare = {"dataset": "Digits", "metric": "ari", "mean": -0.01, "source": "a paper"}
    claims = [bare, {**bare, "metric": "acc", "mean": 1, "spread": 0, "n": 1}]
    config = load_dict(small({"/claims": claims})).require()
    assert config.claims == (
        ClaimConfig("Digits", "ari", -0.01, None, None, "a paper"),
        ClaimConfig("Digits", "acc", 1, 0, 1, "a paper"),
    )
    without = load_dict(small()).require()
    assert without.claims == ()
    assert config_hash(config.resolved) == config_hash(without.resolved)


def test_freezing_goes_all_the_way_down():
    value = frozen({"a": [1, {"b": [2]}], "c": "x"})
    assert isinstance(value, MappingProxyType)
    assert value["a"] == (1, {"b": (2,)})
    assert isinstance(value["a"][1], MappingProxyType)
    assert value["c"] == "x"
