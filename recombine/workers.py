"""Processes that run torchvision's transforms on one sample after the other, while the main process trains."""

import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from recombine.datasets.base import stacked
from recombine.errors import DataError
from recombine.per_sample import PerSample

#: Waits for samples to be transformed, and returns them.
Pending = Callable[[], list[Tensor]]

_MOST = 8
# What it looks like where processes, or the thread that looks after them, are not allowed or end at their start.
_CANNOT_START = (OSError, RuntimeError, AssertionError)

#: In a worker: the transforms of each view.
_views: dict[str, PerSample] = {}


def worker_count(asked: int | None) -> int:
    """Return how many processes to start: as many as asked for, else one fewer than there are processors, at most 8."""
    if asked is not None:
        return asked
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(available - 1, _MOST)


@dataclass(frozen=True)
class SlowView:
    """A view that runs sample by sample through torchvision.

    Attributes:
        name: The view.
        reason: Why it has no batch form.
        milliseconds: What one sample takes.
        num_workers: Number of processes that share the work; 0: the main process does it.
        obstacle: Why no process could be started, or None.
    """

    name: str
    reason: str
    milliseconds: float
    num_workers: int
    obstacle: str | None


class Workers:
    """Transforms samples in processes of their own, or in the main process where there are none.

    Results do not depend on the number of processes, as each sample has a seed of its own.

    Args:
        views: The transforms of each view, by name.

    Attributes:
        count: Number of processes; 0: the main process does the work, when it waits for the samples.
        obstacle: Why no process could be started, or None.
    """

    def __init__(self, views: Mapping[str, PerSample]) -> None:
        self.count = 0
        self.obstacle: str | None = None
        self._main = dict(views)
        self._pool: ProcessPoolExecutor | None = None

    def start(self, count: int) -> None:
        """Start ``count`` processes, unless there is nothing for them to do; where that fails, say why."""
        if self._pool is not None or count == 0 or not self._main:
            return
        try:
            with _hidden_main():
                self._pool = ProcessPoolExecutor(count, _context(), _begin, (self._as_json(),))
                found = [self._pool.submit(os.getpid) for _ in range(count)]
            for process in found:
                process.result()
        except _CANNOT_START as error:
            self.close()
            self.obstacle = f"{type(error).__name__}: {error}"
        else:
            self.count = count

    def submit(self, view: str, values: Tensor | Sequence[Tensor], seeds: Sequence[int]) -> Pending:
        """Begin to transform stored samples ``(B, ...)`` with ``B`` seeds.

        Returns:
            A function that waits for the ``B`` results. It raises DataError as :class:`PerSample` does, or if a
            process ended.
        """
        if self._pool is None:
            return partial(self._main[view], values, seeds)
        size = -(-len(seeds) // self.count)
        parts = [slice(start, start + size) for start in range(0, len(seeds), size)]
        with _hidden_main(), _ending():
            return partial(_results, [self._pool.submit(_transform, view, _arrays(values[p]), seeds[p]) for p in parts])

    def close(self) -> None:
        """End the processes; what nobody has begun is dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool, self.count = None, 0

    def _as_json(self) -> str:
        return json.dumps({name: (view.specs, view.on_pil) for name, view in self._main.items()}, default=dict)


def _context() -> Any:
    """Return how processes start: forked off a process of one thread that has loaded torch, where the system can."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Keep new processes from importing the user's script, which may run the method again; they need nothing of it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _ending() -> Iterator[None]:
    """Tell the user if a process was ended from outside."""
    try:
        yield
    except BrokenProcessPool as error:
        reason = "a process that transforms samples was ended, perhaps as memory ran out"
        raise DataError(f'{reason}; "num_workers": 0 works in the main process') from error


def _results(futures: Sequence[Future[list[NDArray[Any]]]]) -> list[Tensor]:
    with _ending():
        return [torch.from_numpy(sample) for future in futures for sample in future.result()]


def _arrays(values: Tensor | Sequence[Tensor]) -> Any:
    """Return samples as one array where they are one tensor: torch would send tensors through shared memory."""
    return values.numpy() if isinstance(values, Tensor) else [value.numpy() for value in values]


def _begin(views: str) -> None:
    """Prepare a worker: one thread, deaf to Ctrl-C, which the main process answers, and gone when that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _views.update({name: PerSample(specs, on_pil) for name, (specs, on_pil) in json.loads(views).items()})


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _transform(view: str, values: Sequence[NDArray[Any]], seeds: Sequence[int]) -> Any:
    """Transform samples in a worker; the results are one array where they have one shape."""
    together = stacked(_views[view]([torch.from_numpy(value) for value in values], seeds))
    return _arrays(together)
