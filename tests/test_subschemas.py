from recombine.subschemas import (
    Subschema,
    annotation,
    expand,
    is_closed,
    items,
    names_by_alias,
    properties,
    resolve,
    root_schema,
    walk,
)
from tests.methods import rich


def parts(schema, value=None):
    """Return what applies to a value under one made schema."""
    return expand([Subschema(schema, "method.json")], value)


def test_conditions_are_decided_by_the_value():
    schema = {"if": {"required": ["a"]}, "then": {"x-word": "yes"}, "else": {"x-word": "no"}}
    assert annotation(parts(schema, {"a": 1}), "x-word") == "yes"
    assert annotation(parts(schema, {}), "x-word") == "no"


def test_references_are_followed_within_and_across_files():
    found = resolve("design_patterns/contrastive.json", "../common.json#/$defs/name")
    assert (found.file, found.schema["minLength"]) == ("common.json", 1)
    assert resolve("phase.json", "#/$defs/saving").file == "phase.json"
    assert resolve("phase.json", "mapping.json").schema["title"] == "Mapping"
    described = parts({"$ref": "common.json#/$defs/name"})
    assert annotation(described, "minLength") == 1


def test_properties_and_items_of_all_parts_are_gathered():
    schema = {
        "properties": {"a": {"x-n": 1}},
        "allOf": [{"properties": {"a": {"x-m": 2}, "b": {}}}],
        "items": {"x-i": 3},
    }
    found = properties(parts(schema))
    assert sorted(found) == ["a", "b"]
    assert (annotation(found["a"], "x-n"), annotation(found["a"], "x-m")) == (1, 2)
    assert annotation(items(parts(schema)), "x-i") == 3
    assert annotation(items(parts(schema)), "x-n") is None


def test_an_object_is_closed_if_some_part_closes_it():
    assert is_closed(parts({"additionalProperties": False}))
    assert is_closed(parts({"allOf": [{"unevaluatedProperties": False}]}))
    assert not is_closed(parts({"additionalProperties": True}))
    assert not is_closed([])


def test_aliases_lead_to_names():
    assert names_by_alias(expand([root_schema()], {})) == {"training_device": "device"}


def test_a_walk_meets_every_described_value_with_its_parents():
    visits = {visit.pointer: visit for visit in walk(rich(), [root_schema()])}
    name = visits["/phases/0/save_mapping_parameters/0/mapping_name"]
    assert name.value == "encoder"
    assert annotation(name.parts, "x-ref") == "mapping"
    assert [sorted(parent)[0] for parent in name.parents] == [
        "cluster_assignment_strategy",
        "design_patterns",
        "keep_old_files",
    ]
    assert "/mappings/0/layers/1/in_features" not in visits
    assert "/training_device" not in visits
