"""The published architectures: their shapes and parameters as recomputed by hand, and what the format refuses."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from recombine.build import build_mappings
from recombine.dcjc_architecture import Architecture, ArchitectureError, is_flat
from recombine.load import load_file
from recombine.normalize import Normalizer
from recombine.subschemas import root_schema
from tests.methods import small, written

FOLDER = Path(__file__).resolve().parent.parent / "configurations" / "dcjc" / "architectures"
SHAPES = {"mnist": (1, 28, 28), "coil": (1, 128, 128)}
#: Size of the latent space and number of trainable parameters.
PUBLISHED = {
    ("mnist", 0): (32, 10_079_073),
    ("mnist", 1): (120, 320_141),
    ("coil", 0): (320, 493_881),
    ("coil", 1): (400, 30_685_161),
    ("coil", 2): (200, 30_845_761),
    ("coil", 3): (200, 28_636_961),
    ("coil", 4): (80, 27_408_041),
    ("coil", 5): (32, 26_916_473),
    ("coil", 6): (1, 26_598_562),
    ("coil", 7): (20, 26_793_581),
}


def networks(folder, file, index, shape, **decoder):
    """Return encoder and decoder of an architecture in a list."""
    mappings = [
        {"name": "encoder", "type": "feature_extractor", "architecture": {"path_to_file": str(file), "index": index}},
        {"name": "decoder", "type": "design_pattern_specific", "mirror_of": "encoder", **decoder},
    ]
    config = load_file(written(folder, small({"/mappings": mappings}))).require()
    built = build_mappings(config, shape)
    return built["encoder"], built["decoder"]


def blocks(name):
    """Return a shipped list."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def parameters_by_hand(layers, normalises):
    """Count trainable parameters from the description alone, encoder and decoder."""
    channels, height, width = layers[0]["output_shape"]
    total, units = 0, None
    for position, layer in enumerate(layers[1:], 1):
        if layer["type"] == "Conv2D":
            filters, area = layer["num_filters"], math.prod(layer["filter_size"])
            total += 2 * channels * filters * area + (2 * filters if normalises else filters)
            total += 1 if position == 1 else (2 * channels if normalises else channels)
            shrinks = layer.get("conv_mode") != "same"
            height, width = (s - (k - 1) * shrinks for s, k in zip((height, width), layer["filter_size"], strict=True))
            channels = filters
        elif layer["type"] == "Dense":
            given = units or channels * height * width
            total += (given + 1) * layer["num_units"] + (0 if units is None else (layer["num_units"] + 1) * given)
            units = layer["num_units"]
        else:
            height, width = height // 2, width // 2
    return total


def test_finds_all_ten():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(SHAPES)
    assert [(name, i) for name in SHAPES for i in range(len(blocks(name)))] == list(PUBLISHED)
    assert [block["batch_size"] for block in blocks("mnist")] == [50, 100]
    assert {block["batch_size"] for block in blocks("coil")} == {10}
    assert [bool(block.get("use_batch_norm")) for block in blocks("coil")] == [True] * 6 + [False, True]


@pytest.mark.parametrize(("name", "index"), PUBLISHED)
def test_latent_sizes_reconstructions_and_parameters(tmp_path, name, index):
    latent, count = PUBLISHED[name, index]
    encoder, decoder = networks(tmp_path, FOLDER / f"{name}.json", index, SHAPES[name])
    x, switches = torch.rand(2, *SHAPES[name]), {}
    with torch.no_grad():
        code = encoder(x, switches=switches)
        found = decoder(code, switches=switches)
    assert code.flatten(1).shape == (2, latent)
    assert found.shape == x.shape
    trainable = [parameter for network in (encoder, decoder) for parameter in network.parameters()]
    block = blocks(name)[index]
    assert sum(parameter.numel() for parameter in trainable) == count
    assert count == parameters_by_hand(block["layers"], block.get("use_batch_norm"))


def described(mapping):
    """Return a network's layers in short."""
    words = []
    for layer in mapping.layers:
        word = type(layer).__name__
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            bias = "bias" if layer.bias is not None else ""
            word += f" {layer.in_channels}-{layer.out_channels} {layer.kernel_size[0]} {bias}"
        if isinstance(layer, nn.Linear):
            word += f" {layer.in_features}-{layer.out_features}"
        words.append(word.strip())
    return words


