"""What the file alone shows to be wrong with sets: one message each, with its code and place."""

import pytest

from tests.methods import found, small
from tests.set_methods import BY_CLASSIFIER, HEADS, ON_SETS, of_digits, of_points

DATASET, PHASE, STRATEGY = "/datasets/0", "/phases/0", "/cluster_assignment_strategy"
SETS, VALIDATION, CRITERIA = f"{DATASET}/sets", f"{PHASE}/validation", f"{PHASE}/exit_criteria"
SIZE, CLASSES = f"{SETS}/num_objects", f"{SETS}/classes"
VALIDATED = {VALIDATION: {"num_sets": 3}}
BEHIND = f"{PHASE}/design_patterns/2"
POOLED = {**ON_SETS, "name": "pooled", "prior_mapping_name": "encoder", "layers": [{"type": "SetPooling"}]}


@pytest.mark.parametrize(
    "method",
    [
        of_digits(),
        of_digits(VALIDATED),
        of_points(),
        of_digits(BY_CLASSIFIER),
        of_digits({SIZE: [3, 9]}),
        of_digits({SIZE: [6, 6], f"{SETS}/min_objects_per_cluster": 2}),
        of_digits({f"{SETS}/min_clusters": 3}),
        of_digits({CLASSES: {"train": 0.2, "validation": 0.7, "test": 0.1}}),
        of_digits({f"{STRATEGY}/min_clusters": 2, **{f"{PHASE}/design_patterns/{i}/min_clusters": 2 for i in (0, 1)}}),
        of_digits({f"{PHASE}/sampling": {"type": "uniform"}}),
    ],
)
def test_what_is_right_is_said_to_be(method):
    assert found(method) == []


# --- what sets look like ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {SIZE: 2},
            f"error RC104 at {SIZE}: a set of 2 objects cannot have 3 clusters with 1 or more objects each. Write at "
            'least 3, or a smaller "num_clusters".',
        ),
        (
            {SIZE: [5, 9], f"{SETS}/min_objects_per_cluster": 2},
            f"error RC104 at {SIZE}: a set of 5 objects cannot have 3 clusters with 2 or more objects each. Write at "
            'least 6, or a smaller "num_clusters".',
        ),
        (
            {f"{SETS}/min_clusters": 4},
            f"error RC104 at {SETS}/min_clusters: the least number of clusters of a set (4) is above the greatest (3). "
            'Write at most 3, or a larger "num_clusters".',
        ),
        ({SIZE: [9, 6]}, f"error RC104 at {SIZE}: the least size of a set (9) is above the greatest (6)."),
        ({SIZE: [6, 7, 9]}, f"error RC104 at {SIZE}: at most 2 items may stand here."),
        ({SIZE: [6]}, f"error RC104 at {SIZE}: at least 2 items must stand here."),
        ({SIZE: 1}, f"error RC104 at {SIZE}: 1 is out of range. The value must be at least 2."),
        ({SIZE: [1, 4]}, f"error RC104 at {SIZE}/0: 1 is out of range. The value must be at least 2."),
        ({SIZE: 6.5}, f"error RC103 at {SIZE}: a whole number or a list [...] is expected here, not 6.5."),
        ({SIZE: None}, f'error RC102 at {SETS}: the required key "num_objects" is missing. Add "num_objects".'),
        (
            {f"{SETS}/num_evaluation_sets": 0},
            f"error RC104 at {SETS}/num_evaluation_sets: 0 is out of range. The value must be at least 1.",
        ),
        (
            {f"{SETS}/num_examples": -1},
            f"error RC104 at {SETS}/num_examples: -1 is out of range. The value must be at least 0.",
        ),
        (
            {f"{SETS}/num_object": 7},
            f'error RC101 at {SETS}/num_object: "num_object" is not a key that is known here. Did you mean '
            '"num_objects"?',
        ),
        (
            {f"{CLASSES}/tset": [7]},
            f'error RC101 at {CLASSES}/tset: "tset" is not a key that is known here. Did you mean "test"?',
        ),
        (
            {f"{CLASSES}/test": [-1, 8]},
            f"error RC104 at {CLASSES}/test/0: -1 is out of range. The value must be at least 0.",
        ),
        (
            {CLASSES: {"train": 1.5}},
            f"error RC104 at {CLASSES}/train: 1.5 is out of range. The value must be at most 1.",
        ),
        (
            {CLASSES: {"train": 0.8, "test": 0.2}},
            f"error RC104 at {CLASSES}: the shares of the classes for training, validation and test add up to 1.16. "
            "They must be at most 1 together.",
        ),
    ],
)
def test_sets_that_cannot_be(changes, message):
    assert found(of_digits(changes)) == [message]


