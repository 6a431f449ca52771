import math

import pytest
import torch
from torch import nn

from recombine.assignment.base import StrategyContext
from recombine.assignment.centroid_similarity import CentroidSimilarity, annealed
from recombine.assignment.centroids import Centroids
from recombine.callbacks.base import Callback
from recombine.clock import Clock
from recombine.mapping import Mapping
from recombine.method import Method
from recombine.step import Batch, Forward
from tests.runs import made, method, train

DEEP_K_MEANS = {
    "annealing_initial_value": 0.1,
    "annealing_final_value": 28.13,
    "annealing_iterations_per_value": 1370,
}


def _strategy(measure="student_t", temperature=None, samples=None, positions=None):
    encoder = Mapping("encoder", "feature_extractor", [("flatten", nn.Flatten())])
    centroids = Centroids(encoder, 4, 3)
    context = StrategyContext({"encoder": encoder}, encoder, 4, 3, 0, centroids, ("training", "more"))
    strategy = CentroidSimilarity(
        context,
        similarity_measure=measure,
        gaussian_similarity_measure_inverse_temperature=temperature or {"fixed_value": 1.0},
    )
    method = Method([encoder], strategy, centroids).to(torch.float64)
    draws = torch.Generator().manual_seed(0)
    samples = torch.randn(6, 3, generator=draws, dtype=torch.float64) if samples is None else samples
    centroids.place(torch.randn(4, 3, generator=draws, dtype=torch.float64) if positions is None else positions)
    return strategy, Forward(method, Batch(torch.arange(len(samples)), {"plain": samples, "double": 2 * samples}))


def _similarities(z, centroids, kernel):
    """Return soft assignments one number at a time, in float64."""
    rows = []
    for point in z.tolist():
        weights = [kernel(sum((a - b) ** 2 for a, b in zip(point, mu, strict=True))) for mu in centroids.tolist()]
        rows.append([weight / sum(weights) for weight in weights])
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("view", ["plain", "double"])
def test_student_t_equals_the_slow_sum(view):
    strategy, forward = _strategy()
    expected = _similarities(forward.view(view), forward.centroids.positions, lambda d: (1 + d) ** -1)
    torch.testing.assert_close(strategy.log_probs(forward, view).exp(), expected)


