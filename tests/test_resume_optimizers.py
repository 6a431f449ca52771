"""Every optimizer and every scheduler that a method file may name goes on with the same bits after a checkpoint."""

import pytest
import torch

from recombine import checkpoint, factory
from recombine.build import build_method
from recombine.clock import Clock
from recombine.optim import OptimizerSet
from tests.runs import CLASSES, config_of, method, same

PASSES, STEPS = 6, 3
#: Options under which an optimizer remembers more.
RICHER = {
    "SGD": [
        {"momentum": 0.9},
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        {"momentum": 0.9, "foreach": False},
    ],
    "Adam": [{"amsgrad": True}, {"foreach": True}],
    "AdamW": [{"amsgrad": True}],
    "RMSprop": [{"momentum": 0.9, "centered": True}],
    "NAdam": [{"decoupled_weight_decay": True, "weight_decay": 0.1}],
    "Adagrad": [{"lr_decay": 0.1, "initial_accumulator_value": 0.5}],
}
OPTIMIZERS = [(kind, more) for kind in factory.names("optimizer") for more in ({}, *RICHER.get(kind, []))]
STEP = {"type": "StepLR", "step_size": 2, "gamma": 0.5}
EXPONENTIAL = {"type": "ExponentialLR", "gamma": 0.8}
#: What each scheduler needs.
SCHEDULERS = {
    "ChainedScheduler": {"schedulers": [STEP, EXPONENTIAL]},
    "ConstantLR": {"total_iters": 3},
    "CosineAnnealingLR": {"T_max": 4},
    "CosineAnnealingWarmRestarts": {"T_0": 2, "T_mult": 2},
    "CyclicLR": {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 2, "mode": "exp_range", "gamma": 0.9},
    "ExponentialLR": {"gamma": 0.8},
    "LinearLR": {"total_iters": 4},
    "MultiStepLR": {"milestones": [1, 1, 4]},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": 10},
    "PolynomialLR": {"total_iters": 5},
    "ReduceLROnPlateau": {"patience": 0, "cooldown": 1},
    "SequentialLR": {"schedulers": [EXPONENTIAL, {"type": "CosineAnnealingLR", "T_max": 3}], "milestones": [2]},
    "StepLR": {"step_size": 2, "gamma": 0.5},
}


class World:
    """Networks with the optimizers and schedulers of a phase, and gradients that depend on the number of the step."""

    def __init__(self, optimizer, schedulers=()):
        trained = {"name": "A", "trained_mapping_names": ["encoder", "decoder"]}
        blocks = [{**scheduler, "optimizer_name": "A"} for scheduler in schedulers]
        described = method(phase={"optimizers": [optimizer | trained], "optimizer_learning_rate_schedulers": blocks})
        config = config_of(described)
        with torch.random.fork_rng():
            self.method = build_method(config, CLASSES, (1, 2, 3))
        self.optimizers = OptimizerSet(config.phases[0], self.method)
        self.rates = []

    def work(self, passes):
        """Step, and end an epoch, so many times."""
        for number in passes:
            for step in range(STEPS):
                self._step(number * STEPS + step)
            group = self.optimizers.optimizers[0].optimizer.param_groups[0]
            self.rates.append((group["lr"], group.get("momentum"), group.get("betas")))
            for _, scheduler in self.optimizers.due(Clock("training", STEPS, 1, STEPS)):
                scheduler.step({"loss": float(number % 3)})

    def _step(self, number):
        draws = torch.Generator().manual_seed(number)
        parameters = self.optimizers.optimizers[0].parameters
        moved = parameters if number else parameters[1:]
        terms = [(parameter * torch.rand(parameter.shape, generator=draws)).square().sum() for parameter in moved]
        self.optimizers.step({"default": torch.stack(terms).sum()}, number)

    def state(self):
        """Return what goes into a checkpoint."""
        return {"method": dict(self.method.state_dict()), "optimizers": self.optimizers.state_dict()}

    def take_up(self, state):
        """Take it up again."""
        self.method.load_state_dict(state["method"])
        self.optimizers.load_state_dict(state["optimizers"])


def _stays_the_same(folder, *blocks):
    whole = World(*blocks)
    whole.work(range(PASSES))
    for stopped in range(1, PASSES):
        first, second = World(*blocks), World(*blocks)
        first.work(range(stopped))
        path = checkpoint.write(folder, "000001", "me", first.state())
        second.take_up(checkpoint.read(path, "me"))
        second.work(range(stopped, PASSES))
        assert second.rates == whole.rates[stopped:]
        assert same(_tensors(second), _tensors(whole))
    return whole


def _tensors(world):
    return {name: value for name, value in world.method.state_dict().items() if torch.is_tensor(value)}


@pytest.mark.parametrize(("kind", "more"), OPTIMIZERS)
def test_optimizers_go_on(kind, more, tmp_path):
    whole = _stays_the_same(tmp_path, {"type": kind, "lr": 0.01, **more})
    assert not same(_tensors(World({"type": kind, "lr": 0.01, **more})), _tensors(whole))


@pytest.mark.parametrize("kind", factory.names("scheduler"))
def test_schedulers_go_on(kind, tmp_path):
    whole = _stays_the_same(
        tmp_path, {"type": "SGD", "lr": 0.02, "momentum": 0.5}, [{"type": kind, **SCHEDULERS[kind]}]
    )
    assert len({rate for rate, _, _ in whole.rates}) > 1


def test_schedulers_that_move_other_options_go_on(tmp_path):
    cyclic = {"type": "CyclicLR", **SCHEDULERS["CyclicLR"], "cycle_momentum": False}
    one_cycle = {"type": "OneCycleLR", **SCHEDULERS["OneCycleLR"], "three_phase": True}
    for schedulers in ([cyclic, EXPONENTIAL], [one_cycle]):
        whole = _stays_the_same(tmp_path, {"type": "Adam", "lr": 0.02}, schedulers)
        assert len({rate for rate, _, _ in whole.rates}) > 1
    assert len({betas for _, _, betas in whole.rates}) > 1
