import pytest
import torch

from recombine.assignment.centroids import (
    CentroidOptions,
    Centroids,
    in_order_of,
    initialize,
    means_of_nearest,
    read_positions,
    recalculate,
)
from recombine.callbacks.base import Callback
from recombine.clock import Clock
from recombine.errors import DivergedError, ParameterFileError
from recombine.kmeans import k_means
from recombine.mapping import Mapping
from recombine.patterns.target_distribution import TargetDistribution
from recombine.randomness import derive
from recombine.step import Step
from tests.runs import CLASSES, made, method, same, train

K_MEANS, MEANS = "classical_clustering", "means_of_assigned_samples"


def _centroids(clusters=3, features=2):
    return Centroids(Mapping("encoder", "feature_extractor", []), clusters, features)


def _options(**changes):
    given = {
        "use_centroids_during_phases": ("training",),
        "centroid_initialization_strategy": K_MEANS,
        "centroid_initialization_classical_clustering_method": "k_means",
        "centroid_initialization_classical_clustering_num_restarts": 2,
        "centroid_file_path": None,
        "centroid_recalculation_strategy": K_MEANS,
        "centroid_recalculation_classical_clustering_method": "k_means",
        "centroid_recalculation_classical_clustering_num_restarts": 3,
        "centroid_recalculation_interval": 4,
    }
    return CentroidOptions(**{**given, **changes})


