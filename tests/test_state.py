import pytest
import torch

from recombine.clock import Clock
from recombine.criteria import Performance
from recombine.state import EpochLosses, RunState


def test_epoch_losses_are_means_over_the_iterations_in_which_a_group_had_one():
    losses = EpochLosses()
    losses.add({"a": torch.tensor(1.0, requires_grad=True), "b": torch.tensor(10.0)})
    losses.add({"a": torch.tensor(4.0)})
    assert losses.means() == {"a": pytest.approx(2.5), "b": 10}
    assert not losses.sums["a"].requires_grad
    assert EpochLosses().means() == {}


def test_a_phase_starts_without_the_past():
    state = RunState(torch.nn.Module(), Clock("a", 7, 1, 5))
    state.centroids_changed = True
    state.performance, state.previous_clusters = Performance(None, 0.5), torch.zeros(3)
    state.epoch_losses.add({"a": torch.tensor(1.0)})
    fresh = RunState(state.method, Clock("b", 0, 0, 5))
    state.enter_phase(fresh.clock)
    assert state == fresh
