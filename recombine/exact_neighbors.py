"""The exact nearest neighbours of points, by blocks of matrix products.

A first pass, in float32, finds for each point some more candidates than are asked for. What rounding can do to a
squared distance has a bound (Higham 2002, section 3.1), which tells which of the candidates may be among the nearest,
and whether others may be, too. The distances of the former are computed again from differences in float64, and decide.
Points for which the bound excludes too little (tight clusters far apart, many equal distances) are searched again in
float64. So the outcome does not depend on the sizes of blocks, on threads, or on how products are added up.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from recombine.best import Best
from recombine.point_blocks import GROUP, Operands, Space, side
from recombine.points import Points

#: Candidates beyond those that are asked for: with fewer, more points are searched twice.
_SPARE = 6
_PAIR_ELEMENTS = 2**18
#: A second search goes by narrower blocks: points that have all their neighbours at distance 0 need no more of them.
_PARTS = 4
_LARGEST_WHOLE = 2.0**53


def exact_neighbors(references: Points, queries: Points | None, k: int) -> Best:
    """Return the k nearest references of each of Q queries, by squared distance.

    Of equal distances, as float64 has them, the lower index comes first.

    Args:
        references: N points.
        queries: Q points; None: the references, none of which is its own neighbour.
        k: How many, at most N, or N - 1 without queries.
    """
    with _computing(references.device):
        columns = Operands(references, references, queries)
        rows = columns if queries is None else Operands(queries, references, queries)
        candidates = Best(len(rows.points), k + _SPARE, torch.float32, references.device)
        if queries is None:
            _scan_itself(columns, candidates)
        else:
            _scan(rows, columns, candidates)
        found = Best(len(rows.points), k, torch.float64, references.device)
        numbers = range(len(rows.spans))
        doubtful = torch.cat([_decide(found, candidates, rows, references, number) for number in numbers])
        search_again(found, doubtful, references, queries)
        return found


def search_again(found: Best, some: Tensor, references: Points, queries: Points | None) -> None:
    """Replace what was found for ``some`` of the queries, by products in float64.

    Args:
        found: What was found; the last value of each of these rows is a bound for the k-th nearest.
        some: Which queries ``(M,)``, ascending.
        references: N points.
        queries: Q points, or None as in :func:`exact_neighbors`.
    """
    size = side(references)
    for start in range(0, len(some), size):
        _search_part(found, some[start : start + size], references, queries)


def _scan_itself(points: Operands, candidates: Best) -> None:
    """Look at the distances between points once for each pair of blocks, on behalf of both."""
    space = Space()
    for number, span in enumerate(points.spans):
        block = space.product(points.left(number), points.right(number))
        _begin(candidates, span, block.fill_diagonal_(math.inf), span.start)
    for number, span in enumerate(points.spans):
        left = points.left(number)
        for other in range(number + 1, len(points.spans)):
            block = space.product(left, points.right(other))
            _meet_rows(candidates, span, block, points.spans[other].start)
            _meet_columns(candidates, points.spans[other], block, span.start)


def _scan(rows: Operands, columns: Operands, candidates: Best) -> None:
    """Look at the distances of all rows to all columns."""
    space = Space()
    for number, span in enumerate(rows.spans):
        left = rows.left(number)
        _begin(candidates, span, space.product(left, columns.right(0)), 0)
        for other in range(1, len(columns.spans)):
            _meet_rows(candidates, span, space.product(left, columns.right(other)), columns.spans[other].start)


def _begin(candidates: Best, span: range, block: Tensor, first: int) -> None:
    """Fill the candidates of a span of rows from their first block ``(P, R)``."""
    size = min(candidates.size, block.shape[1])
    values, columns = block[: len(span)].topk(size, dim=1, largest=False)
    candidates.values[span.start : span.stop, :size] = values
    candidates.columns[span.start : span.stop, :size] = columns + first


def _meet_rows(candidates: Best, span: range, block: Tensor, first: int) -> None:
    """Offer the rows of a span what lies in their block ``(P, R)``, whose columns are numbered from ``first``.

    Groups of columns without anything of use, nearly all of them, are passed over.
    """
    bounds = pad(candidates.bounds[span.start : span.stop], (0, len(block) - len(span)), value=-math.inf)
    groups = block.view(len(block), -1, GROUP)
    row, group = (groups.amin(2) < bounds[:, None]).nonzero(as_tuple=True)
    _meet(candidates, span.start, first, (row, group, groups[row, group]), bounds)


def _meet_columns(candidates: Best, span: range, block: Tensor, first: int) -> None:
    """Offer the columns of a block ``(R, P)``, which are those of a span, its rows, numbered from ``first``."""
    bounds = pad(candidates.bounds[span.start : span.stop], (0, block.shape[1] - len(span)), value=-math.inf)
    groups = block.view(-1, GROUP, block.shape[1])
    column, group = (groups.amin(1) < bounds).T.nonzero(as_tuple=True)
    _meet(candidates, span.start, first, (column, group, groups[group, :, column]), bounds)


def _meet(candidates: Best, start: int, first: int, groups: tuple[Tensor, Tensor, Tensor], bounds: Tensor) -> None:
    """Offer what is below the bounds in groups.

    Args:
        candidates: What is kept.
        start: The number of the first row.
        first: The number of the first column.
        groups: The row ``(H,)``, the number ``(H,)`` and the values ``(H, G)`` of each group.
        bounds: By row.
    """
    row, group, values = groups
    hit, place = (values < bounds[row, None]).nonzero(as_tuple=True)
    candidates.meet(row[hit] + start, group[hit] * GROUP + place + first, values[hit, place])


def _decide(found: Best, candidates: Best, rows: Operands, references: Points, number: int) -> Tensor:
    """Find the nearest among the candidates of a block of rows; return the rows ``(M,)`` that may have nearer ones."""
    span = rows.spans[number]
    values = candidates.values[span.start : span.stop]
    kth = values[:, found.size - 1]
    # The true k-th is at most one error above what seems to be the k-th; what is nearer seems at most one above that.
    limit = kth + 2 * _error(rows.lengths(number), kth, references.dimension)
    row, place = (values <= limit[:, None]).nonzero(as_tuple=True)
    column = candidates.columns[span.start : span.stop][row, place]
    order = (row * len(references) + column).argsort()
    row, column = row[order] + span.start, column[order]
    found.meet(row, column, squared_distances(rows.points, row, references, column))
    return (values[:, -1] <= limit).nonzero()[:, 0] + span.start


def _error(lengths: Tensor, squared: Tensor, dimension: int) -> Tensor:
    """Return how far products may be from the squared distances of points to what is about as near as ``squared (B,)``.

    With a unit roundoff u, each of the D + 2 products and sums adds u (|a| + |b|)^2 at most, moving the origin and the
    squared lengths add less than 6 u (|a| + |b|)^2, and |b| is at most |a| + |a - b|. What is too small for a number
    adds its smallest one. The factor 2 stands for terms of higher order.

    Args:
        lengths: How far the points a are from the origin, ``(B,)``, of the type in which products are added up.
        squared: Squared distances |a - b|^2, ``(B,)``.
        dimension: D.
    """
    facts = torch.finfo(lengths.dtype)
    widest = 2 * lengths + squared.clamp_min(0).sqrt()
    return 2 * (dimension + 8) * (facts.eps / 2 * widest.square() + facts.tiny)


def squared_distances(queries: Points, rows: Tensor, references: Points, columns: Tensor) -> Tensor:
    """Return the squared distance of each of H pairs, from differences, float64.

    Args:
        queries: The points of the first of a pair.
        rows: Which these are, ``(H,)``.
        references: The points of the second.
        columns: Which these are, ``(H,)``.
    """
    found = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
    size = max(1, _PAIR_ELEMENTS // references.dimension)
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        found[part] = (queries.at(rows[part]) - references.at(columns[part])).square_().sum(1)
    return found


def _search_part(found: Best, some: Tensor, references: Points, queries: Points | None) -> None:
    """Search all references for the queries ``some (M,)``.

    What lies where the bounds are, as far as products can tell, is looked at by differences. A bound of 0 cannot get
    better, and products that are exact need no differences.
    """
    points = references if queries is None else queries
    is_exact = _products_are_exact(points, references)
    origin = torch.zeros_like(references.mean) if is_exact else references.mean
    own = points.at(some) - origin
    limit = found.bounds[some] + _error(own.square().sum(1).sqrt(), found.bounds[some], references.dimension)
    found.values[some] = math.inf
    width = side(references) // _PARTS
    for start in range(0, len(references), width):
        others = references.between(start, start + width).double() - origin
        lengths = own.square().sum(1, keepdim=True) + others.square().sum(1)
        squared = torch.addmm(lengths, own, others.T, alpha=-2)
        bounds = found.bounds[some, None]
        near = (squared <= limit[:, None]) & ((squared < bounds) if is_exact else (bounds > 0))
        if queries is None:
            near &= some[:, None] != torch.arange(start, start + len(others), device=some.device)
        row, column = near.nonzero(as_tuple=True)
        pairs = some[row], column + start
        found.meet(*pairs, squared[near] if is_exact else squared_distances(points, pairs[0], references, pairs[1]))


def _products_are_exact(first: Points, second: Points) -> bool:
    """Whether float64 holds all squared distances, and what they are added up from, as they are: of whole numbers."""
    largest = 4.0 * first.dimension * max(first.largest, second.largest) ** 2
    return first.is_whole and second.is_whole and largest <= _LARGEST_WHOLE


@contextmanager
def _computing(device: torch.device) -> Iterator[None]:
    """Compute products of float32 numbers in float32, whatever networks may do, and without gradients."""
    mkldnn: Any = torch.backends.mkldnn
    backends: tuple[Any, ...] = (torch.backends.cuda.matmul, mkldnn.matmul)
    before = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "ieee"
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        for backend, precision in zip(backends, before, strict=True):
            backend.fp32_precision = precision
