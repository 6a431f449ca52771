import copy

import pytest
import torch

from recombine.factory import names, resolve
from recombine.optimizers import RMSpropTF
from tests.runs import method, train


def by_hand(start, gradients, lr, alpha, eps, momentum, weight_decay):
    """One number at a time."""
    value, square, moving = start, 1.0, 0.0
    for gradient in gradients:
        whole = gradient + weight_decay * value
        square = alpha * square + (1 - alpha) * whole**2
        moving = momentum * moving + lr * whole / (square + eps) ** 0.5
        value -= moving
    return value


@pytest.mark.parametrize("momentum", [0, 0.9])
@pytest.mark.parametrize("weight_decay", [0, 0.1])
def test_steps_are_those_by_hand(momentum, weight_decay):
    parameter = torch.nn.Parameter(torch.tensor([2.0, -1.0], dtype=torch.float64))
    optimizer = RMSpropTF([parameter], 0.1, 0.8, 0.01, momentum, weight_decay)
    gradients = torch.randn(7, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    for i, start in enumerate((2.0, -1.0)):
        expected = by_hand(start, gradients[:, i].tolist(), 0.1, 0.8, 0.01, momentum, weight_decay)
        assert parameter[i].item() == pytest.approx(expected, rel=1e-12)


def test_the_mean_square_starts_at_one_where_that_of_torch_starts_at_zero():
    ours, theirs = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    ours.grad, theirs.grad = torch.tensor([0.001]), torch.tensor([0.001])
    RMSpropTF([ours], lr=0.01, alpha=0.9).step()
    torch.optim.RMSprop([theirs], lr=0.01, alpha=0.9).step()
    assert -ours.item() == pytest.approx(0.01 * 0.001 / 0.9**0.5, rel=1e-5)
    assert -theirs.item() == pytest.approx(0.01 / 0.1**0.5, rel=1e-3)


def test_a_parameter_without_a_gradient_stays():
    still, moving = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
    moving.grad = torch.ones(2)
    RMSpropTF([still, moving], weight_decay=0.5).step()
    assert torch.equal(still, torch.ones(2))
    assert (moving < 1).all()


def test_it_goes_on_from_its_state():
    torch.manual_seed(0)
    parameters = [torch.nn.Parameter(torch.ones(3)) for _ in range(2)]
    optimizers = [RMSpropTF([parameter], momentum=0.5) for parameter in parameters]
    for step, gradient in enumerate(torch.randn(4, 3)):
        if step == 2:
            parameters[1].data.copy_(parameters[0].data)
            optimizers[1].load_state_dict(copy.deepcopy(optimizers[0].state_dict()))
        for parameter, optimizer in list(zip(parameters, optimizers, strict=True))[: 1 if step < 2 else 2]:
            parameter.grad = gradient.clone()
            optimizer.step()
    assert torch.equal(*parameters)


@pytest.mark.parametrize(("name", "value"), [("lr", -1), ("alpha", 1.5), ("eps", -1), ("momentum", -0.1)])
def test_a_number_out_of_range_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        RMSpropTF([torch.nn.Parameter(torch.ones(1))], **{name: value})


def test_a_method_names_it_like_those_of_torch():
    assert {"RMSpropTF", "RMSprop", "Adam"} <= set(names("optimizer"))
    assert resolve("optimizer", "RMSpropTF") is RMSpropTF
    raw = method()
    raw["phases"][0]["optimizers"] = [{"type": "RMSpropTF", "lr": 0.01, "trained_mapping_names": ["encoder"]}]
    assert train(raw)
