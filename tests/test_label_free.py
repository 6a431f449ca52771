import math

import numpy as np
import pytest
import torch
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

from recombine import label_free as module
from recombine.label_free import LabelFree, label_free, sample_positions


def blobs(count, features, clusters, seed=0, spread=1.0, away=0.0):
    """Return features around as many centres as there are clusters, and mostly fitting clusters."""
    draws = torch.Generator().manual_seed(seed)
    found = torch.randint(0, clusters, (count,), generator=draws)
    centres = torch.randn(clusters, features, generator=draws) * 3 + away
    noise = torch.randn(count, features, generator=draws)
    wrong = torch.rand(count, generator=draws) < 0.1
    return centres[found] + spread * noise, torch.where(wrong, (found + 1) % clusters, found)


def scored(features, clusters, confidence=None, num_clusters=10, positions=None):
    """Score all samples, or those at ``positions``."""
    confidence = torch.ones(len(clusters)) if confidence is None else confidence
    positions = torch.arange(len(clusters)) if positions is None else positions
    return label_free(features, positions, clusters, confidence, num_clusters, "output of encoder")


def of_sample(found):
    """Return the scores that look at features."""
    return found.silhouette, found.davies_bouldin, found.calinski_harabasz


@pytest.mark.parametrize(
    ("count", "features", "clusters"), [(700, 10, 10), (300, 2, 40), (50, 200, 3), (257, 1, 2), (5, 3, 4)]
)
@pytest.mark.parametrize("away", [0.0, 1000.0])
def test_equals_scikit_learn(count, features, clusters, away):
    points, found = blobs(count, features, clusters, away=away)
    x, y = points.double().numpy(), found.numpy()
    expected = silhouette_score(x, y), davies_bouldin_score(x, y), calinski_harabasz_score(x, y)
    assert of_sample(scored(points, found)) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_the_silhouette_equals_its_definition():
    points, found = blobs(60, 4, 5)
    values = []
    for i in range(60):
        distances = (points[i] - points).double().norm(dim=1)
        means = {k: distances[(found == k) & (torch.arange(60) != i)].mean() for k in set(found.tolist())}
        inside = means.pop(int(found[i]))
        outside = min(means.values())
        values.append(float((outside - inside) / max(inside, outside)))
    assert scored(points, found).silhouette == pytest.approx(np.mean(values), abs=1e-9)


def test_blocks_make_no_difference(monkeypatch):
    points, found = blobs(300, 5, 4)
    whole = scored(points, found)
    monkeypatch.setattr(module, "_ROWS", 7)
    assert scored(points, found).silhouette == pytest.approx(whole.silhouette, abs=1e-12)


def test_the_same_bits_every_time():
    points, found = blobs(1000, 10, 10)
    assert {scored(points.clone(), found.clone()) for _ in range(5)} == {scored(points, found)}


def test_numbers_of_clusters_do_not_matter():
    points, found = blobs(90, 3, 3)
    assert of_sample(scored(points, found * 4 + 1, num_clusters=20)) == of_sample(scored(points, found))


def test_clusters_apart_are_better_by_every_score():
    loose, tight = (scored(*blobs(300, 5, 4, spread=spread)) for spread in (2.0, 0.5))
    assert tight.silhouette > loose.silhouette
    assert tight.davies_bouldin < loose.davies_bouldin
    assert tight.calinski_harabasz > loose.calinski_harabasz


@pytest.mark.parametrize(
    ("points", "found"),
    [
        (torch.randn(6, 2), torch.zeros(6, dtype=torch.int64)),  # one cluster
        (torch.randn(6, 2), torch.arange(6)),  # each sample its own
        (torch.tensor([[0.0], [1.0], [math.nan], [2.0]]), torch.tensor([0, 0, 1, 1])),
        (torch.tensor([[0.0], [1.0], [math.inf], [2.0]]), torch.tensor([0, 0, 1, 1])),
        (torch.randn(1, 2), torch.tensor([0])),
    ],
)
def test_what_is_undefined_is_none(points, found):
    assert of_sample(scored(points, found)) == (None, None, None)


