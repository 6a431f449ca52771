import math

import pytest
import torch

from recombine.patterns import target_distribution
from recombine.patterns.target_distribution import TargetDistribution, target_of
from tests.patterns.world import (
    CLUSTERS,
    SAMPLES,
    GivenAssignments,
    assert_finite_with_gradient,
    saturated,
    schema_errors,
)

BLOCK = {"pattern": "target_distribution", "target_distribution_recalculation_interval": 3}


def pattern_of(interval=1, reduction="batch_mean"):
    return TargetDistribution(
        target_distribution_recalculation_interval=interval,
        reduction=reduction,
        classifier=None,
        batch_augmentation="plain",
    )


def slow_target(q):
    frequencies = [sum(row[k] for row in q) for k in range(len(q[0]))]
    raw = [[value**2 / frequency for value, frequency in zip(row, frequencies, strict=True)] for row in q]
    return [[value / sum(row) for value in row] for row in raw]


def slow_loss(target, q, index):
    terms = [p * math.log(p / q[i][k]) for i in index for k, p in enumerate(target[i])]
    return sum(terms) / len(index)


def all_probabilities(world, view="plain", classifier=None):
    step = world.step(range(SAMPLES))
    return step.log_probs(view, world.mappings.get(classifier)).exp().tolist()


def run(world, pattern, **options):
    return world.losses(pattern, **options)["target_distribution"].item()


@pytest.mark.parametrize("classifier", [None, "classifier"])
@pytest.mark.parametrize("view", ["plain", "view_1"])
@pytest.mark.parametrize("index", [range(8), [5, 23, 0, 11]])
def test_equals_the_double_sum(world, classifier, view, index):
    block = BLOCK | {"batch_augmentation_name": view} | ({"classifier_name": classifier} if classifier else {})
    target = slow_target(all_probabilities(world, "plain", classifier))
    expected = slow_loss(target, all_probabilities(world, view, classifier), index)
    assert run(world, world.build(block), index=index) == pytest.approx(expected, rel=1e-9)


def test_target_pinned():
    q = torch.tensor([[0.8, 0.2], [0.4, 0.6]], dtype=torch.float64)
    # f = (1.2, 0.8); rows: (0.64/1.2, 0.04/0.8), (0.16/1.2, 0.36/0.8)
    expected = torch.tensor([[32 / 35, 3 / 35], [8 / 35, 27 / 35]], dtype=torch.float64)
    torch.testing.assert_close(target_of(q.log()), expected)


def random_log_probs(rows=40, clusters=5, seed=0):
    draws = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(rows, clusters, generator=draws, dtype=torch.float64)).log_softmax(1)


def divergence(log_probs, target_from=None, reduction="batch_mean"):
    """Return the loss of log soft assignments against the target of ``target_from``, by default their own."""
    step = GivenAssignments(plain=log_probs, whole=log_probs if target_from is None else target_from)
    pattern = pattern_of(reduction=reduction)
    pattern.before_step(step)
    return pattern.losses(step)["target_distribution"]


def test_rows_of_the_target_sum_to_one():
    torch.testing.assert_close(target_of(random_log_probs()).sum(1), torch.ones(40, dtype=torch.float64))


def test_one_hot_rows_are_their_own_target():
    one_hot = torch.eye(4, dtype=torch.float64)[torch.tensor([0, 1, 1, 3, 0])]
    torch.testing.assert_close(target_of(one_hot.log()), one_hot, rtol=0, atol=0)


def test_equal_rows_are_their_own_target():
    row = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64).expand(7, 4)
    torch.testing.assert_close(target_of(row.log()), row)


@pytest.mark.parametrize("seed", range(5))
def test_the_divergence_is_never_negative(seed):
    own, other = random_log_probs(seed=seed), random_log_probs(seed=seed + 100)
    assert divergence(own).item() > 0
    assert divergence(own, other).item() > 0


def test_the_sum_is_as_many_times_the_mean_as_there_are_samples_in_the_batch(world):
    mean = run(world, world.build(BLOCK), index=range(6))
    assert run(world, world.build(BLOCK | {"reduction": "sum"}), index=range(6)) == pytest.approx(6 * mean, rel=1e-12)


@pytest.mark.parametrize("reduction", ["batch_mean", "sum"])
def test_gradients_are_those_of_finite_differences(reduction):
    logits = random_log_probs(6, 3).clone().requires_grad_()
    target = random_log_probs(6, 3, seed=1)
    assert torch.autograd.gradcheck(lambda x: divergence(x.log_softmax(1), target, reduction), logits)


