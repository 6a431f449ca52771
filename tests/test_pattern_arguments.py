import pytest

from recombine import registry
from recombine.config import frozen
from recombine.pattern_arguments import pattern_arguments, pattern_options
from recombine.subschemas import Subschema
from tests.patterns.world import World, spelt_out

SCHEMA = Subschema(
    {
        "allOf": [{"$ref": "../common.json#/$defs/pattern"}, {"$ref": "../common.json#/$defs/one_view"}],
        "properties": {
            "pattern": {"enum": ["x"]},
            "encoder_name": {"x-ref": "mapping"},
            "classifier_name": {"$ref": "../common.json#/$defs/classifier_name"},
            "batch_augmentation_name_1": {"x-ref": "view"},
            "mapping_names": {"type": "array", "items": {"x-ref": "mapping"}},
            "layer_names": {"type": "array", "items": {"x-ref": "layer"}},
            "file_name": {"type": "string"},
            "own_weight": {"x-owner": "objective"},
            "ignored": {"x-owner": "ignored"},
        },
    },
    "design_patterns/x.json",
)


def test_options_lose_the_keys_of_others_and_the_suffix_of_references():
    assert {parameter: key for parameter, (key, _) in pattern_options(SCHEMA).items()} == {
        "encoder": "encoder_name",
        "classifier": "classifier_name",
        "batch_augmentation": "batch_augmentation_name",
        "batch_augmentation_1": "batch_augmentation_name_1",
        "mappings": "mapping_names",
        "layer_names": "layer_names",
        "file_name": "file_name",
    }


def test_arguments_resolve_mappings_and_give_none_for_what_is_absent():
    encoder = object()
    block = {
        "pattern": "x",
        "encoder_name": "e",
        "mapping_names": ("e", "e"),
        "batch_augmentation_name": "plain",
        "loss_weight": 2,
    }
    assert pattern_arguments(SCHEMA, block, {"e": encoder}) == {
        "encoder": encoder,
        "classifier": None,
        "batch_augmentation": "plain",
        "batch_augmentation_1": None,
        "mappings": (encoder, encoder),
        "layer_names": None,
        "file_name": None,
    }


def test_lists_of_objects_stay_frozen():
    entry = registry.patterns()["layer_wise_pretraining"]
    block = frozen(spelt_out(entry.schema["examples"][0]))
    pairs = pattern_arguments(entry.subschema, block, World().mappings)["encoder_decoder_layer_pairs"]
    assert pairs[0]["encoder_layer_names"] == ("encoder_1", "encoder_relu_1")
    with pytest.raises(TypeError):
        pairs[0]["train_for_iterations"] = 1
