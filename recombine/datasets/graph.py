"""A graph: samples that are nodes, with the edges between them."""

from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recombine.datasets.base import NotThereError, OwnDataset, Samples, array_of, check_finite, expanded, numbered
from recombine.errors import DataError
from recombine.graph import Graph as Edges
from recombine.mapped import tensor_over

_MOST_WITHOUT_FEATURES = 8192
_PLAIN, _WEIGHTED, _MATRIX_DIMENSIONS = 2, 3, 2


class Graph(OwnDataset):
    """The nodes of an undirected graph, each with its features ``(N, D)`` or, without any, a row of the unit matrix.

    Args:
        root: A text file with an edge a line: the numbers of two nodes, from 0, and after them, where it is not 1, the
            weight, > 0; separated by commas. Lines that start with # are passed over. An edge counts both ways round,
            whether it stands there once or both ways.
        features: A .npy file of features ``(N, D)``. Without it there are as many nodes as the highest number says, at
            most 8,192.
        labels: A text file with a label a line, or a .npy file of them, ``(N,)``: integers from 0, or words.

    Paths that are relative start at the folder of ``root``.

    Raises:
        NotThereError: If one of the files is absent.
        DataError: If it holds something else.
    """

    def __init__(self, root: Path, features: str | None = None, labels: str | None = None) -> None:
        self._root = root
        self._features, self._labels = (self._beside(path) for path in (features, labels))
        for path in (self._root, self._features, self._labels):
            if path is not None and not path.is_file():
                raise NotThereError("no such file" if path == root else f"no file {path}")

    def __len__(self) -> int:
        """Return the number of nodes N."""
        return len(self._values)

    def sample_shape(self) -> tuple[int, ...]:
        """Return ``(D,)``."""
        return tuple(self._values.shape[1:])

    def decode(self) -> Samples:
        """Return all nodes with their edges."""
        sources, targets, weights = self._edges
        both = torch.cat([sources, targets]), torch.cat([targets, sources])
        keys = both[0] * len(self) + both[1]
        unique, inverse = torch.unique(keys, return_inverse=True)
        found = torch.zeros(len(unique)).scatter_reduce_(0, inverse, weights.repeat(2), "amax", include_self=False)
        least = torch.zeros(len(unique)).scatter_reduce_(0, inverse, weights.repeat(2), "amin", include_self=False)
        if not torch.equal(found, least):
            first = int(unique[(found != least).nonzero()[0]])
            place = f"between {first // len(self)} and {first % len(self)}"
            raise DataError(f"{self._root}: the edge {place} stands there with different weights")
        graph = Edges.of_edges(unique // len(self), unique % len(self), found, len(self))
        return Samples(self._values, *self._numbered_labels(), graph=graph)

    def _beside(self, path: str | None) -> Path | None:
        return self._root.parent / expanded(path) if path is not None else None

    @cached_property
    def _edges(self) -> tuple[Tensor, Tensor, Tensor]:
        """Sources and targets ``(E,)``, int64, and weights ``(E,)``."""
        rows = [self._edge(number, line) for number, line in self._lines(self._root)]
        if not rows:
            raise DataError(f"{self._root} holds no edge")
        nodes = torch.tensor([row[:_PLAIN] for row in rows], dtype=torch.float64).long()
        return nodes[:, 0], nodes[:, 1], torch.tensor([row[_PLAIN] for row in rows])

    def _edge(self, number: int, line: str) -> tuple[float, float, float]:
        try:
            cells = [float(cell) for cell in line.split(",")]
        except ValueError:
            cells = []
        if len(cells) not in (_PLAIN, _WEIGHTED) or any(cell < 0 or cell % 1 for cell in cells[:_PLAIN]):
            raise DataError(
                f'{self._root}:{number}: "source,target" or "source,target,weight" is expected, not "{line}"'
            )
        source, target, weight = (*cells, 1.0)[:_WEIGHTED]
        if source == target or not 0 < weight < float("inf"):
            raise DataError(f"{self._root}:{number}: an edge joins two nodes, with a weight above 0, unlike {line}")
        return source, target, weight

    @cached_property
    def _values(self) -> Tensor:
        sources, targets, _ = self._edges
        needed = int(torch.maximum(sources, targets).max()) + 1
        if self._features is None:
            if needed > _MOST_WITHOUT_FEATURES:
                limit = f"{_MOST_WITHOUT_FEATURES:,} nodes, here {needed:,}"
                raise DataError(f'{self._root}: without "features", a graph has at most {limit}')
            return torch.eye(needed)
        values = array_of(self._features)
        if values.ndim != _MATRIX_DIMENSIONS or values.dtype.kind not in "fiub" or len(values) < needed:
            wanted = f"numbers of shape (samples, features) with at least {needed} samples"
            raise DataError(f"{self._features}: {values.dtype} of shape {values.shape} instead of {wanted}")
        check_finite(values, self._features)
        return tensor_over(values.astype(np.float32, copy=False))

    def _numbered_labels(self) -> tuple[Tensor | None, tuple[str, ...] | None]:
        if self._labels is None:
            return None, None
        is_array = self._labels.suffix == ".npy"
        found = array_of(self._labels) if is_array else np.array([line for _, line in self._lines(self._labels)], str)
        if found.shape != (len(self),) or found.dtype.kind not in "iubU":
            wanted = f"{len(self)} labels, integers or words"
            raise DataError(f"{self._labels}: {found.dtype} of shape {found.shape} instead of {wanted}")
        return numbered(found)

    def _lines(self, path: Path) -> list[tuple[int, str]]:
        """Return the lines of a text file that hold something, with their numbers from 1."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path} cannot be read: {error}") from error
        numbered_lines = ((number, line.strip()) for number, line in enumerate(lines, 1))
        return [(number, line) for number, line in numbered_lines if line and not line.startswith("#")]
