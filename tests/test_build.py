from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from recombine.assignment.classifier import Classifier
from recombine.build import build_mapping, build_method, build_objectives, load_samples, views_of
from recombine.config import frozen
from recombine.errors import DataError, NetworkError
from tests.methods import TRANSFORMER_LAYER
from tests.runs import CLASSES, PIXELS, config_of, method, same

SHAPE = (1, 2, 3)
KIND = "design_pattern_specific"


def _built(*layers, seed=0, **mapping):
    described = method()
    described["mappings"].append({"name": "net", "type": KIND, "layers": list(layers), **mapping})
    return build_mapping(config_of(described).mappings[-1], seed)


def _method(*mappings, seed=0, **changes):
    described = method(seed=seed, more_mappings=list(mappings), **changes)
    return build_method(config_of(described), CLASSES, SHAPE)


LINEAR = {"type": "Linear", "in_features": 4, "out_features": 3}


def test_unnamed_layers_are_called_by_type_and_place():
    mapping = _built({"type": "Flatten"}, LINEAR | {"name": "named"}, {"type": "ReLU"}, {"type": "ReLU"})
    assert mapping.layer_names == ["Flatten_0", "named", "ReLU_2", "ReLU_3"]


def test_an_unnamed_mapping_is_called_by_its_type():
    assert list(_method({"type": KIND}).mappings) == ["encoder", "decoder", KIND]


def test_initialisation_belongs_to_seed_and_name():
    first, again, seeded = _built(LINEAR), _built(LINEAR), _built(LINEAR, seed=1)
    renamed = _built(LINEAR, name="other")
    assert same(first.state_dict(), again.state_dict())
    assert not same(first.state_dict(), seeded.state_dict())
    assert not same(first.state_dict(), renamed.state_dict())


def test_adding_a_layer_keeps_the_initialisation_of_those_before_it():
    few, many = _built(LINEAR), _built(LINEAR, {"type": "Linear", "in_features": 3, "out_features": 9})
    assert torch.equal(few.layers[0].weight, many.layers[0].weight)


def test_building_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    _method({"name": "lazy", "type": KIND, "layers": [{"type": "LazyLinear", "out_features": 2}]})
    assert torch.equal(torch.get_rng_state(), before)


def test_nested_layers_and_positional_arguments():
    block = {
        "type": "Sequential",
        "positional_arguments": [
            {"type": "Linear", "positional_arguments": [4, 3], "bias": False},
            {"type": "Sequential", "positional_arguments": [{"type": "Tanh"}]},
        ],
    }
    mapping = _built(block)
    x = torch.randn(5, 4)
    assert torch.equal(mapping(x), torch.tanh(x @ mapping.layers[0][0].weight.T))


def test_a_transformer_takes_its_layer_and_its_activation_as_objects():
    mapping = _built({"type": "TransformerEncoder", "encoder_layer": TRANSFORMER_LAYER, "num_layers": 2})
    assert [type(inner.activation) for inner in mapping.layers[0].layers] == [nn.GELU, nn.GELU]
    assert mapping(torch.randn(5, 6, 4)).shape == (5, 6, 4)


def test_a_class_that_refuses_its_arguments_is_told():
    config = config_of(method(more_mappings=[{"name": "net", "type": KIND, "layers": [LINEAR]}])).mappings[-1]
    wrong = replace(config, layers=(frozen({"name": "l", "type": "Conv2d", "in_channels": 3, "out_channels": 0}),))
    with pytest.raises(NetworkError, match='mapping "net": Conv2d refuses its arguments'):
        build_mapping(wrong, 0)


