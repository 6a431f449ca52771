import math

import pytest
import torch

from recombine.patterns.assignment_statistics import AssignmentStatistics
from tests.patterns.world import GivenAssignments, assert_finite_with_gradient, saturated

BLOCK = {
    "pattern": "assignment_statistics",
    "batch_augmentation_name_1": "view_1",
    "batch_augmentation_name_2": "view_2",
}
PATTERN = AssignmentStatistics(
    batch_augmentation_1="view_1", batch_augmentation_2="view_2", temperature_parameter=1.0, classifier=None
)


@torch.no_grad()
def over_columns(first, second, temperature):
    columns = [column / column.norm() for matrix in (first, second) for column in matrix.T]
    clusters, total = len(columns) // 2, 0.0
    for i, anchor in enumerate(columns):
        terms = {j: math.exp(float(anchor @ other) / temperature) for j, other in enumerate(columns) if j != i}
        total -= math.log(terms[(i + clusters) % len(columns)] / sum(terms.values()))
    return total / len(columns)


@pytest.mark.parametrize("temperature", [0.5, 1.0])
@pytest.mark.parametrize("classifier", [None, "classifier"])
def test_equals_the_sum_over_columns(world, classifier, temperature):
    block = BLOCK | {"temperature_parameter": temperature} | ({"classifier_name": classifier} if classifier else {})
    loss = world.losses(world.build(block))["assignment_statistics"]
    step, mapping = world.step(), world.mappings.get(classifier)
    matrices = [step.log_probs(view, mapping).exp() for view in ("view_1", "view_2")]
    assert loss.item() == pytest.approx(over_columns(*matrices, temperature), rel=1e-10)


def test_default_temperature_is_one(world):
    assert world.build(BLOCK).temperature_parameter == 1


def test_pinned():
    # Two clusters, told apart with certainty in both views: -ln(e / (e + 2)).
    certain = torch.tensor([[1.0, 1e-30], [1.0, 1e-30], [1e-30, 1.0]], dtype=torch.float64).log()
    loss = PATTERN.losses(GivenAssignments(view_1=certain, view_2=certain))["assignment_statistics"]
    assert loss.item() == pytest.approx(0.5514447139320511)


def test_an_all_but_empty_cluster_keeps_its_direction():
    log_probs = torch.randn(6, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    emptied = log_probs - torch.tensor([0.0, 0.0, 500.0])
    full, empty = (PATTERN.losses(GivenAssignments(view_1=x, view_2=x)) for x in (log_probs, emptied))
    torch.testing.assert_close(full, empty)


@pytest.mark.parametrize("rows", [2, 5])
def test_saturated_assignments_stay_finite(rows):
    log_probs = saturated(rows, 4)
    step = GivenAssignments(view_1=log_probs, view_2=log_probs.roll(1, 0))
    assert_finite_with_gradient(PATTERN.losses(step), log_probs)
