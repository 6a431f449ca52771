import pytest

from recombine.references import runs_on
from tests.methods import found, rich, small

PATTERN = "/phases/0/design_patterns/0"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {f"{PATTERN}/encoder_name": "encodr"},
            f'{PATTERN}/encoder_name: there is no mapping called "encodr". Did you mean "encoder"?',
        ),
        (
            {"/phases/0/optimizers/0/trained_mapping_names/1": "x"},
            '/phases/0/optimizers/0/trained_mapping_names/1: there is no mapping called "x". '
            'Known here: "decoder", "encoder".',
        ),
        (
            {"/cluster_assignment_strategy/classical_clustering_in_feature_space_after_phase": "trainin"},
            "/cluster_assignment_strategy/classical_clustering_in_feature_space_after_phase: "
            'there is no phase called "trainin". Did you mean "training"?',
        ),
        ({"/datasets/0/phases": ["x"]}, '/datasets/0/phases/0: there is no phase called "x". Known here: "training".'),
        (
            {f"{PATTERN}/batch_augmentation_name": "view_1"},
            f'{PATTERN}/batch_augmentation_name: there is no batch augmentation called "view_1" in dataset "Digits". '
            'Known here: "plain".',
        ),
        (
            {"/phases/0/optimizer_cycle": [{"active_optimizer_names": ["SGD_0"], "num_iterations": 1}]},
            '/phases/0/optimizer_cycle/0/active_optimizer_names/0: there is no optimizer of this phase called "SGD_0". '
            'Known here: "Adam_0".',
        ),
        (
            {
                "/phases/0/optimizer_learning_rate_schedulers": [
                    {"type": "StepLR", "optimizer_name": "adam", "step_size": 1}
                ]
            },
            "/phases/0/optimizer_learning_rate_schedulers/0/optimizer_name: there is no optimizer of this phase called "
            '"adam". Did you mean "Adam_0"?',
        ),
        (
            {"/mappings/0/layer_initialization": [{"layer_names": ["hiden"], "weight_type": "bias", "type": "zeros"}]},
            '/mappings/0/layer_initialization/0/layer_names/0: there is no layer called "hiden" in mapping "encoder". '
            'Did you mean "hidden"?',
        ),
        (
            {"/mappings/1/prior_mapping_name": "x"},
            '/mappings/1/prior_mapping_name: there is no mapping called "x". Known here: "decoder", "encoder".',
        ),
        (
            {"/phases/0/load_mapping_parameters": [{"mapping_name": "x", "path_to_file": "x"}]},
            '/phases/0/load_mapping_parameters/0/mapping_name: there is no mapping called "x". '
            'Known here: "decoder", "encoder".',
        ),
        (
            {"/claims": [{"dataset": "Digit", "metric": "acc", "mean": 0.9, "source": "a paper"}]},
            '/claims/0/dataset: there is no dataset called "Digit". Did you mean "Digits"?',
        ),
    ],
)
def test_a_name_that_refers_to_nothing_is_one_problem(changes, problem):
    assert found(small(changes)) == [f"error RC301 at {problem}"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"/mappings/3/softmax_layer_name": "sofmax"},
            '/mappings/3/softmax_layer_name: there is no layer called "sofmax" in mapping "classifier". '
            'Did you mean "softmax"?',
        ),
        (
            {"/mappings/3/associated_feature_extractor_name": "x"},
            '/mappings/3/associated_feature_extractor_name: there is no mapping called "x". '
            'Known here: "classifier", "critic", "decoder", "encoder", "head".',
        ),
        (
            {"/phases/1/design_patterns/2/classifier_name": "clasifier"},
            '/phases/1/design_patterns/2/classifier_name: there is no mapping called "clasifier". '
            'Did you mean "classifier"?',
        ),
        (
            {"/cluster_assignment_strategy/use_centroids_during_phases": ["finetuning", "x"]},
            '/cluster_assignment_strategy/use_centroids_during_phases/1: there is no phase called "x". '
            'Known here: "finetuning", "pretraining".',
        ),
        (
            {"/phases/1/design_patterns/0/contrastive_learning_head_name": "haed"},
            '/phases/1/design_patterns/0/contrastive_learning_head_name: there is no mapping called "haed". '
            'Did you mean "head"?',
        ),
    ],
)
def test_names_of_the_other_blocks_are_checked_too(changes, problem):
    assert found(rich(changes)) == [f"error RC301 at {problem}"]


