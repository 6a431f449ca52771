import itertools
import re

import pytest
import torch
from torch import nn

from recombine.build import build_mappings
from recombine.errors import MappingError
from recombine.load import load_dict
from recombine.mirror import MirrorError, Passage, _block, outline, traced
from tests.methods import found, small

RELU = {"type": "ReLU"}
SIGMOID = {"type": "Sigmoid"}
FLATTEN = {"type": "Flatten"}


def conv(dimensions, made=3, given=2, size=3, **arguments):
    """Return a convolution."""
    kind = f"Conv{dimensions}d"
    return {"type": kind, "in_channels": given, "out_channels": made, "kernel_size": size, **arguments}


def linear(given, made, **arguments):
    """Return a layer with weights."""
    return {"type": "Linear", "in_features": given, "out_features": made, **arguments}


def described(layers, encoder=None, decoder=None):
    """Return a method whose decoder mirrors an encoder of these layers."""
    mappings = [
        {"name": "encoder", "type": "feature_extractor", "layers": layers, **(encoder or {})},
        {"name": "decoder", "type": "design_pattern_specific", "mirror_of": "encoder", **(decoder or {})},
    ]
    return small({"/mappings": mappings})


def networks(layers, shape, **changes):
    """Return encoder and decoder, built for samples of a shape."""
    built = build_mappings(load_dict(described(layers, **changes)).require(), shape)
    return built["encoder"], built["decoder"]


def reconstructed(encoder, decoder, x):
    """Return what the decoder makes of the features of ``x``."""
    switches = {}
    return decoder(encoder(x, switches=switches), switches=switches)


def kinds(mapping):
    """Return the classes of a mapping's layers."""
    return [type(layer).__name__ for layer in mapping.layers]


SIZES = {1: (11,), 2: (11, 8), 3: (7, 8, 9)}
CONVOLUTIONS = [
    {"size": 3},
    {"size": 3, "padding": 1},
    {"size": 4, "stride": 2},
    {"size": 3, "stride": 2, "padding": 1},
    {"size": 3, "stride": 3, "padding": 2},
    {"size": 2, "dilation": 3},
    {"size": 3, "stride": 2, "dilation": 2, "padding": 2},
    {"size": 3, "padding": "same"},
    {"size": 4, "padding": "same"},
    {"size": 2, "padding": "same", "dilation": 3},
    {"size": 3, "padding": "valid", "stride": 2},
    {"size": 3, "padding": 1, "padding_mode": "circular"},
    {"size": 3, "groups": 2, "made": 4, "stride": 2},
]


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("arguments", CONVOLUTIONS, ids=str)
def test_a_convolution_becomes_its_transpose(dimensions, arguments):
    """With the same weights the decoder is the adjoint: what the gradient of the convolution applies."""
    encoder, decoder = networks([conv(dimensions, bias=False, **arguments)], (2, *SIZES[dimensions]))
    x = torch.rand(2, 2, *SIZES[dimensions], requires_grad=True)
    code = encoder(x)
    direction = torch.rand(code.shape)
    (expected,) = torch.autograd.grad(code, x, direction)
    transposed = decoder.layer("mirror_of_" + encoder.layer_names[0])
    assert transposed.bias is None
    assert transposed.weight.shape == encoder.layers[0].weight.shape
    with torch.no_grad():
        transposed.weight.copy_(encoder.layers[0].weight)
    found = decoder(direction)
    assert found.shape == x.shape
    if "padding_mode" not in arguments:
        torch.testing.assert_close(found, expected)


def test_every_size_is_restored_along_two_dimensions_with_settings_of_their_own():
    settings = itertools.product((1, 2, 3), (1, 2, 4), (0, 1), (1, 2))
    for (stride, size, padding, dilation), extent in itertools.product(settings, (8, 9, 10, 11)):
        layer = conv(2, size=[size, 3], stride=[stride, 2], padding=[padding, 1], dilation=[dilation, 1])
        encoder, decoder = networks([layer], (2, extent, 7))
        assert decoder(encoder(torch.rand(1, 2, extent, 7))).shape == (1, 2, extent, 7)


