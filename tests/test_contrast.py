import math

import pytest
import torch

from recombine.contrast import nt_xent


def slowly(first, second, temperature):
    vectors = [vector / math.sqrt(sum(v * v for v in vector)) for vector in [*first, *second]]
    pairs, total = len(first), 0.0
    for i in range(2 * pairs):
        positive = (i + pairs) % (2 * pairs)
        terms = {j: math.exp(float(vectors[i] @ vectors[j]) / temperature) for j in range(2 * pairs) if j != i}
        total -= math.log(terms[positive] / sum(terms.values()))
    return total / (2 * pairs)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("pairs", [1, 2, 5])
def test_equals_the_sum_over_anchors(pairs, temperature):
    first, second = torch.randn(2, pairs, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    assert nt_xent(first, second, temperature).item() == pytest.approx(slowly(first, second, temperature), rel=1e-12)


def test_pinned():
    # Each anchor has similarity 1 to its positive and 0 to the two negatives: -ln(e / (e + 2)).
    identity = torch.eye(2, dtype=torch.float64)
    assert nt_xent(identity, 2 * identity, 1.0).item() == pytest.approx(0.5514447139320511)
    assert nt_xent(identity, identity, 0.5).item() == pytest.approx(0.2395447662218847)


def test_length_of_the_vectors_does_not_matter():
    first, second = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    scales = torch.linspace(0.1, 100, 6, dtype=torch.float64)[:, None]
    torch.testing.assert_close(nt_xent(first * scales, second, 0.5), nt_xent(first, second, 0.5))


def test_a_pair_alone_has_no_negatives():
    assert nt_xent(torch.tensor([[1.0, 2.0]]), torch.tensor([[-3.0, 0.5]]), 0.5).item() == pytest.approx(0, abs=1e-6)


def test_zeros_and_low_temperatures_stay_finite():
    first = torch.tensor([[0.0, 0.0], [1.0, 1.0]], requires_grad=True)
    loss = nt_xent(first, torch.tensor([[1.0, 0.0], [0.0, 0.0]]), 0.01)
    (gradient,) = torch.autograd.grad(loss, first)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()
