import copy

import pytest
import torch
from torch import nn

from recombine.build import build_data, build_method, build_objectives
from recombine.clock import Clock
from recombine.mapping import Mapping
from recombine.phase import enter_phase
from recombine.state import RunState
from recombine.step import Answer, Request, Step
from recombine.view_plan import grouped, is_independent, plan_views
from tests.runs import PIXELS, config_of, made, method

FLIPS = [
    {"name": "first", "transforms": [{"type": "RandomHorizontalFlip"}]},
    {"name": "second", "transforms": [{"type": "RandomVerticalFlip"}]},
]
HEAD = {
    "name": "head",
    "type": "design_pattern_specific",
    "prior_mapping_name": "encoder",
    "layers": [{"type": "Linear", "in_features": 2, "out_features": 3}],
}
CONTRAST = {
    "pattern": "contrastive",
    "contrastive_learning_head_name": "head",
    "batch_augmentation_name_1": "first",
    "batch_augmentation_name_2": "second",
    "temperature_parameter": 0.5,
}
TARGET = {
    "pattern": "target_distribution",
    "target_distribution_recalculation_interval": 3,
    "loss_weight_schedule": {"start_at_iteration": 2},
}
RECONSTRUCTION = {"pattern": "reconstruction", "encoder_name": "encoder", "decoder_name": "decoder"}


def _described(*patterns, layers=None, transforms=None):
    optimizers = [{"type": "SGD", "lr": 0.01, "trained_mapping_names": ["encoder", "head"]}]
    dataset = {"batch_augmentations": copy.deepcopy(FLIPS), "batch_size": 8}
    if transforms is not None:
        dataset["batch_augmentations"][1]["transforms"] = transforms
    described = method(
        phase={"design_patterns": list(patterns), "optimizers": optimizers}, dataset=dataset, more_mappings=[HEAD]
    )
    if layers is not None:
        described["mappings"][0]["layers"][1:1] = layers
    return config_of(described)


def _world(config):
    data = build_data(config.datasets[0], made(), config.seed, torch.device("cpu"))
    shape = data.sample_shape()
    return data, RunState(build_method(config, config.datasets[0].num_clusters, shape), Clock("", 0, 0, 1))


def _planned(config, state, data):
    phase = config.phases[0]
    return plan_views(phase, build_objectives(phase, state.method), state.method, data)


def _plan(*patterns, **changes):
    config = _described(*patterns, **changes)
    data, state = _world(config)
    return _planned(config, state, data)


def _at(plan, iteration):
    return {
        (request.mapping, request.view): views for request, views in plan.at(Clock("training", iteration, 0, 1)).items()
    }


def test_views_of_a_network_are_computed_together():
    both = ("first", "second")
    expected = {("encoder", view): both for view in both} | {("head", view): both for view in both}
    assert _at(_plan(CONTRAST), 0) == expected


def test_only_what_a_working_pattern_asks_for_is_computed_together():
    plan = _plan(CONTRAST, TARGET)
    assert ("encoder", "plain") not in _at(plan, 1)
    all_three = ("first", "plain", "second")
    assert _at(plan, 2)["encoder", "plain"] == all_three
    assert _at(plan, 2)["encoder", "second"] == all_three
    assert _at(plan, 2)["head", "second"] == ("first", "second")


def test_one_view_needs_no_plan():
    assert _at(_plan(RECONSTRUCTION), 0) == {}


def test_views_of_unequal_shape_go_alone():
    together = _at(_plan(CONTRAST, transforms=[{"type": "Resize", "size": [3, 2]}]), 0)
    assert {mapping for mapping, _ in together} == {"head"}
    shapes = {Request("output", "encoder", "", view): shape for view, shape in (("a", (6,)), ("b", (6,)), ("c", (5,)))}
    first, second, third = shapes
    assert grouped(shapes) == {first: ("a", "b"), second: ("a", "b")}
    assert third not in grouped(shapes)