def test_linear_layers_are_turned_round_with_the_activations_between_them():
    layers = [FLATTEN, linear(12, 8), RELU, linear(8, 5, bias=False), {"type": "Tanh"}, linear(5, 2), RELU]
    encoder, decoder = networks(layers, (3, 2, 2))
    assert decoder.layer_names == [
        "mirror_of_Linear_5",
        "mirror_of_Tanh_4",
        "mirror_of_Linear_3",
        "mirror_of_ReLU_2",
        "mirror_of_Linear_1",
        "mirror_of_Flatten_0",
    ]
    assert kinds(decoder) == ["Linear", "Tanh", "Linear", "ReLU", "Linear", "Unflatten"]
    assert [tuple(layer.weight.shape) for layer in decoder.layers if isinstance(layer, nn.Linear)] == [
        (5, 2),
        (8, 5),
        (12, 8),
    ]
    assert [layer.bias is not None for layer in decoder.layers if isinstance(layer, nn.Linear)] == [True, False, True]
    assert reconstructed(encoder, decoder, torch.rand(4, 3, 2, 2)).shape == (4, 3, 2, 2)


def test_weights_are_untied():
    encoder, decoder = networks([FLATTEN, linear(4, 4)], (1, 2, 2))
    assert not torch.equal(encoder.layer("Linear_1").weight, decoder.layer("mirror_of_Linear_1").weight)
    assert not torch.equal(encoder.layer("Linear_1").weight, decoder.layer("mirror_of_Linear_1").weight.T)


def norm(dimensions, channels):
    """Return a batch normalisation."""
    return {"type": f"BatchNorm{dimensions}d", "num_features": channels, "eps": 1e-4}


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_batch_normalisation_stands_behind_every_layer_with_weights_but_the_last_and_takes_its_bias(dimensions):
    pool = {"type": f"MaxPool{dimensions}d", "kernel_size": 2}
    layers = [
        *(conv(dimensions, 4, 2, bias=False), norm(dimensions, 4), RELU, pool),
        *(conv(dimensions, 6, 4), norm(dimensions, 6), {"type": "ELU"}),
        *(FLATTEN, linear(6 * 2**dimensions, 5), norm(1, 5), RELU, linear(5, 3)),
    ]
    encoder, decoder = networks(layers, (2, *[10] * dimensions))
    assert kinds(decoder) == [
        *("Linear", "BatchNorm1d", "ReLU"),
        *("Linear", "Unflatten", f"BatchNorm{dimensions}d", "ELU"),
        *(f"ConvTranspose{dimensions}d", f"BatchNorm{dimensions}d", "ReLU", "Upsample"),
        f"ConvTranspose{dimensions}d",
    ]
    weighted = [layer for layer in decoder.layers if "Norm" not in type(layer).__name__ and hasattr(layer, "weight")]
    assert [layer.bias is not None for layer in weighted] == [False, False, False, True]
    assert decoder.layer(f"mirror_of_BatchNorm{dimensions}d_1").eps == 1e-4
    assert reconstructed(encoder, decoder, torch.rand(4, 2, *[10] * dimensions)).shape == (4, 2, *[10] * dimensions)


@pytest.mark.parametrize(
    "layer",
    [
        {"type": "GroupNorm", "num_groups": 2, "num_channels": 4},
        {"type": "InstanceNorm2d", "num_features": 4},
        {"type": "LayerNorm", "normalized_shape": [4, 4, 4]},
        {"type": "RMSNorm", "normalized_shape": 4},
        {"type": "PReLU", "num_parameters": 4},
        {"type": "Softmax", "dim": 1},
    ],
    ids=lambda layer: layer["type"],
)
def test_other_normalisations_and_activations_come_along_and_leave_the_bias(layer):
    encoder, decoder = networks([conv(2, 4, 2), layer, conv(2, 5, 4)], (2, 6, 6))
    assert kinds(decoder) == ["ConvTranspose2d", layer["type"], "ConvTranspose2d"]
    assert decoder.layers[0].bias is not None
    assert reconstructed(encoder, decoder, torch.rand(3, 2, 6, 6)).shape == (3, 2, 6, 6)


def test_what_stands_before_the_first_and_behind_the_last_layer_with_weights():
    """A normalisation of samples has no counterpart at the output, and one of the features none at the input."""
    layers = [norm(2, 2), RELU, conv(2, 3, 2), norm(2, 3), RELU, {"type": "AvgPool2d", "kernel_size": 2}, FLATTEN]
    encoder, decoder = networks(layers, (2, 6, 6), decoder={"output_non_linearity": SIGMOID})
    assert decoder.layer_names == [
        "mirror_of_Flatten_6",
        "mirror_of_AvgPool2d_5",
        "mirror_of_Conv2d_2",
        "output_non_linearity",
    ]
    assert kinds(decoder)[-1] == "Sigmoid"
    assert reconstructed(encoder, decoder, torch.rand(3, 2, 6, 6)).shape == (3, 2, 6, 6)


