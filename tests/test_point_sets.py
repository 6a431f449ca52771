"""Sets of points in the plane: 10,000 at a time, against what is published."""

import math
from functools import cache

import pytest
import torch
from sklearn.datasets import make_circles, make_moons

from recombine import point_sets
from recombine.point_sets import blobs, shapes

RING, RINGS, MOON, MOONS, BLOB, TWO_BLOBS, FIVE_BLOBS = range(7)
MANY, POINTS = 10_000, 72
TABLE = {1: [72], 2: [36, 36], 3: [24] * 3, 4: [18] * 4, 5: [14, 14, 14, 14, 16]}


def draws(seed=0):
    """Return a generator."""
    return torch.Generator().manual_seed(seed)


@cache
def made(clusters, count=MANY, size=POINTS, seed=0):
    """Return sets with so many clusters, and how their clusters are grouped."""
    numbers = torch.full((count,), clusters)
    # Groups are the first that is drawn.
    return shapes(numbers, size, draws(seed), 0.05), point_sets._grouped(numbers, size, draws(seed))


def sizes_of(clusters, most):
    """Return the points of each cluster of each set, (B, K)."""
    return torch.nn.functional.one_hot(clusters, most).sum(1)


def shares(values, among):
    """Return how often each of several values occurs."""
    return [(values == one).double().mean().item() for one in among]


@pytest.mark.parametrize("clusters", [1, 2, 3, 4, 5, 7, 12])
def test_clusters_are_as_many_as_asked_for_and_none_is_empty(clusters):
    (points, found), groups = made(clusters, 2000)
    assert points.shape == (2000, POINTS, 2)
    assert points.dtype == torch.float32
    assert points.isfinite().all()
    assert found.shape == (2000, POINTS)
    assert found.dtype == torch.int64
    assert (found[:, 1:] >= found[:, :-1]).all()
    sizes = sizes_of(found, clusters)
    assert (sizes >= 1).all()
    assert torch.equal(sizes, groups.sizes)
    assert -0.5 < points.min() < 0.1
    assert 0.9 < points.max() < 1.5


def test_numbers_of_clusters_may_differ_from_set_to_set():
    numbers = torch.arange(MANY) % 5 + 1
    points, found = shapes(numbers, POINTS, draws())
    assert torch.equal(found.amax(1) + 1, numbers)
    assert points.isfinite().all()
    assert (sizes_of(found, 5) > 0).sum(1).equal(numbers)


@pytest.mark.parametrize("clusters", list(TABLE))
def test_sizes_are_as_tabulated_but_for_several_blobs_and_a_last_pair(clusters):
    (_, found), groups = made(clusters)
    sizes, table = sizes_of(found, clusters), torch.tensor(TABLE[clusters]).expand(MANY, clusters)
    halved = (groups.kind == RINGS) | (groups.kind == MOONS)
    alone = (groups.kind == RING) | (groups.kind == MOON) | (groups.kind == BLOB)
    assert torch.equal(sizes[alone], table[alone])
    pairs = sizes[halved].view(-1, 2)
    assert (pairs[:, 0] == pairs[:, 1]).all()
    assert len(pairs) > 0 or clusters == 1
    for number in range(clusters):
        own = groups.group == number
        assert torch.equal((sizes * own).sum(1), (table * own).sum(1))


def test_the_second_of_two_moons_has_the_odd_point():
    (_, found), groups = made(2, 1000, 19)
    sizes = sizes_of(found, 2)[(groups.kind == MOONS).all(1)]
    expected = [(make_moons(19)[1] == label).sum() for label in (0, 1)]
    assert sizes.unique(dim=0).tolist() == [expected] == [[9, 10]]