@pytest.mark.parametrize("alpha", [0.0, 0.1, 1.0, 28.13])
def test_gaussian_equals_the_slow_sum(alpha):
    strategy, forward = _strategy("gaussian", {"fixed_value": alpha})
    expected = _similarities(forward.view(), forward.centroids.positions, lambda d: math.exp(-alpha * d))
    torch.testing.assert_close(strategy.log_probs(forward).exp(), expected, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("measure", ["student_t", "gaussian"])
def test_far_and_equal_points_have_finite_log_probs_and_gradients(measure):
    samples = torch.tensor([[0.0, 0.0, 0.0], [1e3, 0.0, 0.0]], dtype=torch.float64).requires_grad_()
    positions = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [50.0, 0.0, 0.0], [0.0, 9.0, 0.0]])
    strategy, forward = _strategy(measure, {"fixed_value": 28.13}, samples, positions)
    log_probs = strategy.log_probs(forward)
    assert torch.isfinite(log_probs).all()
    torch.testing.assert_close(log_probs.exp().sum(1), torch.ones(2, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(log_probs.sum(), samples)
    assert torch.isfinite(gradient).all()
    assert strategy.assign(forward).labels.tolist() == [0, 2]


def test_gradients_reach_features_and_centroids():
    strategy, forward = _strategy(samples=torch.randn(5, 3, dtype=torch.float64).requires_grad_())
    strategy.log_probs(forward)[:, 0].sum().backward()
    assert forward.view().grad.abs().min() > 0
    assert forward.centroids.positions.grad.abs().min() > 0
    assert not strategy.inverse_temperature.requires_grad


def test_is_ready_once_the_centroids_are_placed():
    described = method(phase={"performance_evaluation_interval": 5})
    assert "no assignments yet" not in " ".join(train(described).log)
    pretraining = described["phases"][0] | {"name": "pretraining", "order": -1}
    pretraining["design_patterns"] = pretraining["design_patterns"][:1]
    trained = train(described | {"phases": [pretraining, *described["phases"]]})
    assert "Evaluation after 5 iterations: no assignments yet" in trained.log
    assert trained.scored[0].evaluation is not None


def test_a_method_without_centroids_is_never_ready():
    strategy, _ = _strategy()
    assert strategy.is_ready
    encoder = Mapping("encoder", "feature_extractor", [])
    context = StrategyContext({"encoder": encoder}, encoder, 4, 3, 0)
    options = {"similarity_measure": "student_t", "gaussian_similarity_measure_inverse_temperature": {"fixed_value": 1}}
    assert not CentroidSimilarity(context, **options).is_ready


# --- annealing ----------------------------------------------------------------------------------------------------


def _slowly(initial, final, t):
    """Return the value after t steps of alpha <- alpha * 2^(1 / ln(s + 1)^2), s = 1, ..., t, capped at the end."""
    value = initial
    for s in range(1, t + 1):
        value = min(value * 2 ** (1 / math.log(s + 1) ** 2), final)
    return value


def test_the_schedule_of_deep_k_means_is_pinned():
    def alpha(iteration):
        return annealed(DEEP_K_MEANS, iteration)

    assert alpha(0) == alpha(1369) == 0.1
    assert alpha(1370) == pytest.approx(0.1 * 2 ** (1 / math.log(2) ** 2)) == pytest.approx(0.42320, abs=1e-5)
    assert alpha(2 * 1370) == pytest.approx(0.75157, abs=1e-5)
    assert alpha(49_999) == alpha(50_000) == pytest.approx(24.09, abs=0.005)
    assert alpha(53_429) < 28.13
    assert alpha(53_430) == alpha(54_799) == alpha(10**6) == 28.13


def test_the_schedule_equals_the_slow_recursion():
    for iteration in range(0, 60_000, 685):
        expected = _slowly(0.1, 28.13, iteration // 1370)
        assert annealed(DEEP_K_MEANS, iteration) == pytest.approx(expected)


def test_a_fixed_value_stays():
    assert [annealed({"fixed_value": 2.5}, iteration) for iteration in (0, 1, 10**6)] == [2.5] * 3
    assert annealed({"fixed_value": 0}, 3) == 0


def test_update_follows_the_clock_in_phases_with_centroids_alone():
    options = {"annealing_initial_value": 1, "annealing_final_value": 99, "annealing_iterations_per_value": 3}
    strategy, _ = _strategy("gaussian", options)

    def after(phase, iteration):
        strategy.update(Clock(phase, iteration, 0, 10))
        return strategy.inverse_temperature.item()

    steps = [_slowly(1, 99, t) for t in range(3)]
    values = [after("training", iteration) for iteration in range(8)]
    assert values == pytest.approx([steps[0]] * 3 + [steps[1]] * 3 + [steps[2]] * 2)
    assert after("pretraining", 0) == pytest.approx(steps[2])
    assert after("more", 0) == 1


def test_annealing_starts_anew_on_every_dataset_and_in_every_phase():
    class Listener(Callback):
        def __init__(self):
            self.values = []

        def iteration_done(self, phase, state, losses):
            self.values.append(round(state.method.assignment.inverse_temperature.item(), 4))

    described = method()
    described["cluster_assignment_strategy"] |= {
        "similarity_measure": "gaussian",
        "use_centroids_during_phases": ["training", "more"],
        "gaussian_similarity_measure_inverse_temperature": {
            "annealing_initial_value": 0.5,
            "annealing_final_value": 3,
            "annealing_iterations_per_value": 2,
        },
    }
    phases = [described["phases"][0] | {"exit_criteria": {"iterations": 3}}]
    phases.append(phases[0] | {"name": "between", "order": 1, "exit_criteria": {"iterations": 1}})
    phases.append(phases[0] | {"name": "more", "order": 2})
    first = described["datasets"][0]
    kept = first | {"name": "kept", "reinitialize_mappings": False, "phases": ["more"]}
    listener = Listener()
    train(described | {"phases": phases, "datasets": [first, kept]}, [listener], {"kept": made(30)})
    once = [0.5, 0.5, round(_slowly(0.5, 3, 1), 4)]
    assert listener.values == [*once, once[-1], *once, *once]
