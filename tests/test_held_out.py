"""Samples that a phase holds out: never trained on, and what their losses decide."""

import copy
import re

import pytest
import torch

from recombine.build import build_data, build_method, build_objectives
from recombine.callbacks.base import Callback
from recombine.clock import Clock
from recombine.data import Data
from recombine.errors import DataError, DivergedError
from recombine.held_out import validate
from recombine.optim import OptimizerSet
from recombine.patterns.reconstruction import Reconstruction
from recombine.phase import enter_phase, training_data
from recombine.state import RunState
from tests.recorder import Recording, Tracer
from tests.runs import CLASSES, PIXELS, config_of, made, method, same, train
from tests.test_loop import FLIP, rich

SHARE, HELD_OUT, LEFT = 0.3, 7, 16  # of 23 samples; batches of 5, so that the last held-out batch has 2
AUTOENCODER = {"encoder_name": "encoder", "decoder_name": "decoder"}
RECONSTRUCTION = {"pattern": "reconstruction", **AUTOENCODER}
TRAINED = {"trained_mapping_names": ["encoder", "decoder"]}
PLATEAU = {"type": "ReduceLROnPlateau", "optimizer_name": "S", "patience": 0, "factor": 0.5}


def held(description, fraction=SHARE, **options):
    """Return the description with samples held out in its first phase."""
    description["phases"][0]["validation"] = {"fraction": fraction, **options}
    return description


class Watcher(Callback):
    """Keeps every validation."""

    def __init__(self):
        self.found = []

    def validated(self, phase, state, validation):
        self.found.append(validation)


def watched(description, **options):
    """Train, and return the validations."""
    watcher = Watcher()
    train(description, [watcher], **options)
    return watcher.found


def _data(**dataset):
    (config,) = config_of(method(dataset=dataset)).datasets
    return build_data(config, made(), 0, torch.device("cpu"))