def test_the_network_of_the_published_results(tmp_path):
    encoder, decoder = networks(tmp_path, FOLDER / "mnist.json", 1, SHAPES["mnist"])
    assert described(encoder) == [
        *("Flatten", "Unflatten"),
        *("Conv2d 1-50 5", "BatchNorm2d", "ReLU", "MaxPool2d"),
        *("Conv2d 50-50 5", "BatchNorm2d", "ReLU", "MaxPool2d"),
        *("Conv2d 50-120 4", "BatchNorm2d"),
    ]
    assert described(decoder) == [
        *("ConvTranspose2d 120-50 4", "BatchNorm2d", "MaxUnpool2d"),
        *("ConvTranspose2d 50-50 5", "BatchNorm2d", "ReLU", "MaxUnpool2d"),
        *("ConvTranspose2d 50-1 5 bias", "ReLU"),
    ]
    norms = [layer for network in (encoder, decoder) for layer in network.layers if isinstance(layer, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-4, 0.1)}
    assert decoder.unpooling == {
        "mirror_of_MaxPool2d_4": ("encoder", "MaxPool2d_4"),
        "mirror_of_MaxPool2d_2": ("encoder", "MaxPool2d_2"),
    }


def test_dense_layers_are_mirrored_by_as_many_units(tmp_path):
    encoder, decoder = networks(tmp_path, FOLDER / "mnist.json", 0, SHAPES["mnist"])
    assert described(encoder)[-5:] == ["Flatten", "Linear 3136-3136", "ReLU", "Linear 3136-32", "ReLU"]
    assert described(decoder) == [
        *("Linear 32-3136", "ReLU", "Unflatten", "Upsample"),
        *("ConvTranspose2d 64-32 3 bias", "ReLU", "Upsample"),
        *("ConvTranspose2d 32-1 3 bias", "ReLU"),
    ]


def test_plain_and_switching_pools_of_one_network(tmp_path):
    _, decoder = networks(tmp_path, FOLDER / "coil.json", 2, SHAPES["coil"])
    kinds = [word.partition(" ")[0] for word in described(decoder)]
    assert kinds[:4] == ["Linear", "ReLU", "Linear", "ReLU"]
    assert [kind for kind in kinds if kind in ("Upsample", "MaxUnpool2d", "Unflatten")] == [
        *("Unflatten", "MaxUnpool2d", "Upsample", "MaxUnpool2d", "MaxUnpool2d")
    ]


def test_weights_start_by_glorot_and_biases_at_zero(tmp_path):
    networks_ = networks(tmp_path, FOLDER / "mnist.json", 0, SHAPES["mnist"])
    weighted = [layer for network in networks_ for layer in network.layers if hasattr(layer, "weight")]
    assert len(weighted) == 7
    for layer in weighted:
        out, given, *area = layer.weight.shape
        bound = math.sqrt(6 / ((out + given) * math.prod(area)))
        assert 0.95 * bound < layer.weight.abs().max() <= bound
        assert layer.bias.abs().max() == 0


def test_the_end_of_the_decoder_can_be_another(tmp_path):
    for given, expected in (({"type": "Sigmoid"}, "Sigmoid"), (None, "ConvTranspose2d")):
        _, decoder = networks(tmp_path, FOLDER / "mnist.json", 1, SHAPES["mnist"], output_non_linearity=given)
        assert type(decoder.layers[-1]).__name__ == expected


# --- the rules of the format ------------------------------------------------------------------------------------------

INPUT = {"type": "Input", "output_shape": [1, 8, 8]}
POOL = {"type": "MaxPool2D", "filter_size": [2, 2]}
SWITCH = {"type": "MaxPool2D*", "filter_size": [2, 2]}


def conv(filters=2, size=3, non_linearity="rectify", **more):
    """Return a convolution."""
    return {
        "type": "Conv2D",
        "num_filters": filters,
        "filter_size": [size, size],
        "non_linearity": non_linearity,
        **more,
    }


def dense(units, non_linearity="rectify"):
    """Return a fully connected layer."""
    return {"type": "Dense", "num_units": units, "non_linearity": non_linearity}


def architecture(*layers, **more):
    """Return an architecture with all defaults."""
    block = {"name": "x", "batch_size": 5, "layers": list(layers), **more}
    return Architecture(Normalizer().normalize(block, [root_schema("architecture.json")]))


def flat(*layers, extent=6):
    """Return a flat architecture."""
    return architecture({"type": "Input", "output_shape": [1, 1, extent]}, *layers, network_type="AE")


@pytest.mark.parametrize(
    ("name", "network_type", "expected"),
    [
        ("fc-500_fc-10", None, True),
        ("fc_500", None, True),
        ("fcn-5", None, False),
        ("c-5_fc-10", None, False),
        ("fc-500", "CAE", False),
        ("c-5", "AE", True),
    ],
)
def test_the_type_or_else_the_name_says_whether_samples_are_flat(name, network_type, expected):
    assert is_flat({"name": name, **({"network_type": network_type} if network_type else {})}) is expected