def test_a_view_must_be_there_in_every_dataset_that_runs_the_phase():
    second = {"name": "second", "dataset": "Digits", "batch_size": 20, "num_clusters": 4}
    missing = (
        "error RC301 at /phases/1/design_patterns/{}: there is no batch augmentation called "
        '"view_1" in dataset "second". Known here: "plain".'
    )
    places = ("0/batch_augmentation_name_1", "2/batch_augmentation_name")
    assert found(rich({"/datasets/1": second})) == [missing.format(place) for place in places]
    assert found(rich({"/datasets/1": {**second, "phases": []}})) == []
    assert found(rich({"/datasets/1": {**second, "phases": ["pretraining"]}})) == []
    assert found(rich({"/datasets/1": {**second, "enabled": False}})) == []


def test_layers_within_layers_can_be_initialised_and_their_names_count():
    inner = {"type": "Linear", "name": "inner", "in_features": 64, "out_features": 8}
    nested = {"type": "Sequential", "positional_arguments": [inner]}
    start = [{"layer_names": ["inner"], "weight_type": "weight", "type": "xavier_uniform"}]
    assert found(small({"/mappings/0/layers/1": nested, "/mappings/0/layer_initialization": start})) == []
    again = {"/mappings/0/layers/1": nested, "/mappings/0/layers/3/name": "inner"}
    assert found(small(again)) == [
        'error RC302 at /mappings/0/layers/3/name: two layers of mapping "encoder" are called "inner". '
        "Give each a name of its own."
    ]


def test_layers_that_a_pattern_names_belong_to_the_mapping_that_it_names():
    pair = {"encoder_layer_names": ["hidden"], "decoder_layer_names": ["hidden"], "train_for_iterations": 1}
    block = {
        "pattern": "layer_wise_pretraining",
        "encoder_name": "encoder",
        "decoder_name": "decoder",
        "dropout_rate": 0,
        "encoder_decoder_layer_pairs": [pair],
    }
    assert found(small({PATTERN: block})) == [
        f"error RC301 at {PATTERN}/encoder_decoder_layer_pairs/0/decoder_layer_names/0: "
        'there is no layer called "hidden" in mapping "decoder". Known here: "Linear_0".'
    ]


@pytest.mark.parametrize(
    ("changes", "pointer", "kind", "name"),
    [
        ({"/mappings/2": {"name": "encoder", "type": "design_pattern_specific"}}, "/mappings/2", "mappings", "encoder"),
        (
            {"/phases/1": {"name": "training", "order": 1, "exit_criteria": {"epochs": 1}}},
            "/phases/1",
            "phases",
            "training",
        ),
        (
            {"/datasets/1": {"dataset": "Digits", "batch_size": 9, "num_clusters": 2, "shuffle": True}},
            "/datasets/1",
            "datasets",
            "Digits",
        ),
        ({"/mappings/0/layers/0/name": "hidden"}, "/mappings/0/layers/1", 'layers of mapping "encoder"', "hidden"),
        (
            {"/phases/0/optimizers/1": {"type": "SGD", "name": "Adam_0", "trained_mapping_names": ["encoder"]}},
            "/phases/0/optimizers/1",
            'optimizers of phase "training"',
            "Adam_0",
        ),
        (
            {"/datasets/0/batch_augmentations": [{"name": "v", "transforms": []}] * 2},
            "/datasets/0/batch_augmentations/1",
            'batch augmentations of dataset "Digits"',
            "v",
        ),
    ],
)
def test_names_that_stand_twice_are_one_problem(changes, pointer, kind, name):
    assert found(small(changes)) == [
        f'error RC302 at {pointer}/name: two {kind} are called "{name}". Give each a name of its own.'
    ]


def test_a_missing_name_is_one_problem_though_something_refers_to_it():
    assert found(small({"/phases/0/name": None})) == [
        'error RC102 at /phases/0: the required key "name" is missing. Add "name".'
    ]
    assert found(small({"/phases": None})) == ['error RC102: the required key "phases" is missing. Add "phases".']


def test_a_dataset_runs_the_phases_that_it_names_or_all():
    assert runs_on({"name": "a"}, {})
    assert runs_on({"name": "a"}, {"phases": ["b", "a"]})
    assert not runs_on({"name": "a"}, {"phases": []})
