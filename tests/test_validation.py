from dataclasses import fields

import pytest

from recombine.metrics import Agreement
from recombine.normalize import Normalizer
from recombine.subschemas import root_schema
from recombine.validation import schema_findings, shown
from tests.methods import rich, small

DATASET, PHASE, PATTERN = "/datasets/0", "/phases/0", "/phases/0/design_patterns/0"
STRATEGY = "/cluster_assignment_strategy"


def found(method):
    """Return the schema's findings about a method as ``code pointer: message. remedy``."""
    value = Normalizer().normalize(method, [root_schema()])
    return [f"{f.code} {f.pointer}: {f.message}. {f.remedy}".rstrip() for f in schema_findings(value)]


def test_good_methods_have_no_findings():
    assert found(small()) == []
    assert found(rich()) == []


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        (
            {f"{DATASET}/num_clusters": 1},
            f"RC104 {DATASET}/num_clusters: 1 is out of range. The value must be at least 2.",
        ),
        (
            {f"{DATASET}/num_clusters": 0},
            f"RC104 {DATASET}/num_clusters: 0 is out of range. The value must be at least 2.",
        ),
        ({f"{DATASET}/num_clusters": 9.5}, f"RC103 {DATASET}/num_clusters: a whole number is expected here, not 9.5."),
        ({f"{DATASET}/num_clusters": "4"}, f'RC103 {DATASET}/num_clusters: a whole number is expected here, not "4".'),
        ({f"{DATASET}/shuffle": 1}, f"RC103 {DATASET}/shuffle: true or false is expected here, not 1."),
        ({"/description": 1}, "RC103 /description: a string or a list [...] is expected here, not 1."),
        ({"/mappings": []}, "RC104 /mappings: at least 1 item must stand here."),
        ({"/name": ""}, "RC104 /name: at least 1 character must stand here."),
        (
            {f"{PHASE}/exit_criteria": {}},
            f"RC104 {PHASE}/exit_criteria: at least 1 key must stand here: "
            "without a criterion the phase could never end.",
        ),
        ({f"{PHASE}/name": None}, f'RC102 {PHASE}: the required key "name" is missing. Add "name".'),
        (
            {f"{PATTERN}/pattern": "reconstuction"},
            f'RC105 {PATTERN}/pattern: "reconstuction" is none of the words allowed here. '
            'Did you mean "reconstruction"?',
        ),
        (
            {"/mappings/0/type": 5},
            'RC103 /mappings/0/type: one of "feature_extractor", "feature_space_classifier", '
            '"sample_space_classifier", "design_pattern_specific" is expected here, not 5.',
        ),
        ({f"{PATTERN}/pattern": None}, f'RC102 {PATTERN}: the required key "pattern" is missing. Add "pattern".'),
        (
            {f"{PATTERN}/encoder": "encoder"},
            f'RC101 {PATTERN}/encoder: "encoder" is not a key that is known here. Did you mean "encoder_name"?',
        ),
        ({"/devise": "cpu"}, 'RC101 /devise: "devise" is not a key that is known here. Did you mean "device"?'),
        (
            {"/name": "a\nb"},
            r'RC106 /name: "a\nb" is not allowed here: a name cannot hold line breaks or other control characters.',
        ),
        (
            {"/mappings/0/softmax_layer_name": "hidden"},
            'RC106 /mappings/0/softmax_layer_name: "hidden" is not allowed here: only mappings of type '
            '"feature_space_classifier" or "sample_space_classifier" have one.',
        ),
        (
            {f"{DATASET}/batch_augmentations": [{"name": "plain", "transforms": []}]},
            f'RC106 {DATASET}/batch_augmentations/0/name: "plain" is not allowed here: "plain" already names the view '
            'that "transforms" makes.',
        ),
        (
            {f"{PHASE}/exit_criteria": {"performance_evaluation_acc_gt": 0.9}},
            f'RC102 {PHASE}: the required key "performance_evaluation_interval" is missing: exit criteria on '
            'performance look at evaluations. Add "performance_evaluation_interval".',
        ),
        (
            {f"{STRATEGY}/centroid_file_path": "c.pth"},
            f'RC102 {STRATEGY}: the required key "use_centroids_during_phases" is missing: centroid properties take '
            'effect in the phases that it names. Add "use_centroids_during_phases".',
        ),
    ],
)
def test_each_mistake_is_one_finding_with_cause_and_remedy(changes, finding):
    assert found(small(changes)) == [finding]


def test_a_root_that_is_no_object_is_one_finding():
    assert found([small()])[0].startswith('RC103 : an object {...} is expected here, not [{"name": "small"')
    assert len(found([small()])) == 1


