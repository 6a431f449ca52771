"""The schema for editors: draft-07, complete, and no stricter than recombine and the classes that it names."""

import copy
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from recombine import bundle, catalog, markdown, registry, schemas
from recombine.draft07 import Translator, merged
from recombine.errors import UsageError
from recombine.load import load_dict
from recombine.subschemas import Subschema
from tests.methods import RICH, SMALL, TRANSFORMER_LAYER, changed

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
TOOL = shutil.which("check-jsonschema", path=SCRIPTS)
CONFIGURATIONS = sorted((ROOT / "configurations").rglob("*.json"))
LATER = {"$defs", "unevaluatedProperties", "dependentRequired", "prefixItems", "$dynamicRef", "$anchor"}
PLURALS = {
    "layers": "layer",
    "initializers": "init",
    "functions": "functional",
    "optimizers": "optimizer",
    "schedulers": "scheduler",
    "transforms": "transform",
    "datasets": "dataset",
}
LAYERS, OPTIMIZER, DATASET = "/mappings/0/layers", "/phases/0/optimizers/0", "/datasets/0"
PATTERN, STRATEGY, SCHEDULERS = (
    "/phases/0/design_patterns/0",
    "/cluster_assignment_strategy",
    "/phases/0/optimizer_learning_rate_schedulers",
)
STEPS = {"type": "ChainedScheduler", "optimizer_name": "Adam_0"}
CONVOLUTION = {"type": "Conv2d", "in_channels": 1, "out_channels": 2, "kernel_size": 3}


@pytest.fixture(scope="module")
def schema():
    """The bundle, as it is written."""
    return json.loads(bundle.bundle_text())


@pytest.fixture(scope="module")
def validator(schema):
    """What judges by the bundle."""
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def part(schema, name):
    """Return what judges by one definition."""
    return Draft7Validator({"definitions": schema["definitions"], "$ref": f"#/definitions/{name}"})


