"""Sets of points in the plane that fall into clusters: rings, half moons and Gaussian blobs, many sets at a time.

The generator is that of Learning to Cluster (Meier et al. 2018). A set of N points in k clusters is made so:

- Every cluster gets N / k points, the last one the rest as well.
- Clusters are taken in groups: of one (a ring, a half moon or a blob), of two (two rings one in the other, two half
  moons one in the other, or two blobs) or of five blobs, each with the same probability among those that are possible.
  A ring or half moon by itself has at least 10 points, one of two at least 5; two rings have an even number together.
- Within a group of several blobs the sizes are drawn again.
- Rings and moons are turned at random, and each axis is stretched into [0.25, 0.75]. Blobs lie in the unit square.
- Several groups are laid out on a grid with some more cells than there are groups. A group has a cell of its own, and
  may spread into free cells beside it.

The published code widened groups that spread up and down as well as to a side in the wrong direction; here they have
the shape of their cells.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

#: Standard deviation of a blob, in units of its square.
SIGMA = 0.05
_LEAST_DISTANCE = 0.2
_CANDIDATES = 32
_MOST_BLOBS = 5
_BOX_START, _BOX_SIZE = 0.25, 0.5
_RING_NOISE, _MOON_NOISE = 0.02, 0.03
_LEAST_FACTOR, _MOST_FACTOR = 0.1, 0.4
_RING, _RINGS, _MOON, _MOONS, _BLOB, _TWO_BLOBS, _FIVE_BLOBS = range(7)
#: For each kind of group: its clusters, and the least size of each.
_TAKES = torch.tensor([1, 2, 1, 2, 1, 2, _MOST_BLOBS])
_LEAST_SIZE = torch.tensor([10, 5, 10, 5, 1, 1, 1])
_LONGEST = 6


def _expansions() -> Tensor:
    """Return the blocks of cells that a group may spread over, ``(13, 6, 2)``, int64: columns and rows from its own.

    The first is its own cell alone; then to each of four sides, to each of four corners, and to both sides at once
    together with one of the sides across. Shorter ones repeat their own cell.
    """
    sides = [(1, 0), (-1, 0), (0, 1), (0, -1)]
    straight = [[side] for side in sides]
    corners = [[(x, 0), (0, y), (x, y)] for x in (1, -1) for y in (1, -1)]
    across = [[(1, 0), (-1, 0), (0, y), (1, y), (-1, y)] for y in (1, -1)]
    along = [[(0, 1), (0, -1), (x, 0), (x, 1), (x, -1)] for x in (1, -1)]
    blocks: list[list[tuple[int, int]]] = [[], *straight, *corners, *across, *along]
    return torch.tensor([[(0, 0), *block, *[(0, 0)] * (_LONGEST - 1 - len(block))] for block in blocks])


_BLOCKS = _expansions()


class Points(NamedTuple):
    """Sets of points.

    Attributes:
        points: ``(B, N, 2)``, float32, roughly in [0, 1].
        clusters: Cluster of each point, ``(B, N)``, int64, in [0, k) for a set with k clusters; in ascending order.
    """

    points: Tensor
    clusters: Tensor


class _Groups(NamedTuple):
    """How the clusters of each set are taken together.

    Attributes:
        group: Group of each cluster, ``(B, K)``, int64.
        kind: Kind of each cluster's group, ``(B, K)``, int64.
        rank: Place of each cluster within its group, ``(B, K)``, int64, from 0.
        sizes: Points of each cluster, ``(B, K)``, int64; 0 beyond the k clusters of the set.
        num_groups: Groups of each set, ``(B,)``.
    """

    group: Tensor
    kind: Tensor
    rank: Tensor
    sizes: Tensor
    num_groups: Tensor


def shapes(num_clusters: Tensor, num_points: int, draws: torch.Generator, sigma: float = SIGMA) -> Points:
    """Return sets of rings, half moons and blobs.

    Args:
        num_clusters: Clusters k of each set, ``(B,)``, int64, from 1 to N.
        num_points: Points N of a set.
        draws: What everything is drawn by, on the CPU.
        sigma: Standard deviation of a blob, > 0, in units of its square.
    """
    groups = _grouped(num_clusters, num_points, draws)
    clusters = _cluster_of_points(groups.sizes, num_points)
    points = _outlines(groups, clusters, draws)
    centers = _centers(groups, draws)
    blob = groups.kind.gather(1, clusters) >= _BLOB
    spread = centers.gather(1, _both(clusters)) + sigma * _normal(points.shape, draws)
    points = torch.where(blob.unsqueeze(2), spread, _boxed(points, groups.group.gather(1, clusters)))
    return Points(_laid_out(points, groups, clusters, draws), clusters)


def blobs(num_clusters: Tensor, num_points: int, draws: torch.Generator, sigma: float = 0.025) -> Points:
    """Return sets of Gaussian blobs around centres in the unit square that are at least 0.2 from each other.

    A cluster has a point, and the others fall into any with the same probability. For the arguments see
    :func:`shapes`; beyond about 15 clusters the square has no room for them at that distance, and centres are then as
    far apart as the best of some candidates.
    """
    most = int(num_clusters.max())
    slots = torch.arange(most).expand(len(num_clusters), most)
    real = slots < num_clusters[:, None]
    extra = _multinomial(num_points - num_clusters, num_clusters, num_points, draws)[:, :most]
    clusters = _cluster_of_points(real * (1 + extra), num_points)
    same = torch.zeros_like(slots)
    centers = _centers(_Groups(same, same + _BLOB, slots, slots, num_clusters), draws)
    return Points(centers.gather(1, _both(clusters)) + sigma * _normal((*clusters.shape, 2), draws), clusters)


def _grouped(num_clusters: Tensor, num_points: int, draws: torch.Generator) -> _Groups:
    """Take the clusters of each set together in groups, and settle their sizes."""
    most = int(num_clusters.max())
    slots = torch.arange(most).expand(len(num_clusters), most)
    sizes = (slots < num_clusters[:, None]) * (num_points // num_clusters)[:, None]
    sizes.scatter_add_(1, num_clusters[:, None] - 1, (num_points % num_clusters)[:, None])
    group, kind, rank = (torch.zeros_like(slots) for _ in range(3))
    done, count = torch.zeros_like(num_clusters), torch.zeros_like(num_clusters)
    for _ in range(most):
        chosen = _chosen_kind(sizes, done, num_clusters, draws)
        takes = _TAKES[chosen] * (done < num_clusters)
        own = (slots >= done[:, None]) & (slots < (done + takes)[:, None])
        place = slots - done[:, None]
        sizes = torch.where(own, _shared_out(sizes, own, place, chosen, takes, draws), sizes)
        group, kind = torch.where(own, count[:, None], group), torch.where(own, chosen[:, None], kind)
        rank = torch.where(own, place, rank)
        done, count = done + takes, count + (takes > 0)
    return _Groups(group, kind, rank, sizes, count)


def _chosen_kind(sizes: Tensor, done: Tensor, num_clusters: Tensor, draws: torch.Generator) -> Tensor:
    """Return a kind of group ``(B,)`` for the next clusters of each set, each possible one as likely as the others."""
    padded = torch.cat([sizes, sizes.new_zeros(len(sizes), _MOST_BLOBS)], 1)
    ahead = padded.gather(1, done[:, None] + torch.arange(_MOST_BLOBS))
    least = torch.stack([ahead[:, :takes].amin(1) for takes in _TAKES.tolist()], 1)
    possible = (_TAKES <= (num_clusters - done)[:, None]) & (least >= _LEAST_SIZE)
    possible[:, _RINGS] &= ahead[:, :2].sum(1) % 2 == 0
    return _any_of(possible, draws)


def _any_of(possible: Tensor, draws: torch.Generator) -> Tensor:
    """Return one of the possible columns of each row of ``(B, M)``, all as likely; 0 if there is none."""
    return torch.where(possible, torch.rand(possible.shape, generator=draws), -1.0).argmax(1)


def _shared_out(
    sizes: Tensor, own: Tensor, place: Tensor, kind: Tensor, takes: Tensor, draws: torch.Generator
) -> Tensor:
    """Return sizes ``(B, K)`` in which the clusters of the next group share its points anew."""
    total = (sizes * own).sum(1)
    halves = (total // 2)[:, None] + place * (total % 2)[:, None]
    extra = _multinomial((total - takes).clamp(min=0), takes.clamp(min=1), int(total.max()), draws)
    redrawn = 1 + extra.gather(1, place.clamp(0, extra.shape[1] - 1))
    pair = ((kind == _RINGS) | (kind == _MOONS))[:, None]
    several = (kind >= _TWO_BLOBS)[:, None]
    return torch.where(pair, halves, torch.where(several, redrawn, sizes))


def _multinomial(count: Tensor, parts: Tensor, most: int, draws: torch.Generator) -> Tensor:
    """Return how many of ``count (B,)`` points fall into each of ``parts (B,)`` places, ``(B, most parts)``."""
    place = (torch.rand(len(count), most, generator=draws) * parts[:, None]).long()
    falls = (torch.arange(most) < count[:, None]).long()
    return torch.zeros(len(count), max(int(parts.max()), 1), dtype=torch.int64).scatter_add_(1, place, falls)


def _cluster_of_points(sizes: Tensor, num_points: int) -> Tensor:
    """Return the cluster of each point ``(B, N)``: the first ones in the first cluster, and so on."""
    order = torch.arange(num_points).expand(len(sizes), num_points).contiguous()
    return torch.searchsorted(sizes.cumsum(1), order, right=True)


def _outlines(groups: _Groups, clusters: Tensor, draws: torch.Generator) -> Tensor:
    """Return rings and half moons, turned at random, ``(B, N, 2)``; what belongs to a blob means nothing."""
    shape = groups.group.shape
    kind, size = groups.kind.gather(1, clusters), groups.sizes.gather(1, clusters)
    order = torch.arange(clusters.shape[1]) - (groups.sizes.cumsum(1) - groups.sizes).gather(1, clusters)
    of_group = groups.group.gather(1, clusters)
    factor, noise, turn, side = torch.rand((4, *shape), generator=draws)
    # A ring by itself is the inner one of two; which of the two half moons stands by itself is drawn.
    inner = groups.rank.gather(1, clusters) == 1
    factor = (_LEAST_FACTOR + (_MOST_FACTOR - _LEAST_FACTOR) * factor).gather(1, of_group)
    radius = torch.where(inner | (kind == _RING), factor, 1.0)
    ring = _on_circle(2 * math.pi * order / size) * radius.unsqueeze(2)
    lower = torch.where(kind == _MOON, side.gather(1, of_group) < 1 / 2, inner)
    arc = _on_circle(math.pi * order / (size - 1).clamp(min=1))
    moon = torch.where(lower.unsqueeze(2), torch.tensor([1.0, 1 / 2]) - arc, arc)
    is_ring = (kind == _RING) | (kind == _RINGS)
    points = torch.where(is_ring.unsqueeze(2), ring, moon)
    spread = noise.gather(1, of_group) * torch.where(is_ring, _RING_NOISE, _MOON_NOISE)
    points = points + spread.unsqueeze(2) * _normal(points.shape, draws)
    axis = _on_circle(2 * math.pi * turn).gather(1, _both(of_group))
    x = points[..., 0] * axis[..., 0] - points[..., 1] * axis[..., 1]
    y = points[..., 0] * axis[..., 1] + points[..., 1] * axis[..., 0]
    return torch.stack([x, y], 2)


def _on_circle(angle: Tensor) -> Tensor:
    return torch.stack([angle.cos(), angle.sin()], -1)


def _centers(groups: _Groups, draws: torch.Generator) -> Tensor:
    """Return centres ``(B, K, 2)``, uniform in the unit square, apart from each other within each group."""
    count, most = groups.group.shape
    candidates = torch.rand((count, most, _CANDIDATES, 2), generator=draws)
    found = candidates[:, :1, 0]
    for slot in range(1, most):
        apart = (candidates[:, slot].unsqueeze(2) - found.unsqueeze(1)).norm(dim=3)
        stranger = groups.group[:, :slot] != groups.group[:, slot : slot + 1]
        nearest = torch.where(stranger.unsqueeze(1), math.inf, apart).amin(2)
        # The first that is far enough; where none is, the one that is farthest.
        standing = torch.where(nearest >= _LEAST_DISTANCE, math.inf, nearest)
        chosen = candidates[torch.arange(count), slot, standing.argmax(1)]
        found = torch.cat([found, chosen.unsqueeze(1)], 1)
    return found


def _boxed(points: Tensor, group: Tensor) -> Tensor:
    """Return points ``(B, N, 2)``, each axis of each group stretched into [0.25, 0.75]."""
    index, groups = _both(group), int(group.max()) + 1
    ends = [
        points.new_zeros(len(points), groups, 2).scatter_reduce_(1, index, points, reduce, include_self=False)
        for reduce in ("amin", "amax")
    ]
    low, high = (end.gather(1, index) for end in ends)
    size = high - low
    return _BOX_START + _BOX_SIZE * torch.where(size > 0, (points - low) / size, 1 / 2)


def _laid_out(points: Tensor, groups: _Groups, clusters: Tensor, draws: torch.Generator) -> Tensor:
    """Return the points ``(B, N, 2)`` with each group in cells of its own, where a set has several groups."""
    if int(groups.num_groups.max()) == 1:
        return points
    side = groups.num_groups.sqrt().ceil().long()
    extent = side[:, None] + (torch.rand(len(side), 2, generator=draws) * (side // 2 + 1)[:, None]).long()
    first, last = _cells(groups.num_groups, extent, draws)
    size, start = (last - first + 1) / extent[:, None], first / extent[:, None]
    index = _both(groups.group.gather(1, clusters))
    moved = points * size.gather(1, index) + start.gather(1, index)
    return torch.where((groups.num_groups > 1)[:, None, None], moved, points)


def _cells(count: Tensor, extent: Tensor, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the first and the last cell, as column and row, of each group, ``(B, G, 2)``, int64.

    Args:
        count: Groups of each set, ``(B,)``.
        extent: Columns and rows of each set's grid, ``(B, 2)``.
        draws: What places and spreading are drawn by.
    """
    most, side, rows = int(count.max()), int(extent.max()), torch.arange(len(count))
    column, row = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    inside = (column < extent[:, :1, None]) & (row < extent[:, 1:, None])
    keys = torch.where(inside.flatten(1), torch.rand(len(count), side * side, generator=draws), -1.0)
    order = keys.argsort(1, descending=True)[:, :most]
    own = torch.stack([order // side, order % side], 2)
    # A border of cells that are taken, so that every block can be looked up.
    free = torch.zeros(len(count), side + 2, side + 2, dtype=torch.bool)
    free[:, 1:-1, 1:-1] = inside
    for group in range(most):
        taken = own[:, group] + 1
        free[rows, taken[:, 0], taken[:, 1]] &= group >= count
    first, last = own.clone(), own.clone()
    for group in range(most):
        cells = own[:, group, None, None] + _BLOCKS
        is_own = (_BLOCKS == 0).all(2)
        available = free[rows[:, None, None], cells[..., 0] + 1, cells[..., 1] + 1] | is_own
        block = cells[rows, _any_of(available.all(2), draws)]
        in_use = group < count
        mark = rows[in_use, None], block[in_use, :, 0] + 1, block[in_use, :, 1] + 1
        free[mark] = False
        first[:, group], last[:, group] = block.amin(1), block.amax(1)
    return first, last


def _both(index: Tensor) -> Tensor:
    """Return an index ``(B, M)`` for both coordinates, ``(B, M, 2)``."""
    return index.unsqueeze(2).expand(*index.shape, 2)


def _normal(shape: tuple[int, ...], draws: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=draws)
