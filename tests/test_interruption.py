import json
import signal
import threading

import pytest

from recombine import checked_files
from recombine.batch import BatchOptions, Report, exit_status, run_batch
from recombine.interruption import InterruptedRunError, Interruption
from recombine.logs import LogOptions
from tests.runs import method
from tests.stops import ALONE, Listener, Stop, checkpoints_of, content_of, events_of, job_of, left_behind, start

SIGNALS = [signal.SIGINT, signal.SIGTERM]
WORD = "Interrupted: the iteration is finished and saved first; interrupt once more to leave at once"
PHASE = {"exit_criteria": {"iterations": 8}, "performance_evaluation_interval": 3}


@pytest.fixture(autouse=True)
def handlers():
    """Make sure that the signals are given back."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_noted_and_the_second_raises(number):
    told = []
    with Interruption(told.append) as interruption:
        interruption.check()
        assert interruption.number is None
        signal.raise_signal(number)
        assert interruption.number == number
        assert told == [WORD]
        with pytest.raises(InterruptedRunError) as caught:
            interruption.check()
        assert caught.value.number == number
        other = next(one for one in SIGNALS if one != number)
        with pytest.raises(InterruptedRunError) as caught:
            signal.raise_signal(other)
        assert caught.value.number == other
        assert str(caught.value) == f"{signal.Signals(other).name} ended the run"
    assert told == [WORD]
    assert isinstance(caught.value, KeyboardInterrupt)


def test_signals_are_given_back_after_an_error_too():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
    try:
        with pytest.raises(KeyError), Interruption(print):
            raise KeyError
        signal.raise_signal(signal.SIGTERM)
        assert heard == [1]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_one_within_another_gives_the_signals_back_to_it():
    with Interruption([].append) as outer, Interruption([].append) as inner:
        signal.raise_signal(signal.SIGINT)
        assert (outer.number, inner.number) == (None, signal.SIGINT)
        inner.__exit__()
        signal.raise_signal(signal.SIGTERM)
        assert (outer.number, inner.number) == (signal.SIGTERM, signal.SIGINT)


def test_a_request_is_like_a_signal_and_the_first_counts():
    interruption = Interruption(print)
    interruption.request(signal.SIGINT)
    interruption.request()
    with pytest.raises(InterruptedRunError, match="SIGINT ended the run"):
        interruption.check()


def test_outside_the_main_thread_signals_are_left_alone():
    found = []

    def work():
        with Interruption(print) as interruption:
            found.append(signal.getsignal(signal.SIGINT))
            found.append(interruption.number)

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before, None]


def test_a_run_outside_the_main_thread_runs(tmp_path):
    found = []
    job = job_of(method(phase=PHASE), tmp_path)
    thread = threading.Thread(target=lambda: found.append(start(job, tmp_path / "logs")))
    thread.start()
    thread.join()
    assert found[0].result.status == "finished"
    assert found[0].result.parameters == start(job, tmp_path / "alone").result.parameters


# --- runs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_lets_the_iteration_finish_and_saves(number, tmp_path):
    finished = []

    class Late(Listener):
        """Hears of an iteration after the one that sends the signal."""

        def heard(self, moment, *details):
            if moment == "iteration_done":
                finished.append(details[1].clock.iteration)

    job = job_of(method(phase=PHASE), tmp_path)
    started = start(job, tmp_path / "logs", Stop(3, number=number), watchers=[Late()])
    assert finished == [1, 2, 3]
    assert started.result.status == content_of(started.folder)["status"] == "interrupted"
    name = signal.Signals(number).name
    assert content_of(started.folder)["error"] == f"{name} ended the run"
    assert started.lines.count(WORD) == 1
    assert events_of(started.folder)[-2]["event"] == "evaluation"  # that of the third iteration
    assert len(checkpoints_of(started)) == 1


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_leaves_at_once_and_nothing_is_lost_but_time(number, tmp_path):
    job, expected = job_of(method(phase=PHASE), tmp_path), start(job_of(method(phase=PHASE), tmp_path), tmp_path / "w")
    saving = type(ALONE)(type(ALONE.saving)(0, 2), shares_phases=False)
    started = start(job, tmp_path / "logs", Stop(5, number=number, times=2), saving)
    assert started.result.status == content_of(started.folder)["status"] == "interrupted"
    again = start(job, tmp_path / "logs", options=saving)
    assert len(again.done) == 4  # from the checkpoint after the fourth iteration
    assert left_behind(again) == left_behind(expected)


def test_a_second_signal_while_the_first_is_followed_leaves_no_half_checkpoint(tmp_path, monkeypatch):
    job, expected = job_of(method(phase=PHASE), tmp_path), start(job_of(method(phase=PHASE), tmp_path), tmp_path / "w")
    real = checked_files._fill

    def fill(data, path):
        path.write_bytes(data[:100])
        signal.raise_signal(signal.SIGINT)
        real(data, path)

    monkeypatch.setattr(checked_files, "_fill", fill)
    started = start(job, tmp_path / "logs", Stop(5))
    assert started.result.status == "interrupted"
    assert checkpoints_of(started) == []
    assert list(started.folder.rglob("*.part")) == []
    monkeypatch.undo()
    assert left_behind(start(job, tmp_path / "logs")) == left_behind(expected)


class _Last(Stop):
    """Sends the signal when the run is over."""

    def run_ended(self, error):
        signal.raise_signal(self.number)


def test_a_signal_after_the_last_iteration_spoils_no_result(tmp_path):
    job, expected = job_of(method(phase=PHASE), tmp_path), start(job_of(method(phase=PHASE), tmp_path), tmp_path / "w")
    started = start(job, tmp_path / "logs", _Last())
    assert started.result.status == "finished"
    assert left_behind(started) == left_behind(expected)
    assert isinstance(started.error, InterruptedRunError)


# --- batches ------------------------------------------------------------------------------------------------------


def _batch(tmp_path, watcher, **options):
    jobs = [job_of(method(phase=PHASE, name=name), tmp_path) for name in ("a", "b", "c")]
    jobs = [job.with_seed(seed) for seed, job in enumerate(jobs)]
    log = LogOptions(tmp_path / "logs")
    report = Report([].append, [].append, [].append, lambda: [watcher])
    return list(run_batch(jobs, BatchOptions(log, run=ALONE, **options), report))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("goes_on", [False, True])
def test_a_signal_ends_the_batch_and_the_exit_status_says_which(number, status, goes_on, tmp_path):
    outcomes = _batch(tmp_path, Stop(11, number=number), resume_on_error=goes_on)
    assert [outcome.status for outcome in outcomes] == ["finished", "interrupted", "not run"]
    assert outcomes[1].error == f"{signal.Signals(number).name} ended the run"
    assert exit_status(outcomes) == status
    found = [json.loads(path.read_text())["status"] for path in (tmp_path / "logs").glob("*/result.json")]
    assert sorted(found) == ["finished", "interrupted"]
    again = _batch(tmp_path, stop := Stop())
    assert [outcome.status for outcome in again] == ["finished"] * 3
    assert exit_status(again) == 0
    assert len(stop.done) == 5 + 8


def test_a_signal_at_the_end_of_a_run_ends_the_batch_after_it(tmp_path):
    outcomes = _batch(tmp_path, _Last())
    assert [outcome.status for outcome in outcomes] == ["finished", "not run", "not run"]
    assert exit_status(outcomes) == 130