def test_several_blobs_share_their_points_anew():
    (_, found), groups = made(2)
    first = sizes_of(found, 2)[(groups.kind == TWO_BLOBS).all(1), 0].double()
    # 1 and half of the 70 others on average: a binomial distribution.
    assert first.mean() == pytest.approx(36, abs=0.4)
    assert first.std() == pytest.approx(math.sqrt(70) / 2, rel=0.06)
    (_, found), groups = made(5)
    five = sizes_of(found, 5)[(groups.kind == FIVE_BLOBS).all(1)].double()
    assert five.mean(0).tolist() == pytest.approx([14.4] * 5, abs=0.4)
    assert five.std(0).tolist() == pytest.approx([math.sqrt(67 * 0.2 * 0.8)] * 5, rel=0.08)


def test_one_cluster_is_a_ring_a_moon_or_a_blob_with_a_third_each():
    _, groups = made(1)
    assert shares(groups.kind[:, 0], (RING, MOON, BLOB)) == pytest.approx([1 / 3] * 3, abs=0.02)


@pytest.mark.parametrize(
    ("clusters", "size", "possible"),
    [
        (2, 72, range(6)),
        (4, 72, range(6)),
        (5, 72, range(7)),
        (6, 72, range(7)),
        (2, 36, range(6)),
        (2, 19, (MOONS, BLOB, TWO_BLOBS)),  # 9 and 10: no two rings, as 19 is odd, and none by itself, as 9 is few
        (2, 18, (RINGS, MOONS, BLOB, TWO_BLOBS)),
        (5, 24, (BLOB, TWO_BLOBS, FIVE_BLOBS)),  # 4, 4, 4, 4 and 8
        (1, 9, (BLOB,)),
        (1, 10, (RING, MOON, BLOB)),
    ],
)
def test_the_first_group_is_any_that_is_possible(clusters, size, possible):
    groups = point_sets._grouped(torch.full((MANY,), clusters), size, draws())
    assert shares(groups.kind[:, 0], possible) == pytest.approx([1 / len(possible)] * len(possible), abs=0.02)


def test_the_last_cluster_may_be_what_its_rest_allows():
    # 19 in 2: after a blob of 9 points, the 10 that are left may be anything.
    groups = point_sets._grouped(torch.full((MANY,), 2), 19, draws())
    last = groups.kind[groups.kind[:, 0] == BLOB, 1]
    assert shares(last, (RING, MOON, BLOB)) == pytest.approx([1 / 3] * 3, abs=0.03)


@pytest.mark.parametrize("clusters", [2, 5, 12])
def test_groups_take_their_clusters_one_after_the_other(clusters):
    _, groups = made(clusters, 2000)
    takes = torch.tensor([1, 2, 1, 2, 1, 2, 5])
    for row in range(300):
        place, number = 0, 0
        while place < clusters:
            count = int(takes[groups.kind[row, place]])
            own = slice(place, place + count)
            assert groups.group[row, own].tolist() == [number] * count
            assert groups.rank[row, own].tolist() == list(range(count))
            assert len(groups.kind[row, own].unique()) == 1
            place, number = place + count, number + 1
        assert place == clusters
        assert groups.num_groups[row] == number


def single(clusters, kind):
    """Return the points of those sets ``(S, N, 2)`` that are one group of a kind, and their clusters."""
    (points, found), groups = made(clusters)
    chosen = (groups.kind == kind).all(1) & (groups.num_groups == 1)
    assert chosen.sum() > 500
    return points[chosen], found[chosen]


@pytest.mark.parametrize(("clusters", "kind"), [(1, RING), (1, MOON), (2, RINGS), (2, MOONS)])
def test_one_group_of_rings_or_moons_fills_the_middle(clusters, kind):
    points, _ = single(clusters, kind)
    torch.testing.assert_close(points.amin(1), torch.full((len(points), 2), 0.25))
    torch.testing.assert_close(points.amax(1), torch.full((len(points), 2), 0.75))


