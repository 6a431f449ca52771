import sys
import types

import numpy as np
import pytest
from sklearn.manifold import TSNE

from recombine.errors import UsageError
from recombine.projection import aligned, film, film_words, layout


def blobs(count=60, features=5, seed=0):
    """Return three well separated groups of samples, and which is which."""
    draws = np.random.default_rng(seed)
    groups = np.arange(count) % 3
    return draws.normal(size=(count, features)) + 12 * np.eye(3, features)[groups], groups


@pytest.mark.parametrize("projection", ["tsne", "pca"])
def test_two_features_are_shown_as_they_are(projection):
    values = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)
    found = layout(values, projection)
    assert np.array_equal(found.points, values.astype(np.float64))
    assert (found.axes, found.has_scale) == (("feature 1", "feature 2"), True)


def test_one_feature_is_spread_at_random():
    values = np.arange(5.0)[:, None]
    found = layout(values, "tsne")
    assert found.points[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert ((found.points[:, 1] >= 0) & (found.points[:, 1] < 1)).all()
    assert found.axes == ("the one feature", "spread at random")
    assert np.array_equal(found.points, layout(values, "tsne").points)


def test_pca_keeps_the_largest_variances():
    values, _ = blobs()
    found = layout(values, "pca")
    centred = values - values.mean(0)
    variances = np.linalg.eigvalsh(np.cov(centred.T))[::-1]
    assert np.allclose(found.points.var(0, ddof=1), variances[:2])
    assert np.isclose((found.points[:, 0] * found.points[:, 1]).sum(), 0, atol=1e-9)
    share = variances / variances.sum()
    assert found.axes == (f"PC 1 ({share[0]:.0%} of the variance)", f"PC 2 ({share[1]:.0%} of the variance)")


@pytest.mark.parametrize("projection", ["tsne", "pca"])
@pytest.mark.parametrize("values", [np.ones((20, 4)), np.ones((1, 4))])
def test_samples_that_are_all_alike_are_one_point(projection, values):
    found = layout(values, projection)
    assert np.array_equal(found.points, np.zeros((len(values), 2)))
    assert found.words == "PCA; all samples are alike"


def test_few_samples_are_shown_by_pca():
    assert layout(blobs(4)[0], "tsne").words == "PCA"
    assert layout(blobs(5)[0], "tsne").words == "t-SNE (perplexity 1, random_state 0)"


def test_tsne_is_that_of_scikit_learn_and_always_the_same():
    values, groups = blobs()
    found = layout(values, "tsne")
    expected = TSNE(2, perplexity=19, init="pca", random_state=0).fit_transform(values)
    assert np.array_equal(found.points, expected.astype(np.float64))
    assert np.array_equal(found.points, layout(values, "tsne").points)
    assert (found.words, found.has_scale) == ("t-SNE (perplexity 19, random_state 0)", False)
    centres = np.stack([found.points[groups == group].mean(0) for group in range(3)])
    nearest = np.linalg.norm(found.points[:, None] - centres[None], axis=2).argmin(1)
    assert (nearest == groups).all()


def test_alignment_undoes_shift_turn_mirror_and_scale():
    points = np.random.default_rng(1).normal(size=(30, 2))
    turn = np.array([[np.cos(2), -np.sin(2)], [np.sin(2), np.cos(2)]])
    for mirror in (np.diag([1, 1]), np.diag([-1, 1])):
        moved = 3 * points @ turn @ mirror + [5, -7]
        assert np.allclose(aligned(moved, points), points)


def test_alignment_keeps_the_shape():
    draws = np.random.default_rng(2)
    points, target = draws.normal(size=(30, 2)), draws.normal(size=(30, 2)) * 4 + 9
    found = aligned(points, target)
    assert np.allclose(found.mean(0), target.mean(0))
    assert np.isclose(np.linalg.norm(found - found.mean(0)), np.linalg.norm(target - target.mean(0)))
    ratios = np.linalg.norm(found[1:] - found[:-1], axis=1) / np.linalg.norm(points[1:] - points[:-1], axis=1)
    assert np.allclose(ratios, ratios[0])
    assert np.array_equal(aligned(np.zeros((4, 2)), target[:4]), np.tile(target[:4].mean(0), (4, 1)))


def test_a_film_by_pca_has_one_plane():
    last, _ = blobs()
    earlier = [last / 2, last - last.mean(0)]
    end = layout(last, "pca")
    first, second = film(end, last, earlier, "pca")
    axes = np.linalg.lstsq(last - last.mean(0), end.points, rcond=None)[0]
    assert np.allclose(first.points, (last / 2 - last.mean(0)) @ axes)
    assert np.allclose(second.points - second.points.mean(0), end.points)
    assert film_words(end) == "PCA of the last moment"


def test_a_film_by_tsne_moves_little():
    last, _ = blobs()
    drift = np.random.default_rng(3).normal(size=last.shape)
    moments = [last + 0.05 * step * drift for step in range(1, 5)]
    end = layout(last, "tsne")
    found = list(film(end, last, moments, "tsne"))
    assert len(found) == 4
    span, before = np.ptp(end.points, axis=0).max(), end.points
    for moment in found:
        assert np.linalg.norm(moment.points - before, axis=1).mean() < 0.1 * span
        assert np.allclose(moment.points.mean(0), end.points.mean(0))
        before = moment.points
    again = list(film(end, last, moments, "tsne"))
    assert all(np.array_equal(one.points, other.points) for one, other in zip(found, again, strict=True))


def test_a_film_may_begin_with_samples_that_are_all_alike():
    last, _ = blobs()
    end = layout(last, "tsne")
    (only,) = film(end, last, [np.ones_like(last)], "tsne")
    assert np.allclose(only.points, end.points.mean(0))


def test_without_umap_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(UsageError, match=r"^UMAP is not installed: pip install umap-learn, or take another"):
        layout(blobs()[0], "umap")


def test_umap_gets_its_settings(monkeypatch):
    seen = []

    class Umap:
        def __init__(self, **options):
            seen.append(options)

        def fit_transform(self, values):
            return values[:, :2].astype(np.float32)

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=Umap))
    values, _ = blobs(10)
    end = layout(values, "umap")
    (moved,) = film(end, values, [values], "umap")
    assert end.words == "UMAP (9 neighbours, random_state 0)"
    assert np.allclose(moved.points, end.points)
    start = seen[1].pop("init")
    assert np.allclose(start, end.points)
    assert seen == [{"n_neighbors": 9, "random_state": 0, "n_jobs": 1}] * 2