@pytest.mark.parametrize(
    "layer",
    [
        {"type": "BatchNorm1d", "num_features": PIXELS},
        {"type": "BatchNorm1d", "num_features": PIXELS, "track_running_stats": False},
        {"type": "MultiheadAttention", "embed_dim": PIXELS, "num_heads": 1},
        {"type": "Softmax", "dim": 0},
        {"type": "LSTM", "input_size": PIXELS, "hidden_size": PIXELS},
    ],
)
def test_a_network_that_mixes_samples_gets_each_view_alone(layer):
    together = _at(_plan(CONTRAST, layers=[layer]), 0)
    assert {mapping for mapping, _ in together} == {"head"}


def test_an_instance_norm_with_running_statistics_goes_alone():
    encoder = Mapping("encoder", "feature_extractor", [("norm", nn.InstanceNorm1d(2, track_running_stats=True))])
    request = Request("output", "encoder", "", "plain")
    assert not is_independent(encoder, request, Answer(torch.zeros(8, 2, 5)))
    kept = encoder.state_dict()["layers.0.running_mean"]
    assert torch.equal(kept, torch.zeros(2)), "the trial worked on a copy"


@pytest.mark.parametrize("layer", [{"type": "Dropout", "p": 0.5}, {"type": "LayerNorm", "normalized_shape": PIXELS}])
def test_layers_that_look_at_one_sample_do_no_harm(layer):
    assert ("encoder", "first") in _at(_plan(CONTRAST, layers=[layer]), 0)


def test_convolutions_are_not_concatenated_on_a_cpu():
    layers = [
        {"type": "Unflatten", "dim": 1, "unflattened_size": [1, PIXELS]},
        {"type": "Conv1d", "in_channels": 1, "out_channels": 1, "kernel_size": 3, "padding": 1},
        {"type": "Flatten"},
    ]
    assert {mapping for mapping, _ in _at(_plan(CONTRAST, layers=layers), 0)} == {"head"}


def test_the_same_losses_and_gradients_as_view_by_view():
    config = _described(CONTRAST, {**TARGET, "loss_weight_schedule": {}})
    data, state = _world(config)
    phase = enter_phase(config, config.phases[0], data, state)
    found = []
    for together in ({}, phase.plan.at(state.clock)):
        batch = data.training_batch("training", 0, {"plain", "first", "second"})
        step = Step(state.method.train(), batch, state.clock, phase.context, together)
        totals = {}
        for objective in phase.objectives:
            objective.pattern.before_step(step)
            objective.add_to(totals, step)
        weights = list(state.method.mappings["encoder"].parameters())
        found.append([totals["default"], *torch.autograd.grad(totals["default"], weights)])
    for alone, together in zip(*found, strict=True):
        torch.testing.assert_close(alone, together)


def test_each_network_runs_once():
    config = _described(CONTRAST, {**TARGET, "loss_weight_schedule": {}})
    data, state = _world(config)
    phase = enter_phase(config, config.phases[0], data, state)
    sizes = []
    encoder = state.method.mappings["encoder"]
    encoder.register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
    batch = data.training_batch("training", 0, {"plain", "first", "second"})
    step = Step(state.method.train(), batch, state.clock, phase.context, phase.plan.at(state.clock))
    assert [step.features(encoder, view).shape for view in ("plain", "second", "first")] == [(8, 2)] * 3
    assert sizes == [24]


def test_planning_touches_neither_the_networks_nor_the_generators():
    config = _described(CONTRAST, TARGET, layers=[{"type": "BatchNorm1d", "num_features": PIXELS}])
    data, state = _world(config)
    before = copy.deepcopy(state.method.state_dict())
    draws = torch.get_rng_state()
    _planned(config, state, data)
    assert torch.equal(draws, torch.get_rng_state())
    assert all(
        torch.equal(value, before[name]) for name, value in state.method.state_dict().items() if torch.is_tensor(value)
    )
