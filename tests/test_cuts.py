"""Expected normalised cuts, against sums written out and known values."""

import pytest
import torch

from recombine.cuts import expected_normalized_cut, imbalance

#: Two triangles joined by one edge.
EDGES = [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5), (2, 3)]


def triangles():
    """Return the weights of two triangles joined by one edge."""
    weights = torch.zeros(6, 6, dtype=torch.float64)
    for one, other in EDGES:
        weights[one, other] = weights[other, one] = 1
    return weights


def random_graph(nodes=9, seed=0):
    """Return random symmetric weights."""
    draws = torch.Generator().manual_seed(seed)
    weights = torch.rand(nodes, nodes, generator=draws, dtype=torch.float64)
    return weights + weights.T


def random_probs(nodes=9, clusters=4, seed=1):
    """Return random soft assignments."""
    draws = torch.Generator().manual_seed(seed)
    return torch.randn(nodes, clusters, generator=draws, dtype=torch.float64).softmax(1)


def written_out(weights, probs):
    """Return the expected normalised cut by its definition, a term at a time."""
    total = 0.0
    degrees = weights.sum(1)
    for k in range(probs.shape[1]):
        volume = sum(degrees[i] * probs[i, k] for i in range(len(weights)))
        for i in range(len(weights)):
            for j in range(len(weights)):
                total += weights[i, j] * probs[i, k] * (1 - probs[j, k]) / volume
    return total


def test_equals_its_definition():
    weights, probs = random_graph(), random_probs()
    assert expected_normalized_cut(weights, probs).item() == pytest.approx(
        float(written_out(weights, probs)), rel=1e-12
    )


def test_hard_assignments_give_cut_over_volume():
    probs = torch.eye(2, dtype=torch.float64)[[0, 0, 0, 1, 1, 1]]
    assert expected_normalized_cut(triangles(), probs).item() == pytest.approx(2 / 7)
    with_loops = triangles() + torch.eye(6, dtype=torch.float64)
    assert expected_normalized_cut(with_loops, probs).item() == pytest.approx(0.2)


@pytest.mark.parametrize("clusters", [2, 5])
def test_uniform_assignments_give_one_less_than_the_clusters(clusters):
    probs = torch.full((9, clusters), 1 / clusters, dtype=torch.float64)
    assert expected_normalized_cut(random_graph(), probs).item() == pytest.approx(clusters - 1)


def test_gradient_equals_finite_differences():
    weights = random_graph()
    logits = torch.randn(9, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64, requires_grad=True)

    def loss(logits):
        probs = logits.softmax(1)
        return expected_normalized_cut(weights, probs) + imbalance(probs)

    assert torch.autograd.gradcheck(loss, logits)


@pytest.mark.parametrize("logit", [-20.0, -80.0, -200.0, -1e5])
def test_an_empty_cluster_counts_by_its_limit_and_has_a_finite_gradient(logit):
    logits = torch.tensor([[0.0, 0.0, logit]] * 6, requires_grad=True)
    weights = triangles().float()
    cut = expected_normalized_cut(weights, logits.softmax(1))
    cut.backward()
    assert cut.item() == pytest.approx(0.5 + 0.5 + 1, abs=1e-6)
    assert logits.grad.isfinite().all()


def test_an_empty_cluster_is_one_whatever_its_direction():
    probs = torch.tensor([[1.0, 0.0]] * 6)
    assert expected_normalized_cut(triangles().float(), probs).item() == 1


def test_nodes_without_edges_do_not_count():
    weights = torch.zeros(8, 8, dtype=torch.float64)
    weights[:6, :6] = triangles()
    probs = random_probs(8, 2)
    alone = expected_normalized_cut(triangles(), probs[:6])
    assert expected_normalized_cut(weights, probs).item() == pytest.approx(alone.item())
    assert expected_normalized_cut(torch.zeros(4, 4), torch.full((4, 2), 0.5)).item() == 2


def test_imbalance_is_the_mean_squared_distance_from_equal_sizes():
    probs = torch.eye(3)[[0, 0, 0, 0, 1, 2]]
    assert imbalance(probs).item() == pytest.approx((4 + 1 + 1) / 3)
    assert imbalance(torch.full((6, 3), 1 / 3)).item() == pytest.approx(0, abs=1e-12)
    collapsed = torch.eye(10)[torch.zeros(256, dtype=torch.int64)]
    assert 0.01 * imbalance(collapsed).item() == pytest.approx(0.01 * ((256 - 25.6) ** 2 + 9 * 25.6**2) / 10)


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_free_logits_find_the_best_cut(temperature):
    draws = torch.Generator().manual_seed(3)
    logits = torch.randn(6, 2, generator=draws, dtype=torch.float64).requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for _ in range(300):
        probs = (logits / temperature).softmax(1)
        loss = expected_normalized_cut(triangles(), probs) + 0.01 * imbalance(probs)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert expected_normalized_cut(triangles(), (logits / temperature).softmax(1)).item() < 0.30
    assert logits.argmax(1).tolist() in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0])