def test_dropout_and_identity_are_left_out():
    layers = [{"type": "Dropout", "p": 0.5}, FLATTEN, linear(4, 3), {"type": "AlphaDropout"}, linear(3, 2)]
    _, decoder = networks([*layers, {"type": "Identity"}], (1, 2, 2))
    assert kinds(decoder) == ["Linear", "Linear", "Unflatten"]


def test_flat_samples_become_images_and_flat_again():
    layers = [{"type": "Unflatten", "dim": -1, "unflattened_size": [1, 4, 6]}, conv(2, 2, 1), FLATTEN, linear(16, 3)]
    encoder, decoder = networks(layers, (24,))
    assert kinds(decoder) == ["Linear", "Unflatten", "ConvTranspose2d", "Flatten"]
    assert reconstructed(encoder, decoder, torch.rand(5, 24)).shape == (5, 24)


def test_a_partial_flatten_is_undone():
    layers = [{"type": "Flatten", "start_dim": 2, "end_dim": -1}, linear(6, 2), {"type": "Flatten"}]
    encoder, decoder = networks(layers, (5, 2, 3))
    assert reconstructed(encoder, decoder, torch.rand(4, 5, 2, 3)).shape == (4, 5, 2, 3)


# --- pooling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("kind", ["MaxPool", "AvgPool"])
def test_pooling_is_mirrored_by_repeating_each_value(dimensions, kind):
    factors = [3, 2, 7][:dimensions]
    shape = (2, *[2 * factor for factor in factors])
    pool = {"type": f"{kind}{dimensions}d", "kernel_size": factors if dimensions > 1 else 3}
    encoder, decoder = networks([conv(dimensions, 2, 2, size=1), pool], shape)
    x = torch.rand(3, 2, *[2] * dimensions)
    expected = x
    for axis, factor in enumerate(factors):
        expected = expected.repeat_interleave(factor, 2 + axis)
    assert torch.equal(decoder.run_layers(x, decoder.layer_names[:1]), expected)
    assert reconstructed(encoder, decoder, torch.rand(3, *shape)).shape == (3, *shape)


def test_repetition_is_exact_for_every_factor():
    for factor in range(1, 60):
        pool = {"type": "MaxPool1d", "kernel_size": factor}
        _, decoder = networks([conv(1, 1, 1, size=1), pool], (1, 7 * factor))
        x = torch.arange(7.0).reshape(1, 1, 7)
        assert torch.equal(decoder.run_layers(x, decoder.layer_names[:1]), x.repeat_interleave(factor, 2))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("kind", ["AdaptiveAvgPool", "AdaptiveMaxPool"])
@pytest.mark.parametrize("size", [1, 3])
def test_adaptive_pooling_to_a_divisor_is_mirrored_by_repetition(dimensions, kind, size):
    shape = (2, *[6] * dimensions)
    pool = {"type": f"{kind}{dimensions}d", "output_size": size}
    encoder, decoder = networks([conv(dimensions, 2, 2, size=1), pool], shape)
    assert kinds(decoder)[0] == "Upsample"
    assert reconstructed(encoder, decoder, torch.rand(2, *shape)).shape == (2, *shape)


def switching(dimensions, size, **arguments):
    """Return a pooling layer that knows where its maxima stood."""
    return {"type": f"MaxPool{dimensions}d", "kernel_size": size, "return_indices": True, **arguments}


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize(
    ("extent", "arguments"),
    [(6, {}), (7, {}), (8, {"stride": 3}), (7, {"ceil_mode": True}), (6, {"padding": 1})],
    ids=str,
)
def test_unpooling_of_pooling_keeps_exactly_the_maxima(dimensions, extent, arguments):
    shape = (2, *[extent] * dimensions)
    encoder, decoder = networks([switching(dimensions, 2, **arguments), conv(dimensions, 3, 2, size=1)], shape)
    x, switches = torch.randn(3, *shape), {}
    pooled = encoder.run_layers(x, encoder.layer_names[:1], switches=switches)
    found = decoder.run_layers(pooled, decoder.layer_names[1:], switches=switches)
    maxima = set(pooled.flatten().tolist())
    expected = torch.tensor([value if value in maxima else 0.0 for value in x.flatten().tolist()]).reshape(x.shape)
    assert torch.equal(found, expected)
    assert (found != 0).sum() == pooled.numel()


