"""The expected normalised cut as a pattern."""

import pytest
import torch

from recombine.affinity import Affinity
from recombine.cuts import expected_normalized_cut, imbalance
from tests.patterns.world import CLUSTERS, SEED, World, spelt_out

INDEX = [3, 17, 5, 0, 9, 22, 14, 8]
QUIET = {"pattern": "normalized_cut", "gumbel_noise": False}


def weights(world, block):
    """Return the weights of the batch by the affinity that a block describes."""
    affinity = Affinity(spelt_out(block)["affinity"])
    step = world.step(INDEX)
    affinity.prepare(step)
    return affinity.weights(step)


def test_losses_of_the_strategys_assignments():
    world = World()
    losses = world.losses(world.build(QUIET), index=INDEX)
    probs = world.step(INDEX).log_probs().exp()
    torch.testing.assert_close(losses["normalized_cut"], expected_normalized_cut(weights(world, QUIET), probs))
    torch.testing.assert_close(losses["imbalance"], imbalance(probs))


def test_losses_of_a_classifier_on_a_view():
    world = World()
    block = {**QUIET, "classifier_name": "classifier", "batch_augmentation_name": "view_1"}
    losses = world.losses(world.build(block), index=INDEX)
    probs = world.step(INDEX).logits(world.mappings["classifier"], "view_1").softmax(1)
    torch.testing.assert_close(losses["normalized_cut"], expected_normalized_cut(weights(world, block), probs))


def test_the_temperature_divides_the_logits():
    world = World()
    schedule = {"type": "exponential", "initial": 2, "minimum": 0.01, "rate": 0.5, "interval": 4}
    pattern = world.build({**QUIET, "temperature": schedule})
    for iteration, divisor in ((0, 2.0), (3, 2.0), (8, 2 * torch.tensor(-1.0).exp().item())):
        losses = world.losses(pattern, index=INDEX, iteration=iteration)
        probs = (world.step(INDEX).log_probs() / divisor).softmax(1)
        torch.testing.assert_close(losses["imbalance"], imbalance(probs), rtol=1e-6, atol=1e-9)


def test_noise_has_the_gumbel_distribution():
    world = World()
    pattern = world.build({"pattern": "normalized_cut"})
    log_probs = torch.tensor([0.6, 0.25, 0.1, 0.05]).log().expand(40_000, CLUSTERS)
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        drawn = pattern._drawn(log_probs, world.step().clock)
        frequencies = torch.bincount(drawn.argmax(1), minlength=CLUSTERS) / len(drawn)
    # The maximum of logits with Gumbel noise follows their softmax.
    torch.testing.assert_close(frequencies, log_probs[0].exp(), atol=0.01, rtol=0)
    torch.testing.assert_close(drawn.sum(1), torch.ones(len(drawn)))


def test_noise_follows_the_iterations_seed_alone():
    world = World()
    pattern = world.build({"pattern": "normalized_cut"})
    first, again = (world.losses(pattern, index=INDEX)["normalized_cut"] for _ in range(2))
    quiet = world.losses(world.build(QUIET), index=INDEX)["normalized_cut"]
    assert torch.equal(first, again)
    assert not torch.equal(first, quiet)


def test_hard_assignments_have_the_gradient_of_soft_ones():
    world = World()
    soft, hard = (world.build({**QUIET, "hard_assignments": is_hard}) for is_hard in (False, True))
    clock = world.step().clock
    logits = torch.randn(8, CLUSTERS, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    one_hot = hard._drawn(logits.log_softmax(1), clock)
    torch.testing.assert_close(one_hot.detach(), torch.eye(CLUSTERS, dtype=torch.float64)[logits.argmax(1)])
    factor = torch.arange(8 * CLUSTERS, dtype=torch.float64).reshape(8, CLUSTERS)
    gradients = [
        torch.autograd.grad((pattern._drawn(logits.log_softmax(1), clock) * factor).sum(), logits)[0]
        for pattern in (soft, hard)
    ]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("source", ["input", "features"])
def test_gradients_reach_what_assigns_and_not_the_affinity(source):
    world = World()
    affinity = {"source": source, **({"mapping_name": "critic"} if source == "features" else {})}
    losses = world.losses(world.build({**QUIET, "affinity": affinity}), index=INDEX)
    critic, encoder = world.mappings["critic"], world.mappings["encoder"]
    parameters = [*critic.parameters(), *encoder.parameters()]
    found = torch.autograd.grad(losses["normalized_cut"], parameters, allow_unused=True)
    count = len(list(critic.parameters()))
    assert all(gradient is None for gradient in found[:count])
    assert all(gradient is not None and gradient.isfinite().all() for gradient in found[count:])


def test_what_was_found_survives():
    world = World()
    block = {**QUIET, "affinity": {"neighborhood": "dataset", "scale": "local"}}
    pattern = world.build(block)
    losses = world.losses(pattern, index=INDEX)
    again = world.build(block)
    again.load_state_dict(pattern.state_dict())
    before = again.recording_key(world.step().clock)
    assert torch.equal(world.losses(again, index=INDEX)["normalized_cut"], losses["normalized_cut"])
    assert again.recording_key(world.step().clock) == before


def test_a_recording_belongs_to_a_temperature():
    world = World()
    schedule = {"type": "cumulative", "initial": 1.5, "minimum": 1, "rate": 0.1, "interval": 10}
    pattern = world.build({**QUIET, "temperature": schedule})
    keys = [pattern.recording_key(world.step(iteration=iteration).clock) for iteration in (0, 9, 10)]
    assert keys[0] == keys[1] != keys[2]
    assert world.build({**QUIET, "affinity": {"source": "precomputed"}}).recording_key(world.step().clock) is None


def test_a_precomputed_affinity_needs_a_graph():
    from recombine.errors import DataError

    world = World()
    pattern = world.build({**QUIET, "affinity": {"source": "precomputed"}})
    with pytest.raises(DataError, match='dataset "data" brings no graph along'):
        world.losses(pattern, index=INDEX)
