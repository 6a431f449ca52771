"""What was found of nearest neighbours is kept: in memory for the process, and in files for other processes."""

import hashlib
import io
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from recombine.checked_files import DamagedFileError, read_checked, write_checked
from recombine.datasets.base import Samples
from recombine.neighbors import Neighbors, Search, Values, nearest_neighbors

#: Raised when, and only when, the same samples have other neighbours than before.
VERSION = 1
_LIBRARIES = ("pynndescent", "numba")
_REMEMBERED = 4
_SECONDS_FOR_OTHERS = 600

#: The last results of this process, by key.
_memory: OrderedDict[str, Neighbors] = OrderedDict()


class NeighborCache:
    """Nearest neighbours, each searched for once.

    Results are found by the numbers of the samples, whatever these are called. Exact neighbours of a search with a
    larger k serve those with a smaller one.

    Args:
        folder: Where results lie for other processes, the folder of shared phases for example; None: nowhere.
        tell: Takes what the log is to say of files that are passed over or cannot be written.
    """

    def __init__(self, folder: Path | None, tell: Callable[[str], None]) -> None:
        self._folder = folder
        self._tell = tell

    def nearest(
        self,
        samples: Values,
        search: Search,
        queries: Values | None = None,
        *,
        device: torch.device | None = None,
        name: str = "the samples",
    ) -> Neighbors:
        """Return what :func:`~recombine.neighbors.nearest_neighbors` does, found now or before.

        While another process searches for the same, this one waits, ten minutes at most.
        """
        samples, queries = _with_digest(samples), None if queries is None else _with_digest(queries)
        key = _key(samples, queries, search)
        found = _memory.get(key)
        if found is None or found.indices.shape[1] < search.k:
            with self._alone(key):
                found = self._read(key, search.k)
                if found is None:
                    found = nearest_neighbors(samples, search, queries, device=device, name=name)
                    self._write(key, found)
        _remember(key, found)
        return found.first(search.k)

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        """Keep other processes from searching for the same meanwhile, where that is possible."""
        if self._folder is None:
            yield
            return
        lock = FileLock(self._folder / f".neighbours_{key}.lock")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=_SECONDS_FOR_OTHERS)
        except (OSError, Timeout, NotImplementedError):
            # Then both search, and find the same.
            pass
        try:
            yield
        finally:
            lock.release()

    def _read(self, key: str, k: int) -> Neighbors | None:
        """Return what a file holds, if that is sound and enough."""
        for file in self._files(key):
            try:
                found = _loaded(file, key)
            except _BrokenFileError as error:
                self._tell(f"{file.name} is passed over: {error}")
                continue
            if found.indices.shape[1] >= k:
                return found
        return None

    def _write(self, key: str, found: Neighbors) -> None:
        """Leave a result for other processes, in place of what was there; to fail does no harm."""
        if self._folder is None:
            return
        buffer = io.BytesIO()
        np.savez(buffer, indices=found.indices.numpy(), distances=found.distances.numpy(), key=np.array(key))
        try:
            path = write_checked(self._folder, f"neighbours_{key}", ".npz", buffer.getvalue())
            for file in self._files(key):
                if file != path:
                    file.unlink(missing_ok=True)
        except OSError as error:
            self._tell(f"{self._folder} cannot be written, so neighbours are not kept: {error.strerror or error}")

    def _files(self, key: str) -> list[Path]:
        return [] if self._folder is None else sorted(self._folder.glob(f"neighbours_{key}_*.npz"))


def _nowhere(line: str) -> None:
    """Take what a cache without files never says."""


#: Remembers for the process, and leaves no files.
IN_MEMORY = NeighborCache(None, _nowhere)


class _BrokenFileError(Exception):
    """A file holds no neighbours; the text says why."""


def _with_digest(values: Values) -> Samples:
    """Return samples that know their digest; what lies on an accelerator is brought to the CPU."""
    if isinstance(values, Samples):
        return values
    return Samples(values.detach().cpu() if isinstance(values, Tensor) else values)


def _key(samples: Samples, queries: Samples | None, search: Search) -> str:
    """Return what a result depends on, as a SHA-256.

    An approximate result depends on the number of neighbours, an exact one does not.
    """
    parts = {
        "version": VERSION,
        "metric": "euclidean",
        "method": search.method,
        "samples": samples.digest,
        "queries": None if queries is None else queries.digest,
    }
    if search.method != "exact":
        parts |= {"k": search.k, "seed": search.seed, **{name: _installed(name) for name in _LIBRARIES}}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _remember(key: str, found: Neighbors) -> None:
    _memory[key] = found
    _memory.move_to_end(key)
    while len(_memory) > _REMEMBERED:
        _memory.popitem(last=False)


def _loaded(file: Path, key: str) -> Neighbors:
    """Return what a file holds.

    Raises:
        _BrokenFileError: It is torn, changed, or not what its name says.
    """
    try:
        with np.load(io.BytesIO(read_checked(file)), allow_pickle=False) as arrays:
            if str(arrays["key"]) != key:
                raise _BrokenFileError("it belongs to other samples")
            return Neighbors(torch.from_numpy(arrays["indices"]), torch.from_numpy(arrays["distances"]))
    except DamagedFileError as error:
        raise _BrokenFileError(str(error)) from error
    except (ValueError, KeyError) as error:
        raise _BrokenFileError("it holds no neighbours") from error