def test_unpooling_follows_the_order_of_the_encoder_backwards():
    layers = [conv(2, 4, 2), RELU, switching(2, 2), conv(2, 5, 4), RELU, switching(2, 2), FLATTEN, linear(20, 3)]
    encoder, decoder = networks(layers, (2, 15, 15))
    assert kinds(decoder) == [
        *("Linear", "Unflatten", "ReLU", "MaxUnpool2d"),
        *("ConvTranspose2d", "ReLU", "MaxUnpool2d"),
        "ConvTranspose2d",
    ]
    assert decoder.unpooling == {
        "mirror_of_MaxPool2d_5": ("encoder", "MaxPool2d_5"),
        "mirror_of_MaxPool2d_2": ("encoder", "MaxPool2d_2"),
    }
    assert reconstructed(encoder, decoder, torch.rand(2, 2, 15, 15)).shape == (2, 2, 15, 15)


# --- what starts how --------------------------------------------------------------------------------------------------


def initial(names, kind, weight_type="weight", **arguments):
    """Return how layers start."""
    return {"layer_names": names, "weight_type": weight_type, "type": kind, **arguments}


def test_the_mirror_image_starts_like_the_encoder_and_the_file_may_say_otherwise():
    layers = [FLATTEN, linear(4, 4, name="a"), linear(4, 3, name="b")]
    starts = [initial(["a", "b"], "constant", val=2), initial(["a"], "constant", "bias", val=3)]
    own = [initial(["mirror_of_a"], "constant", val=5)]
    _, decoder = networks(
        layers, (1, 2, 2), encoder={"layer_initialization": starts}, decoder={"layer_initialization": own}
    )
    assert decoder.layer("mirror_of_a").weight.unique().tolist() == [5]
    assert decoder.layer("mirror_of_b").weight.unique().tolist() == [2]
    assert decoder.layer("mirror_of_a").bias.unique().tolist() == [3]


def test_a_bias_that_is_not_there_is_not_initialised():
    layers = [conv(2, 4, 2, name="a"), norm(2, 4), conv(2, 3, 4, name="b")]
    starts = [initial(["a", "b"], "ones", "bias"), initial(["BatchNorm2d_1"], "constant", val=7)]
    _, decoder = networks(layers, (2, 6, 6), encoder={"layer_initialization": starts})
    assert decoder.layer("mirror_of_b").bias is None
    assert decoder.layer("mirror_of_a").bias.tolist() == [1, 1]
    assert decoder.layer("mirror_of_BatchNorm2d_1").weight.unique().tolist() == [7]


def test_weights_are_those_of_the_seed_and_the_name_alone():
    first, second = (networks([FLATTEN, linear(4, 3)], (1, 2, 2))[1] for _ in range(2))
    assert torch.equal(first.layers[0].weight, second.layers[0].weight)
    plain = {"name": "more", "type": "design_pattern_specific", "layers": [linear(1, 1)]}
    method = described([FLATTEN, linear(4, 3)])
    method["mappings"] = [plain, *reversed(method["mappings"])]
    built = build_mappings(load_dict(method).require(), (1, 2, 2))
    assert list(built) == ["more", "decoder", "encoder"]
    assert torch.equal(built["decoder"].layers[0].weight, first.layers[0].weight)


def test_lazy_layers_are_mirrored_once_their_sizes_are_known():
    layers = [FLATTEN, {"type": "LazyLinear", "out_features": 5}, RELU, linear(5, 2)]
    _, decoder = networks(layers, (3, 2))
    assert [tuple(layer.weight.shape) for layer in decoder.layers if isinstance(layer, nn.Linear)] == [(5, 2), (6, 5)]


def test_the_type_of_parameters_comes_along():
    layers = [linear(4, 3, dtype="float64"), conv(1, 3, 2, dtype="float64", name="c")]
    modules = [nn.Linear(4, 3), nn.Conv1d(2, 3, 3)]
    passage = Passage((2, 5), (3, 3))
    parts = outline([("a", modules[0]), ("c", modules[1])])
    assert [_block(part, passage, layers[i], "encoder")["dtype"] for part, i in zip(parts, (1, 0), strict=True)] == [
        "float64",
        "float64",
    ]


# --- what cannot be mirrored ------------------------------------------------------------------------------------------


def test_an_encoder_behind_others_is_mirrored_by_what_reaches_it():
    method = described([conv(1, 3, 2), FLATTEN, linear(12, 2)], encoder={"prior_mapping_name": "images"})
    images = {"type": "Unflatten", "dim": 1, "unflattened_size": [2, 6]}
    method["mappings"].insert(0, {"name": "images", "type": "design_pattern_specific", "layers": [images]})
    built = build_mappings(load_dict(method).require(), (12,))
    assert built["decoder"](torch.rand(3, 2)).shape == (3, 2, 6)


