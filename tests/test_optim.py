from dataclasses import replace
from itertools import permutations, product

import pytest
import torch

from recombine.build import build_method
from recombine.callbacks.base import Callback
from recombine.clock import Clock
from recombine.config import frozen
from recombine.data import Data
from recombine.errors import NetworkError, RecombineError
from recombine.evaluate import Evaluation
from recombine.factory import FactoryError
from recombine.metrics import Scores
from recombine.optim import NamedScheduler, OptimizerSet, active_names
from tests.runs import CLASSES, PIXELS, config_of, method, same, train

BATCHES = 4  # of 5 samples in an epoch of 23
RECONSTRUCTION = {
    "pattern": "reconstruction",
    "encoder_name": "encoder",
    "decoder_name": "decoder",
    "loss_optimizer_group_name": "a",
}
ENTROPY = {"pattern": "assignment_entropy", "loss_weight": 3, "loss_optimizer_group_name": "b"}
OF_A = {"type": "SGD", "name": "A", "lr": 0.01, "group_name": "a", "trained_mapping_names": ["encoder", "decoder"]}
OF_B = {
    "type": "SGD",
    "name": "B",
    "lr": 0.1,
    "group_name": "b",
    "trained_mapping_names": ["encoder"],
    "optimizes_centroids": True,
}


class Recorder(Callback):
    """Keeps every parameter after every iteration; the first entry is the state before training."""

    def __init__(self):
        self.states = []
        self.values = []

    def phase_started(self, phase, state):
        self.keep(state)

    def iteration_done(self, phase, state, losses):
        self.keep(state)
        self.values.append({loss.name: float(loss.value) for loss in losses})

    def keep(self, state):
        self.states.append({name: p.detach().clone() for name, p in state.method.named_parameters()})

    def moved(self, name):
        """Return in which iterations the parameters whose names begin with ``name`` moved."""
        pairs = zip(self.states, self.states[1:], strict=False)
        return [
            i
            for i, (old, new) in enumerate(pairs, 1)
            if any(not torch.equal(old[key], new[key]) for key in old if key.startswith(name))
        ]


ENCODER, DECODER, CENTROIDS = "_mappings.0", "_mappings.1", "centroids"


def _recorded(**phase):
    recorder = Recorder()
    train(method(phase=phase), [recorder])
    return recorder


def _expected_step(batch, states):
    """Return every parameter after one step of both groups, from the definitions, without the package's losses."""
    leaves = {name: value.clone().requires_grad_() for name, value in states.items()}
    hidden = torch.relu(batch @ leaves[f"{ENCODER}.layers.1.weight"].T + leaves[f"{ENCODER}.layers.1.bias"])
    code = hidden @ leaves[f"{ENCODER}.layers.3.weight"].T + leaves[f"{ENCODER}.layers.3.bias"]
    decoded = code @ leaves[f"{DECODER}.layers.0.weight"].T + leaves[f"{DECODER}.layers.0.bias"]
    of_a = (decoded - batch).square().sum() / len(batch)
    similarity = 1 / (1 + (code[:, None] - leaves["centroids.positions"][None]).square().sum(2))
    mass = (similarity / similarity.sum(1, keepdim=True)).mean(0)
    of_b = 3 * (torch.tensor(float(CLASSES)).log() + (mass * mass.log()).sum())
    new = dict(states)
    for total, rate, prefixes in ((of_a, 0.01, (ENCODER, DECODER)), (of_b, 0.1, (ENCODER, CENTROIDS))):
        own = [name for name in leaves if name.startswith(prefixes)]
        gradients = torch.autograd.grad(total, [leaves[name] for name in own], retain_graph=True)
        for name, gradient in zip(own, gradients, strict=True):
            new[name] = new[name] - rate * gradient
    return new


