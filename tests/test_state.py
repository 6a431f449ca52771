import pytest
import torch
from torch.nn.parameter import is_lazy

from recombine import checkpoint
from recombine.build import build_data, build_method
from recombine.clock import Clock
from recombine.criteria import Lowest, Performance, Validation
from recombine.loop import train_step
from recombine.phase import enter_phase
from recombine.state import IntervalLosses, Origin, Place, RunState
from tests.runs import CLASSES, config_of, made, method, same

A, B = ("a", 4), ("b", 4)
WATCHING = {"metric": "validation_loss", "restore_best": True}


def test_interval_losses_are_means_over_the_iterations_in_which_a_group_had_one():
    losses = IntervalLosses()
    losses.add({A: torch.tensor(1.0, requires_grad=True), B: torch.tensor(10.0)})
    losses.add({A: torch.tensor(4.0)})
    assert not losses.sums[A].requires_grad
    assert losses.taken([A, ("a", 5)]) == {A: pytest.approx(2.5)}
    losses.add({A: torch.tensor(7.0)})
    assert losses.taken([A, B]) == {A: 7, B: 10}
    assert losses == IntervalLosses()


def test_a_phase_starts_without_the_past():
    state = RunState(torch.nn.Module(), Clock("a", 7, 1, 5))
    state.centroids_changed = True
    state.performance, state.previous_clusters = Performance(None, 0.5), torch.zeros(3)
    state.interval_losses.add({A: torch.tensor(1.0)})
    state.validation = Validation(5, 0.5, {})
    state.lowest, state.best_parameters = Lowest(5, "validation_loss", 0.5), {}
    fresh = RunState(state.method, Clock("b", 0, 0, 5), place=Place(in_phase=True))
    state.enter_phase(fresh.clock)
    assert state == fresh


# --- what survives a crash ----------------------------------------------------------------------------------------


def _lived(tmp_path):
    """Return a state that differs from a new one in everything."""
    described = method(phase={"exit_criteria": {"iterations": 5}, "performance_evaluation_interval": 2})
    config = config_of(described)
    dataset = config.datasets[0]
    data = build_data(dataset, made(), config.seed, torch.device("cpu"))
    phase = enter_phase(config, config.phases[0], data, _state(config))
    for _ in range(3):
        train_step(phase)
    phase.evaluate()
    state = phase.state
    state.centroids_changed = True
    state.interval_losses.add({A: torch.tensor(1.5), B: torch.tensor(2.5)})
    state.interval_losses.add({A: torch.tensor(3.0)})
    state.note_validation(Validation(2, 0.75, {"reconstruction": 0.5}), WATCHING)
    with torch.no_grad():
        state.method.mappings["encoder"].layer("last").bias.add_(1)
    state.note_validation(Validation(3, 0.875, {"reconstruction": 0.25}), WATCHING)
    state.place = Place(2, True, 1, True)
    return state, config


def _state(config):
    return RunState(build_method(config, CLASSES, (1, 2, 3)), Clock("", 0, 0, 1), Origin(CLASSES, (1, 2, 3)))


def _of(parameters):
    return {name: value for name, value in parameters.items() if torch.is_tensor(value)}


def test_everything_survives_a_file(tmp_path):
    state, config = _lived(tmp_path)
    path = checkpoint.write(tmp_path, "000001", "me", {"state": state.state_dict()})
    again = _state(config)
    assert not same(_tensors(again), _tensors(state))
    again.load_state_dict(checkpoint.read(path, "me")["state"])
    assert same(_tensors(again), _tensors(state))
    assert again.method.digest() == state.method.digest()
    assert again.method.centroids.is_initialized
    assert again.clock == state.clock == Clock("training", 3, 0, 4)
    assert again.place == state.place
    assert again.centroids_changed
    assert again.performance.scores == state.performance.scores
    assert again.performance.reassignment_ratio is None
    assert torch.equal(again.previous_clusters, state.previous_clusters)
    assert again.interval_losses.taken([A, B]) == {A: 2.25, B: 2.5}
    assert again.validation == state.validation == Validation(3, 0.875, {"reconstruction": 0.25})
    assert again.lowest == state.lowest == Lowest(2, "validation_loss", 0.75)
    assert same(_of(again.best_parameters), _of(state.best_parameters))
    assert again.history == state.history
    assert len(state.history) == 1


