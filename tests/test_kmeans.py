import pytest
import torch

from recombine import kmeans
from recombine.errors import DivergedError
from recombine.kmeans import k_means


def _blobs():
    draws = torch.Generator().manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    return centres, torch.cat([centre + torch.randn(20, 2, generator=draws) / 10 for centre in centres])


def test_finds_the_means_of_well_separated_groups():
    centres, points = _blobs()
    found = k_means(points, 3, 2, 0)
    expected = points.reshape(3, 20, 2).mean(1)
    order = torch.cdist(centres, found).argmin(1)
    assert sorted(order.tolist()) == [0, 1, 2]
    torch.testing.assert_close(found[order], expected)


def test_same_seed_same_bits_and_seeds_matter():
    points = torch.randn(60, 4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(k_means(points, 5, 1, 3), k_means(points, 5, 1, 3))
    assert not torch.equal(k_means(points, 5, 1, 3), k_means(points, 5, 1, 4))


def test_takes_seeds_of_any_size_features_with_gradient_and_any_type():
    _, points = _blobs()
    found = k_means(points.double().requires_grad_(), 3, 1, 2**63 - 1)
    assert (found.dtype, found.shape, found.requires_grad) == (torch.float32, (3, 2), False)


def test_more_restarts_never_fit_worse():
    points = torch.randn(80, 2, generator=torch.Generator().manual_seed(2))
    sums = [torch.cdist(points, k_means(points, 8, n, 5)).min(1).values.square().sum().item() for n in (1, 20)]
    assert sums[1] < sums[0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_features_that_are_no_numbers_are_refused(bad):
    _, points = _blobs()
    points[7, 1] = bad
    with pytest.raises(DivergedError, match="k-means cannot work on features that are NaN or infinite"):
        k_means(points, 3, 1, 0)


def test_many_samples_are_represented_by_some_of_them(monkeypatch):
    points = torch.randn(500, 3, generator=torch.Generator().manual_seed(3))
    monkeypatch.setattr(kmeans, "SAMPLE_LIMIT", 100)
    chosen = kmeans.sampled(points, 0)
    places = [(points == row).all(1).nonzero().item() for row in chosen]
    assert len(places) == len(set(places)) == 100
    assert places == sorted(places)
    assert max(places) > 450
    assert torch.equal(chosen, kmeans.sampled(points, 0))
    assert not torch.equal(chosen, kmeans.sampled(points, 1))
    assert torch.equal(k_means(points, 4, 2, 7), k_means(kmeans.sampled(points, 7), 4, 2, 7))
    assert torch.equal(kmeans.sampled(points[:100], 0), points[:100])


def test_a_bad_sample_that_is_not_drawn_is_found_too(monkeypatch):
    monkeypatch.setattr(kmeans, "SAMPLE_LIMIT", 10)
    for place in range(0, 60, 7):
        _, points = _blobs()
        points[place, 0] = torch.inf
        with pytest.raises(DivergedError):
            k_means(points, 3, 1, 0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_many_features_on_a_device_are_clustered_there():
    points = torch.randn(2**15, 8, generator=torch.Generator().manual_seed(4))
    there = [k_means(points.cuda(), 10, 5, 1) for _ in range(2)]
    assert there[0].is_cuda
    assert torch.equal(*there)
    sums = [
        torch.cdist(points, found.cpu()).min(1).values.square().sum() for found in (there[0], k_means(points, 10, 5, 1))
    ]
    torch.testing.assert_close(*sums, rtol=0.01, atol=0)
