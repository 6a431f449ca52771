import copy

import pytest

from recombine.normalize import Doubled, Normalizer
from recombine.subschemas import Subschema, root_schema
from tests.methods import rich, small


def normalized(value, **options):
    """Return a spelt-out method and the normalizer that did it."""
    normalizer = Normalizer(**options)
    return normalizer.normalize(value, [root_schema()]), normalizer


def spelt_out(value, schema):
    """Return a value spelt out by one made schema."""
    return Normalizer().normalize(value, [Subschema(schema, "made.json")])


def test_keys_and_identifiers_get_their_canonical_names():
    value, normalizer = normalized(rich())
    assert value["device"] == "cpu"
    assert "training_device" not in value
    assert value["phases"][0]["design_patterns"][0]["pattern"] == "reconstruction"
    assert value["phases"][0]["optimizers"][1]["trained_mapping_names"] == ["critic"]
    assert value["cluster_assignment_strategy"]["type"] == "centroid_similarity"
    assert normalizer.renamed["/device"] == "training_device"


def test_pointers_lead_back_to_the_names_in_the_file():
    _, normalizer = normalized(rich())
    assert normalizer.original("/device") == "/training_device"
    assert (
        normalizer.original("/phases/0/optimizers/1/trained_mapping_names/0")
        == "/phases/0/optimizers/1/trained_mappings/0"
    )
    assert normalizer.original("/phases/1/name") == "/phases/1/name"


def test_defaults_are_filled_in_at_every_level_also_below_defaults():
    value, _ = normalized(small())
    assert value["seed"] == 0
    assert value["datasets"][0]["transforms"] == [{"type": "ToTensor"}]
    pattern = value["phases"][0]["design_patterns"][0]
    assert pattern["loss_weight"] == 1
    assert pattern["loss_weight_schedule"] == {"start_at_iteration": 0, "warm_up_iterations": 0}
    assert value["mappings"][0]["layers"][0]["positional_arguments"] == []


def test_conditional_defaults_are_filled_in_where_their_condition_holds():
    with_centroids, _ = normalized(rich())
    without, _ = normalized(small())
    strategy = with_centroids["cluster_assignment_strategy"]
    assert strategy["centroid_initialization_strategy"] == "classical_clustering"
    assert strategy["centroid_initialization_classical_clustering_num_restarts"] == 1
    assert strategy["centroid_recalculation_classical_clustering_num_restarts"] == 20
    assert not any(key.startswith("centroid") for key in without["cluster_assignment_strategy"])


def test_without_defaults_only_names_change():
    value, normalizer = normalized(small(), with_defaults=False)
    assert value == small()
    assert normalizer.renamed == {}


def test_spelling_out_twice_changes_nothing():
    once, _ = normalized(rich())
    twice, normalizer = normalized(once)
    assert twice == once
    assert normalizer.renamed == {}


def test_the_file_s_own_value_and_the_schema_stay_as_they_are():
    before = rich()
    kept = copy.deepcopy(before)
    value, _ = normalized(before)
    value["datasets"][0]["batch_augmentations"].append("x")
    value["mappings"][0]["layers"][0]["positional_arguments"].append("x")
    assert before == kept
    assert normalized(small())[0]["mappings"][0]["layers"][0]["positional_arguments"] == []


def test_whole_numbers_become_integers_where_the_schema_wants_integers_and_nowhere_else():
    value, _ = normalized(small({"/datasets/0/num_clusters": 4.0, "/datasets/0/order": 1.0, "/seed": 1e3}))
    assert (value["datasets"][0]["num_clusters"], value["seed"]) == (4, 1000)
    assert isinstance(value["datasets"][0]["num_clusters"], int)
    assert isinstance(value["seed"], int)
    assert isinstance(value["datasets"][0]["order"], float)
    untouched, _ = normalized(small({"/datasets/0/num_clusters": 4.5}))
    assert untouched["datasets"][0]["num_clusters"] == 4.5


def test_an_alias_beside_its_name_is_noted_and_left_out():
    value, normalizer = normalized(rich({"/device": "cuda"}))
    assert normalizer.doubled == [Doubled("/training_device", "training_device", "device")]
    assert value["device"] == "cuda"


def test_two_aliases_of_one_name_are_noted_as_well():
    schema = {"properties": {"a": {"x-aliases": ["b", "c"]}}}
    normalizer = Normalizer()
    value = normalizer.normalize({"c": 1, "b": 2}, [Subschema(schema, "made.json")])
    assert value == {"a": 1}
    assert normalizer.doubled == [Doubled("/b", "b", "c")]
    assert normalizer.original("/a") == "/c"


def test_a_key_that_is_an_alias_of_another_and_a_property_itself_stays():
    schema = {"properties": {"a": {"x-aliases": ["b"]}, "b": {}}}
    assert spelt_out({"b": 1}, schema) == {"b": 1}


@pytest.mark.parametrize(("types", "whole"), [("integer", True), (["object", "integer"], True), ("number", False)])
def test_whole_numbers_become_integers_where_integers_are_asked_for(types, whole):
    found = spelt_out({"a": 2.0}, {"properties": {"a": {"type": types}}})["a"]
    assert isinstance(found, int) is whole


def test_what_no_schema_describes_passes_unchanged():
    for value in (None, 5, "x", [1, {"a": [2.0]}]):
        assert normalized(value)[0] == value
    odd = {"mappings": 5, "unknown": {"type": "Linear", "x": [1.0]}, "phases": [None, 3]}
    value, _ = normalized(odd)
    assert {key: value[key] for key in odd} == odd