@pytest.mark.parametrize(
    ("patterns", "optimizers"), list(product(permutations([RECONSTRUCTION, ENTROPY]), permutations([OF_A, OF_B])))
)
def test_each_loss_reaches_its_groups_parameters_alone_whatever_the_order(monkeypatch, patterns, optimizers):
    batches = _spy_on_batches(monkeypatch)
    recorder = _recorded(design_patterns=list(patterns), optimizers=list(optimizers), exit_criteria={"iterations": 3})
    for batch, before, after in zip(batches, recorder.states, recorder.states[1:], strict=False):
        expected = _expected_step(batch, before)
        assert after.keys() == expected.keys()
        for name in after:
            torch.testing.assert_close(after[name], expected[name], rtol=1e-5, atol=1e-7)
    assert len(batches) == 3


def _spy_on_batches(monkeypatch):
    batches, original = [], Data.training_batch

    def spy(self, *arguments):
        batch = original(self, *arguments)
        batches.append(batch.views["plain"].flatten(1))
        return batch

    monkeypatch.setattr(Data, "training_batch", spy)
    return batches


def test_losses_train_nothing_without_an_optimizer_of_their_group_in_its_turn():
    cycle = [
        {"active_optimizer_names": ["B"], "num_iterations": 2},
        {"active_optimizer_names": ["A"], "num_iterations": 1},
        {"active_optimizer_names": [], "num_iterations": 1},
    ]
    recorder = _recorded(
        design_patterns=[RECONSTRUCTION, ENTROPY],
        optimizers=[OF_A, OF_B],
        optimizer_cycle=cycle,
        exit_criteria={"iterations": 8},
    )
    assert recorder.moved(DECODER) == [3, 7]
    assert recorder.moved(CENTROIDS) == [1, 2, 5, 6]
    assert recorder.moved(ENCODER) == [1, 2, 3, 5, 6, 7]


def test_the_cycle_is_a_pure_function_of_the_iteration():
    phase = {
        "optimizers": [OF_A, OF_B],
        "design_patterns": [RECONSTRUCTION, ENTROPY],
        "optimizer_cycle": [
            {"active_optimizer_names": ["A"], "num_iterations": 2},
            {"active_optimizer_names": ["A", "B"], "num_iterations": 1},
        ],
    }
    cycle = config_of(method(phase=phase)).phases[0].optimizer_cycle
    names = [active_names(cycle, iteration) for iteration in (0, 1, 2, 3, 4, 5, 302)]
    assert names == [("A",), ("A",), ("A", "B"), ("A",), ("A",), ("A", "B"), ("A", "B")]
    assert active_names((), 3) is None


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW"])
def test_a_group_without_a_loss_does_not_step(kind):
    arguments = {"SGD": {"momentum": 0.9}}.get(kind, {})
    optimizer = OF_B | {"type": kind, "weight_decay": 0.5, "trained_mapping_names": [], **arguments}
    late = ENTROPY | {"loss_weight_schedule": {"start_at_iteration": 3}}
    recorder = _recorded(
        design_patterns=[RECONSTRUCTION, late],
        optimizers=[OF_A, optimizer],
        exit_criteria={"iterations": 6},
    )
    assert recorder.moved(CENTROIDS) == [4, 5, 6]
    assert recorder.moved(DECODER) == [1, 2, 3, 4, 5, 6]


def test_momentum_and_decay_move_nothing_after_the_last_layer_pair():
    pair = {"encoder_layer_names": ["first"], "decoder_layer_names": ["only"], "train_for_iterations": 2}
    pattern = {
        "pattern": "layer_wise_pretraining",
        "encoder_name": "encoder",
        "decoder_name": "decoder",
        "dropout_rate": 0.1,
        "encoder_decoder_layer_pairs": [pair],
    }
    optimizer = {
        "type": "SGD",
        "lr": 0.01,
        "momentum": 0.9,
        "weight_decay": 0.1,
        "trained_mapping_names": ["encoder", "decoder"],
    }
    described = method(phase={"design_patterns": [pattern], "optimizers": [optimizer]})
    described["mappings"][1]["layers"] = [
        {"type": "Linear", "name": "only", "in_features": 4, "out_features": PIXELS},
    ]
    recorder = Recorder()
    train(described, [recorder])
    assert recorder.moved(f"{ENCODER}.layers.1") == [1, 2]
    assert recorder.moved(DECODER) == [1, 2]
    assert recorder.moved(f"{ENCODER}.layers.3") == []  # the layer that no pair names: no gradient, so no decay


