"""Phases that end when their validation gets no better, and with the parameters that were best."""

import pytest
from torch.nn.parameter import is_lazy

from recombine.callbacks.base import Callback
from recombine.criteria import Lowest
from recombine.datasets.pointsets import PointSets
from recombine.held_out import validate
from tests.methods import changed, small
from tests.runs import same, train
from tests.set_methods import digits, of_digits, of_points

PHASE = "/phases/0"
CRITERIA, VALIDATION, OPTIMIZER = (f"{PHASE}/{key}" for key in ("exit_criteria", "validation", "optimizers/0"))
STRATEGY = "classical_clustering_in_feature_space_after_phase"
FRACTION = {"fraction": 0.2, "interval": 2, "restore_best": True}
SETS = {"num_sets": 4, "interval": 2, "restore_best": True}


class Watcher(Callback):
    """Keeps every validation with the parameters of that moment, and those at the end of the phase."""

    def __init__(self):
        self.found, self.states, self.lowest = [], [], []
        self.end = None

    def validated(self, phase, state, validation):
        """Keep."""
        self.found.append(validation)
        self.states.append(_copy(state.method))
        self.lowest.append(state.lowest)

    def phase_ended(self, phase, state, reason):
        """Keep, before anything else changes."""
        self.end = _copy(state.method)


def _copy(networks):
    """Return parameters and buffers of all mappings that have a size."""
    tensors = networks.state_dict().items()
    return {name: value.clone() for name, value in tensors if name.startswith("_mappings.") and not is_lazy(value)}


def watched(description, monkeypatch=None, losses=None):
    """Train; return what is left, and what was validated. ``losses``, if given, replace those on held-out samples."""
    given = iter(losses or ())

    def prepared(*arguments):
        found = validate(*arguments)
        return type(found)(found.iteration, float(next(given)), found.losses)

    if monkeypatch is not None:
        monkeypatch.setattr("recombine.phase.validate", prepared)
    watcher = Watcher()
    samples = {"Digits": digits(), "PointSets": PointSets().decode()}
    return train(description, [watcher], samples), watcher


def plain(changes=None):
    """Return a method of digits that makes no sets, changed; its phase validates every other iteration."""
    return small({VALIDATION: dict(FRACTION), f"{OPTIMIZER}/lr": 0.2, **(changes or {})})


def _of_sets(description, changes=None):
    return changed(description, {VALIDATION: dict(SETS), f"{OPTIMIZER}/lr": 0.1, **(changes or {})})


KINDS = {
    "samples": plain,
    "sets of digits": lambda changes: _of_sets(of_digits(), changes),
    "sets of points": lambda changes: _of_sets(of_points(), changes),
}


@pytest.fixture(params=KINDS)
def kind(request):
    """Return what makes a method, with changes."""
    return KINDS[request.param]


# --- when a phase ends --------------------------------------------------------------------------------------------


def test_a_phase_ends_by_patience_and_says_so(kind):
    trained, watcher = watched(kind({CRITERIA: {"patience": 7, "iterations": 300}}))
    losses = [validation.loss for validation in watcher.found]
    best = losses.index(min(losses))
    assert 0 < best < len(losses) - 1
    assert trained.lengths == [2 * (best + 1) + 7]
    words = f"the lowest validation_loss was {losses[best]:.6g} after iteration {2 * (best + 1)}"
    assert trained.reasons == [f"7 iterations passed without a lower validation: {words}"]
    assert f"Iteration {trained.lengths[0]}: The parameters that are kept are the best: {words}" in trained.log
    assert f'Phase "training" ended after {trained.lengths[0]} iterations: {trained.reasons[0]}' in trained.log


def test_patience_alone_is_enough_to_end():
    trained, _ = watched(plain({CRITERIA: {"patience": 4}}))
    assert trained.reasons[0].startswith("4 iterations passed without a lower validation")


@pytest.mark.parametrize(
    ("losses", "patience", "length", "best"),
    [
        ([3, 2, 2, 2, 2], 4, 8, 4),  # an equal one is not lower
        ([3, 2, 4, 1, 5, 5], 4, 12, 8),
        ([1, 2, 2], 3, 5, 2),  # between two validations
        ([1, 1], 2, 4, 2),
    ],
)
def test_the_length_follows_the_losses(monkeypatch, losses, patience, length, best):
    trained, watcher = watched(plain({CRITERIA: {"patience": patience}}), monkeypatch, losses)
    assert trained.lengths == [length]
    assert watcher.lowest[-1] == Lowest(best, "validation_loss", min(losses))


