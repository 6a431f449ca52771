import pytest
import torch

from recombine.assignment.base import AssignmentStrategy
from recombine.clock import Clock


class Given(AssignmentStrategy):
    """Soft assignments that are given."""

    def __init__(self, log_probs):
        super().__init__()
        self.given = log_probs

    def log_probs(self, forward, view="plain"):
        assert view == "plain"
        return self.given


def test_labels_and_confidence_derive_from_log_probs():
    probabilities = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    assignment = Given(probabilities.log()).assign(None)
    assert assignment.labels.tolist() == [0, 2]
    assert assignment.labels.dtype == torch.int64
    assert assignment.confidence.tolist() == pytest.approx([0.7, 0.6])
    assert assignment.log_probs is not None


def test_a_plain_strategy_is_ready_and_chooses_among_nothing():
    strategy = Given(torch.zeros(1, 2))
    assert strategy.is_ready
    assert strategy.candidates(None) == {}
    before = strategy.state_dict()
    strategy.update(Clock("training", 0, 0, 1))
    strategy.finish_phase("training", lambda mapping: torch.ones(1))
    strategy.record({})
    assert strategy.state_dict() == before


def test_the_contract_cannot_be_used_by_itself():
    with pytest.raises(TypeError, match="abstract"):
        AssignmentStrategy()
