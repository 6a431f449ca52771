import errno
import json
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta

import pytest
from filelock import FileLock

from recombine import run_folder
from recombine.datasets.base import Samples
from recombine.errors import UsageError
from recombine.identity import Identity
from recombine.run_folder import BusyRunError, RunDescription, claimed, generation_of, read_json
from tests.runs import made, method
from tests.stops import ALONE, Stop, content_of, job_of, start

NOW = datetime(2026, 1, 2, 3, 4, 5)
STEM = "2026-01-02_03-04-05"


def description(name="m", seed=0, folder="."):
    """Return what identifies a run."""
    return RunDescription(name, "m.json", ("/a=1",), folder, Identity("c", {"d": {"samples": "s"}}, {}, seed))


def claim(log_dir, run=None, now=NOW, is_fresh=False, result=None):
    """Claim a folder, leave a result there, and give the folder back."""
    with claimed(log_dir, run or description(), now, is_fresh) as folder:
        if result is not None:
            (folder.path / "result.json").write_text(result if isinstance(result, str) else json.dumps(result))
    return folder


def test_a_new_run_gets_a_folder_named_after_time_method_and_identity(tmp_path):
    run = description("a/b\n")
    with claimed(tmp_path / "logs", run, NOW) as folder:
        assert folder.path == tmp_path / "logs" / f"{STEM}_a_b_{run.identity.digest()[:8]}"
        assert (folder.generation, folder.result, folder.is_new, folder.status) == (1, None, True, None)
        assert json.loads((folder.path / "run.json").read_text()) == {
            "method": "a/b\n",
            "source": "m.json",
            "overrides": ["/a=1"],
            "folder": ".",
            "identity": run.identity.digest(),
            "parts": {
                "configuration": "c",
                "data": {"d": {"samples": "s"}},
                "inputs": {},
                "seed": 0,
                "results_version": run.identity.results_version,
            },
            "generation": 1,
        }


def test_a_run_is_found_again_whatever_became_of_it(tmp_path):
    first = claim(tmp_path)
    again = claim(tmp_path, now=NOW + timedelta(days=3))
    assert (again.path, again.generation, again.is_new, again.status) == (first.path, 1, False, "interrupted")
    claim(tmp_path, result={"status": "failed", "error": "no luck"})
    with claimed(tmp_path, description(), NOW) as folder:
        assert (folder.status, folder.result["error"]) == ("failed", "no luck")
    assert len(list(tmp_path.glob("20*"))) == 1


def test_runs_that_differ_in_anything_have_folders_of_their_own(tmp_path):
    paths = [claim(tmp_path, description(seed=seed)).path for seed in (0, 1, 2, 1, 0)]
    assert paths[3:] == [paths[1], paths[0]]
    assert len(set(paths)) == 3


def test_another_name_is_the_same_run(tmp_path):
    assert claim(tmp_path, description("other")).path == claim(tmp_path, description("m")).path


def test_the_clock_has_no_say(tmp_path):
    jumps = [timedelta(days=1), timedelta(days=-400), timedelta(0), timedelta(hours=-1), timedelta(days=900)]
    found = [claim(tmp_path, now=NOW + jump, is_fresh=True) for jump in jumps]
    assert [folder.generation for folder in found] == [1, 2, 3, 4, 5]
    assert [folder.path.name[:10] for folder in found][:2] == ["2026-01-03", "2024-11-28"]
    for jump in jumps:
        assert claim(tmp_path, now=NOW + jump).path == found[-1].path
    assert claim(tmp_path, now=NOW + jumps[1], is_fresh=True).generation == 6
    assert claim(tmp_path).path.name.startswith("2024-11-28")


def test_two_starts_at_the_same_time_have_folders_of_their_own(tmp_path):
    names = [claim(tmp_path, is_fresh=True).path.name for _ in range(3)]
    digest = description().identity.digest()[:8]
    assert names == [f"{STEM}_m_{digest}", f"{STEM}_m_{digest}_2", f"{STEM}_m_{digest}_3"]
    assert claim(tmp_path).path.name == names[-1]


def test_the_first_digits_alone_make_no_run(tmp_path):
    digest = description().identity.digest()
    other = tmp_path / f"{STEM}_m_{digest[:8]}"
    other.mkdir()
    (other / "run.json").write_text(json.dumps({"identity": digest[:8] + "0" * 56, "generation": 7}))
    assert claim(tmp_path).path.name == f"{other.name}_2"
    assert claim(tmp_path).generation == 1


@pytest.mark.parametrize("text", [None, "", '{"identity": ', "[1]", "null", "\xff\xfe", '{"generation": 9}'])
def test_a_folder_that_does_not_say_what_it_is_counts_for_nothing(text, tmp_path):
    half_made = tmp_path / f"{STEM}_m_{description().identity.digest()[:8]}"
    half_made.mkdir()
    if text is not None:
        (half_made / "run.json").write_bytes(text.encode("latin-1"))
    folder = claim(tmp_path)
    assert folder.path.name == f"{half_made.name}_2"
    assert (folder.generation, folder.is_new) == (1, True)
    assert claim(tmp_path).path == folder.path


