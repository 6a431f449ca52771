import copy

import pytest

from tests.methods import found, found_with_data, rich, small

ENCODER = [
    {"type": "Conv2d", "name": "c", "in_channels": 1, "out_channels": 2, "kernel_size": 3},
    {"type": "MaxPool2d", "name": "p", "kernel_size": 2, "return_indices": True},
    {"type": "Flatten", "name": "f"},
    {"type": "Linear", "name": "l", "in_features": 18, "out_features": 3},
]
MIRROR = {"name": "decoder", "type": "design_pattern_specific", "mirror_of": "encoder"}
PAIR = {
    "encoder_layer_names": ["c", "p"],
    "decoder_layer_names": ["mirror_of_p", "mirror_of_c"],
    "train_for_iterations": 1,
}
PRETRAINING = {
    "pattern": "layer_wise_pretraining",
    "encoder_name": "encoder",
    "decoder_name": "decoder",
    "dropout_rate": 0.1,
    "encoder_decoder_layer_pairs": [PAIR],
}


def mirrored(changes=None, method=small, **mirror):
    """Return a method whose decoder mirrors a small convolutional encoder."""
    return method(
        {"/mappings/0/layers": copy.deepcopy(ENCODER), "/mappings/1": {**MIRROR, **mirror}, **(changes or {})}
    )


def test_a_good_one_passes_with_its_data(tmp_path):
    assert found_with_data(mirrored(), tmp_path) == []
    assert found_with_data(mirrored(output_non_linearity={"type": "Sigmoid"}), tmp_path) == []
    assert found_with_data(mirrored(output_non_linearity=None), tmp_path) == []


def test_layers_of_the_mirror_image_can_be_named(tmp_path):
    start = {"layer_names": ["mirror_of_c", "mirror_of_l"], "weight_type": "weight", "type": "xavier_uniform"}
    method = mirrored({"/phases/0/design_patterns/0": PRETRAINING}, layer_initialization=[start])
    assert found_with_data(method, tmp_path) == []
    start["layer_names"].append("mirror_of_r")
    assert found(mirrored(layer_initialization=[start])) == [
        "error RC301 at /mappings/1/layer_initialization/0/layer_names/2: there is no layer called "
        '"mirror_of_r" in mapping "decoder". Did you mean "mirror_of_p"?'
    ]


def test_a_pair_needs_the_pooling_of_its_unpooling(tmp_path):
    pair = {**PAIR, "encoder_layer_names": ["c"]}
    pattern = {**PRETRAINING, "encoder_decoder_layer_pairs": [pair]}
    (problem,) = found_with_data(mirrored({"/phases/0/design_patterns/0": pattern}), tmp_path)
    assert problem.startswith(
        'error RC503 at /phases/0/design_patterns/0: the pattern "layer_wise_pretraining" cannot work on these '
        'networks: mapping "decoder": layer "mirror_of_p" puts values back where layer "p" of mapping "encoder" found'
    )


@pytest.mark.parametrize(
    ("mirror", "problem"),
    [
        (
            {"layers": [{"type": "ReLU"}]},
            'error RC106 at /mappings/1/layers: [{"type": "ReLU", "positional_arguments": []}] is not '
            'allowed here: "mirror_of" says what the layers are.',
        ),
        (
            {"mirror_of": "encodr"},
            'error RC301 at /mappings/1/mirror_of: there is no mapping called "encodr". Did you mean "encoder"?',
        ),
        (
            {"mirror_of": "decoder"},
            'error RC408 at /mappings/1/mirror_of: mapping "decoder" cannot be mirrored: it is a mirror image itself. '
            'Give one of them "layers" of its own.',
        ),
        ({"mirror_of": 3}, "error RC103 at /mappings/1/mirror_of: a string is expected here, not 3."),
        (
            {"output_non_linearity": {"type": "Linear", "in_features": 1, "out_features": 1}},
            "error RC106 at /mappings/1/output_non_linearity/type: Linear is no activation. Write for example "
            '"Sigmoid".',
        ),
        (
            {"output_non_linearity": {"type": "Sigmoit"}},
            'error RC201 at /mappings/1/output_non_linearity/type: there is no layer of torch.nn called "Sigmoit". Did '
            'you mean "Sigmoid"?',
        ),
        (
            {"output_non_linearity": "Sigmoid"},
            'error RC103 at /mappings/1/output_non_linearity: an object {...} or null is expected here, not "Sigmoid".',
        ),
        (
            {"architecture": {"path_to_file": "x", "index": 0}},
            'error RC106 at /mappings/1/architecture: {"path_to_file": "x", "index": 0} is not allowed here: '
            '"mirror_of" says what the layers are.',
        ),
    ],
)
def test_mistakes_of_a_mirror_image(mirror, problem):
    assert found(mirrored(**mirror)) == [problem]


def test_only_mirror_images_have_an_output_non_linearity():
    (problem,) = found(small({"/mappings/1/output_non_linearity": {"type": "ReLU"}}))
    assert problem.startswith("error RC106 at /mappings/1/output_non_linearity: {")
    assert problem.endswith('... is not allowed here: only a mapping with "mirror_of" has one.')