def test_a_ring_by_itself_is_round():
    points, _ = single(1, RING)
    radius = (points - 0.5).norm(dim=2)
    # Noise up to 0.02 on a radius from 0.1 to 0.4, which the box makes 0.25 on the outside.
    assert 0.19 < radius.mean() < 0.25
    spread = radius.std(1) / radius.mean(1)
    assert spread.median() < 0.06
    # On average 0.01 ln(0.4 / 0.1) / 0.3 of the radius; that of the outer one of two rings would be 0.01.
    assert spread.double().mean() == pytest.approx(0.046, abs=0.008)
    angle = torch.atan2(*(points - 0.5).unbind(2)).sort(1).values
    assert (angle[:, 1:] - angle[:, :-1]).amax(1).median() < 0.3


def test_one_of_two_rings_is_smaller_by_a_factor():
    points, found = single(2, RINGS)
    radius = (points - points.mean(1, keepdim=True)).norm(dim=2)
    outer, inner = radius[found == 0].view(-1, 36).mean(1), radius[found == 1].view(-1, 36).mean(1)
    factor = (inner / outer).double()
    assert 0.08 < factor.min() < 0.12
    assert 0.38 < factor.max() < 0.43
    assert factor.mean() == pytest.approx(0.25, abs=0.01)
    assert factor.std() == pytest.approx(0.3 / math.sqrt(12), rel=0.06)


def turned(points, angles):
    """Return points ``(N, 2)`` turned by each of several angles and stretched into the box, ``(A, N, 2)``."""
    axes = torch.stack([torch.stack([angles.cos(), -angles.sin()]), torch.stack([angles.sin(), angles.cos()])])
    found = torch.einsum("nd,eda->ane", torch.as_tensor(points).double(), axes.double())
    low, high = found.amin(1, keepdim=True), found.amax(1, keepdim=True)
    return 0.25 + 0.5 * (found - low) / (high - low)


@pytest.mark.parametrize(("clusters", "kind"), [(1, RING), (1, MOON), (2, RINGS), (2, MOONS)])
def test_without_noise_they_are_those_of_scikit_learn(monkeypatch, clusters, kind):
    monkeypatch.setattr(point_sets, "_RING_NOISE", 0)
    monkeypatch.setattr(point_sets, "_MOON_NOISE", 0)
    numbers = torch.full((200,), clusters)
    points, found = shapes(numbers, 20, draws())
    groups = point_sets._grouped(numbers, 20, draws())
    chosen = (groups.kind == kind).all(1) & (groups.num_groups == 1)
    assert chosen.sum() > 10
    angles = torch.arange(0, 2 * math.pi, 0.002)
    for own, clusters_of_points in zip(points[chosen][:10], found[chosen][:10], strict=True):
        centred = (own - own.mean(0)).square().sum(1)
        factor = (centred[clusters_of_points == 1].sum() / centred[clusters_of_points == 0].sum()).sqrt().item()
        if kind == RINGS:
            wanted = make_circles(20, shuffle=False, factor=factor)[0]
        elif kind == MOONS:
            wanted = make_moons(20, shuffle=False)[0]
        elif kind == RING:
            wanted = make_circles(40, shuffle=False, factor=0.3)[0][20:]
        else:
            wanted = make_moons(40, shuffle=False)[0][:20]  # the lower one is the upper one turned
        assert (turned(wanted, angles) - own).abs().amax((1, 2)).min() < 0.002


@pytest.mark.parametrize("clusters", [1, 2, 5])
def test_blobs_are_apart_and_have_their_sigma(clusters):
    kind = {1: BLOB, 2: TWO_BLOBS, 5: FIVE_BLOBS}[clusters]
    points, found = single(clusters, kind)
    weights = torch.nn.functional.one_hot(found, clusters).float()
    sizes = weights.sum(1)
    centers = torch.einsum("bnk,bnd->bkd", weights, points) / sizes.unsqueeze(2)
    rest = points - centers.gather(1, found.unsqueeze(2).expand(-1, -1, 2))
    freedom = 2 * (found.numel() - clusters * len(found))
    assert (rest.square().sum() / freedom).sqrt() == pytest.approx(0.05, rel=0.02)
    large = (sizes >= 8).all(1)
    assert large.sum() > 200
    assert apart(centers[large]) > 0.2 - 0.08