def test_features_that_have_collapsed_have_no_spread_to_compare():
    found = torch.tensor([0, 0, 1, 1, 1])
    assert of_sample(scored(torch.full((5, 3), 0.1), found)) == (0.0, None, None)
    # Each cluster in a point of its own: nothing is within, so that the ratio to it is infinite.
    assert of_sample(scored(found[:, None].float(), found)) == (1.0, 0.0, None)


def test_a_sample_alone_in_its_cluster_counts_as_nothing():
    points, found = torch.tensor([[0.0], [1.0], [10.0]]), torch.tensor([0, 0, 1])
    assert scored(points, found).silhouette == pytest.approx((0.9 + 8 / 9 + 0) / 3)


@pytest.mark.parametrize(
    ("sizes", "num_clusters", "expected"),
    [
        ((5, 5), 2, 1.0),
        ((10,), 4, 0.0),
        ((3, 3, 3), 9, 0.5),
        ((1, 3), 2, -(0.25 * math.log(0.25) + 0.75 * math.log(0.75)) / math.log(2)),
        ((4,), 1, None),
        ((4, 4), None, None),
    ],
)
def test_the_entropy_of_the_shares(sizes, num_clusters, expected):
    found = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    entropy = scored(torch.randn(len(found), 2), found, num_clusters=num_clusters).assignment_entropy
    assert entropy == (pytest.approx(expected) if expected is not None else None)
    assert entropy is None or (0 <= entropy <= 1 and math.copysign(1, entropy) == 1)


def test_assignments_are_looked_at_on_all_samples():
    points, found = blobs(100, 2, 4)
    positions = torch.arange(0, 100, 2)
    confidence = torch.linspace(0, 1, 100)
    result = scored(points[positions], torch.where(found == 3, 6, found), confidence, 8, positions)
    part = scored(points[positions], found[positions])
    assert of_sample(result) == of_sample(part)
    assert (result.num_used_clusters, result.sample_size, result.space) == (4, 50, "output of encoder")
    assert result.mean_confidence == pytest.approx(0.5)
    assert result.assignment_entropy == pytest.approx(scored(points, found, num_clusters=8).assignment_entropy)


def test_few_samples_are_all_looked_at():
    assert sample_positions(7, 0, "d").tolist() == list(range(7))
    assert len(sample_positions(2000, 0, "d")) == len(sample_positions(2001, 0, "d")) == 2000


def test_the_sample_belongs_to_seed_and_dataset():
    first = sample_positions(5000, 0, "d")
    assert (first.diff() > 0).all()
    assert 0 <= int(first[0]) < int(first[-1]) < 5000
    state = torch.get_rng_state()
    assert torch.equal(sample_positions(5000, 0, "d"), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(sample_positions(5000, 1, "d"), first)
    assert not torch.equal(sample_positions(5000, 0, "e"), first)


FREE = LabelFree(0.25, 1.5, 30.0, 0.875, 2, 0.625, 3, "output of encoder")


def test_by_name_and_back():
    assert LabelFree.from_dict(FREE.as_dict()) == FREE
    assert list(FREE.as_dict())[:3] == ["silhouette", "davies_bouldin", "calinski_harabasz"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {},
            "silhouette 0.25, Davies-Bouldin 1.5, Calinski-Harabasz 30 (on 3 samples, output of encoder), "
            "assignment entropy 0.875, mean confidence 0.625",
        ),
        (
            {"calinski_harabasz": None},
            "silhouette 0.25, Davies-Bouldin 1.5 (on 3 samples, output of encoder), "
            "assignment entropy 0.875, mean confidence 0.625",
        ),
        (
            {"silhouette": None, "davies_bouldin": None, "calinski_harabasz": None, "assignment_entropy": None},
            "mean confidence 0.625",
        ),
    ],
)
def test_in_words(changes, words):
    assert str(LabelFree(**{**FREE.as_dict(), **changes})) == words
