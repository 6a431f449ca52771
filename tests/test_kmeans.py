import pytest
import torch

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