def test_sizes_come_from_every_layer():
    encoder, _ = networks([conv(2), RELU, FLATTEN, linear(36, 2)], (2, 5, 6))
    assert traced(encoder, (2, 5, 6)) == {
        "Conv2d_0": ((2, 5, 6), (3, 3, 4)),
        "ReLU_1": ((3, 3, 4), (3, 3, 4)),
        "Flatten_2": ((3, 3, 4), (36,)),
        "Linear_3": ((36,), (2,)),
    }
    assert encoder.training


@pytest.mark.parametrize(
    ("pool", "sizes"),
    [
        ({"type": "MaxPool2d", "kernel_size": 2}, "3 x 2 of 7 x 4"),
        ({"type": "AvgPool2d", "kernel_size": 3}, "2 x 1 of 7 x 4"),
        ({"type": "AdaptiveAvgPool2d", "output_size": 2}, "2 x 2 of 7 x 4"),
    ],
)
def test_repetition_restores_no_odd_sizes(pool, sizes):
    with pytest.raises(MappingError) as error:
        networks([conv(2, 1, 1, size=1), pool], (1, 7, 4))
    assert str(error.value) == (
        f'mapping "decoder": it cannot mirror layer "{pool["type"]}_1" of mapping "encoder": it makes {sizes}, which '
        f'repeating values cannot restore. A MaxPool with "return_indices": true can be mirrored at any size'
    )


def test_an_encoder_that_does_not_fit_its_samples_says_so_itself():
    with pytest.raises(MappingError, match=re.escape('mapping "encoder": layer "Linear_1"')):
        networks([FLATTEN, linear(5, 2)], (1, 2, 2))


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ({"type": "LSTM", "input_size": 2, "hidden_size": 2}, "LSTM has no mirror image"),
        ({"type": "ConvTranspose2d", "in_channels": 1, "out_channels": 1, "kernel_size": 2}, "ConvTranspose2d has no"),
        ({"type": "Sequential", "positional_arguments": [{"type": "ReLU"}]}, "Sequential has no mirror image"),
        ({"type": "GLU"}, "GLU has no mirror image"),
        ({"type": "LPPool2d", "norm_type": 2, "kernel_size": 2}, "LPPool2d has no mirror image"),
        ({"type": "Flatten", "start_dim": 0}, "it mixes the samples of a batch"),
        ({"type": "AdaptiveAvgPool2d", "output_size": [2, None]}, "it has no definite size"),
        ({"type": "AdaptiveMaxPool1d", "output_size": 2, "return_indices": True}, "it returns indices, which only"),
        (switching(2, 3, stride=2), "its windows overlap or have gaps"),
        (switching(1, [2], stride=[1]), "its windows overlap or have gaps"),
        (switching(2, 2, dilation=2), "its windows overlap or have gaps"),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else None,
)
def test_a_layer_without_mirror_image_is_named(layer, reason):
    problems = [problem for problem in found(described([linear(2, 2), layer]))]
    assert len(problems) == 1
    expected = (
        f'error RC408 at /mappings/0/layers/1: mapping "decoder" cannot mirror layer "{layer["type"]}_1" of mapping '
    )
    assert problems[0].startswith(f'{expected}"encoder": {reason}')


def test_a_normalisation_by_shape_before_pooling_is_refused():
    shaped = {"type": "LayerNorm", "normalized_shape": [2, 4]}
    pool = {"type": "MaxPool1d", "kernel_size": 2}
    (problem,) = found(described([conv(1, 2, 2), shaped, RELU, pool, conv(1, 2, 2, size=1)]))
    assert problem == (
        'error RC408 at /mappings/0/layers/1: mapping "decoder" cannot mirror layer "LayerNorm_1" of mapping '
        '"encoder": its mirror image stands before that of the pooling, where values have another shape. Put it behind '
        "the pooling, or use GroupNorm."
    )
    assert found(described([conv(1, 2, 2), RELU, pool, shaped, conv(1, 2, 2, size=1)])) == []


def test_a_bottleneck_is_needed():
    (problem,) = found(described([FLATTEN, RELU]))
    assert problem == (
        'error RC408 at /mappings/0/layers: mapping "decoder" cannot mirror mapping "encoder": it has no bottleneck: '
        "no Linear and no convolution. Add one."
    )


def test_names_stay_unique():
    layers = [conv(1, size=2, padding="same", name="a"), conv(1, 2, 3, name="a_crop")]
    with pytest.raises(MirrorError, match=re.escape('two layers would be called "mirror_of_a_crop"')):
        outline([("a", nn.Conv1d(2, 3, 2, padding="same")), ("a_crop", nn.Conv1d(3, 2, 3))])
    assert "RC408" in found(described(layers))[0]
