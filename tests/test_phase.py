import pytest
import torch

from recombine import checkpoint
from recombine.build import build_data, build_method
from recombine.clock import Clock
from recombine.errors import DivergedError, ParameterFileError
from recombine.loop import train_step
from recombine.phase import build_phase, enter_phase, longest, reassigned
from recombine.state import RunState
from tests.runs import config_of, made, method


def _world(**phase):
    config = config_of(method(phase=phase, dataset={"shuffle": False}))
    data = build_data(config.datasets[0], made(), config.seed, torch.device("cpu"))
    state = RunState(build_method(config, config.datasets[0].num_clusters, (1, 2, 3)), Clock("", 9, 9, 1))
    return config, data, state


def _entered(**phase):
    config, data, state = _world(**phase)
    return enter_phase(config, config.phases[0], data, state)


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"iterations": 7}, 7),
        ({"epochs": 3}, 12),
        ({"epochs": 1, "iterations": 7}, 4),
        ({"epochs": 2, "iterations": 7}, 7),
        ({"performance_evaluation_acc_gt": 0.5}, None),
        ({"performance_evaluation_acc_gt": 0.5, "iterations": 3}, 3),
    ],
)
def test_the_longest_that_a_phase_can_last(criteria, expected):
    config, data, _ = _world(exit_criteria=criteria, performance_evaluation_interval=1)
    assert longest(config.phases[0], data) == expected


def test_entering_sets_the_clock_and_places_the_centroids():
    phase = _entered()
    assert phase.state.clock == Clock("training", 0, 0, 4)
    assert phase.state.method.centroids.is_initialized
    assert phase.centroid_options is not None
    assert not phase.state.centroids_changed


def test_callbacks_see_the_phase():
    phase = _entered()
    view = phase.view(phase.method_config.datasets[0])
    assert (view.config.name, view.dataset.name, view.num_samples, view.iterations) == ("training", "made", 23, 5)
    assert [name for name, _ in view.patterns] == ["reconstruction"]
    assert not view.has_diverged()
    phase.watch.see([torch.tensor(torch.nan)])
    assert view.has_diverged()


def test_loads_parameters_on_entry(tmp_path):
    path = tmp_path / "encoder.pth"
    _, _, state = _world()
    given = {name: torch.full_like(value, 0.5) for name, value in state.method.mappings["encoder"].state_dict().items()}
    torch.save(given, path)
    phase = _entered(load_mapping_parameters=[{"mapping_name": "encoder", "path_to_file": str(path)}])
    assert all((value == 0.5).all() for value in phase.state.method.mappings["encoder"].state_dict().values())
    assert not any((value == 0.5).all() for value in phase.state.method.mappings["decoder"].state_dict().values())
    # The centroids are features of the loaded network.
    features = phase.features_of(phase.state.method.mappings["encoder"])
    assert torch.cdist(phase.state.method.centroids.positions, features).min(1).values.max() < 1e-6


def test_parameters_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "encoder.pth"
    torch.save({"layers.1.weight": torch.zeros(4, 7)}, path)
    with pytest.raises(ParameterFileError, match=r'"layers.1.weight" has .* \(4, 7\), .* needs \(4, 6\)'):
        _entered(load_mapping_parameters=[{"mapping_name": "encoder", "path_to_file": str(path)}])


def test_evaluations_compare_with_the_one_before():
    phase = _entered()
    first = phase.evaluate()
    assert first.reassignment_ratio is None
    assert phase.evaluate().reassignment_ratio == 0
    with torch.no_grad():
        phase.state.method.centroids.positions.copy_(phase.state.method.centroids.positions.roll(1, 0))
    assert phase.evaluate().reassignment_ratio == 1
    assert phase.state.performance.scores.nmi == pytest.approx(first.scores.nmi)


@pytest.mark.parametrize(
    ("after", "kept", "new"),
    [
        ([0, 0, 1, 1, 2], 0, 0),
        ([2, 2, 0, 0, 1], 1, 0),
        ([2, 2, 0, 1, 1], 0.8, 0.2),
        ([0, 0, 0, 0, 0], 0.6, 0.6),
    ],
)
def test_clusters_with_new_numbers_are_matched_before_they_are_compared(after, kept, new):
    before, after = torch.tensor([0, 0, 1, 1, 2]), torch.tensor(after)
    assert reassigned(before, after, keeps_numbers=True) == pytest.approx(kept)
    assert reassigned(before, after, keeps_numbers=False) == pytest.approx(new)


def test_evaluations_are_remembered_and_change_no_draw():
    phase = _entered()
    draws = torch.get_rng_state()
    first = phase.evaluate()
    phase.state.clock = phase.state.clock.advanced()
    phase.evaluate()
    assert torch.equal(torch.get_rng_state(), draws)
    assert [(one.phase, one.iteration) for one in phase.state.history] == [("training", 0), ("training", 1)]
    assert phase.state.history[0].scores == first.scores
    assert phase.state.history[0].label_free == first.label_free == phase.state.history[1].label_free
    assert first.label_free.space == "output of encoder"
    assert first.label_free.assignment_entropy is not None


def test_what_a_phase_remembers_survives_a_file(tmp_path):
    options = {
        "design_patterns": [
            *method()["phases"][0]["design_patterns"],
            {"pattern": "target_distribution", "target_distribution_recalculation_interval": 4},
        ],
        "optimizers": [{"type": "Adam", "lr": 0.01, "trained_mapping_names": ["encoder", "decoder"]}],
    }
    phase = _entered(**options)
    for _ in range(3):
        train_step(phase)
    path = checkpoint.write(tmp_path, "000001", "me", {"phase": phase.state_dict(), "state": phase.state.state_dict()})
    found = checkpoint.read(path, "me")
    config, data, state = _world(**options)
    state.load_state_dict(found["state"])
    again = build_phase(config, config.phases[0], data, state)
    again.load_state_dict(found["phase"])
    assert again.has_diverged() is False
    for one in (phase, again):
        train_step(one)
    assert phase.state.clock == again.state.clock == Clock("training", 4, 1, 4)
    assert phase.state.method.digest() == again.state.method.digest()
    again.watch.see([torch.tensor(torch.nan)])
    with pytest.raises(DivergedError, match='in iteration 5 of phase "training" on dataset "made"'):
        again.check_divergence()