def objects(value):
    """Yield every object, outermost first."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(inner)


def complaints(validator, value):
    """Return the places and keywords of errors."""
    return [("".join(f"/{part}" for part in e.absolute_path), e.validator) for e in validator.iter_errors(value)]


# --- the file -----------------------------------------------------------------------------------------------------


def test_it_is_draft_07_in_one_file(schema):
    Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    found = list(objects(schema))
    assert len(found) > 5000
    references = [item for item in found if isinstance(item.get("$ref"), str)]
    assert len(references) > 400
    for item in references:
        assert list(item) == ["$ref"]
        assert item["$ref"].removeprefix("#/definitions/") in schema["definitions"]


def test_no_keyword_of_ours_or_of_later_drafts_is_left(schema):
    for item in objects(schema):
        is_schema = not any("class" in key for key in item)
        assert not LATER & set(item)
        assert not is_schema or not [key for key in item if key.startswith("x-")]


def test_the_comment_tells_the_versions(schema):
    for package in ("recombine", "torch", "torchvision", "Python"):
        assert f"{package} " in schema["$comment"]


def test_another_process_writes_the_same_and_needs_no_torchvision(schema):
    code = (
        "import sys, time; from recombine.bundle import bundle_text; start = time.perf_counter()\n"
        "sys.stdout.buffer.write(bundle_text().encode()); assert 'torchvision' not in sys.modules\n"
        "assert time.perf_counter() - start < 5"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, timeout=120, check=True)  # noqa: S603
    assert done.stdout.decode() == bundle.bundle_text()


def test_a_keyword_that_editors_do_not_know_is_a_mistake_of_the_schema_file():
    with pytest.raises(UsageError, match=r'the schema a.json: "prefixItems" cannot be said in JSON Schema draft-07'):
        Translator().translate(Subschema({"prefixItems": [{}]}, "a.json"))


def test_keywords_that_both_dialects_know_stay():
    schema = {"type": "array", "contains": {"type": "number", "multipleOf": 2}}
    assert Translator().translate(Subschema(schema, "a.json")) == schema


def test_merged_schemas_demand_what_both_demand():
    inner = {"type": "number", "minimum": 1, "required": ["a"], "properties": {"a": {"type": "string"}, "b": False}}
    outer = {"minimum": 2, "description": "x", "required": ["b"], "properties": {"a": {"minLength": 1}, "b": True}}
    assert merged(inner, outer) == {
        "type": "number",
        "minimum": 2,
        "description": "x",
        "required": ["a", "b"],
        "properties": {"a": {"type": "string", "minLength": 1}, "b": False},
        "allOf": [{"minimum": 1}],
    }
    conditions = {"if": {"required": ["a"]}, "then": False}, {"if": {"required": ["b"]}, "else": False}
    assert merged(*conditions) == {**conditions[1], "allOf": [conditions[0]]}


# --- what is valid ------------------------------------------------------------------------------------------------


def test_every_configuration_is_valid(validator):
    assert len(CONFIGURATIONS) > 50
    found = {path.name: complaints(validator, json.loads(path.read_text(encoding="utf-8"))) for path in CONFIGURATIONS}
    assert {name: errors for name, errors in found.items() if errors} == {}


@pytest.mark.parametrize("method", [SMALL, RICH], ids=["small", "rich"])
def test_methods_of_the_tests_are_valid(validator, method):
    assert complaints(validator, method) == []


def test_examples_of_the_schema_files_are_valid(schema):
    paths = {path.relative_to(schemas.root()).with_suffix("").as_posix() for path in schemas.root().rglob("*.json")}
    names = {path.replace("/", ".") for path in paths} & set(schema["definitions"])
    assert len(names) > 20
    for name in names:
        examples = schemas.load(f"{name.replace('.', '/')}.json").get("examples", [])
        judge = part(schema, name)
        assert [complaints(judge, example) for example in examples] == [[] for _ in examples], name


@pytest.mark.parametrize(
    "changes",
    [
        {"/device": "cpu"},
        {"/$schema": "../../schema/method.json"},
        {"/phases/0/save_centroids": {"saving_interval": 1, "path_to_file_or_dir": "a/", "keep_old_files": True}},
        {"/phases/0/performance_evaluation_interval": {"epochs": 1}},
        {"/phases/0/exit_criteria/iterations": 2.0},
        {f"{LAYERS}/0": {"type": "Sequential", "positional_arguments": [{"type": "ReLU"}, CONVOLUTION]}},
        {f"{LAYERS}/0": {"type": "Linear", "positional_arguments": [64, 64], "bias": False}},
        {f"{LAYERS}/0": {"type": "Linear", "in_features": 64, "out_features": 64, "bias": 0, "dtype": "float32"}},
        {f"{LAYERS}/0": {**CONVOLUTION, "kernel_size": [3, 3], "padding": "same"}},
        {f"{LAYERS}/0": TRANSFORMER_LAYER},
        {f"{LAYERS}/0": {"type": "LazyConv2d", "out_channels": 2, "kernel_size": 3, "padding": "same"}},
        {f"{LAYERS}/0": {"type": "AdaptiveAvgPool2d", "output_size": [None, 7]}},
        {f"{LAYERS}/0": {"type": "BatchNorm1d", "num_features": 64, "momentum": None}},
        {f"{OPTIMIZER}/betas": [0.5, 0.9]},
        {OPTIMIZER: {"type": "RMSpropTF", "lr": 1e-3}},
        {"/phases/0/optimizer_learning_rate_schedulers": [
            {"type": "SequentialLR", "optimizer_name": "Adam_0", "milestones": [5], "schedulers": [
                {"type": "LinearLR"}, {"type": "StepLR", "step_size": 3}]}]},
        {f"{DATASET}/transforms": [
            {"type": "RandomApply", "transforms": [{"type": "ColorJitter", "brightness": [0.5, 1]}]},
            {"type": "RandomAffine", "degrees": 10, "interpolation": "BILINEAR"}, {"type": "ToTensor"}]},
        {DATASET: {"dataset": "STL10", "root": "x", "splits": ["train", "test"], "batch_size": 2, "num_clusters": 10}},
        {DATASET: {"dataset": "EMNIST", "root": "x", "split": "letters", "batch_size": 2, "num_clusters": 10}},
        {"/phases/0/sampling": {"type": "by_neighborhoods", "num_neighbors": 3}},
        {"/mappings/1": {"type": "design_pattern_specific", "mirror_of": "encoder", "output_non_linearity": None}},
        {"/mappings/1/post_processing_functions": [
            {"function_name": "gelu", "input_argument_name": "input", "approximate": "tanh"}]},
        {"/mappings/1/post_processing_functions": [
            {"function_name": "adaptive_avg_pool2d", "input_argument_name": "input", "output_size": [1, 1]},
            {"function_name": "lp_pool2d", "input_argument_name": "input", "norm_type": 2, "kernel_size": 2},
            {"function_name": "unfold", "input_argument_name": "input", "kernel_size": 3, "padding": [1, 0]}]},
        {"/phases/0/design_patterns/0/pattern": "training_feature_extractor_through_reconstruction_of_samples"},
        {"/mappings/0/layer_initialization": [
            {"type": "kaiming_normal_", "layer_names": ["hidden"], "weight_type": "weight", "nonlinearity": "relu"}]},
    ],
)  # fmt: skip
def test_what_recombine_takes_is_valid(validator, changes):
    assert complaints(validator, changed(SMALL, changes)) == []


def test_defaults_of_classes_are_valid(schema):
    found = 0
    for name, definition in schema["definitions"].items():
        known = definition.get("properties", {}) if ":" in name else {}
        for inner in [value for value in known.values() if isinstance(value, dict) and "default" in value]:
            found += 1
            assert complaints(Draft7Validator(inner), inner["default"]) == [], (name, inner)
    assert found > 700


# --- what is a mistake --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"/seeed": 1}, ("", "additionalProperties")),
        ({"/seed": "one"}, ("/seed", "type")),
        ({"/phases/0/exit_criteria": {}}, ("/phases/0/exit_criteria", "minProperties")),
        ({"/phases/0/design_patterns/0/encoder": "e"}, ("/phases/0/design_patterns/0", "additionalProperties")),
        ({"/phases/0/design_patterns/0/pattern": "reconstuction"}, ("/phases/0/design_patterns/0/pattern", "enum")),
        ({"/phases/0/sampling": {"type": "uniform", "num_neighbors": 3}}, ("/phases/0/sampling", None)),
        ({"/cluster_assignment_strategy/type": "kmeans"}, ("/cluster_assignment_strategy/type", "enum")),
        ({f"{LAYERS}/0": {"type": "Conv2D"}}, (f"{LAYERS}/0/type", "enum")),
        ({f"{LAYERS}/0": {"type": "LBFGS"}}, (f"{LAYERS}/0/type", "enum")),
        ({f"{LAYERS}/0": {**CONVOLUTION, "strides": 2}}, (f"{LAYERS}/0", "additionalProperties")),
        ({f"{LAYERS}/0": {**CONVOLUTION, "device": "cpu"}}, (f"{LAYERS}/0", "additionalProperties")),
        ({f"{LAYERS}/0": {**CONVOLUTION, "padding_mode": "zero"}}, (f"{LAYERS}/0/padding_mode", "enum")),
        ({f"{LAYERS}/0": {"type": "Linear", "in_features": 64}}, (f"{LAYERS}/0", "required")),
        ({f"{LAYERS}/1/in_features": "64"}, (f"{LAYERS}/1/in_features", "type")),
        ({f"{LAYERS}/0": {**TRANSFORMER_LAYER, "activation": {"type": "Gelu"}}},
         (f"{LAYERS}/0/activation/type", "enum")),
        ({f"{LAYERS}/0": {"type": "Sequential", "positional_arguments": [{"type": "Relu"}]}},
         (f"{LAYERS}/0/positional_arguments/0/type", "enum")),
        ({f"{LAYERS}/0": {"type": "ReLU", "pooling_layer_name": "x"}}, (f"{LAYERS}/0/pooling_layer_name", "not")),
        ({f"{OPTIMIZER}/learning_rate": 1}, (OPTIMIZER, "additionalProperties")),
        ({f"{OPTIMIZER}/lr": "0.1"}, (f"{OPTIMIZER}/lr", "type")),
        ({OPTIMIZER: {"type": "LBFGS"}}, (f"{OPTIMIZER}/type", "enum")),
        ({f"{DATASET}/dataset": "Mnist"}, (f"{DATASET}/dataset", "enum")),
        ({f"{DATASET}/batchsize": 3}, (DATASET, "additionalProperties")),
        ({f"{DATASET}/transforms": [{"type": "RandomCrop"}]}, (f"{DATASET}/transforms/0", "required")),
        ({f"{DATASET}/transforms": [{"type": "RandomApply", "transforms": [{"type": "Lambda"}]}]},
         (f"{DATASET}/transforms/0/transforms/0/type", "enum")),
        ({"/mappings/1/post_processing_functions": [{"function_name": "normalise", "input_argument_name": "input"}]},
         ("/mappings/1/post_processing_functions/0/function_name", "enum")),
        ({"/mappings/1/post_processing_functions": [{"function_name": "softmax", "input_argument_name": "x"}]},
         ("/mappings/1/post_processing_functions/0/input_argument_name", "enum")),
        ({"/mapping": []}, ("", "additionalProperties")),
        ({"/datasets": {}}, ("/datasets", "type")),
        ({"/mappings/0": {"type": "feature_extractor", "layer": []}}, ("/mappings/0", "additionalProperties")),
        ({"/mappings/0/type": "encoder"}, ("/mappings/0/type", "enum")),
        ({"/mappings/0/layer_initialization": [{"type": "xavier_normal", "layer_names": ["hidden"]}]},
         ("/mappings/0/layer_initialization/0", "required")),
        ({"/mappings/0/layer_initialization": [
            {"type": "xavier", "layer_names": ["hidden"], "weight_type": "weight"}]},
         ("/mappings/0/layer_initialization/0/type", "enum")),
        ({f"{LAYERS}/1/dtype": "float33"}, (f"{LAYERS}/1/dtype", "enum")),
        ({"/phases/0/order": "first"}, ("/phases/0/order", "type")),
        ({"/phases/0/exit_criteria/iteration": 3}, ("/phases/0/exit_criteria", "additionalProperties")),
        ({PATTERN: {"encoder_name": "encoder"}}, (PATTERN, "required")),
        ({f"{PATTERN}/loss_weight": "1"}, (f"{PATTERN}/loss_weight", "type")),
        ({f"{PATTERN}/loss_weight_schedule": {"warmup": 3}},
         (f"{PATTERN}/loss_weight_schedule", "additionalProperties")),
        ({f"{STRATEGY}/num_restarts": 3}, (STRATEGY, "additionalProperties")),
        ({SCHEDULERS: [{"type": "StepLR", "optimizer_name": "Adam_0", "step_size": 3, "gama": 1}]},
         (f"{SCHEDULERS}/0", "additionalProperties")),
        ({SCHEDULERS: [{**STEPS, "schedulers": [{"type": "StepLR"}]}]}, (f"{SCHEDULERS}/0/schedulers/0", "required")),
        ({SCHEDULERS: [{**STEPS, "schedulers": [{"type": "LambdaLR"}]}]},
         (f"{SCHEDULERS}/0/schedulers/0/type", "enum")),
        ({f"{DATASET}/sets": {"num_object": 20}}, (f"{DATASET}/sets", "additionalProperties")),
        ({f"{DATASET}/batch_augmentations": [{"name": "a", "transform": []}]},
         (f"{DATASET}/batch_augmentations/0", "additionalProperties")),
        ({"/mappings/1/architecture": {"path_to_file": "a.json", "index": 0}, "/mappings/1/mirror_of": "encoder",
          "/mappings/1/layers": []}, ("/mappings/1/architecture", "not")),
    ],
)  # fmt: skip
def test_mistakes_are_found_where_they_are(validator, changes, complaint):
    method = changed(SMALL, changes)
    assert load_dict(method).config is None
    assert complaint in complaints(validator, method)


@pytest.mark.parametrize(
    ("key", "value", "keyword"),
    [("stride", "2", "type"), ("kernel_size", [3, 3, 3], "maxItems"), ("dilation", [1, 1.5], "type")],
)
def test_values_that_torch_would_refuse_in_use_are_found_at_once(validator, key, value, keyword):
    method = changed(SMALL, {f"{LAYERS}/0": {**CONVOLUTION, key: value}})
    place = f"{LAYERS}/0/{key}" + ("/1" if key == "dilation" else "")
    assert (place, keyword) in complaints(validator, method)


def test_mistakes_in_a_list_of_architectures_are_found(validator):
    path = next(path for path in CONFIGURATIONS if path.parent.name == "architectures")
    architectures = json.loads(path.read_text(encoding="utf-8"))
    architectures[0]["layers"][1]["num_filter"] = 3
    assert complaints(validator, architectures) == [("/0/layers/1", "additionalProperties")]


def test_a_misspelt_class_is_one_error(validator):
    assert len(complaints(validator, changed(SMALL, {f"{LAYERS}/0": {"type": "Conv2D", "in_channels": 1}}))) == 1


# --- what an editor proposes --------------------------------------------------------------------------------------


def test_it_names_everything_that_a_file_can_name(schema):
    for plural, kind in PLURALS.items():
        names = {name for name, _ in catalog.entries(plural)}
        assert names
        key = {"functional": "function_name", "dataset": "dataset"}.get(kind, "type")
        found = schema["definitions"][f"any_{kind}"]["properties"][key]
        assert names <= set(found["enum"])
        assert {name.removesuffix("_") for name in names} >= set(found["enum"]) - names
        assert len(found["enum"]) == len(found["enumDescriptions"])
        assert {f"{kind}:{name}" for name in names} <= set(schema["definitions"])


@pytest.mark.parametrize("folder", ["design_patterns", "assignment_strategies"])
def test_patterns_and_strategies_have_their_options_and_names(schema, folder):
    entries = registry.patterns() if folder == "design_patterns" else registry.strategies()
    assert len(entries) == len(markdown.entries(folder)) >= 4
    for entry in entries.values():
        found = schema["definitions"][f"{folder}.{entry.id}"]
        assert {row.key for row in markdown.rows(entry.subschema) if row.key.isidentifier()} <= set(found["properties"])
        assert found["additionalProperties"] is False
    holder = schema["properties"]["cluster_assignment_strategy"]
    holder = schema["definitions"]["design_pattern"] if folder == "design_patterns" else holder
    assert [snippet["label"] for snippet in holder["defaultSnippets"]] == list(entries)


def test_arguments_have_types_defaults_and_descriptions(schema):
    found = schema["definitions"]["layer:Conv2d"]["properties"]
    assert found["in_channels"]["type"] == "integer"
    assert found["stride"]["default"] == 1
    assert found["padding_mode"]["enum"] == ["zeros", "reflect", "replicate", "circular"]
    assert found["kernel_size"]["description"]
    assert schema["definitions"]["transform:RandomResizedCrop"]["properties"]["scale"]["default"] == [0.08, 1.0]
    assert "bilinear" in schema["definitions"]["transform:Resize"]["properties"]["interpolation"]["examples"]
    assert schema["definitions"]["dataset:PointSets"]["properties"]["kind"]["default"] == "shapes"
    assert schema["definitions"]["layer:LSTM"]["properties"]["hidden_size"]["type"] == "integer"
    assert schema["definitions"]["functional:max_pool2d"]["properties"]["kernel_size"]["description"]


def test_other_names_are_taken_but_not_proposed(schema):
    found = schema["properties"]["training_device"]
    assert found["doNotSuggest"] is True
    assert found["description"] == "Another name of device."
    assert "trained_mappings" in schema["definitions"]["optimizer.optimizer"]["properties"]


def test_keys_that_go_with_others_are_proposed_beside_these_alone(schema):
    layer = schema["definitions"]["mapping.layer"]
    assert layer["properties"]["pooling_layer_name"] is True
    assert layer["then"]["properties"]["pooling_layer_name"]["description"]
    forbidden = layer["else"]["properties"]["pooling_layer_name"]
    assert forbidden == {"not": {}, "errorMessage": "only unpooling layers have one", "doNotSuggest": True}


def test_conditions_hold_no_list_of_words_that_lacks_the_value(schema):
    """VS Code fails to describe a value where a schema that it looks at has an enum without it."""
    conditions = [item["if"] for name, part in schema["definitions"].items() for item in objects(part) if "if" in item]
    assert len(conditions) > 400
    whole = [item for item in conditions if "enum" in json.dumps(item)]
    assert whole == [schema["definitions"][f"any_{kind}"]["if"] for kind in sorted(PLURALS.values())]


def test_the_schema_files_stay_as_they_are(schema):
    before = copy.deepcopy(schemas.load("phase.json"))
    bundle.bundle()
    assert schemas.load("phase.json") == before


# --- another judge ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(TOOL is None, reason="check-jsonschema is not installed")
def test_an_independent_tool_agrees(tmp_path):
    file, bad = tmp_path / "bundle.json", tmp_path / "bad.json"
    file.write_text(bundle.bundle_text(), encoding="utf-8")
    bad.write_text(json.dumps(changed(SMALL, {f"{LAYERS}/0": {**CONVOLUTION, "strides": 2}})), encoding="utf-8")
    for arguments, status in (
        (["--check-metaschema", file], 0),
        (["--schemafile", file, *CONFIGURATIONS], 0),
        (["--schemafile", file, bad], 1),
    ):
        done = subprocess.run([TOOL, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False)  # noqa: S603
        assert done.returncode == status, done.stdout