def _at(iteration, epoch=100):
    return Clock("training", iteration, iteration // epoch, epoch)


def _points(count=20, features=2):
    return torch.randn(count, features, generator=torch.Generator().manual_seed(0))


def _initialized(strategy, seed=0, path=None, features=_points, **shape):
    centroids = _centroids(**shape)
    initialize(centroids, _options(centroid_initialization_strategy=strategy, centroid_file_path=path), features, seed)
    assert centroids.is_initialized
    return centroids.positions.detach()


def test_k_means_gives_its_centres():
    expected = k_means(_points(), 3, 2, derive(0, "centroid initialization"))
    assert torch.equal(_initialized(K_MEANS), expected)


def test_random_features_are_features_of_different_samples():
    positions = _initialized("random_feature_representations", clusters=20)
    assert sorted(positions.tolist()) == sorted(_points().tolist())
    few = [_initialized("random_feature_representations", seed=seed) for seed in (0, 0, 1)]
    assert torch.equal(few[0], few[1])
    assert not torch.equal(few[0], few[2])


def test_uniform_noise_lies_between_minus_one_and_one():
    positions = _initialized("random_uniform_noise", clusters=200, features=lambda: pytest.fail("not needed"))
    assert positions.min() < -0.95
    assert positions.max() > 0.95
    assert positions.abs().max() <= 1
    assert abs(positions.mean()) < 0.1
    again, other = (_initialized("random_uniform_noise", seed=seed, clusters=200) for seed in (0, 1))
    assert torch.equal(positions, again)
    assert not torch.equal(positions, other)


def test_files_give_their_positions(tmp_path):
    path = tmp_path / "centroids.pth"
    torch.save(torch.arange(6.0).reshape(3, 2), path)
    assert _initialized("load_from_file", path=path).tolist() == [[0, 1], [2, 3], [4, 5]]


def test_files_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "centroids.pth"
    with pytest.raises(ParameterFileError, match=r"centroids.pth: cannot be read"):
        read_positions(path, (3, 2))
    torch.save(torch.zeros(3, 5), path)
    with pytest.raises(ParameterFileError, match=r"holds centroids of shape \(3, 5\); the method needs \(3, 2\)"):
        read_positions(path, (3, 2))
    torch.save({"positions": torch.zeros(3, 2)}, path)
    with pytest.raises(ParameterFileError, match="holds dict, not a tensor"):
        read_positions(path, (3, 2))
    with pytest.raises(ParameterFileError, match='"load_from_file" needs "centroid_file_path"'):
        read_positions(None, (3, 2))


@pytest.mark.parametrize("strategy", ["fixed_centroids", "recalculation_by_design_pattern"])
def test_only_k_means_recalculates(strategy):
    centroids = _centroids()
    options = _options(centroid_recalculation_strategy=strategy)
    assert not recalculate(centroids, options, lambda: pytest.fail("not needed"), 0, _at(4))
    assert not centroids.is_initialized


def test_recalculates_every_interval_but_not_at_the_start():
    centroids = _centroids()
    done = [recalculate(centroids, _options(), _points, 0, _at(iteration)) for iteration in range(10)]
    assert done == [False] * 4 + [True] + [False] * 3 + [True, False]
    expected = k_means(_points(), 3, 3, derive(0, "centroid recalculation", 8))
    torch.testing.assert_close(centroids.positions.sort(0).values, expected.sort(0).values)


def test_clusters_keep_their_numbers():
    old = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    new = torch.tensor([[0.5, 9.0], [0.1, 0.2], [9.0, 1.0]])
    assert torch.equal(in_order_of(old, new), new[[1, 2, 0]])
    assert in_order_of(torch.full((3, 2), torch.nan), new).shape == (3, 2)


def test_recalculated_centroids_move_little_where_features_do():
    centroids = _centroids()
    initialize(centroids, _options(), _points, 0)
    before = centroids.positions.detach().clone()
    for iteration in range(4, 40, 4):  # each time with other draws, and so in another order
        recalculate(
            centroids, _options(centroid_recalculation_classical_clustering_num_restarts=9), _points, 0, _at(iteration)
        )
        assert (centroids.positions - before).norm(dim=1).max() < 0.5


@pytest.mark.parametrize("strategy", [K_MEANS, MEANS])
def test_features_that_are_no_numbers_are_refused(strategy):
    options = _options(centroid_recalculation_strategy=strategy)
    with pytest.raises(DivergedError, match="NaN or infinite"):
        recalculate(_centroids(), options, lambda: _points() * torch.nan, 0, _at(4))


def test_an_interval_may_count_epochs():
    options = _options(centroid_recalculation_interval={"epochs": 2})
    assert [i for i in range(12) if recalculate(_centroids(), options, _points, 0, _at(i, epoch=3))] == [6]


def test_means_are_those_of_the_samples_that_a_centroid_is_nearest_to():
    centroids, points = _centroids(), _points()
    old = torch.tensor([[0.0, 0.0], [1.0, 1.0], [50.0, 50.0]])
    centroids.place(old)
    assert recalculate(centroids, _options(centroid_recalculation_strategy=MEANS), _points, 0, _at(4))
    members = [[], [], []]
    for point in points:
        members[min(range(3), key=lambda k: (point - old[k]).norm().item())].append(point)
    assert [len(own) > 0 for own in members] == [True, True, False]
    expected = [torch.stack(own).mean(0) if own else old[k] for k, own in enumerate(members)]
    torch.testing.assert_close(centroids.positions.detach(), torch.stack(expected))


def test_means_do_not_move_the_centres_of_k_means():
    """They are where Lloyd's iterations came to rest."""
    centres = k_means(_points(200), 3, 5, 0)
    torch.testing.assert_close(means_of_nearest(_points(200), centres), centres, rtol=1e-4, atol=1e-4)


def test_distances_are_squared():
    centroids = _centroids()
    centroids.place(torch.tensor([[0.0, 0.0], [3.0, 4.0], [1.0, 0.0]]))
    torch.testing.assert_close(centroids.distances(torch.zeros(1, 2)), torch.tensor([[0.0, 25.0, 1.0]]))
    assert centroids.positions.requires_grad


# --- whole runs ---------------------------------------------------------------------------------------------------


class _Listener(Callback):
    """Keeps the positions at the start of each phase and after each iteration."""

    def __init__(self):
        self.positions = []
        self.starts = {}

    def phase_started(self, phase, state):
        self.starts[phase.config.name] = self.keep(state)

    def iteration_done(self, phase, state, losses):
        self.positions.append(self.keep(state))

    def keep(self, state):
        return state.method.centroids.positions.detach().clone() if state.method.centroids.is_initialized else None


def _run(phases=("training",), dataset=None, **strategy):
    described = method(dataset=dataset or {})
    described["phases"] = [described["phases"][0] | {"name": name, "order": order} for order, name in enumerate(phases)]
    described["cluster_assignment_strategy"] |= strategy
    listener = _Listener()
    return train(described, [listener]), listener


def _moves(positions):
    return [i for i, (a, b) in enumerate(zip(positions, positions[1:], strict=False), 2) if not torch.equal(a, b)]


@pytest.mark.parametrize("strategy", ["fixed_centroids", "recalculation_by_design_pattern"])
def test_centroids_stay_where_nobody_moves_them(strategy):
    _, listener = _run(centroid_recalculation_strategy=strategy)
    assert _moves(listener.positions) == []


@pytest.mark.parametrize("strategy", [K_MEANS, MEANS])
@pytest.mark.parametrize(("interval", "moves"), [(2, [3, 5]), ({"epochs": 1}, [5])])
def test_a_run_recalculates_at_its_interval(strategy, interval, moves):
    """Before the third and the fifth iteration; an epoch has four."""
    _, listener = _run(centroid_recalculation_strategy=strategy, centroid_recalculation_interval=interval)
    assert _moves(listener.positions) == moves


def test_centroids_are_placed_on_entering_the_first_phase_that_uses_them_and_kept():
    phases = ("before", "training", "between", "after")
    _, listener = _run(phases, use_centroids_during_phases=["training", "after"])
    assert listener.starts["before"] is None
    assert listener.starts["training"] is not None
    assert torch.equal(listener.starts["training"], listener.starts["after"])
    assert _moves(listener.positions[5:]) == []


def test_the_first_positions_are_features_of_that_moment():
    trained, listener = _run(("before", "training"))
    short, _ = _run(("before",), use_centroids_during_phases=["before"])
    features = short.method.mappings["encoder"].eval()(made().values.float() / 255).detach()
    placed = listener.starts["training"]
    assert torch.cdist(placed, features).min(1).values.max() < 1e-6
    assert len(placed) == CLASSES
    assert trained.scored[0].evaluation is not None


def test_recalculation_in_one_phase_is_no_news_in_the_next(monkeypatch):
    seen, original = [], Step.centroids_changed.fget
    monkeypatch.setattr(Step, "centroids_changed", property(lambda step: seen.append(original(step)) or seen[-1]))
    described = method()
    target = {"pattern": "target_distribution", "target_distribution_recalculation_interval": 100}
    first = described["phases"][0] | {"design_patterns": [target], "exit_criteria": {"iterations": 5}}
    first["optimizers"] = [{"type": "SGD", "lr": 0.01, "trained_mapping_names": ["encoder"]}]
    described["mappings"] = described["mappings"][:1]
    described["cluster_assignment_strategy"] |= {
        "centroid_recalculation_strategy": K_MEANS,
        "centroid_recalculation_interval": 2,
        "use_centroids_during_phases": ["training", "more"],
    }
    described["phases"] = [first, first | {"name": "more", "order": 1}]
    train(described)
    # The pattern looks only where its interval is not due: in all iterations but the first of each phase.
    assert seen == [False, True, False, True] * 2


def test_targets_follow_recalculated_centroids(monkeypatch):
    targets, original = [], TargetDistribution.before_step

    def spy(pattern, step):
        original(pattern, step)
        targets.append(pattern.state_dict()["target"])

    monkeypatch.setattr(TargetDistribution, "before_step", spy)
    described = method()
    target = {"pattern": "target_distribution", "target_distribution_recalculation_interval": 100}
    described["phases"][0]["design_patterns"].append(target)
    described["cluster_assignment_strategy"] |= {
        "centroid_recalculation_strategy": K_MEANS,
        "centroid_recalculation_interval": 2,
    }
    train(described)
    changed = [i for i, (a, b) in enumerate(zip(targets, targets[1:], strict=False), 1) if not torch.equal(a, b)]
    assert changed == [2, 4]


def test_several_datasets_keep_or_renew_their_centroids():
    described = method()
    first = described["datasets"][0]
    for keep in (True, False):
        again = first | {"name": "again", "reinitialize_mappings": not keep}
        listener = _Listener()
        train(described | {"datasets": [first, again]}, [listener], {"again": made(29, seed=4)})
        assert (_moves(listener.positions) == []) is keep


def test_a_run_starts_from_a_file(tmp_path):
    path = tmp_path / "centroids.pth"
    positions = torch.randn(CLASSES, 2)
    torch.save(positions, path)
    trained, listener = _run(centroid_initialization_strategy="load_from_file", centroid_file_path=str(path))
    assert torch.equal(listener.starts["training"], positions)
    again, _ = _run(centroid_initialization_strategy="load_from_file", centroid_file_path=str(path))
    assert same(trained.bits(), again.bits())
