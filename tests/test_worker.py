import os
import signal
from dataclasses import replace
from multiprocessing import Pipe

import pytest
import torch

from recombine import worker
from recombine.batch import BatchOptions, Report, check_jobs
from recombine.errors import DataError
from recombine.execute import RunOptions
from recombine.keeper import SavingOptions
from recombine.logs import LogOptions
from recombine.worker import Message, Messenger, Order, Progress, work
from tests.methods import DIVERGING, small, written
from tests.stops import content_of

SECOND = {"/phases/0/exit_criteria/iterations": 6, "/phases/0/performance_evaluation_interval": 2}


@pytest.fixture
def ordered(tmp_path, monkeypatch):
    """Return what makes an order of a method file; the worker runs in this process."""
    monkeypatch.setattr(os, "setsid", lambda: None)
    before, handler = torch.get_num_threads(), signal.getsignal(signal.SIGINT)

    def order(changes=None, **options):
        log = LogOptions(tmp_path / "logs")
        settings = BatchOptions(log, run=RunOptions(SavingOptions(0, 0), shares_phases=False), **options)
        path = written(tmp_path, small(changes or SECOND))
        (job,) = check_jobs([path], [()], settings, Report(print, print, print))
        return job, Order(
            job.source,
            dict(job.config.resolved),
            job.config.folder,
            job.places,
            ("/a=1",),
            dict(job.inputs),
            settings,
            1,
            None,
        )

    yield order
    torch.set_num_threads(before)
    signal.signal(signal.SIGINT, handler)


def worked(order):
    """Let a worker run an order; return what it told, by kind."""
    receiver, sender = Pipe(duplex=False)
    work(order, sender)
    sender.close()
    messages = []
    with pytest.raises(EOFError):
        while True:
            messages.append(receiver.recv())
    return messages


def test_an_order_stands_for_the_same_run(ordered):
    job, order = ordered({**SECOND, "/datasets/0/index_of_first_sample_to_use": 3})
    receiver, sender = Pipe(duplex=False)
    sender.send(order)
    found = receiver.recv().job()
    assert found.identity == job.identity
    assert found.config.resolved == job.config.resolved
    assert found.samples["Digits"].digest == job.samples["Digits"].digest
    assert found.title == order.title == f"{job.source} /a=1"


def test_a_run_tells_where_it_is_and_what_became_of_it(ordered, monkeypatch):
    monkeypatch.setattr(worker, "_SECONDS_BETWEEN_NEWS", 0)
    _, order = ordered()
    first, *progress, last = worked(order)
    assert first.kind == "started"
    assert {message.kind for message in progress} == {"progress"}
    assert [message.content.iteration for message in progress] == [0, 1, 2, 3, 4, 5, 6]
    assert progress[0].content == Progress("training", 0, 6, "", (0, 0))
    assert (last.kind, last.content.status, last.content.source) == ("done", "finished", order.title)
    assert last.content.result.folder == first.content
    assert content_of(first.content)["status"] == "finished"


def test_scores_are_told_once_there_are_some(ordered, monkeypatch):
    monkeypatch.setattr(worker, "_SECONDS_BETWEEN_NEWS", 0)
    strategy = {"type": "centroid_similarity", "use_centroids_during_phases": ["training"]}
    _, order = ordered({**SECOND, "/cluster_assignment_strategy": strategy})
    scores = [message.content.scores for message in worked(order) if message.kind == "progress"]
    assert scores[:3] == ["", "", ""]
    assert all(text.startswith("ACC 0.") for text in scores[3:])


def test_news_come_now_and_then(ordered, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(worker.time, "monotonic", lambda: now.__setitem__(0, now[0] + 0.2) or now[0])
    _, order = ordered()
    told = [message.content.iteration for message in worked(order) if message.kind == "progress"]
    assert told[0] == 0
    assert 1 < len(told) < 5


def test_a_mistake_of_the_user_is_told_without_a_traceback(ordered, monkeypatch):
    def gone(*_):
        raise DataError("the data are gone")

    monkeypatch.setattr(worker, "load_samples", gone)
    _, order = ordered()
    (last,) = worked(order)
    assert (last.kind, last.content.error, last.content.source) == ("done", "the data are gone", order.title)
    assert last.content.status == "failed"


@pytest.mark.parametrize("place", ["recombine.worker.load_samples", "recombine.execute.run_method"])
def test_a_failure_of_ours_keeps_its_traceback(place, ordered, monkeypatch):
    monkeypatch.setattr(place, lambda *_: {}["bug"])
    _, order = ordered()
    *_, failure, last = worked(order)
    assert failure.kind == "failure"
    assert failure.content.startswith("Traceback (most recent call last):\n")
    assert failure.content.endswith("KeyError: 'bug'\n")
    assert (last.content.error, last.content.status) == ("KeyError: 'bug'", "failed")


def test_a_failed_run_says_why(ordered):
    _, order = ordered(DIVERGING)
    last = worked(order)[-1]
    assert last.content.status == "failed"
    assert "a loss became NaN or infinite" in last.content.error


def test_a_signal_before_the_run_ends_the_process_and_one_within_it_saves(ordered, monkeypatch):
    seen = []
    real = worker.load_samples
    monkeypatch.setattr(worker, "load_samples", lambda *a: (seen.append(signal.getsignal(signal.SIGINT)), real(*a))[1])
    monkeypatch.setattr(Messenger, "phase_started", lambda *_: signal.raise_signal(signal.SIGINT))
    _, order = ordered()
    outcome = worked(order)[-1].content
    assert seen == [signal.SIG_DFL]
    assert (outcome.status, outcome.signal, outcome.error) == ("interrupted", signal.SIGINT, "SIGINT ended the run")
    assert len(list((outcome.result.folder / "checkpoints").iterdir())) == 1


def test_threads_and_gpu_are_those_of_the_order(ordered, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    _, order = ordered()
    folder = worked(replace(order, gpu="2", threads=2))[-1].content.result.folder
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "2"
    assert '"threads": 2' in (folder / "environment.json").read_text()


def test_where_nobody_listens_any_more_the_run_is_saved_and_ends(ordered, monkeypatch):
    _, order = ordered()
    receiver, sender = Pipe(duplex=False)
    receiver.close()
    monkeypatch.setattr(worker, "_SECONDS_BETWEEN_NEWS", 0)
    work(order, sender)
    (result,) = order.options.log.log_dir.glob("*/result.json")
    assert content_of(result.parent)["error"] == "SIGTERM ended the run"
    assert len(list((result.parent / "checkpoints").iterdir())) == 1


def test_a_messenger_falls_silent_after_that():
    class Closed:
        count = 0

        def send(self, message):
            self.count += 1
            raise BrokenPipeError

    heard, closed = [], Closed()
    messenger, before = Messenger(closed), signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
    try:
        for _ in range(3):
            messenger.send(Message("started"))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (heard, closed.count) == ([1], 1)