def test_a_weight_of_zero_reports_and_trains_nothing():
    silent = RECONSTRUCTION | {"loss_weight": 0}
    recorder = _recorded(design_patterns=[silent], optimizers=[OF_A])
    assert recorder.moved("") == []
    assert all(set(values) == {"reconstruction"} for values in recorder.values)


def test_only_the_optimizer_that_says_so_learns_the_centroids():
    both = [RECONSTRUCTION, ENTROPY]
    with_centroids = _recorded(design_patterns=both, optimizers=[OF_A, OF_B])
    without = _recorded(design_patterns=both, optimizers=[OF_A, OF_B | {"optimizes_centroids": False}])
    assert with_centroids.moved(CENTROIDS) == [1, 2, 3, 4, 5]
    assert without.moved(CENTROIDS) == []


def test_two_optimizers_of_one_group_share_its_gradients():
    one = [{"type": "SGD", "lr": 0.03, "trained_mapping_names": ["encoder", "decoder"]}]
    two = [
        {"type": "SGD", "lr": 0.01, "trained_mapping_names": ["encoder", "decoder"]},
        {"type": "SGD", "lr": 0.02, "trained_mapping_names": ["encoder", "decoder"]},
    ]
    phase = {"exit_criteria": {"iterations": 1}}
    first, second = (train(method(phase=phase | {"optimizers": chosen})).bits() for chosen in (one, two))
    for name in first:
        if name.startswith("_mappings"):
            torch.testing.assert_close(first[name], second[name])


def test_optimizers_start_afresh_in_every_phase():
    optimizer = {"type": "Adam", "lr": 0.01, "trained_mapping_names": ["encoder", "decoder"]}
    phase = method()["phases"][0] | {"optimizers": [optimizer]}
    two = method(phases=[phase | {"exit_criteria": {"iterations": 3}}, phase | {"name": "more", "order": 1}])
    recorder = Recorder()
    train(two, [recorder])
    restarted = recorder.states[4]
    step = (recorder.states[5][f"{DECODER}.layers.0.bias"] - restarted[f"{DECODER}.layers.0.bias"]).abs()
    torch.testing.assert_close(step, torch.full_like(step, 0.01), rtol=1e-3, atol=0)


# --- learning rates -----------------------------------------------------------------------------------------------


class _Rates(Callback):
    """Notes the learning rate that each iteration stepped with."""

    def __init__(self, monkeypatch):
        self.sets, self.rates = [], []
        original = OptimizerSet.__init__

        def spy(optimizers, *arguments):
            original(optimizers, *arguments)
            self.sets.append(optimizers)

        monkeypatch.setattr(OptimizerSet, "__init__", spy)

    def iteration_done(self, phase, state, losses):
        self.rates.append([named.optimizer.param_groups[0]["lr"] for named in self.sets[-1].optimizers])


def _rates_by_epoch(monkeypatch, schedulers, epochs=4, rate=1e-3, **phase):
    listener = _Rates(monkeypatch)
    optimizer = {"type": "SGD", "name": "S", "lr": rate, "trained_mapping_names": ["encoder", "decoder"]}
    blocks = [{"optimizer_name": "S", **scheduler} for scheduler in schedulers]
    phase = {
        "optimizers": [optimizer],
        "optimizer_learning_rate_schedulers": blocks,
        "exit_criteria": {"epochs": epochs},
        **phase,
    }
    train(method(phase=phase, dataset={"shuffle": False}), [listener])
    by_epoch = [listener.rates[start : start + BATCHES] for start in range(0, len(listener.rates), BATCHES)]
    assert all(rates == [rates[0]] * BATCHES for rates in by_epoch)
    return pytest.approx([rates[0][0] / rate for rates in by_epoch])


