from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from recombine.build import build_mappings
from recombine.errors import MappingError
from recombine.load import load_dict, load_file
from recombine.mapping import SETS
from recombine.plan import plan_method
from recombine.plan_networks import Feeding, Given, Watch, count_parameters, plan_networks
from tests.methods import TRANSFORMER_LAYER, small

CONFIGURATIONS = Path(__file__).resolve().parent.parent / "configurations"
SHIPPED = [
    "quickstart/digits",
    "dcjc/digits_kl",
    "dcjc/mnist/architecture_1_kl",
    "dcjc/coil20/architecture_0_pretraining",
    "learning_to_cluster/points_small_lstm",
    "learning_to_cluster/points_small_attention",
    "contrastive_clustering/mnist",
    "adversarial_interpolation_pretraining/mnist",
    "cnc/digits",
]
FLATTEN = {"type": "Flatten"}
ROWS = {"type": "Unflatten", "dim": 1, "unflattened_size": [8, 8]}


def planned(layers, changes=None):
    """Return the plan of the small method's networks, with other layers in its encoder."""
    config = load_dict(small({"/mappings/0/layers": layers, **(changes or {})})).require()
    return plan_networks(config, Feeding((1, 8, 8), None, 4, {"decoder": Given((3,), "what the encoder makes")}))


def counted(mapping, shape, switches):
    """Return what torch's own counter finds in a mapping on the meta device."""
    with FlopCounterMode(display=False) as counter:
        mapping.eval()(torch.zeros(1, *shape, device="meta"), switches=switches)
    return counter.get_total_flops()


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_networks_have_the_parameters_and_operations_that_torch_counts(name):
    plan, loaded = plan_method(load_file(CONFIGURATIONS / f"{name}.json"), None, None)
    assert [str(problem) for problem in loaded.problems] == []
    networks = plan.datasets[0].networks
    with torch.device("meta"):
        built = build_mappings(loaded.config, plan.datasets[0].sample)
    switches = {}
    assert any(mapping.flops for mapping in networks.mappings)
    for mapping in networks.mappings:
        own = built[mapping.name]
        assert (mapping.flops, mapping.works_on) == (counted(own, mapping.input, switches), own.works_on)
        assert mapping.parameters == mapping.trainable == sum(p.numel() for p in own.parameters())
        assert sum(layer.flops for layer in mapping.layers) == mapping.flops
        assert sum(layer.parameters for layer in mapping.layers) == mapping.parameters
    assert networks.parameters == sum(mapping.parameters for mapping in networks.mappings) + networks.centroids


def test_layers_have_the_shapes_that_they_make_of_one_sample():
    mappings = planned([FLATTEN, {"type": "Linear", "in_features": 64, "out_features": 3}]).mappings
    encoder, decoder = mappings
    assert (encoder.given_by, encoder.input, encoder.output) == ("a sample", (1, 8, 8), (3,))
    assert [(layer.type, layer.output, layer.flops) for layer in encoder.layers] == [
        ("Flatten", (64,), 0),
        ("Linear", (3,), 2 * 64 * 3),
    ]
    assert (decoder.given_by, decoder.input, decoder.output) == ("what the encoder makes", (3,), (64,))


def test_lazy_layers_have_the_sizes_that_a_sample_gives_them():
    networks = planned([FLATTEN, {"type": "LazyLinear", "out_features": 3}])
    assert networks.mappings[0].parameters == 64 * 3 + 3
    assert networks.mappings[0].flops == 2 * 64 * 3


def test_a_mirror_image_with_unpooling_gets_the_places_of_the_maxima():
    convolution = {"type": "Conv2d", "in_channels": 1, "out_channels": 4, "kernel_size": 3}
    pool = {"type": "MaxPool2d", "kernel_size": 2, "return_indices": True}
    layers = [convolution, pool, FLATTEN, {"type": "Linear", "in_features": 36, "out_features": 3}]
    mirror = {"name": "decoder", "type": "design_pattern_specific", "mirror_of": "encoder"}
    encoder, decoder = planned(layers, {"/mappings/1": mirror}).mappings
    assert decoder.output == (1, 8, 8)
    assert encoder.flops == decoder.flops == 2 * (6 * 6 * 4 * 9 + 36 * 3)
    assert [layer.type for layer in decoder.layers] == ["Linear", "Unflatten", "MaxUnpool2d", "ConvTranspose2d"]


def test_recurrent_and_attention_layers_are_counted_in_full():
    lstm = {"type": "LSTM", "input_size": 8, "hidden_size": 4, "batch_first": True}
    (encoder, _) = planned([FLATTEN, ROWS, lstm, FLATTEN]).mappings
    assert encoder.flops == 8 * 2 * (4 * 4 * 8 + 4 * 4 * 4)
    wide = {**TRANSFORMER_LAYER, "d_model": 8}
    (encoder, _) = planned([FLATTEN, ROWS, wide, FLATTEN]).mappings
    projections, attention, feed_forward = 4 * 8 * 8 * 8, 2 * 8 * 8 * 8, 2 * 8 * 8 * 8
    assert encoder.flops == 2 * (projections + attention + feed_forward)


def test_a_mapping_that_nothing_feeds_and_that_takes_no_sample_is_planned_without_shapes():
    config = load_dict(small()).require()
    encoder, decoder = plan_networks(config, Feeding((1, 8, 8), None, 4, {})).mappings
    assert (encoder.output, decoder.output, decoder.given_by, decoder.flops) == ((3,), None, None, None)
    assert decoder.parameters == 3 * 64 + 64


def test_layers_that_do_not_fit_are_named():
    with pytest.raises(MappingError, match='mapping "encoder": layer "Linear_1"'):
        planned([FLATTEN, {"type": "Linear", "in_features": 65, "out_features": 3}])


def test_sets_go_through_networks_of_sets():
    plan, _ = plan_method(load_file(CONFIGURATIONS / "learning_to_cluster" / "points_small_attention.json"), None, None)
    (dataset,) = plan.datasets
    shapes = {mapping.name: (mapping.works_on, mapping.input, mapping.output) for mapping in dataset.networks.mappings}
    assert (dataset.set_size, dataset.sample) == (30, (2,))
    assert shapes["embedding"] == ("samples", (2,), (64,))
    assert shapes["set_network"] == (SETS, (30, 64), (30, 64))
    assert shapes["count_head"] == (SETS, (30, 64), (4,))


def test_shared_parameters_count_once():
    layer = torch.nn.Linear(3, 3)
    assert count_parameters(torch.nn.Sequential(layer, layer)) == (12, 12)
    layer.bias.requires_grad_(False)
    assert count_parameters(layer) == (12, 9)
    assert count_parameters(torch.nn.LazyLinear(3)) == (0, 0)


def test_a_watch_notes_the_first_that_a_mapping_gets():
    with torch.device("cpu"):
        mappings = build_mappings(load_dict(small()).require(), (1, 8, 8))
    encoder, decoder = mappings.values()
    watch = Watch()
    with watch.over(mappings.values()):
        encoder(torch.zeros(5, 1, 8, 8), "a batch")
        encoder(torch.zeros(5, 64))
        decoder.run_layers(torch.zeros(5, 3), decoder.layer_names)
    encoder(torch.zeros(2, 64))
    assert watch.seen == {"encoder": Given((1, 8, 8), "a batch"), "decoder": Given((3,), "a pattern")}