def test_a_flat_network_counts_only_the_third_size():
    found = flat(dense(6), dense(4), dense(2, "linear"))
    assert [layer["type"] for layer in found.encoder()] == ["Flatten", *("Linear", "ReLU") * 2, "Linear"]
    decoder = found.decoder("encoder", found.output_non_linearity)
    sizes = [(layer["in_features"], layer["out_features"]) for layer in decoder if layer["type"] == "Linear"]
    assert sizes == [(2, 4), (4, 6)]
    assert [layer["type"] for layer in decoder] == ["Linear", "ReLU", "Linear", "ReLU"]
    assert decoder[-1]["name"] == "output_non_linearity"


@pytest.mark.parametrize(
    ("first", "given", "expected"),
    [
        ("rectify", None, "ReLU"),
        ("elu", None, "ELU"),
        ("linear", None, None),
        ("rectify", "linear", None),
        ("linear", "elu", "ELU"),
    ],
)
def test_the_output_non_linearity_is_the_first_one_unless_given(first, given, expected):
    more = {"output_non_linearity": given} if given else {}
    found = architecture(INPUT, conv(non_linearity=first), conv(non_linearity="elu"), **more)
    assert (found.output_non_linearity or {}).get("type") == expected
    kinds = [layer["type"] for layer in found.decoder("encoder", found.output_non_linearity)]
    assert kinds == ["ConvTranspose2d", "ELU", "ConvTranspose2d", *([expected] if expected else [])]


def test_odd_sizes_are_restored_by_switches():
    found = architecture(INPUT, conv(), conv(size=2), SWITCH, conv(size=2))
    assert [(stage.given, stage.made) for stage in found.stages] == [
        ((1, 8, 8), (2, 6, 6)),
        ((2, 6, 6), (2, 5, 5)),
        ((2, 5, 5), (2, 2, 2)),
        ((2, 2, 2), (2, 1, 1)),
    ]


@pytest.mark.parametrize(
    ("layers", "finding"),
    [
        ([conv()], ("RC503", "the first layer must be Input", "/layers/0/type")),
        ([INPUT], ("RC503", "there is no bottleneck: the last layer must be a Conv2D or a Dense", "/layers")),
        ([INPUT, conv(), POOL], ("RC503", "there is no bottleneck: the last layer must be a", "/layers/2")),
        ([INPUT, INPUT, conv()], ("RC503", "Input stands a second time", "/layers/1/type")),
        ([INPUT, dense(64), conv()], ("RC503", "Conv2D needs images, and a Dense has none", "/layers/2/type")),
        (
            [INPUT, conv(size=2), POOL, conv()],
            ("RC503", "2 x 2 does not divide 7 x 7, and repetition could not restore it", "/layers/2/filter_size"),
        ),
        (
            [INPUT, conv(), conv(), conv(size=5)],
            ("RC503", "5 x 5 is larger than the 4 x 4 that reach the layer", "/layers/3/filter_size"),
        ),
        (
            [INPUT, {"type": "MaxPool2D*", "filter_size": [9, 1]}, conv()],
            ("RC503", "9 x 1 is larger than the 8 x 8 that reach the layer", "/layers/1/filter_size"),
        ),
        (
            [INPUT, conv(size=4, conv_mode="same"), conv()],
            ("RC503", '"same" keeps the size only with filters of odd size, not 4 x 4', "/layers/1/filter_size"),
        ),
        (
            [INPUT, conv(3), dense(100), dense(5)],
            (
                "RC503",
                "the first Dense has 100 units, and its mirror image could not restore the 108 values that it gets "
                "(3 x 6 x 6)",
                "/layers/2/num_units",
            ),
        ),
        (
            [INPUT, conv(3), dense(108)],
            (
                "RC503",
                "the bottleneck is the only Dense, and its mirror image could not restore the 108 values that it gets "
                "(3 x 6 x 6)",
                "/layers/2",
            ),
        ),
        ([INPUT, POOL, conv()], ("RC102", '"output_non_linearity" is missing, and the first layer, MaxPool2D', "")),
    ],
)
def test_what_does_not_fit(layers, finding):
    with pytest.raises(ArchitectureError) as error:
        architecture(*layers)
    found = error.value.finding
    assert (found.code, found.pointer) == (finding[0], finding[2])
    assert found.message.startswith(finding[1])


def test_a_flat_network_has_no_images_and_needs_as_many_units_as_its_input():
    with pytest.raises(ArchitectureError, match="Conv2D needs images, and a flat network has none"):
        flat(conv())
    with pytest.raises(ArchitectureError, match="the first Dense has 5 units, .* the 6 values that it gets$"):
        flat(dense(5), dense(2))