@pytest.mark.parametrize("text", ["", '{"status": "fini', "[]", "\xff", "{}", '{"status": null}', '{"status": 3}'])
def test_a_result_that_cannot_be_read_is_none(text, tmp_path):
    path = claim(tmp_path).path
    (path / "result.json").write_bytes(text.encode("latin-1"))
    assert claim(tmp_path).status not in ("finished", "failed")


def test_generations_are_read_from_what_is_there(tmp_path):
    assert generation_of(tmp_path) == 0
    for text, generation in (('{"generation": 4}', 4), ('{"generation": "4"}', 0), ("[]", 0)):
        (tmp_path / "run.json").write_text(text)
        assert generation_of(tmp_path) == generation
    assert read_json(tmp_path / "none.json") is None


# --- two at once --------------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    """Wait no longer than need be for a lock."""
    monkeypatch.setattr(run_folder, "_SECONDS_FOR_RUN", 0.01)


def test_a_run_that_somebody_works_on_is_left_alone(tmp_path, impatient):
    path = claim(tmp_path).path
    with FileLock(path / ".lock"):
        with pytest.raises(BusyRunError) as caught:
            claim(tmp_path)
        assert claim(tmp_path, description(seed=1)).path != path
    assert str(caught.value) == f"another process works on this run; its files are in {path}"
    assert claim(tmp_path).path == path


def test_within_a_run_its_folder_is_locked_and_afterwards_it_is_not(tmp_path, impatient):
    with claimed(tmp_path, description(), NOW) as folder:
        with pytest.raises(BusyRunError):
            claim(tmp_path)
        assert claim(tmp_path, is_fresh=True).path != folder.path
    with pytest.raises(KeyError), claimed(tmp_path, description(), NOW):
        raise KeyError
    assert claim(tmp_path).status == "interrupted"


def test_a_process_that_was_killed_holds_no_lock(tmp_path, impatient):
    path = claim(tmp_path).path
    code = (
        "import sys, time; from filelock import FileLock; l = FileLock(sys.argv[1]); l.acquire(); print(1, flush=True)"
    )
    holder = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", f"{code}; time.sleep(60)", str(path / ".lock")], stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"1\n"
    with pytest.raises(BusyRunError):
        claim(tmp_path)
    holder.kill()
    holder.communicate()
    assert claim(tmp_path).path == path


def test_the_result_is_read_once_the_folder_is_claimed(tmp_path, monkeypatch):
    """Whoever waited for the lock must see what the other one left."""
    path = claim(tmp_path).path
    real = run_folder._locked

    def late(folder):
        (path / "result.json").write_text('{"status": "finished"}')
        return real(folder)

    monkeypatch.setattr(run_folder, "_locked", late)
    assert claim(tmp_path).status == "finished"


def test_a_second_start_of_a_run_changes_nothing(tmp_path, impatient):
    job = job_of(method(), tmp_path)
    first = start(job, tmp_path / "logs", Stop(2))
    before = {path: path.read_bytes() for path in first.folder.rglob("*") if path.is_file()}
    with FileLock(first.folder / ".lock"), pytest.raises(BusyRunError):
        start(job, tmp_path / "logs")
    assert {path: path.read_bytes() for path in first.folder.rglob("*") if path.is_file()} == before
    assert content_of(start(job, tmp_path / "logs").folder)["status"] == "finished"


# --- places that cannot be written to -----------------------------------------------------------------------------


def test_a_log_folder_below_a_file_is_the_user_s_mistake(tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("file", "file/logs"):
        with pytest.raises(UsageError) as caught:
            claim(tmp_path / place)
        assert str(caught.value) == (
            f"the log folder {tmp_path}/{place} cannot be written to: a part of its path is a file. "
            "Name another with --log-dir"
        )


def _refusing(number):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number), "x")

    return refuse


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_log_folder_that_takes_no_folder_is_the_user_s_mistake(number, tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "write_json", _refusing(number))
    with pytest.raises(UsageError) as caught:
        claim(tmp_path)
    assert str(caught.value) == (
        f"the log folder {tmp_path} cannot be written to: {os.strerror(number)}. Name another with --log-dir"
    )
    assert list(tmp_path.glob("20*")) == []


def test_a_run_s_folder_that_cannot_be_locked_is_the_user_s_mistake(tmp_path, monkeypatch):
    path = claim(tmp_path).path
    real = run_folder.FileLock

    class Locked(real):
        def acquire(self, *arguments, **named):
            if path in type(path)(self.lock_file).parents:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return super().acquire(*arguments, **named)

    monkeypatch.setattr(run_folder, "FileLock", Locked)
    with pytest.raises(UsageError) as caught:
        claim(tmp_path)
    assert str(caught.value) == f"the run's folder {path} cannot be written to: Permission denied"


