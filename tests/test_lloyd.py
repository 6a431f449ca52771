import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from recombine import lloyd
from recombine.lloyd import best_centres


def _draws(seed=0):
    return torch.Generator().manual_seed(seed)


def _blobs(count=1500, clusters=8, features=5, spread=2.0, far=0.0):
    draws = _draws(3)
    centres = torch.randn(clusters, features, generator=draws) * 5 + far
    return centres[torch.arange(count) % clusters] + spread * torch.randn(count, features, generator=draws)


def _sum_of_squares(points, centres):
    return torch.cdist(points.double(), centres.double()).min(1).values.square().sum().item()


@pytest.mark.parametrize(("clusters", "spread", "far"), [(8, 2.0, 0.0), (8, 0.1, 0.0), (12, 2.0, 300.0), (3, 4.0, 0.0)])
def test_fits_as_well_as_scikit_learn(clusters, spread, far):
    points = _blobs(spread=spread, far=far)
    ours = _sum_of_squares(points, best_centres(points, clusters, 10, _draws()))
    theirs = KMeans(clusters, n_init=10, random_state=0).fit(points.numpy()).inertia_
    assert ours == pytest.approx(theirs, rel=0.01)


def test_settles_where_every_centre_is_the_mean_of_its_points():
    points = _blobs()
    centres = best_centres(points, 8, 4, _draws())
    nearest = torch.cdist(points, centres).argmin(1)
    means = torch.stack([points[nearest == cluster].mean(0) for cluster in range(8)])
    assert (means - centres).norm() < 0.1


def test_groups_of_restarts_make_no_difference(monkeypatch):
    # As many draws are made in a group as in none; here each restart is a group of its own.
    points = _blobs(count=300, clusters=3, spread=0.1)
    together = best_centres(points, 3, 6, _draws())
    monkeypatch.setattr(lloyd, "_LARGEST_TABLE", 1)
    apart = best_centres(points, 3, 6, _draws())
    assert _sum_of_squares(points, apart) == pytest.approx(_sum_of_squares(points, together), rel=1e-5)


def test_same_draws_same_bits_and_draws_matter():
    points = torch.randn(500, 6, generator=_draws(1))
    assert torch.equal(best_centres(points, 7, 1, _draws(2)), best_centres(points, 7, 1, _draws(2)))
    assert not torch.equal(best_centres(points, 7, 1, _draws(2)), best_centres(points, 7, 1, _draws(4)))


def test_the_best_restart_counts():
    points = torch.randn(400, 2, generator=_draws(5))
    alone = [_sum_of_squares(points, best_centres(points, 9, 1, _draws(seed))) for seed in range(8)]
    assert _sum_of_squares(points, best_centres(points, 9, 40, _draws())) <= min(alone) * 1.001


@pytest.mark.parametrize("block", [1024, 7])
def test_draws_have_the_chances_of_the_weights(monkeypatch, block):
    monkeypatch.setattr(lloyd, "_BLOCK", block)
    weights = torch.tensor([[0.0, 1, 2, 0, 4, 0, 0, 1, 0, 0], [1.0, 0, 0, 0, 0, 0, 0, 0, 0, 3]])
    found = lloyd._drawn(weights, torch.rand(2, 40_000, generator=_draws(), dtype=torch.float64))
    shares = torch.stack([row.bincount(minlength=10) / 40_000 for row in found])
    torch.testing.assert_close(shares, weights / weights.sum(1, keepdim=True), atol=0.01, rtol=0)
    assert ((shares == 0) == (weights == 0)).all()


def test_draws_are_what_one_running_sum_gives():
    weights = torch.rand(1, 5000, generator=_draws(6))
    uniform = torch.rand(1, 50, generator=_draws(7), dtype=torch.float64)
    expected = np.searchsorted(np.cumsum(weights[0].double().numpy()), (uniform[0] * weights.double().sum()).numpy())
    assert (lloyd._drawn(weights, uniform)[0].numpy() == expected).mean() > 0.95


def test_empty_clusters_get_the_farthest_points():
    points = torch.tensor([[0.0], [1.0], [2.0], [9.0], [-7.0]])
    centres = torch.tensor([[[1.0], [100.0], [200.0]]])
    moved = lloyd._means(points, lloyd._squared_distances(points, centres), centres)
    assert moved[0, :, 0].tolist() == [1.0, 9.0, -7.0]


def test_points_that_coincide_give_finite_centres():
    assert torch.equal(best_centres(torch.ones(20, 3), 4, 2, _draws()), torch.ones(4, 3))