def test_what_a_mirror_image_feeds_cannot_be_mirrored():
    more = [{**MIRROR, "name": "third", "mirror_of": "again"}]
    again = {"name": "again", "type": "design_pattern_specific", "prior_mapping_name": "decoder", "layers": ENCODER}
    problems = found(mirrored({"/mappings/2": again, "/mappings/3": more[0]}))
    assert problems == [
        'error RC408 at /mappings/3/mirror_of: mapping "again" cannot be mirrored: it is fed by mapping "decoder", '
        'which is a mirror image itself. Give one of them "layers" of its own.'
    ]


def test_sizes_that_cannot_be_restored_are_found_with_the_data(tmp_path):
    pool = {"type": "AvgPool2d", "name": "p", "kernel_size": 4}
    assert found_with_data(
        mirrored({"/mappings/0/layers/1": pool, "/mappings/0/layers/3/in_features": 2}), tmp_path
    ) == [
        'error RC503 at /mappings/1: mapping "decoder": it cannot mirror layer "p" of mapping "encoder": it makes '
        "1 x 1 of 6 x 6, which repeating values cannot restore. A MaxPool with "
        '"return_indices": true can be mirrored at any size.'
    ]


# --- unpooling written out --------------------------------------------------------------------------------------------

UNPOOL = {"type": "MaxUnpool2d", "kernel_size": 2, "pooling_mapping_name": "encoder", "pooling_layer_name": "p"}


def unpooling(**changes):
    """Return a method whose decoder is written out."""
    layers = [
        {"type": "Linear", "in_features": 3, "out_features": 18},
        {"type": "Unflatten", "dim": 1, "unflattened_size": [2, 3, 3]},
        {key: value for key, value in {**UNPOOL, **changes}.items() if value is not None},
        {"type": "ConvTranspose2d", "in_channels": 2, "out_channels": 1, "kernel_size": 3},
    ]
    return small({"/mappings/0/layers": copy.deepcopy(ENCODER), "/mappings/1/layers": layers})


def test_unpooling_can_be_written_out(tmp_path):
    assert found_with_data(unpooling(), tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"pooling_layer_name": None},
            'error RC102 at /mappings/1/layers/2: the required key "pooling_layer_name" is missing: an unpooling layer '
            'puts values back where the maxima of a pooling layer stood. Add "pooling_layer_name".',
        ),
        (
            {"pooling_layer_name": "q"},
            'error RC301 at /mappings/1/layers/2/pooling_layer_name: there is no layer called "q" in mapping '
            '"encoder". Known here: "c", "f", "l", "p".',
        ),
        (
            {"pooling_layer_name": "c"},
            'error RC404 at /mappings/1/layers/2/pooling_layer_name: layer "c" of mapping "encoder" is no '
            'MaxPool2d with "return_indices": true.',
        ),
        (
            {"type": "MaxUnpool3d"},
            'error RC404 at /mappings/1/layers/2/pooling_layer_name: layer "p" of mapping "encoder" is no '
            'MaxPool3d with "return_indices": true.',
        ),
        (
            {"pooling_mapping_name": "encoderr"},
            'error RC301 at /mappings/1/layers/2/pooling_mapping_name: there is no mapping called "encoderr". Did you '
            'mean "encoder"?',
        ),
    ],
)
def test_mistakes_of_unpooling(changes, problem):
    assert found(unpooling(**changes)) == [problem]


def test_a_pooling_without_indices_cannot_be_reversed():
    method = unpooling()
    del method["mappings"][0]["layers"][1]["return_indices"]
    assert "is no MaxPool2d" in found(method)[0]


def test_other_layers_name_no_pooling():
    problems = found(unpooling(type="AvgPool2d"))
    assert [problem.partition(":")[0] for problem in problems] == [
        f"error RC106 at /mappings/1/layers/2/{key}" for key in ("pooling_mapping_name", "pooling_layer_name")
    ]


# --- what cannot be decoded -------------------------------------------------------------------------------------------


def test_patterns_that_decode_mixtures_need_another_decoder(tmp_path):
    changes = {"/mappings/2/layers/0/in_features": 3, "/mappings/3/layers/0/in_features": 3}
    (problem,) = found_with_data(mirrored(changes, rich), tmp_path)
    assert problem == (
        'error RC503 at /phases/0/design_patterns/1: the pattern "adversarial_interpolation" cannot work on these '
        'networks: mapping "decoder": layer "mirror_of_p" puts values back where layer "p" of mapping "encoder" found '
        "its maxima, but what it gets did not come through that layer: only features of samples can be decoded, not "
        "centroids or mixtures."
    )


def test_patterns_that_decode_centroids_need_another_decoder(tmp_path):
    pattern = {
        "pattern": "reinforcement",
        "loss_type": "l2",
        "sample_selection_criterion": "all_samples",
        "cluster_selection_criterion": "nearest_centroid",
        "sample_representation": "decoder_reconstructed_sample",
        "cluster_representation": "centroid_processed_by_decoder",
        "associated_encoder_name": "encoder",
        "associated_decoder_name": "decoder",
    }
    changes = {"/phases/0/design_patterns/1": None, "/phases/0/optimizers/1": None}
    changes |= {"/phases/0/optimizer_learning_rate_schedulers": None, "/phases/1/design_patterns/1": pattern}
    (problem,) = found_with_data(mirrored(changes, rich), tmp_path)
    assert problem.startswith(
        'error RC503 at /phases/1/design_patterns/1: the pattern "reinforcement" cannot work on these networks: '
        'mapping "decoder": layer "mirror_of_p" puts values back'
    )
