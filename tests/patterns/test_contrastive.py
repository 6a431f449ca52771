import math

import pytest
import torch

from tests.patterns.world import schema_errors

BLOCK = {
    "pattern": "contrastive",
    "contrastive_learning_head_name": "head",
    "batch_augmentation_name_1": "view_1",
    "batch_augmentation_name_2": "view_2",
}


@torch.no_grad()
def over_anchors(world, views, temperature):
    encoder, head = world.mappings["encoder"], world.mappings["head"]
    projections = [head(encoder(sample[None]))[0] for view in views for sample in world.views[view][:8]]
    vectors = [projection / projection.norm() for projection in projections]
    total = 0.0
    for i, anchor in enumerate(vectors):
        terms = {j: math.exp(float(anchor @ other) / temperature) for j, other in enumerate(vectors) if j != i}
        total -= math.log(terms[(i + 8) % 16] / sum(terms.values()))
    return total / 16


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("views", [("view_1", "view_2"), ("plain", "view_1")])
def test_equals_the_sum_over_anchors(world, views, temperature):
    block = BLOCK | {"batch_augmentation_name_1": views[0], "batch_augmentation_name_2": views[1]}
    loss = world.losses(world.build(block | {"temperature_parameter": temperature}))["contrastive"]
    assert loss.item() == pytest.approx(over_anchors(world, views, temperature), rel=1e-10)


def test_default_temperature_is_one_half(world):
    loss = world.losses(world.build(BLOCK))["contrastive"]
    assert loss.item() == pytest.approx(over_anchors(world, ("view_1", "view_2"), 0.5), rel=1e-10)


def test_a_head_with_a_prior_mapping_is_fed_by_it_once(world):
    expected = world.losses(world.build(BLOCK))["contrastive"].item()
    world.mappings["head"].prior = world.mappings["encoder"]
    assert world.losses(world.build(BLOCK))["contrastive"].item() == expected


def test_ignores_the_single_view(world):
    block = BLOCK | {"batch_augmentation_name": "view_of_another_pattern"}
    assert schema_errors(block) == []
    assert world.losses(world.build(block))["contrastive"] == world.losses(world.build(BLOCK))["contrastive"]


def test_refuses_temperature_zero():
    assert [error.validator for error in schema_errors(BLOCK | {"temperature_parameter": 0})] == ["exclusiveMinimum"]
