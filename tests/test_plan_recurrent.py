import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from recombine.load import load_dict
from recombine.plan import plan_method
from recombine.plan_recurrent import stand_in_for_recurrent_layers
from recombine.shape_checks import Trial
from recombine.weightless import WEIGHTLESS
from tests.methods import rich, small


@pytest.mark.parametrize(("layers", "both"), [(1, False), (1, True), (3, True)])
def test_a_stand_in_for_an_lstm_has_its_shapes_its_operations_and_depends_on_all_its_weights(layers, both):
    build = {"num_layers": layers, "bidirectional": both, "batch_first": True}
    own, other = (nn.LSTM(6, 5, **build) for _ in range(2))
    flops = stand_in_for_recurrent_layers(other)
    x = torch.ones(2, 7, 6, requires_grad=True)
    with FlopCounterMode(display=False) as counter, WEIGHTLESS:
        nn.LSTM(6, 5, **build)(torch.zeros(2, 7, 6))
    output, states = other(x)
    expected, expected_states = own(x)
    assert flops == [counter.get_total_flops()]
    assert output.shape == expected.shape
    assert [state.shape for state in states] == [state.shape for state in expected_states]
    gradients = torch.autograd.grad(output.sum(), [x, *other.parameters()], allow_unused=True)
    assert all(gradient is not None for gradient in gradients)


def test_a_stand_in_refuses_what_the_layer_refuses():
    layer = nn.LSTM(6, 5, batch_first=True)
    stand_in_for_recurrent_layers(layer)
    with pytest.raises(RuntimeError, match="an LSTM for 6 features cannot take"):
        layer(torch.zeros(2, 7, 4))


@pytest.mark.parametrize("method", [small(), rich()], ids=["small", "rich"])
def test_a_plan_with_weights_is_the_same(monkeypatch, method):
    found = [plan_method(load_dict(method), None, None)[0].datasets]
    monkeypatch.setattr(Trial, "findings", lambda self: None)
    found.append(plan_method(load_dict(method), None, None)[0].datasets)
    assert found[0] == found[1]