STEP = {"type": "StepLR", "step_size": 1, "gamma": 0.5}
CONSTANT = {"type": "ConstantLR", "factor": 0.1, "total_iters": 2}
EXPONENTIAL = {"type": "ExponentialLR", "gamma": 0.5}
SEQUENTIAL = {"type": "SequentialLR", "schedulers": [CONSTANT, EXPONENTIAL], "milestones": [2]}


@pytest.mark.parametrize(
    ("schedulers", "expected"),
    [
        ([STEP], [1, 0.5, 0.25, 0.125]),
        ([STEP | {"step_size": 2}], [1, 1, 0.5, 0.5]),
        ([{"type": "MultiStepLR", "milestones": [1, 3], "gamma": 0.1}], [1, 0.1, 0.1, 0.01]),
        ([{"type": "CosineAnnealingLR", "T_max": 4}], [1, 0.85355339, 0.5, 0.14644661]),
        ([SEQUENTIAL], [0.1, 0.1, 1, 0.5]),
        ([{"type": "ChainedScheduler", "schedulers": [CONSTANT, EXPONENTIAL]}], [0.1, 0.05, 0.25, 0.125]),
        ([STEP, {"type": "ExponentialLR", "gamma": 0.1}], [1, 0.05, 0.0025, 0.000125]),
    ],
)
def test_rates_follow_schedulers_that_step_once_per_epoch(monkeypatch, schedulers, expected):
    assert expected == _rates_by_epoch(monkeypatch, schedulers)


def test_a_plateau_of_the_loss_lowers_even_the_smallest_rate(monkeypatch):
    # A rate of 1e-30 moves no parameter: the mean loss of an epoch stays as it is, bit by bit.
    plateau = {"type": "ReduceLROnPlateau", "patience": 0, "factor": 0.5}
    assert _rates_by_epoch(monkeypatch, [plateau], epochs=5, rate=1e-30) == [1, 1, 0.5, 0.25, 0.125]


def test_a_falling_loss_keeps_the_rate(monkeypatch):
    plateau = {"type": "ReduceLROnPlateau", "patience": 0, "factor": 0.5}
    assert _rates_by_epoch(monkeypatch, [plateau], rate=0.01) == [1, 1, 1, 1]


def test_a_plateau_of_a_score_lowers_the_rate(monkeypatch):
    values = iter([0.5, 0.6, 0.6, 0.7, 0.1])
    monkeypatch.setattr(
        "recombine.phase.evaluate_by",
        lambda assigner, method, data: Evaluation(
            torch.zeros(data.num_samples), torch.ones(data.num_samples), Scores(next(values), 0, 0)
        ),
    )
    plateau = {"type": "ReduceLROnPlateau", "patience": 0, "factor": 0.5, "metric": "acc"}
    # An evaluation at the end of each epoch: the third is no better than the second, so the fourth epoch is slower.
    rates = _rates_by_epoch(monkeypatch, [plateau], epochs=5, performance_evaluation_interval=BATCHES)
    assert rates == [1, 1, 1, 0.5, 0.5]


def test_a_plateau_waits_for_the_first_evaluation_of_its_phase(monkeypatch):
    plateau = {"type": "ReduceLROnPlateau", "patience": 0, "factor": 0.5, "metric": "acc"}
    rates = _rates_by_epoch(monkeypatch, [plateau], epochs=4, performance_evaluation_interval=5 * BATCHES)
    assert rates == [1, 1, 1, 1]


def _spy_on_schedulers(monkeypatch):
    """Return a list that takes what each scheduler is told when it steps."""
    heard, original = [], NamedScheduler.step

    def spy(scheduler, known):
        heard.append(known)
        original(scheduler, known)

    monkeypatch.setattr(NamedScheduler, "step", spy)
    return heard