def test_a_dataset_that_is_not_enabled_may_be_anything():
    other = {**of_digits()["datasets"][0], "name": "other", "order": 1, "enabled": False, "sets": {"num_objects": 2}}
    assert found(of_digits({f"{DATASET}/order": 0, "/datasets/1": other})) == []


# --- who works on them --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (
            of_digits({SETS: None}),
            f'error RC404 at {DATASET}: the strategy "set_clustering" works on sets, and dataset "Digits" makes none. '
            'Add "sets".',
        ),
        (
            of_points({SETS: None}),
            f'error RC404 at {DATASET}: the strategy "set_clustering" works on sets, and dataset "PointSets" makes '
            'none. Add "sets".',
        ),
        (
            small({"/mappings/2": POOLED}),
            f'error RC404 at {DATASET}: mapping "pooled" works on sets, and dataset "Digits" makes none. Add "sets".',
        ),
        (
            of_digits({STRATEGY: {"type": "centroid_similarity", "use_centroids_during_phases": ["training"]}}),
            f'error RC404 at {STRATEGY}/type: dataset "Digits" makes sets, and the strategy clusters all samples '
            'together. Remove "sets", or take the strategy "set_clustering".',
        ),
        (
            of_digits({STRATEGY: small()["cluster_assignment_strategy"]}),
            f'error RC404 at {STRATEGY}/type: dataset "Digits" makes sets, and the strategy clusters all samples '
            'together. Remove "sets", or take the strategy "set_clustering".',
        ),
        (
            of_digits({f"{STRATEGY}/use_centroids_during_phases": ["training"]}),
            f'error RC404 at {STRATEGY}/use_centroids_during_phases: dataset "Digits" makes sets, and centroids are '
            'placed among all samples together. Remove "use_centroids_during_phases".',
        ),
        (
            of_digits({"/mappings/0/works_on": "sets"}),
            'error RC404 at /mappings/0/works_on: mapping "encoder" works on sets, and the features of the method are '
            "those of single samples. Declare a mapping that works on samples first.",
        ),
        (
            of_digits({f"{STRATEGY}/associated_feature_extractor_name": "network"}),
            'error RC404 at /mappings/1/works_on: mapping "network" works on sets, and the features of the method are '
            "those of single samples. Declare a mapping that works on samples first.",
        ),
        (
            of_digits({f"{STRATEGY}/count_head_name": "cuont_head"}),
            f'error RC301 at {STRATEGY}/count_head_name: there is no mapping called "cuont_head". Did you mean '
            '"count_head"?',
        ),
        (
            of_digits({f"{PHASE}/sampling": {"type": "by_neighborhoods"}}),
            f'error RC106 at {PHASE}/sampling/type: dataset "Digits" makes batches of sets, and not of '
            'neighbourhoods. Remove "sampling".',
        ),
        (
            of_digits({BEHIND: {"pattern": "assignment_entropy"}}),
            f"error RC404 at {BEHIND}/pattern: the pattern needs soft assignments to clusters that all samples share, "
            'and sets have their own. Give "classifier_name".',
        ),
        (
            of_digits(
                {
                    BEHIND: {
                        "pattern": "reinforcement",
                        "loss_type": "euclidean",
                        "sample_selection_criterion": "all_samples",
                        "cluster_selection_criterion": "nearest_centroid",
                        "sample_representation": "feature_representation",
                        "cluster_representation": "centroid",
                    }
                }
            ),
            f"error RC404 at {BEHIND}/pattern: the pattern needs centroids, and clusters of sets have none.",
        ),
        (
            of_digits({f"{PHASE}/design_patterns/0/min_clusters": 2}),
            f'error RC106 at {PHASE}/design_patterns/0/min_clusters: the first output of "count_head" stands for k = 2 '
            "here, for k = 1 in the strategy. Write 1, or change the strategy's.",
        ),
        (
            of_digits({f"{STRATEGY}/min_clusters": 4, f"{PHASE}/design_patterns": []}),
            f"error RC104 at {STRATEGY}/min_clusters: the strategy tells 4 or more clusters, and sets of dataset "
            '"Digits" have up to 3. Write at most 3.',
        ),
    ],
)
def test_what_cannot_work_on_sets(method, message):
    assert [line for line in found(method) if not line.startswith("error RC402")] == [message]