def test_a_new_state_survives_as_well(tmp_path):
    config = config_of(method())
    state, again = _state(config), _state(config)
    again.load_state_dict(
        checkpoint.read(checkpoint.write(tmp_path, "000001", "me", {"state": state.state_dict()}), "me")["state"]
    )
    assert (again.performance, again.previous_clusters, again.history, again.validation, again.interval_losses) == (
        None,
        None,
        [],
        None,
        IntervalLosses(),
    )
    assert not again.method.centroids.is_initialized


def test_checkpoints_from_before_schedulers_had_intervals_are_read(tmp_path):
    state, config = _lived(tmp_path)
    saved = state.state_dict()
    for key in ("validation", "interval_losses", "lowest", "best_parameters"):
        del saved[key]
    saved["epoch_losses"] = {"sums": {"a": torch.tensor(4.5)}, "counts": {"a": 2}}
    again = _state(config)
    again.load_state_dict(saved)
    assert again.interval_losses.taken([A]) == {A: 2.25}
    assert (again.validation, again.lowest, again.best_parameters) == (None, None, None)


def test_the_best_parameters_are_a_copy_and_come_back(tmp_path):
    state, _ = _lived(tmp_path)
    bias = state.method.mappings["encoder"].layer("last").bias
    before = bias.detach().clone()
    state.restore_best()
    torch.testing.assert_close(bias.detach(), before - 1)
    assert state.best_parameters is None
    state.restore_best()
    torch.testing.assert_close(bias.detach(), before - 1)


def test_parameters_are_kept_only_where_they_will_be_wanted():
    state = _state(config_of(method()))
    state.note_validation(Validation(1, 0.5, {}), {**WATCHING, "restore_best": False})
    assert (state.lowest, state.best_parameters) == (Lowest(1, "validation_loss", 0.5), None)
    state.note_validation(None, WATCHING)
    assert (state.validation, state.lowest) == (None, Lowest(1, "validation_loss", 0.5))


def test_scores_may_be_missing_and_ratios_there(tmp_path):
    state = _state(config_of(method()))
    state.performance = Performance(None, 0.25)
    again = _state(config_of(method()))
    again.load_state_dict(state.state_dict())
    assert (again.performance.scores, again.performance.reassignment_ratio) == (None, 0.25)


def test_parameters_of_another_method_are_an_error_of_ours():
    state = _state(config_of(method())).state_dict()
    other = _state(config_of(method()))
    del state["method"]["_mappings.0.layers.1.bias"]
    with pytest.raises(RuntimeError, match="a checkpoint of the same run has other parameters"):
        other.load_state_dict(state)
    state = _state(config_of(method())).state_dict()
    state["method"]["new"] = torch.zeros(1)
    with pytest.raises(RuntimeError, match="a checkpoint of the same run has other parameters"):
        other.load_state_dict(state)


def test_layers_without_a_size_are_left_out_and_get_theirs_back(tmp_path):
    described = method()
    idle = [{"type": "LazyLinear", "out_features": 2}, {"type": "LazyBatchNorm1d"}]
    described["mappings"].append({"name": "idle", "type": "design_pattern_specific", "layers": idle})
    config = config_of(described)
    state, again, later = _state(config), _state(config), _state(config)
    without = state.state_dict()["method"]
    assert not any(is_lazy(value) for value in without.values() if torch.is_tensor(value))
    again.load_state_dict(state.state_dict())
    assert is_lazy(again.method.mappings["idle"].layers[0].weight)
    state.method.mappings["idle"](torch.rand(4, 3))
    path = checkpoint.write(tmp_path, "000001", "me", {"state": state.state_dict()})
    later.load_state_dict(checkpoint.read(path, "me")["state"])
    found = later.method.mappings["idle"]
    assert found.layers[0].weight.shape == (2, 3)
    assert same(_tensors(later), _tensors(state))
    assert torch.equal(found.eval()(torch.ones(4, 3)), state.method.mappings["idle"].eval()(torch.ones(4, 3)))


def test_places_follow_the_run():
    state = _state(config_of(method()))
    state.history = [1]
    state.enter_dataset()
    assert (state.place, state.history) == (Place(0, True, 0, False), [])
    state.enter_phase(Clock("a", 0, 0, 1))
    assert state.place == Place(0, True, 0, True)
    state.leave_phase()
    assert state.place == Place(0, True, 1, False)
    state.leave_dataset()
    assert state.place == Place(1, False, 0, False)


def _tensors(state):
    return {name: value.detach() for name, value in state.method.state_dict().items() if torch.is_tensor(value)}