@pytest.mark.parametrize(
    ("interval", "parts"), [(None, [(2, 4), (4, 8)]), ({"epochs": 2}, [(2, 8)]), (3, [(2, 3), (3, 6)])]
)
def test_schedulers_hear_the_mean_loss_of_the_optimizers_own_group(monkeypatch, interval, parts):
    heard = _spy_on_schedulers(monkeypatch)
    late = ENTROPY | {"loss_weight_schedule": {"start_at_iteration": 2}}
    plateau = {"type": "ReduceLROnPlateau", "optimizer_name": "B"} | ({"interval": interval} if interval else {})
    recorder = _recorded(
        design_patterns=[RECONSTRUCTION, late],
        optimizers=[OF_A, OF_B],
        optimizer_learning_rate_schedulers=[plateau],
        exit_criteria={"epochs": 2},
    )
    entropies = [values.get("assignment_entropy") for values in recorder.values]
    means = [3 * sum(entropies[first:last]) / (last - first) for first, last in parts]
    assert [set(known) for known in heard] == [{"loss"}] * len(parts)
    assert [known["loss"] for known in heard] == pytest.approx(means)


def test_schedulers_with_intervals_of_their_own_hear_their_own_means(monkeypatch):
    heard = _spy_on_schedulers(monkeypatch)
    plateau = {"type": "ReduceLROnPlateau", "optimizer_name": "S"}
    optimizer = {"type": "SGD", "name": "S", "lr": 0.01, "trained_mapping_names": ["encoder", "decoder"]}
    recorder = _recorded(
        optimizers=[optimizer],
        optimizer_learning_rate_schedulers=[plateau, plateau | {"interval": 3}],
        exit_criteria={"iterations": 9},
    )
    values = [found["reconstruction"] for found in recorder.values]
    means = [sum(values[first:last]) / (last - first) for first, last in [(0, 3), (0, 4), (3, 6), (4, 8), (6, 9)]]
    assert [known["loss"] for known in heard] == pytest.approx(means)


def test_a_plateau_of_one_groups_loss_leaves_the_rates_of_the_others():
    plateau = {"type": "ReduceLROnPlateau", "patience": 0, "factor": 0.5}
    optimizers = _optimizer_set(
        design_patterns=[RECONSTRUCTION, ENTROPY],
        optimizers=[OF_A, OF_B],
        optimizer_learning_rate_schedulers=[plateau | {"optimizer_name": name} for name in ("A", "B")],
    )
    clock = Clock("training", 4, 1, 4)
    for falling in (3.0, 2.0, 1.0):
        for (group, _), scheduler in optimizers.due(clock):
            scheduler.step({"loss": {"a": falling, "b": 5.0}[group], "acc": 0.5})
    for (group, _), scheduler in optimizers.due(clock):
        scheduler.step({"loss": 9.0} if group == "a" else {})
    assert optimizers.rates == {"A": 0.01 / 2, "B": pytest.approx(0.1 / 4)}