def test_a_pattern_of_another_head_may_begin_with_another_number():
    other = {**of_digits()["mappings"][2], "name": "other"}
    more = {"pattern": "cluster_count", "count_head_name": "other", "min_clusters": 2}
    assert found(of_digits({"/mappings/4": other, BEHIND: more})) == []


def test_a_batch_of_one_set_has_as_many_samples_as_the_set():
    layers = [{"type": "SetPooling"}, {"type": "Linear", "in_features": 8, "out_features": 3}]
    assert found(of_digits({f"{DATASET}/batch_size": 1, "/mappings/2/layers": layers})) == []


# --- validation and patience --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (
            of_digits({VALIDATION: {"fraction": 0.2}}),
            f'error RC106 at {VALIDATION}: dataset "Digits" makes sets, and is validated by "num_sets". Write '
            '"num_sets".',
        ),
        (
            small({VALIDATION: {"num_sets": 3}}),
            f'error RC106 at {VALIDATION}: dataset "Digits" makes no sets, and is validated by "fraction". Write '
            '"fraction".',
        ),
        (
            of_digits({VALIDATION: {"fraction": 0.2, "num_sets": 3}}),
            f'error RC106 at {VALIDATION}/fraction: 0.2 is not allowed here: "num_sets" says what is validated on.',
        ),
        (
            of_digits({VALIDATION: {}}),
            f'error RC102 at {VALIDATION}: the required key "fraction" is missing: it says how many samples are held '
            'out (of a dataset that makes sets, "num_sets" does). Add "fraction".',
        ),
        (
            of_digits({VALIDATION: {"num_sets": 0}}),
            f"error RC104 at {VALIDATION}/num_sets: 0 is out of range. The value must be at least 1.",
        ),
        (
            of_digits({VALIDATION: {"num_sets": 3, "metric": "validation_pairwise"}}),
            f'error RC105 at {VALIDATION}/metric: "validation_pairwise" is none of the words allowed here. Did you '
            'mean "validation_pairwise_clustering"?',
        ),
    ],
)
def test_a_phase_validates_on_what_the_dataset_makes(method, message):
    assert found(method) == [message]


def test_a_phase_that_does_not_run_on_the_dataset_may_validate_otherwise():
    first = of_digits()["phases"][0]
    other = {**first, "name": "other", "order": 1, "validation": {"fraction": 0.5}}
    assert found(of_digits({"/phases/1": other, f"{DATASET}/phases": ["training"]})) == []
    assert found(of_digits({"/phases/1": {**other, "enabled": False}})) == []


def test_heads_are_named_by_the_strategy():
    assert found(of_digits({STRATEGY: {"type": "set_clustering", "count_head_name": HEADS["count_head_name"]}})) == [
        f'error RC102 at {STRATEGY}: the required key "assignment_head_name" is missing. Add "assignment_head_name".'
    ]