def test_targets_that_underflow_to_zero_leave_loss_and_gradient_finite():
    log_probs = torch.tensor([[0.0, -90.0, -200.0], [-200.0, 0.0, -90.0]]).log_softmax(1).requires_grad_()
    assert (target_of(log_probs.detach().clone()) == 0).any()
    loss = divergence(log_probs)
    (gradient,) = torch.autograd.grad(loss, log_probs)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert torch.isfinite(gradient).all()


def test_order_of_the_batch_does_not_matter(world):
    pattern = world.build(BLOCK)
    assert run(world, pattern, index=[3, 9, 14]) == pytest.approx(run(world, pattern, index=[14, 3, 9]), rel=1e-12)


@pytest.mark.parametrize(
    ("iteration", "changed", "recomputed"), [(0, False, True), (1, False, False), (3, False, True), (4, True, True)]
)
def test_recomputed_when_due(world, iteration, changed, recomputed):
    pattern = world.build(BLOCK)
    pattern.before_step(world.step())
    before = pattern.state_dict()["target"].clone()
    with torch.no_grad():
        world.centroids.add_(0.3)
    pattern.before_step(world.step(iteration=iteration, centroids_changed=changed))
    assert torch.equal(before, pattern.state_dict()["target"]) is not recomputed


@pytest.mark.parametrize(("iteration", "recomputed"), [(3, False), (5, False), (6, True), (7, False), (12, True)])
def test_recomputed_every_so_many_epochs(world, iteration, recomputed):
    """The epochs of the world have three iterations."""
    pattern = world.build(BLOCK | {"target_distribution_recalculation_interval": {"epochs": 2}})
    pattern.before_step(world.step())
    before = pattern.state_dict()["target"].clone()
    with torch.no_grad():
        world.centroids.add_(0.3)
    pattern.before_step(world.step(iteration=iteration))
    assert torch.equal(before, pattern.state_dict()["target"]) is not recomputed


def test_target_is_a_constant_of_all_samples(world):
    pattern = world.build(BLOCK)
    pattern.before_step(world.step())
    target = pattern.state_dict()["target"]
    assert target.shape == (SAMPLES, CLUSTERS)
    assert not target.requires_grad
    torch.testing.assert_close(target.sum(1), torch.ones(SAMPLES, dtype=torch.float64))


def test_state_before_the_first_iteration_holds_no_target(world):
    pattern = world.build(BLOCK)
    assert pattern.state_dict() == {"target": None}
    pattern.load_state_dict({"target": None})
    pattern.before_step(world.step(iteration=2))
    assert pattern.state_dict()["target"] is not None


def test_without_before_step_is_our_own_error(world):
    with pytest.raises(RuntimeError, match="before_step"):
        world.build(BLOCK).losses(world.step())


def test_uniform_assignments_have_no_loss():
    uniform = torch.full((5, 4), 0.25, dtype=torch.float64).log()
    pattern, step = pattern_of(), GivenAssignments(plain=uniform, whole=uniform)
    pattern.before_step(step)
    assert pattern.losses(step)["target_distribution"].item() == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("rows", [2, 5])
def test_saturated_assignments_and_empty_clusters_stay_finite(rows):
    log_probs = saturated(rows, 4)
    pattern, step = pattern_of(), GivenAssignments(plain=log_probs, whole=log_probs)
    pattern.before_step(step)
    assert_finite_with_gradient(pattern.losses(step), log_probs)


def test_a_cluster_with_probability_zero_gets_none_in_the_target():
    target = target_of(torch.tensor([[0.7, 0.3, 0.0], [0.2, 0.8, 0.0]]).log())
    assert torch.isfinite(target).all()
    assert target[:, 2].tolist() == [0, 0]
    torch.testing.assert_close(target.sum(1), torch.ones(2))


def test_blocks_give_the_target_of_the_whole_in_the_same_memory(monkeypatch):
    log_probs = torch.randn(50, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).log_softmax(1)
    whole = target_of(log_probs.clone())
    expected = torch.tensor(slow_target(log_probs.exp().tolist()), dtype=torch.float64)
    monkeypatch.setattr(target_distribution, "_BLOCK_ELEMENTS", 7 * 4)
    place = log_probs.data_ptr()
    blocks = target_of(log_probs)
    assert blocks.data_ptr() == place
    torch.testing.assert_close(whole, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(blocks, expected, rtol=1e-12, atol=0)


def test_few_samples_keep_the_bits_of_the_formula():
    log_probs = torch.randn(300, 5, generator=torch.Generator().manual_seed(1)).log_softmax(1)
    formula = (2 * log_probs - log_probs.logsumexp(0)).softmax(1)
    assert torch.equal(target_of(log_probs), formula)


def test_refuses_interval_zero():
    errors = schema_errors(BLOCK | {"target_distribution_recalculation_interval": 0})
    assert [error.validator for error in errors] == ["minimum"]