def apart(centers):
    """Return the least distance between two centres of a set, (B, K, 2)."""
    distances = (centers.unsqueeze(1) - centers.unsqueeze(2)).norm(dim=3)
    return (distances + 9 * torch.eye(centers.shape[1])).min()


def test_centres_of_a_group_are_at_least_a_fifth_apart():
    for kind, count in ((TWO_BLOBS, 2), (FIVE_BLOBS, 5)):
        groups = point_sets._Groups(
            torch.zeros(MANY, count).long(), torch.full((MANY, count), kind), None, None, torch.ones(MANY)
        )
        centers = point_sets._centers(groups, draws())
        assert apart(centers) >= 0.2
        assert centers.min() >= 0
        assert centers.max() <= 1
        assert centers[:, 0].mean(0).tolist() == pytest.approx([0.5, 0.5], abs=0.01)
    # Centres of different groups, which lie in different cells, may be near.
    assert apart(point_sets._centers(groups._replace(group=torch.arange(5).expand(MANY, 5)), draws())) < 0.05


@pytest.mark.parametrize("clusters", [2, 3, 5, 12])
def test_groups_of_rings_and_moons_do_not_overlap(clusters):
    (points, found), groups = made(clusters, 2000)
    members = groups.group.gather(1, found)
    boxes = [bounds(points, members == number) for number in range(clusters)]
    outlined = [((groups.group == number) & (groups.kind < BLOB)).any(1) for number in range(clusters)]
    compared = 0
    for first in range(clusters):
        low, high = (one[outlined[first]] for one in boxes[first])
        assert (low >= 0).all()
        assert (high <= 1).all()
        for second in range(first):
            both = outlined[first] & outlined[second]
            (low, high), (other_low, other_high) = ([one[both] for one in boxes[number]] for number in (first, second))
            assert ((low > other_high) | (high < other_low)).any(1).all()
            compared += int(both.sum())
    assert compared > 100


def bounds(points, chosen):
    """Return the lowest and the highest coordinates of some points of each set, each ``(B, 2)``."""
    away = ~chosen.unsqueeze(2)
    return points.masked_fill(away, math.inf).amin(1), points.masked_fill(away, -math.inf).amax(1)


@pytest.mark.parametrize(("count", "width", "height"), [(2, 2, 2), (2, 3, 2), (3, 3, 2), (5, 3, 4), (4, 2, 2)])
def test_groups_have_cells_of_their_own(count, width, height):
    first, last = point_sets._cells(torch.full((3000,), count), torch.tensor([[width, height]] * 3000), draws())
    used = torch.zeros(3000, width, height)
    for column in range(width):
        for row in range(height):
            cell = torch.tensor([column, row])
            used[:, column, row] = ((first <= cell) & (cell <= last)).all(2).sum(1)
    assert used.max() == 1
    assert torch.equal(used.sum((1, 2)), (last - first + 1).prod(2).sum(1).float())
    assert (first >= 0).all()
    spread = {tuple(one) for one in (last - first + 1).flatten(0, 1).tolist()}
    assert spread <= {(1, 1), (1, 2), (2, 1), (2, 2), (3, 2), (2, 3)}
    assert (1, 1) in spread
    assert len(spread) > 1 or count == width * height


def test_a_group_spreads_with_the_same_probability_each_way():
    first, last = point_sets._cells(torch.ones(20_000).long(), torch.full((20_000, 2), 3), draws())
    found = {}
    for row in torch.cat([first, last], 2)[:, 0].tolist():
        found[tuple(row)] = found.get(tuple(row), 0) + 1
    wide = [found[block] for block in ((0, 0, 2, 1), (0, 1, 2, 2), (0, 0, 1, 2), (1, 0, 2, 2))]
    # From the middle, with 13 possible blocks, or from the middle of a border: alone, 3 straight, 2 corners, 1 wide.
    assert [one / 20_000 for one in wide] == pytest.approx([1 / 9 * (1 / 13 + 1 / 7)] * 4, abs=0.004)
    # A corner alone: 1 of 4 blocks there; the middle alone.
    assert found[0, 0, 0, 0] / 20_000 == pytest.approx(1 / 9 / 4, abs=0.004)
    assert found[1, 1, 1, 1] / 20_000 == pytest.approx(1 / 9 / 13, abs=0.003)