# --- which samples ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [True, False])
def test_no_training_batch_holds_them_and_every_evaluation_does(monkeypatch, shuffle):
    seen, original = [], Data.training_batch

    def spy(self, *arguments):
        batch = original(self, *arguments)
        seen.append((batch.index.tolist(), self.held_out.tolist()))
        return batch

    monkeypatch.setattr(Data, "training_batch", spy)
    trained = train(held(method(phase={"exit_criteria": {"epochs": 20}}, dataset={"shuffle": shuffle})))
    (held_out,) = {tuple(positions) for _, positions in seen}
    assert len(held_out) == HELD_OUT
    assert trained.lengths == [20 * (LEFT // 5)]
    in_batches = {position for index, _ in seen for position in index}
    rest = set(range(23)) - set(held_out)
    assert in_batches == (rest if shuffle else set(sorted(rest)[:15]))
    assert len(trained.scored[0].evaluation.clusters) == 23


def test_the_split_depends_on_seed_and_dataset_alone():
    (config,) = config_of(method()).datasets
    first = build_data(config, made(), 1, torch.device("cpu")).holding_out(SHARE)
    labelled_otherwise = made()
    labelled_otherwise.labels[:] = 0
    again = build_data(config, labelled_otherwise, 1, torch.device("cpu"))
    again.training_batch("another", 3, ["plain"])
    assert torch.equal(again.holding_out(SHARE).held_out, first.held_out)
    assert torch.equal(first.holding_out(0.1).held_out, first.held_out[:2])
    other = build_data(config, made(), 2, torch.device("cpu")).holding_out(SHARE)
    assert not torch.equal(other.held_out, first.held_out)
    named = build_data(config_of(method(dataset={"name": "x"})).datasets[0], made(), 1, torch.device("cpu"))
    assert not torch.equal(named.holding_out(SHARE).held_out, first.held_out)


def test_holding_out_leaves_the_dataset_itself_alone():
    data = _data()
    before = data.training_batch("training", 1, ["plain"])
    other = data.holding_out(SHARE)
    assert (data.batches_per_epoch, other.batches_per_epoch) == (4, 3)
    assert (len(data.held_out), other.num_samples) == (0, 23)
    assert torch.equal(data.training_batch("training", 1, ["plain"]).index, before.index)
    whole = [batch.index for batch in other.evaluation_batches(10)]
    assert torch.cat(whole).tolist() == list(range(23))


def test_a_share_that_leaves_nothing_is_refused():
    with pytest.raises(DataError, match='dataset "made": a fraction of 0.001 of 23 samples holds out none'):
        _data().holding_out(0.001)
    with pytest.raises(DataError, match="holding out 21 of 23 samples leaves 2 to train on, and a batch has 5"):
        _data().holding_out(0.9)


# --- their losses -------------------------------------------------------------------------------------------------


def _phase(**changes):
    config = config_of(held(method(phase=changes)))
    data = training_data(config.phases[0], build_data(config.datasets[0], made(), 0, torch.device("cpu")))
    state = RunState(build_method(config, CLASSES, (1, 2, 3)), Clock("", 0, 0, 1))
    return enter_phase(config, config.phases[0], data, state)


def test_losses_are_those_of_all_held_out_samples_by_hand():
    entropy = {"pattern": "assignment_entropy", "loss_weight": 0.25}
    phase = _phase(design_patterns=[{**RECONSTRUCTION, "loss_weight": 2}, entropy])
    phase.state.clock = Clock("training", 3, 1, 3)
    found = phase.validate_if_due()
    images = made().values.flatten(1)[phase.data.held_out].float() / 255
    assert images.shape == (HELD_OUT, PIXELS)
    encoder, decoder = (phase.state.method.mappings[name] for name in ("encoder", "decoder"))
    with torch.no_grad():
        code = encoder(images)
        error = (decoder(code) - images).square().sum(1).mean()
        similarity = 1 / (1 + torch.cdist(code, phase.state.method.centroids.positions).square())
        soft = similarity / similarity.sum(1, keepdim=True)
        masses = [part.sum(0) / part.sum() for part in soft.split(5)]
        parts = [torch.tensor(float(CLASSES)).log() + (mass * mass.log()).sum() for mass in masses]
    expected = {"reconstruction": float(error), "assignment_entropy": float((5 * parts[0] + 2 * parts[1]) / 7)}
    assert found.losses == pytest.approx(expected, rel=1e-5)
    total = 2 * expected["reconstruction"] + 0.25 * expected["assignment_entropy"]
    assert found.loss == pytest.approx(total, rel=1e-5)
    assert found.iteration == 3
    assert found.metrics() == {
        "validation_loss": found.loss,
        "validation_reconstruction": found.losses["reconstruction"],
        "validation_assignment_entropy": found.losses["assignment_entropy"],
    }
    assert phase.state.validation == phase.watched().validation == found


def test_networks_are_in_evaluation_mode_and_then_as_they_were():
    phase = _phase()
    network = phase.state.method.mappings["encoder"]
    modes = []
    network.register_forward_hook(lambda module, *rest: modes.append((module.training, torch.is_grad_enabled())))
    phase.state.clock = Clock("training", 3, 1, 3)
    phase.validate_if_due()
    assert set(modes) == {(False, False)}
    assert all(module.training for module in phase.state.method.modules())


@pytest.mark.parametrize(("interval", "expected"), [(None, [3, 6, 9]), (4, [4, 8]), ({"epochs": 2}, [6])])
def test_validations_come_at_intervals(interval, expected):
    options = {"interval": interval} if interval is not None else {}
    found = watched(held(method(phase={"exit_criteria": {"iterations": 10}}), **options))
    assert [validation.iteration for validation in found] == expected
    assert len({validation.loss for validation in found}) == len(expected)


def _random():
    """Return a method of which everything that can draw at random does, and nothing moves."""
    critic = {"name": "critic", "type": "design_pattern_specific"}
    critic["layers"] = [{"type": "Flatten"}, {"type": "Linear", "in_features": PIXELS, "out_features": 1}]
    pairs = [{"encoder_layer_names": ["first"], "decoder_layer_names": ["back"], "train_for_iterations": 50}]
    groups = {f"{name}_loss_optimizer_group_name": name for name in ("autoencoder", "critic")}
    described = method(
        phase={
            "exit_criteria": {"iterations": 3},
            "design_patterns": [
                {"pattern": "adversarial_interpolation", **AUTOENCODER, "critic_name": "critic", **groups},
                {
                    "pattern": "layer_wise_pretraining",
                    "dropout_rate": 0.5,
                    "encoder_decoder_layer_pairs": pairs,
                    **AUTOENCODER,
                    "loss_optimizer_group_name": "autoencoder",
                    "batch_augmentation_name": "flipped",
                },
            ],
            "optimizers": [
                {"type": "SGD", "lr": 0.0, "group_name": "autoencoder", **TRAINED},
                {"type": "SGD", "lr": 0.0, "group_name": "critic", "trained_mapping_names": ["critic"]},
            ],
        },
        dataset={"batch_augmentations": [{"name": "flipped", "transforms": [FLIP]}]},
        more_mappings=[critic],
    )
    described["mappings"][1]["layers"] = [
        {"type": "Linear", "in_features": 2, "out_features": 4},
        {"type": "Linear", "name": "back", "in_features": 4, "out_features": PIXELS},
    ]
    return described


def test_draws_are_the_same_each_time_and_others_for_another_seed():
    found = watched(held(_random(), interval=1))
    assert [validation.loss for validation in found] == [found[0].loss] * 3
    names = ["adversarial_interpolation.autoencoder", "adversarial_interpolation.critic", "layer_wise_pretraining"]
    assert list(found[0].losses) == names
    other = watched(held(_random() | {"seed": 1}, interval=1))
    assert all(other[0].losses[name] != found[0].losses[name] for name in names)


def test_weights_are_those_of_the_last_iteration():
    late = {**RECONSTRUCTION, "loss_weight_schedule": {"start_at_iteration": 3, "warm_up_iterations": 4}}
    patterns = [late, {"pattern": "assignment_entropy", "loss_weight": 0}]
    found = watched(held(method(phase={"exit_criteria": {"iterations": 9}, "design_patterns": patterns}), interval=1))
    # The warm-up begins at weight 0 in iteration 3, counted from 0: the fifth iteration is the first with a weight.
    assert [validation.iteration for validation in found] == list(range(1, 10))
    assert [set(validation.losses) for validation in found[:4]] == [{"assignment_entropy"}] * 4
    assert [validation.loss for validation in found[:4]] == [0] * 4
    weights = [validation.loss / validation.losses["reconstruction"] for validation in found[4:]]
    assert weights == pytest.approx([0.25, 0.5, 0.75, 1, 1])


def test_targets_are_those_that_the_training_has():
    target = {"pattern": "target_distribution", "target_distribution_recalculation_interval": 2}
    phase = _phase(design_patterns=[target])
    pattern = phase.objectives[0].pattern
    given = torch.rand(23, CLASSES, generator=torch.Generator().manual_seed(3)).softmax(1)
    pattern._target = given
    phase.state.clock = Clock("training", 3, 1, 3)
    found = phase.validate_if_due()
    with torch.no_grad():
        code = phase.state.method.mappings["encoder"](made().values[phase.data.held_out].float() / 255)
        similarity = 1 / (1 + torch.cdist(code, phase.state.method.centroids.positions).square())
        soft = similarity / similarity.sum(1, keepdim=True)
    wanted = given[phase.data.held_out]
    expected = float((wanted * (wanted / soft).log()).sum(1).mean())
    assert found.losses["target_distribution"] == pytest.approx(expected, rel=1e-4)
    assert pattern._target is given


def test_where_no_pattern_has_a_loss_any_more_there_is_no_validation():
    described = _random()
    phase = described["phases"][0]
    phase["design_patterns"] = phase["design_patterns"][1:]
    phase["design_patterns"][0]["encoder_decoder_layer_pairs"][0]["train_for_iterations"] = 2
    phase["optimizers"] = phase["optimizers"][:1]
    assert [validation.iteration for validation in watched(held(described, interval=1))] == [1, 2]


def test_losses_that_are_no_numbers_end_the_run(monkeypatch):
    original = Reconstruction.losses

    def broken(self, step):
        losses = original(self, step)
        return losses if torch.is_grad_enabled() else {name: loss * torch.nan for name, loss in losses.items()}

    monkeypatch.setattr(Reconstruction, "losses", broken)
    words = (
        'a loss on the held-out samples is NaN or infinite (after iteration 3 of phase "training" on dataset "made")'
    )
    with pytest.raises(DivergedError, match=re.escape(words)):
        train(held(method()))


# --- what must not move -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", [2, 5, {"epochs": 2}])
def test_validating_changes_no_bit(interval):
    expected = train(held(rich(), interval=100)).bits()
    validated = train(held(rich(), interval=interval))
    assert any("Validation after" in line for line in validated.log)
    assert same(validated.bits(), expected)


def test_validating_changes_no_bit_of_recorded_steps():
    described = method(
        phase={
            "exit_criteria": {"iterations": 12},
            "optimizers": [{"type": "SGD", "lr": 0.01, "momentum": 0.9, **TRAINED}],
        }
    )
    tracer = Tracer()
    validated = train(held(copy.deepcopy(described), interval=1), engine=Recording(tracer))
    assert tracer.repeated > 5
    assert same(validated.bits(), train(held(described, interval=100)).bits())


def test_phases_before_are_as_without():
    first = method()["phases"][0]
    digests = []

    class Ends(Callback):
        def phase_ended(self, phase, state, reason):
            digests.append(state.method.digest())

    for options in ({"validation": {"fraction": SHARE}}, {}):
        described = method()
        described["phases"] = [first, {**copy.deepcopy(first), "name": "second", "order": 1, **options}]
        train(described, [Ends()])
    assert digests[0] == digests[2]
    assert digests[1] != digests[3]


def test_nothing_is_kept_for_training_in_inference_mode():
    phase = _phase()
    found = validate(
        phase.state.method,
        phase.data,
        build_objectives(phase.config, phase.state.method),
        Clock("training", 1, 0, 3),
        phase.context,
    )
    assert found is not None
    batch = phase.data.training_batch("training", 0, ["plain"])
    assert not batch.views["plain"].is_inference()


# --- what they decide ---------------------------------------------------------------------------------------------


class _Rates(Callback):
    def __init__(self, monkeypatch):
        self.rates, self.sets, original = [], [], OptimizerSet.__init__

        def spy(optimizers, *arguments):
            original(optimizers, *arguments)
            self.sets.append(optimizers)

        monkeypatch.setattr(OptimizerSet, "__init__", spy)

    def iteration_done(self, phase, state, losses):
        self.rates.append(self.sets[-1].rates["S"])


def _scheduled(monkeypatch, values, scheduler, iterations=12, **validation):
    """Train with prepared losses on the held-out samples; return the rates of the iterations, in units of the first."""
    given, original = iter(values), validate

    def prepared(*arguments):
        found = original(*arguments)
        return type(found)(found.iteration, float(next(given)), found.losses)

    monkeypatch.setattr("recombine.phase.validate", prepared)
    rates = _Rates(monkeypatch)
    phase = {
        "exit_criteria": {"iterations": iterations},
        "optimizers": [{"type": "SGD", "name": "S", "lr": 1e-3, **TRAINED}],
        "optimizer_learning_rate_schedulers": [{**PLATEAU, "metric": "validation_loss", **scheduler}],
    }
    train(held(method(phase=phase), **validation), [rates])
    return [round(rate / 1e-3, 9) for rate in rates.rates]


def test_a_rate_follows_the_losses_on_held_out_samples(monkeypatch):
    # Epochs of three iterations: the third validation is no better than the second.
    rates = _scheduled(monkeypatch, [3, 2, 2, 1], {}, 12)
    assert rates == [1] * 9 + [0.5] * 3


def test_a_scheduler_may_have_an_interval_of_its_own(monkeypatch):
    rates = _scheduled(monkeypatch, [3, 3, 3, 3, 3, 3], {"interval": 2, "patience": 1}, 12, interval=2)
    # Steps after 2, 4, ...; the second that is no better is the one after 6.
    assert rates == [1] * 6 + [0.5] * 4 + [0.25] * 2


def test_a_scheduler_waits_where_an_interval_brought_no_validation(monkeypatch):
    rates = _scheduled(monkeypatch, [3, 3], {"interval": 2}, 12, interval=5)
    # Validations after 5 and 10; the scheduler hears of them after 6 and 10, and not in between.
    assert rates == [1] * 10 + [0.5] * 2


def test_a_scheduler_can_watch_a_single_loss():
    entropy = {"pattern": "assignment_entropy", "loss_weight": 0}
    phase = {
        "exit_criteria": {"iterations": 3},
        "design_patterns": [RECONSTRUCTION, entropy],
        "optimizers": [{"type": "SGD", "name": "S", "lr": 1e-3, **TRAINED}],
        "optimizer_learning_rate_schedulers": [{**PLATEAU, "metric": "validation_assignment_entropy"}],
    }
    watcher, kept = Watcher(), []

    class Ends(Callback):
        def phase_ended(self, phase, state, reason):
            kept.append(state.validation)

    train(held(method(phase=phase)), [watcher, Ends()])
    assert kept == watcher.found
    assert set(kept[0].losses) == {"reconstruction", "assignment_entropy"}


def test_a_phase_ends_when_its_learning_rate_is_low_enough():
    # A rate of 1e-30 moves nothing: the loss on held-out samples stays as it is, and the rate falls every epoch.
    phase = {
        "exit_criteria": {"learning_rate_le": 1.25e-31},
        "optimizers": [{"type": "SGD", "name": "S", "lr": 1e-30, **TRAINED}],
        "optimizer_learning_rate_schedulers": [{**PLATEAU, "metric": "validation_loss"}],
    }
    trained = train(held(method(phase=phase)))
    assert trained.lengths == [12]  # the first epoch is the best; three more without improvement
    assert trained.reasons == ['the learning rate 1.25e-31 of optimizer "S" is at or below 1.25e-31']


def test_a_phase_ends_when_a_loss_on_held_out_samples_is_low_enough():
    described = held(method(phase={"exit_criteria": {"iterations": 99, "validation_lt": {"value": 1e9}}}))
    trained = train(described)
    assert trained.lengths == [3]
    assert re.fullmatch(r"the validation_loss [\d.]+ is below 1e\+09", trained.reasons[0])


def test_the_log_tells():
    trained = train(held(method(phase={"exit_criteria": {"iterations": 3}})))
    assert 'Phase "training" on dataset "made": at most 3 iterations; 7 of 23 samples are held out' in trained.log
    (line,) = [line for line in trained.log if line.startswith("Validation")]
    assert re.fullmatch(r"Validation after 3 iterations: loss [\d.]+, reconstruction [\d.]+", line)


# --- another split ------------------------------------------------------------------------------------------------


def test_a_classifier_assigns_another_split_by_a_forward_pass(monkeypatch):
    classifier = {"name": "classifier", "type": "feature_space_classifier"}
    classifier["layers"] = [{"type": "Linear", "in_features": 2, "out_features": 3}, {"type": "Softmax", "dim": 1}]
    phase = {
        "exit_criteria": {"iterations": 6},
        "design_patterns": [RECONSTRUCTION, {"pattern": "assignment_entropy", "classifier_name": "classifier"}],
        "optimizers": [{"type": "SGD", "lr": 0.01, "trained_mapping_names": ["encoder", "decoder", "classifier"]}],
    }
    described = held(
        method(phase=phase, cluster_assignment_strategy={"type": "classifier"}, more_mappings=[classifier])
    )
    described["datasets"][0]["order"] = 0
    unseen = {**described["datasets"][0], "name": "unseen", "order": 1, "phases": [], "reinitialize_mappings": False}
    described["datasets"].append(unseen)
    monkeypatch.setattr("recombine.kmeans._by_scikit_learn", None)
    samples = made(40, 5)
    trained = train(described, samples={"unseen": samples})
    with torch.no_grad(), torch.inference_mode():
        network = trained.method.eval()
        code = network.mappings["encoder"](samples.values.float() / 255)
        expected = network.mappings["classifier"].logits(code).argmax(1)
    assert torch.equal(trained.scored[1].evaluation.clusters, expected)
    assert trained.scored[1].num_samples == 40
    assert len(trained.lengths) == 1
