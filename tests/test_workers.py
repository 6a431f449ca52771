import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from recombine import workers
from recombine.errors import DataError
from recombine.per_sample import PerSample
from recombine.workers import Workers, worker_count
from tests.views.compare import images

TO_TENSOR = {"type": "ToTensor"}
ELASTIC = {"type": "ElasticTransform", "alpha": 30.0, "sigma": 2.0}
CROP = {"type": "RandomCrop", "size": [21, 9]}


def _views() -> dict[str, PerSample]:
    return {"bent": PerSample([ELASTIC, TO_TENSOR], True), "cropped": PerSample([CROP, TO_TENSOR], True)}


@pytest.fixture(scope="module")
def started() -> Iterator[Workers]:
    """Return two processes; starting them takes seconds."""
    pool = Workers(_views())
    pool.start(2)
    yield pool
    pool.close()


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_processes_give_the_bits_of_the_main_process(started: Workers, batch: int) -> None:
    assert (started.count, started.obstacle) == (2, None)
    values, seeds = images(batch), list(range(2**40, 2**40 + batch))
    results, expected = started.submit("bent", values, seeds)(), _views()["bent"](values, seeds)
    assert len(results) == batch
    assert all(torch.equal(one, other) for one, other in zip(results, expected, strict=True))


def test_samples_and_results_may_have_unequal_shapes(started: Workers) -> None:
    values = [images(1, height=height)[0] for height in (20, 25, 30)]
    results, expected = started.submit("bent", values, [1, 2, 3])(), _views()["bent"](values, [1, 2, 3])
    assert [result.shape[1] for result in results] == [20, 25, 30]
    assert all(torch.equal(one, other) for one, other in zip(results, expected, strict=True))


def test_what_torchvision_refuses_is_told_as_in_the_main_process(started: Workers) -> None:
    with pytest.raises(DataError) as here:
        _views()["cropped"](images(2), [0, 0])
    with pytest.raises(DataError) as there:
        started.submit("cropped", images(2), [0, 0])()
    assert str(there.value) == str(here.value)
    assert str(here.value).startswith("a sample cannot be transformed: Required crop size (21, 9)")
    assert len(started.submit("bent", images(2), [0, 0])()) == 2


def test_a_worker_uses_one_thread_and_leaves_interrupts_to_the_main_process(started: Workers) -> None:
    assert started._pool is not None
    assert started._pool.submit(torch.get_num_threads).result() == 1
    assert started._pool.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN


def test_a_process_that_was_ended_is_told_and_none_is_left_over() -> None:
    pool = Workers(_views())
    pool.start(1)
    assert pool._pool is not None
    process = pool._pool.submit(os.getpid).result()
    pool.start(3)
    assert pool.count == 1
    os.kill(process, signal.SIGKILL)
    with pytest.raises(DataError, match='a process that transforms samples was ended.*"num_workers": 0'):
        for _ in range(100):
            pool.submit("bent", images(2), [0, 0])()
            time.sleep(0.1)
    pool.close()
    assert _is_gone(process)


def test_closing_ends_the_processes() -> None:
    pool = Workers(_views())
    pool.start(1)
    assert pool._pool is not None
    process = pool._pool.submit(os.getpid).result()
    os.kill(process, 0)
    pool.close()
    pool.close()
    assert _is_gone(process)
    assert len(pool.submit("bent", images(2), [0, 0])()) == 2


def _is_gone(process: int) -> bool:
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_without_processes_the_main_one_works_when_it_waits() -> None:
    views = _views()
    pool = Workers(views)
    pool.start(0)
    pending = pool.submit("cropped", images(2), [0, 0])
    with pytest.raises(DataError, match="Required crop size"):
        pending()
    idle = Workers({})
    idle.start(3)
    assert (pool.count, idle.count, idle._pool) == (0, 0, None)


class _Refused:
    """A pool where the system allows no process."""

    def __init__(self, *_: Any) -> None:
        self.closed: list[bool] = []

    def submit(self, *_: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    def shutdown(self, **_: Any) -> None:
        self.closed.append(True)


def _without_semaphores(*_: Any) -> None:
    raise NotImplementedError("no semaphores")


@pytest.mark.parametrize(
    ("executor", "obstacle"),
    [
        (_Refused, "BlockingIOError: [Errno 11] Resource temporarily unavailable"),
        (_without_semaphores, "NotImplementedError: no semaphores"),
    ],
)
def test_where_no_process_can_be_started_the_main_one_works(
    executor: Any, obstacle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "ProcessPoolExecutor", executor)
    pool = Workers(_views())
    pool.start(2)
    assert (pool.count, pool.obstacle) == (0, obstacle)
    assert len(pool.submit("bent", images(2), [0, 0])()) == 2


@pytest.mark.parametrize(("processors", "expected"), [(1, 0), (2, 1), (4, 3), (64, 8)])
def test_number_of_processes(processors: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)), raising=False)
    assert worker_count(None) == expected
    assert worker_count(0) == 0
    assert worker_count(5) == 5