def test_a_grid_has_some_more_cells_than_groups(monkeypatch):
    seen = []
    real = point_sets._cells

    def watched(count, extent, generator):
        seen.append((count, extent))
        return real(count, extent, generator)

    monkeypatch.setattr(point_sets, "_cells", watched)
    shapes(3 + 2 * (torch.arange(MANY) % 2), POINTS, draws())
    ((count, extent),) = seen
    assert set(count.tolist()) == {1, 2, 3, 4, 5}
    for groups, side in ((2, 2), (3, 2), (4, 2), (5, 3)):
        for axis in (0, 1):
            found = extent[count == groups, axis]
            assert shares(found, (side, side + 1)) == pytest.approx([0.5, 0.5], abs=0.06)


@pytest.mark.parametrize("size", [1, 2, 5, 12])
def test_as_many_clusters_as_points(size):
    for make in (shapes, blobs):
        points, found = make(torch.full((50,), size), size, draws())
        assert torch.equal(found, torch.arange(size).expand(50, size))
        assert points.isfinite().all()


def test_the_generator_decides():
    for make in (shapes, blobs):
        numbers = torch.tensor([1, 5, 3, 2])
        one, again, other = (make(numbers, POINTS, draws(seed)) for seed in (3, 3, 4))
        assert torch.equal(one.points, again.points)
        assert torch.equal(one.clusters, again.clusters)
        assert not torch.equal(one.points, other.points)


def test_the_global_generator_has_no_part():
    state = torch.get_rng_state()
    shapes(torch.tensor([3, 5]), POINTS, draws())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("sigma", [0.025, 0.1])
def test_blobs_alone(sigma):
    points, found = blobs(torch.full((MANY,), 5), POINTS, draws(), sigma)
    sizes = sizes_of(found, 5)
    assert (sizes >= 1).all()
    assert sizes.double().mean(0).tolist() == pytest.approx([14.4] * 5, abs=0.2)
    assert sizes.double().std(0).tolist() == pytest.approx([math.sqrt(67 * 0.2 * 0.8)] * 5, rel=0.05)
    weights = torch.nn.functional.one_hot(found, 5).float()
    centers = torch.einsum("bnk,bnd->bkd", weights, points) / sizes.unsqueeze(2)
    rest = points - centers.gather(1, found.unsqueeze(2).expand(-1, -1, 2))
    assert (rest.square().sum() / (2 * (POINTS - 5) * MANY)).sqrt() == pytest.approx(sigma, rel=0.01)
    assert (sizes.sum(1) == POINTS).all()
    if sigma < 0.05:
        assert apart(centers[(sizes >= 8).all(1)]) > 0.15


def test_blobs_of_mixed_numbers_and_a_default():
    numbers = torch.arange(1000) % 5 + 1
    points, found = blobs(numbers, 20, draws())
    assert (sizes_of(found, 5) > 0).sum(1).equal(numbers)
    assert torch.equal(points, blobs(numbers, 20, draws(), 0.025).points)


def test_more_blobs_than_there_is_room_for_are_as_far_apart_as_may_be():
    points, found = blobs(torch.full((20,), 40), 400, draws(), 0.001)
    assert (sizes_of(found, 40) > 0).all()
    assert points.isfinite().all()


def test_pinned():
    points, found = shapes(torch.tensor([1, 2, 3, 4, 5]), 20, draws(11))
    assert found.sum(1).tolist() == [0, 10, 21, 30, 46]
    assert points.double().mean((1, 2)).tolist() == pytest.approx(
        [0.52684, 0.35683, 0.57477, 0.45638, 0.42678], abs=1e-4
    )