@pytest.mark.parametrize(("interval", "due"), [(None, [4, 8]), (3, [3, 6, 9]), ({"epochs": 2}, [8])])
def test_schedulers_are_due_at_their_interval(interval, due):
    block = {"type": "StepLR", "optimizer_name": "A", "step_size": 1} | ({"interval": interval} if interval else {})
    optimizers = _optimizer_set(
        design_patterns=[RECONSTRUCTION], optimizers=[OF_A], optimizer_learning_rate_schedulers=[block]
    )
    found = [i for i in range(1, 10) if optimizers.due(Clock("training", i, i // 4, 4))]
    assert found == due


def test_a_rate_is_halved_after_more_than_35_intervals_without_improvement():
    """The schedule of CNC: at the 36th interval without improvement, and then again after another 36."""
    plateau = {"type": "ReduceLROnPlateau", "optimizer_name": "A", "metric": "validation_loss", "interval": 100}
    optimizers = _optimizer_set(
        design_patterns=[RECONSTRUCTION],
        optimizers=[OF_A | {"lr": 0.005}],
        optimizer_learning_rate_schedulers=[plateau | {"factor": 0.5, "patience": 35}],
        validation={"fraction": 0.1},
    )
    ((_, scheduler),) = optimizers.due(Clock("training", 100, 0, 4000))
    rates = []
    for loss in [9.0, 8.0, *[8.0] * 72]:
        scheduler.step({"validation_loss": loss})
        rates.append(optimizers.rates["A"])
    assert rates == [0.005] * (2 + 35) + [0.0025] * 36 + [0.00125]


@pytest.mark.filterwarnings("error")
def test_a_rate_falls_while_the_optimizer_rests(monkeypatch):
    late = RECONSTRUCTION | {"loss_weight_schedule": {"start_at_iteration": BATCHES}}
    pattern = {key: value for key, value in late.items() if key != "loss_optimizer_group_name"}
    assert _rates_by_epoch(monkeypatch, [STEP], design_patterns=[pattern]) == [1, 0.5, 0.25, 0.125]


def test_a_scheduler_that_ends_before_the_phase_is_the_users_mistake(monkeypatch):
    short = {"type": "OneCycleLR", "max_lr": 0.1, "total_steps": 2}
    with pytest.raises(RecombineError, match="the learning rate scheduler OneCycleLR cannot go on: Tried to step 3"):
        _rates_by_epoch(monkeypatch, [short])


# --- building -----------------------------------------------------------------------------------------------------


def _optimizer_set(**phase):
    config = config_of(method(phase=phase))
    return OptimizerSet(config.phases[0], build_method(config, CLASSES, (1, 2, 3)))


def test_arguments_reach_the_optimizer():
    optimizer = {"type": "Adam", "lr": 0.5, "betas": [0.5, 0.75], "trained_mapping_names": ["encoder", "decoder"]}
    group = _optimizer_set(optimizers=[optimizer]).optimizers[0].optimizer.param_groups[0]
    assert (group["lr"], group["betas"], len(group["params"])) == (0.5, (0.5, 0.75), 6)


def test_a_mapping_named_twice_is_trained_once():
    optimizer = {"type": "SGD", "lr": 0.5, "trained_mapping_names": ["encoder", "decoder", "encoder"]}
    assert len(_optimizer_set(optimizers=[optimizer]).optimizers[0].parameters) == 6


def test_an_optimizer_of_mappings_without_parameters_is_refused():
    described = method(phase={"optimizers": [{"type": "SGD", "lr": 1.0, "trained_mapping_names": ["encoder"]}]})
    described["mappings"][0]["layers"] = [{"type": "Flatten"}]
    described["mappings"][1]["layers"][0]["in_features"] = PIXELS
    config = config_of(described)
    with pytest.raises(NetworkError, match='optimizer "SGD_0" trains nothing: its mappings have no parameters'):
        OptimizerSet(config.phases[0], build_method(config, CLASSES, (1, 2, 3)))


def test_arguments_that_torch_refuses_are_told():
    plateau = {"type": "ChainedScheduler", "optimizer_name": "A", "schedulers": [{"type": "ReduceLROnPlateau"}]}
    config = config_of(method(phase={"optimizers": [OF_A | {"group_name": "default"}]}))
    phase = replace(config.phases[0], optimizer_learning_rate_schedulers=(frozen(plateau),))
    with pytest.raises(FactoryError, match="ChainedScheduler refuses its arguments: ChainedScheduler does not support"):
        OptimizerSet(phase, build_method(config, CLASSES, (1, 2, 3)))


def test_lazy_layers_can_be_trained_before_they_know_their_sizes():
    described = method()
    described["mappings"][0]["layers"][1] = {"type": "LazyLinear", "out_features": 4}
    described["mappings"][1]["layers"] = [{"type": "LazyLinear", "out_features": PIXELS}]
    idle = {"name": "idle", "type": "design_pattern_specific", "layers": [{"type": "LazyLinear", "out_features": 2}]}
    described["mappings"].append(idle)
    described["phases"][0]["optimizers"][0]["trained_mapping_names"].append("idle")
    recorder = Recorder()
    recorder.keep = lambda state: recorder.states.append(
        {name: p.detach().clone() for name, p in state.method.named_parameters() if not torch.nn.parameter.is_lazy(p)}
    )
    trained = train(described, [recorder])
    assert not same(recorder.states[1], recorder.states[-1])
    assert trained.method.mappings["decoder"].layers[0].weight.shape == (PIXELS, 2)
    assert torch.nn.parameter.is_lazy(trained.method.mappings["idle"].layers[0].weight)


FUSED = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "weight_decay": 0.1, "betas": [0.5, 0.9]}),
    ("AdamW", {"lr": 0.01, "maximize": True}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1}),
]


