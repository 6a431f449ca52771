import math

import pytest
import torch

from recombine.patterns.assignment_entropy import AssignmentEntropy
from tests.patterns.world import GivenAssignments, assert_finite_with_gradient, saturated

PATTERN = AssignmentEntropy(classifier=None, batch_augmentation="plain")


def of_probabilities(rows):
    loss = PATTERN.losses(GivenAssignments(plain=torch.tensor(rows, dtype=torch.float64).log()))
    return loss["assignment_entropy"].item()


@pytest.mark.parametrize("classifier", [None, "classifier"])
@pytest.mark.parametrize("view", ["plain", "view_2"])
def test_equals_the_sum_over_clusters(world, classifier, view):
    block = {"pattern": "assignment_entropy", "batch_augmentation_name": view}
    block |= {"classifier_name": classifier} if classifier else {}
    probabilities = world.step().log_probs(view, world.mappings.get(classifier)).exp().tolist()
    masses = [sum(row[k] for row in probabilities) for k in range(4)]
    shares = [mass / sum(masses) for mass in masses]
    expected = math.log(4) + sum(share * math.log(share) for share in shares)
    assert world.losses(world.build(block))["assignment_entropy"].item() == pytest.approx(expected, rel=1e-10)


def test_pinned():
    assert of_probabilities([[0.5, 0.5], [0.5, 0.5]]) == pytest.approx(0, abs=1e-15)
    assert of_probabilities([[0.9, 0.1], [0.1, 0.9]]) == pytest.approx(0, abs=1e-15)
    assert of_probabilities([[0.9, 0.1], [0.6, 0.4]]) == pytest.approx(0.13081203594113705)


def test_one_cluster_with_everything_costs_ln_k():
    log_probs = torch.full((3, 5), -1e4)
    log_probs[:, 2] = 0
    loss = PATTERN.losses(GivenAssignments(plain=log_probs))["assignment_entropy"]
    assert loss.item() == pytest.approx(math.log(5))


def test_descent_evens_the_masses_out():
    logits = torch.tensor([[2.0, 0.0], [1.0, 0.0]], requires_grad=True)
    loss = PATTERN.losses(GivenAssignments(plain=logits.log_softmax(1)))["assignment_entropy"]
    (gradient,) = torch.autograd.grad(loss, logits)
    assert (gradient[:, 0] > 0).all()
    assert (gradient[:, 1] < 0).all()


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_saturated_assignments_stay_finite(rows):
    log_probs = saturated(rows, 4)
    assert_finite_with_gradient(PATTERN.losses(GivenAssignments(plain=log_probs)), log_probs)