def test_processing_functions_surround_the_layers():
    mapping = _built(
        LINEAR,
        pre_processing_functions=[{"function_name": "relu", "input_argument_name": "input"}],
        post_processing_functions=[
            {"function_name": "softmax", "input_argument_name": "input", "dim": 1},
            {"function_name": "normalize", "input_argument_name": "input", "p": 1.0, "dim": 0},
        ],
    )
    x = torch.randn(5, 4)
    expected = functional.normalize(mapping.layers[0](x.relu()).softmax(1), p=1.0, dim=0)
    assert torch.equal(mapping(x), expected)


# --- initialisation of layers -------------------------------------------------------------------------------------


def _initialised(layers, *blocks, seed=0):
    return _built(*layers, seed=seed, layer_initialization=[{"weight_type": "weight", **block} for block in blocks])


def test_initialises_named_layers_in_order():
    mapping = _initialised(
        [LINEAR | {"name": "a"}, {"type": "Linear", "name": "b", "in_features": 3, "out_features": 2}],
        {"layer_names": ["a", "b"], "type": "constant", "val": 2.5},
        {"layer_names": ["b"], "type": "zeros_"},
        {"layer_names": ["a"], "weight_type": "bias", "type": "ones"},
    )
    assert mapping.layer("a").weight.unique().tolist() == [2.5]
    assert mapping.layer("a").bias.unique().tolist() == [1]
    assert mapping.layer("b").weight.unique().tolist() == [0]
    assert len(mapping.layer("b").bias.unique()) == 2