def test_a_phase_that_gets_better_to_the_end_ends_otherwise(monkeypatch):
    criteria = {"patience": 4, "iterations": 10}
    trained, watcher = watched(plain({CRITERIA: criteria}), monkeypatch, [5, 4, 3, 2, 1])
    assert trained.reasons == ["10 iterations are done"]
    assert same(watcher.end, watcher.states[-1])


def test_another_loss_can_be_watched():
    entropy = {"pattern": "assignment_entropy", "classifier_name": "classifier", "loss_weight": -1}
    layers = [{"type": "Linear", "in_features": 3, "out_features": 4}, {"type": "Softmax", "dim": 1}]
    described = plain(
        {
            "/mappings/2": {"name": "classifier", "type": "feature_space_classifier", "layers": layers},
            f"{PHASE}/design_patterns/1": entropy,
            f"{OPTIMIZER}/trained_mapping_names": ["encoder", "decoder", "classifier"],
            CRITERIA: {"iterations": 20},
            VALIDATION: {**FRACTION, "metric": "validation_assignment_entropy"},
        }
    )
    _, watcher = watched(described)
    values = [validation.losses["assignment_entropy"] for validation in watcher.found]
    totals = [validation.loss for validation in watcher.found]
    best = values.index(min(values))
    assert best != totals.index(min(totals))
    assert watcher.lowest[-1] == Lowest(2 * (best + 1), "validation_assignment_entropy", values[best])
    assert same(watcher.end, watcher.states[best])


# --- what is kept -------------------------------------------------------------------------------------------------


def test_the_best_parameters_are_kept_bit_for_bit(kind):
    trained, watcher = watched(kind({CRITERIA: {"patience": 6}}))
    losses = [validation.loss for validation in watcher.found]
    best = losses.index(min(losses))
    assert best == len(losses) - 4
    assert same(watcher.end, watcher.states[best])
    assert not same(watcher.end, watcher.states[-1])
    assert trained.state.best_parameters is None


def test_without_restore_best_the_last_are_kept(kind):
    _, kept = watched(kind({CRITERIA: {"patience": 6}}))
    trained, watcher = watched(kind({CRITERIA: {"patience": 6}, f"{VALIDATION}/restore_best": False}))
    assert same(watcher.end, watcher.states[-1])
    assert not same(watcher.end, kept.end)
    assert all(same(one, other) for one, other in zip(watcher.states, kept.states, strict=True))
    assert not any("are the best" in line for line in trained.log)


def test_the_strategy_fits_the_parameters_that_are_kept():
    strategy = {f"{STRATEGY}_num_restarts": 1, "type": "k_means_after_phase", STRATEGY: "training"}
    changes = {CRITERIA: {"patience": 6}, "/cluster_assignment_strategy": strategy}
    trained, watcher = watched(plain(changes))
    losses = [validation.loss for validation in watcher.found]
    assert losses.index(min(losses)) == len(losses) - 4
    short = plain({**changes, CRITERIA: {"iterations": 2 * (losses.index(min(losses)) + 1)}})
    assert same(trained.bits(), watched(short)[0].bits())


def test_each_phase_has_a_best_of_its_own(monkeypatch):
    first = plain({CRITERIA: {"iterations": 4}})["phases"][0]
    described = plain({f"{PHASE}": first, "/phases/1": {**first, "name": "more", "order": 1}})
    trained, watcher = watched(described, monkeypatch, [1, 2, 9, 8])
    assert trained.lengths == [4, 4]
    assert watcher.lowest[-1] == Lowest(4, "validation_loss", 8)
    assert same(watcher.end, watcher.states[3])


def test_a_layer_that_first_works_after_the_best_validation_stays_as_it_is(monkeypatch):
    late = {"pattern": "assignment_entropy", "classifier_name": "late"}
    layers = [{"type": "LazyLinear", "out_features": 4}, {"type": "Softmax", "dim": 1}]
    described = plain(
        {
            "/mappings/2": {"name": "late", "type": "feature_space_classifier", "layers": layers},
            f"{PHASE}/design_patterns/1": {**late, "loss_weight_schedule": {"start_at_iteration": 5}},
            f"{OPTIMIZER}/trained_mapping_names": ["encoder", "decoder", "late"],
            CRITERIA: {"iterations": 8},
        }
    )
    _, watcher = watched(described, monkeypatch, [3, 1, 2, 2])
    best, last = watcher.states[1], watcher.states[3]
    assert len(watcher.end) == len(last) == len(best) + 2
    assert same({name: watcher.end[name] for name in best}, best)
    others = last.keys() - best.keys()
    assert same({name: watcher.end[name] for name in others}, {name: last[name] for name in others})