def _optimizers(kind, **arguments):
    trained = {"name": "A", "trained_mapping_names": ["encoder", "decoder"]}
    phase = config_of(method(phase={"optimizers": [{"type": kind, **arguments, **trained}]}))
    return OptimizerSet(phase.phases[0], build_method(phase, CLASSES, (1, 2, 3)))


@pytest.mark.parametrize(("kind", "arguments"), FUSED)
def test_one_kernel_is_the_same_mathematics(kind, arguments):
    one, several = _optimizers(kind, **arguments), _optimizers(kind, **arguments, foreach=False)
    draws = torch.Generator().manual_seed(0)
    for iteration in range(5):
        for weights in zip(one.optimizers[0].parameters, several.optimizers[0].parameters, strict=True):
            factor = torch.rand(weights[0].shape, generator=draws)
            for optimizers, weight in zip((one, several), weights, strict=True):
                # Autograd spreads the gradient of the first sum out of one number.
                spread = weight.sum() + (weight.flatten().flip(0) * factor.flatten()).sum()
                optimizers.step({"default": spread}, iteration)
    assert one.optimizers[0].optimizer.param_groups[0]["fused"]
    assert not several.optimizers[0].optimizer.param_groups[0]["fused"]
    for first, second in zip(one.optimizers[0].parameters, several.optimizers[0].parameters, strict=True):
        torch.testing.assert_close(first, second)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_gradients_reach_the_optimizer_in_the_order_of_the_parameters(kind):
    one, several = _optimizers(kind, lr=0.1), _optimizers(kind, lr=0.1, foreach=False)
    for optimizers in (one, several):
        weights = optimizers.optimizers[0].parameters
        optimizers.step({"default": sum((weight.sum() for weight in weights), torch.zeros(()))}, 0)
    for first, second in zip(one.optimizers[0].parameters, several.optimizers[0].parameters, strict=True):
        torch.testing.assert_close(first, second)


@pytest.mark.parametrize("choice", [{"fused": False}, {"foreach": True}, {"differentiable": False}])
def test_the_file_may_choose_how_an_optimizer_steps(choice):
    (group,) = _optimizers("SGD", lr=0.1, **choice).optimizers[0].optimizer.param_groups
    assert not group["fused"]


def test_dampening_is_left_to_the_other_loops():
    assert not _optimizers("SGD", lr=0.1, momentum=0.9, dampening=0.1).optimizers[0].optimizer.param_groups[0]["fused"]


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_parameters_that_move_later_than_others_start_as_they_would_alone(kind):
    arguments = {"momentum": 0.9} if kind == "SGD" else {}
    one, several = _optimizers(kind, lr=0.1, **arguments), _optimizers(kind, lr=0.1, foreach=False, **arguments)
    for optimizers in (one, several):
        first, *_, last = optimizers.optimizers[0].parameters
        for iteration in range(4):
            loss = first.square().sum() + (last.square().sum() if iteration > 1 else 0)
            optimizers.step({"default": loss}, iteration)
    for first, second in zip(one.optimizers[0].parameters, several.optimizers[0].parameters, strict=True):
        torch.testing.assert_close(first, second)


def test_optimizers_without_such_a_kernel_go_on_as_they_do():
    assert "fused" not in _optimizers("RMSprop", lr=0.1).optimizers[0].optimizer.param_groups[0]