def test_random_initialisation_belongs_to_the_seed():
    block = {"layer_names": ["Linear_0"], "type": "xavier_uniform", "gain": 0.5}
    bound = 0.5 * (6 / (4 + 3)) ** 0.5
    first, again, other = (_initialised([LINEAR], block, seed=seed).layers[0].weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert bound / 2 < first.abs().max() <= bound


def test_initialises_layers_inside_layers():
    inner = {"type": "Sequential", "positional_arguments": [LINEAR | {"name": "inner"}]}
    outer = {"type": "Sequential", "positional_arguments": [inner]}
    mapping = _initialised([outer], {"layer_names": ["inner"], "type": "constant", "val": 3})
    assert mapping.layers[0][0][0].weight.unique().tolist() == [3]


def test_a_layer_without_the_parameter_is_named():
    with pytest.raises(NetworkError, match='mapping "net": layer "ReLU_0" has no weight to initialise'):
        _initialised([{"type": "ReLU"}], {"layer_names": ["ReLU_0"], "type": "zeros"})
    without_bias = LINEAR | {"bias": False}
    with pytest.raises(NetworkError, match='mapping "net": layer "Linear_0" has no bias to initialise'):
        _initialised([without_bias], {"layer_names": ["Linear_0"], "weight_type": "bias", "type": "zeros"})


def test_an_initialisation_that_does_not_fit_is_told():
    message = 'mapping "net": xavier_uniform for layer "Linear_0" refuses its arguments: Fan in and fan out'
    with pytest.raises(NetworkError, match=message):
        _initialised([LINEAR], {"layer_names": ["Linear_0"], "weight_type": "bias", "type": "xavier_uniform"})


def test_layers_of_which_only_copies_work_cannot_be_initialised():
    layer = {
        "type": "TransformerEncoderLayer",
        "d_model": 4,
        "nhead": 2,
        "batch_first": True,
        "activation": {"type": "PReLU", "name": "activation"},
    }
    encoder = {
        "type": "TransformerEncoder",
        "encoder_layer": layer,
        "num_layers": 2,
        "enable_nested_tensor": False,
    }
    message = 'mapping "net": layer "activation" cannot be initialised: the layer around it works on copies of it'
    with pytest.raises(NetworkError, match=message):
        _initialised([encoder], {"layer_names": ["activation"], "type": "zeros"})


# --- lazy layers --------------------------------------------------------------------------------------------------

LAZY = {"type": "LazyLinear", "name": "lazy", "out_features": 3}


def test_lazy_layers_are_initialised_by_seed_and_name_whoever_feeds_them_first():
    first, again, seeded = _built(LAZY), _built(LAZY), _built(LAZY, seed=1)
    torch.manual_seed(1)
    first(torch.randn(5, 4))
    torch.manual_seed(2)
    before = torch.get_rng_state()
    again.eval()(torch.zeros(2, 4))
    assert torch.equal(torch.get_rng_state(), before)
    seeded(torch.randn(5, 4))
    assert same(first.state_dict(), again.state_dict())
    assert not same(first.state_dict(), seeded.state_dict())
    assert first.layers[0].weight.shape == (3, 4)
    assert 0.1 < first.layers[0].weight.abs().max() <= 0.5  # torch's own: uniform within 1 / sqrt(4)


def test_lazy_layers_take_their_initialisation_too():
    mapping = _initialised([LAZY, {"type": "ReLU"}], {"layer_names": ["lazy"], "type": "constant", "val": 4})
    mapping(torch.randn(5, 2))
    assert mapping.layers[0].weight.unique().tolist() == [4]
    with torch.no_grad():
        mapping.layers[0].weight.fill_(1)
    mapping(torch.randn(5, 2))
    assert mapping.layers[0].weight.unique().tolist() == [1]


def test_lazy_layers_keep_the_parameters_that_were_loaded_before_their_first_input():
    mapping = _initialised([LAZY], {"layer_names": ["lazy"], "type": "constant", "val": 4})
    loaded = {"layers.0.weight": torch.randn(3, 2), "layers.0.bias": torch.randn(3)}
    mapping.load_state_dict(loaded)
    mapping(torch.randn(5, 2))
    assert same(mapping.state_dict(), loaded)


def test_a_lazy_initialisation_that_does_not_fit_is_told():
    block = {"layer_names": ["lazy"], "weight_type": "bias", "type": "xavier_uniform"}
    with pytest.raises(NetworkError, match='mapping "net": xavier_uniform for layer "lazy" refuses'):
        _initialised([LAZY], block)(torch.randn(5, 2))


def test_two_lazy_layers_differ():
    mapping = _built(LAZY, LAZY | {"name": "more"})
    mapping(torch.randn(5, 3))
    assert not torch.equal(mapping.layers[0].weight, mapping.layers[1].weight)


# --- methods ------------------------------------------------------------------------------------------------------


def test_the_size_of_the_features_is_found_through_the_whole_chain():
    described = method()
    described["mappings"].append(described["mappings"][0] | {"name": "stem"})
    described["mappings"][0] = {
        "name": "encoder",
        "type": "feature_extractor",
        "prior_mapping_name": "stem",
        "layers": [
            {"type": "LazyLinear", "out_features": 10},
            {"type": "Unflatten", "dim": 1, "unflattened_size": [5, 2]},
        ],
    }
    described["cluster_assignment_strategy"]["associated_feature_extractor_name"] = "encoder"
    built = build_method(config_of(described), 4, SHAPE)
    assert built.centroids.positions.shape == (4, 10)
    assert built.mappings["encoder"].chain() == [built.mappings["stem"], built.mappings["encoder"]]
    assert all(module.training for module in built.modules())


def test_a_strategy_may_name_its_extractor():
    second = {"name": "second", "type": "feature_extractor", "layers": [{"type": "Flatten"}]}
    strategy = method()["cluster_assignment_strategy"] | {"associated_feature_extractor_name": "second"}
    built = _method(second, cluster_assignment_strategy=strategy)
    assert built.centroids.extractor is built.mappings["second"]
    assert built.centroids.positions.shape == (CLASSES, PIXELS)
    assert built.feature_extractor is built.mappings["encoder"]


def test_feature_space_classifiers_are_fed_by_an_extractor():
    layers = [{"type": "Linear", "in_features": 2, "out_features": CLASSES}]
    classifier = {"type": "feature_space_classifier", "layers": layers}
    built = _method(
        {"name": "second", "type": "feature_extractor", "layers": [{"type": "Flatten"}]},
        classifier | {"name": "default"},
        classifier | {"name": "named", "associated_feature_extractor_name": "second"},
        classifier | {"name": "chained", "prior_mapping_name": "decoder"},
        {"name": "samples", "type": "sample_space_classifier", "layers": layers},
        {"name": "head", "type": KIND, "layers": layers},
    )
    priors = {name: mapping.prior and mapping.prior.name for name, mapping in built.mappings.items()}
    assert priors == {
        "encoder": None,
        "decoder": None,
        "second": None,
        "default": "encoder",
        "named": "second",
        "chained": "decoder",
        "samples": None,
        "head": None,
    }


@pytest.mark.parametrize(
    ("layers", "named", "expected"),
    [
        ([LINEAR, {"type": "Softmax", "dim": 1}], None, "Softmax_1"),
        ([LINEAR, {"type": "LogSoftmax", "dim": 1}], None, "LogSoftmax_1"),
        ([LINEAR, {"type": "Softmax", "dim": 1, "name": "mine"}], "mine", "mine"),
        ([{"type": "Softmax", "dim": 1}, LINEAR], "Softmax_0", "Softmax_0"),
        ([{"type": "Softmax", "dim": 1}, LINEAR], None, None),
        ([LINEAR], None, None),
        ([], None, None),
    ],
)
def test_the_softmax_layer_is_the_named_or_the_last(layers, named, expected):
    block = {"name": "net", "type": "sample_space_classifier", "layers": layers}
    block |= {"softmax_layer_name": named} if named else {}
    described = method(more_mappings=[block])
    assert build_mapping(config_of(described).mappings[-1], 0).softmax_layer == expected


def test_layers_of_the_extractor_that_do_not_fit_are_both_named():
    described = method()
    described["mappings"][0]["layers"][3]["in_features"] = 5
    with pytest.raises(NetworkError, match=r'layer "last", .* cannot take the output of layer "ReLU_2", .* \(2, 4\)'):
        build_method(config_of(described), CLASSES, SHAPE)
    with pytest.raises(NetworkError, match='layer "first", .* cannot take the output of layer "Flatten_0"'):
        build_method(config_of(method()), CLASSES, (1, 5, 5))


def test_strategies_get_their_options():
    layers = [{"type": "Linear", "in_features": 2, "out_features": CLASSES}]
    mapping = {"name": "mine", "type": "feature_space_classifier", "layers": layers}
    strategy = {"type": "classifier", "classifier_selection_criterion": "name", "classifier_name": "mine"}
    built = _method(mapping, mapping | {"name": "other"}, cluster_assignment_strategy=strategy)
    assert isinstance(built.assignment, Classifier)
    assert built.assignment.chosen() == [built.mappings["mine"]]
    assert built.centroids is None


# --- objectives ---------------------------------------------------------------------------------------------------


def _objectives(*patterns, groups=("default",), more_mappings=()):
    optimizers = [
        {"type": "SGD", "lr": 1.0, "group_name": group, "trained_mapping_names": ["encoder"]} for group in groups
    ]
    described = method(phase={"design_patterns": list(patterns), "optimizers": optimizers})
    described["mappings"] += more_mappings
    described["datasets"][0]["batch_augmentations"] = [{"name": name, "transforms": []} for name in ("v", "w")]
    config = config_of(described)
    return build_objectives(config.phases[0], build_method(config, CLASSES, SHAPE))


ENTROPY = {"pattern": "assignment_entropy"}


def test_patterns_get_names_weights_groups_views_and_intervals():
    first, second = _objectives(
        ENTROPY | {"loss_weight": 0.25, "loss_optimizer_group_name": "a", "loss_report_interval": 7},
        ENTROPY | {"batch_augmentation_name": "v", "loss_optimizer_group_name": "a"},
        groups=["a"],
    )
    assert (first.name, second.name) == ("assignment_entropy", "assignment_entropy_2")
    assert (first.views, second.views) == (("plain",), ("v",))
    term = first.terms["assignment_entropy"]
    assert (term.name, term.weight, term.group) == ("assignment_entropy", 0.25, "a")
    assert second.terms["assignment_entropy"].weight == 1
    assert (first.report_interval, second.report_interval) == (7, None)
    assert first.schedule.factor(0) == 1


def test_disabled_patterns_are_left_out():
    objectives = _objectives(ENTROPY | {"enabled": False}, ENTROPY | {"loss_weight": 2})
    assert [(objective.name, objective.terms["assignment_entropy"].weight) for objective in objectives] == [
        ("assignment_entropy", 2)
    ]


def test_long_names_and_schedules_are_understood():
    long_name = "preventing_cluster_degeneracy_by_maximizing_entropy_of_soft_assignments"
    schedule = {"start_at_iteration": 10, "warm_up_iterations": 4}
    (objective,) = _objectives({"pattern": long_name, "loss_weight_schedule": schedule})
    assert objective.name == "assignment_entropy"
    assert [objective.schedule.factor(iteration) for iteration in (9, 10, 12, 14, 99)] == [0, 0, 0.5, 1, 1]


@pytest.mark.parametrize("judge", ["critic", "discriminator"])
def test_patterns_with_two_losses_have_two_weights_and_groups(judge):
    mapping = {"name": "judge", "type": KIND, "layers": [{"type": "Linear", "in_features": 6, "out_features": 1}]}
    (objective,) = _objectives(
        {
            "pattern": "adversarial_interpolation",
            "encoder_name": "encoder",
            "decoder_name": "decoder",
            f"{judge}_name": "judge",
            "loss_weight": 2,
            "autoencoder_loss_weight": 0.5,
            f"{judge}_loss_weight": 3,
            "autoencoder_loss_optimizer_group_name": "a",
            f"{judge}_loss_optimizer_group_name": "b",
        },
        groups=["a", "b"],
        more_mappings=[mapping],
    )
    terms = {name: (term.name, term.weight, term.group) for name, term in objective.terms.items()}
    assert terms == {
        "autoencoder": ("adversarial_interpolation.autoencoder", 1.0, "a"),
        judge: (f"adversarial_interpolation.{judge}", 6, "b"),
    }


def test_views_of_a_pattern_are_those_that_it_reads():
    block = {
        "pattern": "contrastive",
        "contrastive_learning_head_name": "decoder",
        "batch_augmentation_name_1": "w",
        "batch_augmentation_name_2": "v",
    }
    (objective,) = _objectives(block)
    assert objective.views == ("v", "w")
    assert views_of(block | {"batch_augmentation_name": "plain"}) == ["v", "w"]


@pytest.mark.parametrize(("pattern", "part"), [("normalized_cut", "affinity"), ("siamese_contrastive", "neighbors")])
def test_distances_are_measured_in_the_plain_view_whatever_view_is_trained(pattern, part):
    assert views_of({"pattern": pattern, part: {}, "batch_augmentation_name": "v"}) == ["plain", "v"]


# --- data ---------------------------------------------------------------------------------------------------------


def test_samples_are_cut_to_the_range(tmp_path):
    described = method(dataset={"index_of_first_sample_to_use": 3, "index_of_last_sample_to_use": 12})
    config = config_of(described)
    samples = load_samples(config.datasets[0], tmp_path, None)
    assert len(samples) == 10
    assert samples.labels.tolist() == [3, 4, 5, 6, 7, 8, 9, 0, 1, 2]  # the digits come in this order
    beyond = method(dataset={"index_of_last_sample_to_use": 5000})
    with pytest.raises(DataError, match="index_of_last_sample_to_use is 5000, but the samples are numbered 0 to 1796"):
        load_samples(config_of(beyond).datasets[0], tmp_path, None)
