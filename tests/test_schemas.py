"""The schema files themselves: valid, closed, described, and right about what they accept."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from recombine import schemas

FILES = sorted(path.relative_to(schemas.root()).as_posix() for path in schemas.root().rglob("*.json"))
CONDITIONAL = re.compile(r"(/allOf/\d+)?/(then|else)(?=/)")


def declared(schema: Any, pointer: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema within ``schema`` that declares something, conditions and their branches left out."""
    yield pointer, schema
    for keyword in ("properties", "$defs"):
        for name, inner in schema.get(keyword, {}).items():
            yield from declared(inner, f"{pointer}/{keyword}/{name}")
    if isinstance(schema.get("items"), dict):
        yield from declared(schema["items"], f"{pointer}/items")
    for index, inner in enumerate(schema.get("allOf", [])):
        if "if" not in inner:
            yield from declared(inner, f"{pointer}/allOf/{index}")


def nested(value: Any, pointer: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every JSON object within ``value``."""
    if isinstance(value, dict):
        yield pointer, value
        for key, inner in value.items():
            yield from nested(inner, f"{pointer}/{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from nested(inner, f"{pointer}/{index}")


def errors(value: Any, uri: str) -> list[str]:
    """Return the messages of the schema at ``uri`` about ``value``."""
    validator = Draft202012Validator({"$ref": f"recombine:/{uri}"}, registry=schemas.registry())
    return [error.message for error in validator.iter_errors(value)]


def described(file: str, schema: dict[str, Any]) -> bool:
    """Tell whether a schema, or the definition that it refers to, has a description."""
    reference = schema.get("$ref", "")
    resolver = schemas.registry().resolver(f"recombine:/{file}")
    target = {}
    if reference:
        absolute = next(iter(nested(schemas._absolute({"$ref": reference}, file))))[1]["$ref"]
        target = resolver.lookup(absolute).contents
    return len(schema.get("description", target.get("description", ""))) >= 20


def test_the_schema_files_are_found():
    assert len(FILES) >= 11


@pytest.mark.parametrize("file", FILES)
def test_every_file_is_a_valid_schema(file):
    Draft202012Validator.check_schema(schemas.load(file))
    assert schemas.load(file)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "$id" not in schemas.load(file)


@pytest.mark.parametrize("file", FILES)
def test_every_property_has_a_description(file):
    found = [
        (f"{pointer}/{name}", described(file, inner))
        for pointer, schema in declared(schemas.load(file))
        for name, inner in schema.get("properties", {}).items()
    ]
    assert [pointer for pointer, good in found if not good] == []


@pytest.mark.parametrize("file", FILES)
def test_every_reference_resolves(file):
    resolver = schemas.registry().resolver(f"recombine:/{file}")
    for _, schema in nested(schemas.registry()[f"recombine:/{file}"].contents):
        if isinstance(schema.get("$ref"), str):
            assert isinstance(resolver.lookup(schema["$ref"]).contents, dict)


@pytest.mark.parametrize("file", FILES)
def test_every_object_is_closed_or_takes_arguments_of_a_class(file):
    for pointer, schema in declared(schemas.load(file)):
        if "properties" not in schema or schema.get("x-part"):
            continue
        is_closed = False in (schema.get("additionalProperties"), schema.get("unevaluatedProperties"))
        assert is_closed != ("x-class" in schema), pointer


@pytest.mark.parametrize("file", FILES)
def test_every_default_satisfies_its_own_schema(file):
    for pointer, schema in nested(schemas.load(file)):
        if "default" in schema and not pointer.endswith("/properties"):
            assert errors(schema["default"], f"{file}#{CONDITIONAL.sub('', pointer)}") == [], pointer


@pytest.mark.parametrize("file", FILES)
def test_every_example_satisfies_its_own_schema(file):
    for pointer, schema in declared(schemas.load(file)):
        for example in schema.get("examples", []):
            assert errors(example, f"{file}#{pointer}") == [], pointer


def test_numbers_and_integers_have_ranges_apart_from_weights_and_orders():
    free = {
        f"{file}{pointer}"
        for file in FILES
        for pointer, schema in declared(schemas.load(file))
        if schema.get("type") in ("integer", "number")
        and not {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"} & set(schema)
    }
    # A loss with a negative weight may be anything.
    expected = ("/order", "_weight", "/validation_lt/properties/value")
    assert {pointer for pointer in free if not pointer.endswith(expected)} == set()


def strategy(kind: str, **options: Any) -> list[str]:
    return errors({"type": kind, **options}, "assignment_strategy.json")


def test_an_unknown_strategy_is_one_error():
    assert len(strategy("classifer")) == 1
    assert errors({}, "assignment_strategy.json") == ["'type' is a required property"]


@pytest.mark.parametrize("alias", ["classical_clustering_in_feature_space_after_phase", "k_means_after_phase"])
def test_both_names_of_a_strategy_are_accepted(alias):
    assert strategy(alias, classical_clustering_in_feature_space_after_phase="pretraining") == []
    assert strategy(alias) == ["'classical_clustering_in_feature_space_after_phase' is a required property"]


@pytest.mark.parametrize(
    "option",
    [
        {"centroid_initialization_strategy": "random_uniform_noise"},
        {"centroid_initialization_classical_clustering_method": "k_means"},
        {"centroid_initialization_classical_clustering_num_restarts": 5},
        {"centroid_file_path": "centroids.pth"},
        {"centroid_recalculation_strategy": "fixed_centroids"},
        {"centroid_recalculation_classical_clustering_method": "k_means"},
        {"centroid_recalculation_classical_clustering_num_restarts": 5},
        {"centroid_recalculation_interval": 100},
    ],
)
def test_every_centroid_property_needs_phases_that_use_centroids(option):
    assert strategy("classifier", **option) == ["'use_centroids_during_phases' is a required property"]
    assert strategy("classifier", **option, use_centroids_during_phases=["finetuning"]) == []


@pytest.mark.parametrize(
    "option",
    [
        {"similarity_measure": "student_t"},
        {"gaussian_similarity_measure_inverse_temperature": {"fixed_value": 2}},
    ],
)
def test_soft_assignments_beside_k_means_need_phases_that_use_centroids(option):
    options = {"classical_clustering_in_feature_space_after_phase": "finetuning", **option}
    assert strategy("k_means_after_phase", **options) == ["'use_centroids_during_phases' is a required property"]
    assert strategy("k_means_after_phase", **options, use_centroids_during_phases=["finetuning"]) == []


def test_centroid_similarity_always_needs_phases_that_use_centroids():
    assert strategy("centroid_similarity") == ["'use_centroids_during_phases' is a required property"]


@pytest.mark.parametrize(
    ("option", "missing"),
    [
        ({"centroid_initialization_strategy": "load_from_file"}, "centroid_file_path"),
        ({"centroid_recalculation_strategy": "classical_clustering"}, "centroid_recalculation_interval"),
        ({"centroid_recalculation_strategy": "means_of_assigned_samples"}, "centroid_recalculation_interval"),
    ],
)
def test_choices_need_what_belongs_to_them(option, missing):
    found = strategy("centroid_similarity", use_centroids_during_phases=["finetuning"], **option)
    assert found == [f"'{missing}' is a required property"]


def test_the_criterion_name_needs_a_classifier():
    missing = strategy("classifier", classifier_selection_criterion="name")
    assert missing == ["'classifier_name' is a required property"]


@pytest.mark.parametrize(
    ("temperature", "count"),
    [
        ({"fixed_value": 2}, 0),
        ({"fixed_value": -1}, 1),
        ({}, 3),
        ({"annealing_initial_value": 0.1, "annealing_final_value": 28.13}, 1),
        ({"annealing_initial_value": 0.1, "annealing_final_value": 28.13, "annealing_iterations_per_value": 1370}, 0),
        ({"fixed_value": 2, "annealing_final_value": 28.13}, 1),
    ],
)
def test_an_inverse_temperature_is_fixed_or_annealed(temperature, count):
    options = {"use_centroids_during_phases": ["x"], "gaussian_similarity_measure_inverse_temperature": temperature}
    assert len(strategy("centroid_similarity", similarity_measure="gaussian", **options)) == count


def phase(**properties: Any) -> list[str]:
    return errors({"name": "p", "order": 1, "exit_criteria": {"iterations": 1}, **properties}, "phase.json")


def test_criteria_on_performance_need_an_evaluation_interval():
    criteria = {"iterations": 5, "performance_evaluation_acc_gt": 0.9}
    assert phase(exit_criteria={"iterations": 5, "epochs": 2}) == []
    assert phase(exit_criteria=criteria) == ["'performance_evaluation_interval' is a required property"]
    assert phase(exit_criteria=criteria, performance_evaluation_interval=5) == []


@pytest.mark.parametrize(
    ("interval", "found"),
    [
        (5, []),
        ({"epochs": 2}, []),
        (0, ["0 is less than the minimum of 1"]),
        ({"epochs": 0}, ["0 is less than the minimum of 1"]),
        ({}, ["{} should be non-empty"]),
        ({"epoch": 2}, ["Additional properties are not allowed ('epoch' was unexpected)"]),
        ("2 epochs", ["'2 epochs' is not of type 'integer', 'object'"]),
    ],
)
def test_an_interval_counts_iterations_or_epochs(interval, found):
    assert phase(performance_evaluation_interval=interval) == found


def test_a_phase_needs_an_exit_and_a_known_one():
    assert len(phase(exit_criteria={})) == 1
    assert phase(exit_criteria={"iterations": 0}) == ["0 is less than the minimum of 1"]
    assert any("iteration" in message for message in phase(exit_criteria={"iteration": 5}))


def test_centroids_are_saved_to_one_place_or_to_several():
    place = {"saving_interval": 10, "path_to_file_or_dir": "./", "keep_old_files": True}
    assert phase(save_centroids=place) == []
    assert phase(save_centroids=[place, place]) == []
    assert len(phase(save_centroids={**place, "mapping_name": "encoder"})) == 1
    assert len(phase(save_centroids=[{**place, "mapping_name": "encoder"}])) == 1


def test_an_augmentation_cannot_be_called_plain():
    block = {"dataset": "MNIST", "batch_size": 1, "num_clusters": 2}
    assert errors({**block, "batch_augmentations": [{"name": "x", "transforms": []}]}, "dataset.json") == []
    assert len(errors({**block, "batch_augmentations": [{"name": "plain", "transforms": []}]}, "dataset.json")) == 1


@pytest.mark.parametrize(
    ("kind", "key", "count"),
    [
        ("feature_space_classifier", "associated_feature_extractor_name", 0),
        ("sample_space_classifier", "associated_feature_extractor_name", 1),
        ("sample_space_classifier", "softmax_layer_name", 0),
        ("feature_extractor", "softmax_layer_name", 1),
    ],
)
def test_mappings_take_only_what_fits_their_type(kind, key, count):
    assert len(errors({"type": kind, key: "x"}, "mapping.json")) == count