def test_all_mistakes_of_one_object_are_found_at_once_and_each_once():
    changes = {f"{PATTERN}/loss_weight": "x", f"{PATTERN}/a": 1, f"{PATTERN}/b": 2, f"{PATTERN}/decoder_name": None}
    assert [text.split(":")[0] for text in found(small(changes))] == [
        f"RC103 {PATTERN}/loss_weight",
        f"RC102 {PATTERN}",
        f"RC101 {PATTERN}/a",
        f"RC101 {PATTERN}/b",
    ]


def test_a_key_that_is_absent_is_proposed_before_one_that_stands_there():
    changes = {"/phases/1/design_patterns/0/batch_augmentation_name_2": None}
    changes["/phases/1/design_patterns/0/batch_augmentation_name_"] = "plain"
    assert found(rich(changes)) == [
        'RC102 /phases/1/design_patterns/0: the required key "batch_augmentation_name_2" is missing. '
        'Add "batch_augmentation_name_2".',
        'RC101 /phases/1/design_patterns/0/batch_augmentation_name_: "batch_augmentation_name_" is not a key that is '
        'known here. Did you mean "batch_augmentation_name_2"?',
    ]


def test_values_that_exclude_each_other_say_what_goes_together():
    block = {
        "pattern": "reinforcement",
        "loss_type": "cross_entropy",
        "sample_selection_criterion": "all_samples",
        "cluster_selection_criterion": "all_clusters",
        "sample_representation": "feature_representation",
        "cluster_representation": "pseudolabel",
    }
    assert found(small({PATTERN: block})) == [
        f'RC106 {PATTERN}/cluster_representation: "pseudolabel" does not go with the keys beside it. Write "centroid".'
    ]


def test_keys_that_exclude_each_other_are_named():
    block = {"/phases/0/design_patterns/1/discriminator_name": "critic"}
    assert found(rich(block)) == [
        'RC106 /phases/0/design_patterns/1: "critic_name", "discriminator_name" cannot be given together here. '
        "Remove one of them."
    ]


@pytest.mark.parametrize("name", ["\x00", "a\x1bb", "a\n", "\u202e", "\x85"])
@pytest.mark.parametrize("pointer", ["/name", "/mappings/0/name", "/mappings/0/layers/0/name", "/phases/0/name"])
def test_names_hold_no_control_characters(pointer, name):
    assert any(text.startswith(f"RC106 {pointer}: ") for text in found(small({pointer: name})))


@pytest.mark.parametrize("name", ["a/b", "../x", "聚类 🙂", "a b", "[x]", '"'])
def test_names_may_hold_anything_else(name):
    assert found(small({"/name": name})) == []


def test_long_values_are_cut():
    assert shown("x" * 100) == '"' + "x" * 56 + "..."
    assert shown({"a": [1, None]}) == '{"a": [1, null]}'


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"mean": 97.8}, "RC104 /claims/0/mean: 97.8 is out of range. The value must be at most 1."),
        ({"mean": -0.1}, "RC104 /claims/0/mean: -0.1 is out of range. The value must be at least 0."),
        ({"mean": -2}, "RC104 /claims/0/mean: -2 is out of range. The value must be at least 0."),
        ({"metric": "ari", "mean": -2}, "RC104 /claims/0/mean: -2 is out of range. The value must be at least -1."),
        ({"metric": "ami", "mean": -0.1}, None),
        ({"metric": "ari", "mean": -0.1, "spread": 0.01, "n": 10}, None),
        ({"spread": -0.1}, "RC104 /claims/0/spread: -0.1 is out of range. The value must be at least 0."),
        ({"spread": 1.5}, "RC104 /claims/0/spread: 1.5 is out of range. The value must be at most 1."),
        ({"n": 0}, "RC104 /claims/0/n: 0 is out of range. The value must be at least 1."),
        ({"n": 2.5}, "RC103 /claims/0/n: a whole number is expected here, not 2.5."),
        ({"source": ""}, "RC104 /claims/0/source: at least 1 character must stand here."),
        ({"source": None}, 'RC102 /claims/0: the required key "source" is missing. Add "source".'),
        ({"mean": None}, 'RC102 /claims/0: the required key "mean" is missing. Add "mean".'),
        (
            {"std": 0.1},
            'RC101 /claims/0/std: "std" is not a key that is known here. '
            'Known here: "dataset", "mean", "metric", "n", "source", "spread".',
        ),
        (
            {"metric": "ACC"},
            'RC105 /claims/0/metric: "ACC" is none of the words allowed here. Did you mean "acc"?',
        ),
    ],
)
def test_a_bad_claim_is_one_finding(changes, finding):
    claim = {"dataset": "Digits", "metric": "acc", "mean": 0.9, "source": "a paper"} | changes
    claims = [{key: value for key, value in claim.items() if value is not None}]
    assert found(small({"/claims": claims})) == ([finding] if finding is not None else [])


def test_every_score_can_be_claimed():
    counts = {"num_used_clusters", "num_classes"}
    words = root_schema("claim.json").schema["properties"]["metric"]["enum"]
    assert words == [field.name for field in fields(Agreement) if field.name not in counts]