def test_a_run_s_folder_that_turns_read_only_is_no_mistake_of_ours(tmp_path, monkeypatch):
    job = job_of(method(), tmp_path)
    monkeypatch.setattr("recombine.execute.write_environment", _refusing(errno.EROFS))
    with pytest.raises(UsageError) as caught:
        start(job, tmp_path / "logs")
    (folder,) = (tmp_path / "logs").glob("20*")
    assert str(caught.value) == f"the run's folder {folder} cannot be written to: Read-only file system"


# --- what a start finds -------------------------------------------------------------------------------------------


def test_a_finished_run_is_reported_and_not_run_again(tmp_path):
    job = job_of(method(), tmp_path)
    first, again = start(job, tmp_path / "logs"), start(job, tmp_path / "logs")
    assert (again.done, again.error, again.result.is_earlier) == ([], None, True)
    assert not first.result.is_earlier
    assert again.lines[0] == f'Method "tiny", seed 0, finished before, in {first.folder}; --fresh runs it again'
    assert again.lines[1:] == [line for line in first.lines if line.startswith("Final performance")]
    assert again.result.parameters == first.result.parameters
    assert again.result.datasets["made"].scores == first.result.datasets["made"].scores
    assert (again.result.datasets["made"].clusters == first.result.datasets["made"].clusters).all()


def test_started_over_a_run_is_a_new_generation_with_the_same_bits(tmp_path):
    job, fresh = job_of(method(), tmp_path), type(ALONE)(ALONE.saving, True, False, False)
    first, second = start(job, tmp_path / "logs"), start(job, tmp_path / "logs", options=fresh)
    assert [content_of(run.folder)["generation"] for run in (first, second)] == [1, 2]
    assert second.result.parameters == first.result.parameters
    assert len(second.done) == 5
    assert start(job, tmp_path / "logs").folder == second.folder


def test_a_failed_run_goes_on_only_where_that_is_asked_for(tmp_path, monkeypatch):
    job, retry = job_of(method(), tmp_path), type(ALONE)(ALONE.saving, False, True, False)
    expected = start(job_of(method(), tmp_path), tmp_path / "whole").result.parameters
    with monkeypatch.context() as patch:
        patch.setattr("recombine.loop.score", lambda *_: {}["bug"])
        failed = start(job, tmp_path / "logs")
    assert (failed.result.status, failed.result.error, len(failed.done)) == ("failed", "KeyError: 'bug'", 5)
    again = start(job, tmp_path / "logs")
    assert (again.done, again.error, again.result.status) == ([], None, "failed")
    assert again.result.error == "KeyError: 'bug'"
    assert again.lines == [f'Method "tiny", seed 0, failed before, in {failed.folder}; --retry-failed goes on with it']
    retried = start(job, tmp_path / "logs", options=retry)
    assert (retried.folder, retried.result.status) == (failed.folder, "finished")
    assert retried.result.parameters == expected
    assert start(job, tmp_path / "logs", options=retry).done == []


def test_a_run_that_says_nothing_was_interrupted(tmp_path):
    job = job_of(method(), tmp_path)
    first = start(job, tmp_path / "logs", Stop(3))
    assert content_of(first.folder)["status"] == "interrupted"
    (first.folder / "result.json").write_text('{"status": "interr')
    again = start(job, tmp_path / "logs")
    assert again.done == ["training"] * 2
    assert content_of(again.folder)["status"] == "finished"


def test_other_configurations_data_labels_files_and_seeds_are_other_runs(tmp_path):
    jobs = [job_of(method(**changes), tmp_path) for changes in ({}, {"seed": 1}, {"dataset": {"batch_size": 6}})]
    described = [{"description": "said otherwise"}, {"phase": {"description": "x"}}]
    same = [job_of(method(**changes), tmp_path) for changes in described]
    samples = made()
    jobs.append(jobs[0].with_seed(2))
    jobs.append(job_of(method(), tmp_path, {"made": made(seed=1)}))
    jobs.append(job_of(method(), tmp_path, {"made": Samples(samples.values, samples.labels.flip(0))}))
    jobs.append(job_of(method(), tmp_path, {"made": Samples(samples.values)}))
    jobs.append(job_of(method(), tmp_path, inputs={"encoder.pth": "0" * 64}))
    folders = [start(job, tmp_path / "logs", Stop(1)).folder for job in jobs]
    assert len(set(folders)) == len(jobs)
    assert {start(job, tmp_path / "logs", Stop(1)).folder for job in same} == {folders[0]}


def test_waiting_for_a_busy_run_takes_less_than_a_second(tmp_path):
    path, began = claim(tmp_path).path, time.monotonic()
    with FileLock(path / ".lock"), pytest.raises(BusyRunError):
        claim(tmp_path)
    assert time.monotonic() - began < 2
