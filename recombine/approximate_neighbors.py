"""Nearest neighbours of very many points, approximately, by pynndescent.

NN-descent (Dong, Moses and Li 2011) from random projection trees. Of the libraries that do such things, pynndescent
finds most per second on one thread, depends on its seed alone, and brings no second OpenMP runtime into the process,
beside torch's, which ends it on some systems. It compiles itself in each process, which takes about a minute.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from recombine.best import Best
from recombine.errors import DataError, UsageError
from recombine.exact_neighbors import exact_neighbors, search_again, squared_distances
from recombine.memory import BUDGET_VARIABLE, in_words, memory_budget

if TYPE_CHECKING:
    from recombine.points import Points

#: Up to this number of points, the exact search is faster and is done instead.
FEWEST = 4096
#: Neighbors beyond those that are asked for: the more, the fewer are missed.
_SPARE = 6
_MAX_SEED = 2**32
#: How far a search for other points goes on beyond the nearest that it has met.
_EPSILON = 0.2


def approximate_neighbors(references: "Points", queries: "Points | None", k: int, seed: int) -> Best:
    """Return about the k nearest references of each query, with their squared distances, as the exact search does.

    The library works on one thread: with several, the same seed gives other neighbours for another number of them.
    Its distances are computed again in float64. Points for which it finds fewer than k are searched exactly.

    Args:
        references: N points; up to :data:`FEWEST`, they are searched exactly.
        queries: Q points; None: the references, none of which is its own neighbour.
        k: How many, at most N, or N - 1 without queries.
        seed: What random draws depend on.

    Raises:
        DataError: The points do not fit in memory as float32.
        UsageError: pynndescent is not installed.
    """
    if len(references) <= max(FEWEST, k + _SPARE + 1):
        return exact_neighbors(references, queries, k)
    indices = _indices(references, queries, k, seed)
    columns = torch.from_numpy(indices.astype(np.int64)).sort(1).values.to(references.device)
    rows = torch.arange(len(columns), device=columns.device)[:, None].expand_as(columns)
    # What is absent is -1; an index twice would be a neighbour twice.
    there = columns >= 0
    there[:, 1:] &= columns[:, 1:] != columns[:, :-1]
    if queries is None:
        there &= columns != rows
    found = Best(len(columns), k, torch.float64, references.device)
    row, column = rows[there], columns[there]
    found.meet(row, column, squared_distances(queries or references, row, references, column))
    search_again(found, found.bounds.isinf().nonzero()[:, 0], references, queries)
    return found


def _indices(references: "Points", queries: "Points | None", k: int, seed: int) -> NDArray[Any]:
    """Return what the library finds, ``(Q, k + some)``: positions, or -1."""
    wanted = k + _SPARE + 1
    index = _library()(_array(references), n_neighbors=wanted, random_state=seed % _MAX_SEED, n_jobs=1)
    if queries is None:
        return np.asarray(index.neighbor_graph[0])
    return np.asarray(index.query(_array(queries), k=wanted, epsilon=_EPSILON)[0])


def _array(points: "Points") -> NDArray[np.float32]:
    """Return points in memory, ``(N, D)``."""
    size = len(points) * points.dimension * np.dtype(np.float32).itemsize
    if size > memory_budget():
        raise DataError(
            f"the approximate search for neighbours needs all samples as float32 in memory: {in_words(size)}, and "
            f"{in_words(memory_budget())} may be used. Search among the features of a mapping, search exactly, or set "
            f"{BUDGET_VARIABLE} to the bytes that may be used"
        )
    array = np.empty((len(points), points.dimension), dtype=np.float32)
    for start, block in points.blocks():
        array[start : start + len(block)] = block.cpu()
    return array


def _library() -> Any:
    try:
        from pynndescent import NNDescent
    except ImportError as error:
        raise UsageError(
            "the approximate search for neighbours needs pynndescent, which is not installed: pip install pynndescent, "
            "or search exactly"
        ) from error
    return NNDescent
