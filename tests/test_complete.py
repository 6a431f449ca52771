import copy

from recombine.complete import blocks, complete, fill_names, placed_blocks
from tests.methods import rich, small


def completed(method):
    """Return the method with its names filled in."""
    complete(method)
    return method


def test_names_are_filled_in_by_rule_and_given_ones_stay():
    method = completed(small({"/mappings/1/name": None}))
    assert [mapping["name"] for mapping in method["mappings"]] == ["encoder", "design_pattern_specific"]
    assert [layer["name"] for layer in method["mappings"][0]["layers"]] == ["Flatten_0", "hidden", "ReLU_2", "Linear_3"]
    assert method["datasets"][0]["name"] == "Digits"
    assert [optimizer["name"] for optimizer in method["phases"][0]["optimizers"]] == ["Adam_0"]


def test_the_index_counts_every_block_of_the_list():
    method = completed(rich())
    assert [optimizer["name"] for optimizer in method["phases"][0]["optimizers"]] == ["SGD_0", "rival"]


def test_extractors_are_the_first_that_is_declared():
    method = completed(rich())
    assert method["mappings"][3]["associated_feature_extractor_name"] == "encoder"
    assert method["cluster_assignment_strategy"]["associated_feature_extractor_name"] == "encoder"
    assert "associated_feature_extractor_name" not in method["mappings"][2]


def test_without_an_extractor_the_strategy_takes_the_first_mapping_and_classifiers_take_none():
    classifier = {"name": "c", "type": "feature_space_classifier"}
    method = completed({"mappings": [classifier], "cluster_assignment_strategy": {"type": "classifier"}})
    assert method["cluster_assignment_strategy"]["associated_feature_extractor_name"] == "c"
    assert method["mappings"] == [classifier]


def test_one_place_to_save_centroids_becomes_a_list():
    place = {"saving_interval": 1, "path_to_file_or_dir": "x/", "keep_old_files": True}
    for given, wanted in ((place, [place]), ([place, place], [place, place]), (None, [])):
        changes = {"/phases/0/save_centroids": given} if given is not None else {}
        assert completed(small(changes))["phases"][0]["save_centroids"] == wanted


def test_filling_in_twice_changes_nothing():
    method = completed(rich())
    assert completed(copy.deepcopy(method)) == method


def test_odd_values_are_passed_over():
    for value in (None, 5, [], "x"):
        fill_names(value)
        assert blocks(value, "mappings") == []
    assert list(placed_blocks({"a": [1, {"b": 2}, None, {}]}, "a")) == [(1, {"b": 2}), (3, {})]
    assert completed({"mappings": 5, "phases": [3], "datasets": {}})["mappings"] == 5
