import json
import subprocess
import sys

import pytest
from filelock import FileLock

from recombine.errors import UsageError
from recombine.result_files import find_runs, is_locked, read_run, read_runs
from tests.result_folders import PROTOCOL, dataset, run, write


def test_a_run_says_what_its_file_says(tmp_path):
    content = run(3, overrides=["/seed=3"], datasets={"Digits": dataset(0.5, oracle=["why"])})
    record = read_run(write(tmp_path, "a", content))
    assert (record.method, record.status, record.seed, record.error) == ("dec", "finished", 3, None)
    assert (record.identity, record.generation, record.results_version) == ("dec-c-3", 1, 1)
    assert (record.config_hash, record.overrides) == ("c" * 64, ("/seed=3",))
    entry = record.datasets["Digits"]
    assert (entry.name, entry.num_samples, entry.samples_digest) == ("Digits", 1797, "5a" * 32)
    assert (entry.labels_digest, entry.scored_on, entry.oracle) == ("1b" * 32, PROTOCOL, ("why",))
    assert entry.last == {"acc": 0.5, "nmi": 0.8, "ari": 0.7, "ami": 0.79, "num_used_clusters": 10, "silhouette": 0.3}
    assert entry.space == "a sample of 2,000, output of encoder"
    assert (entry.chosen_by, entry.chosen) == ("silhouette", {"silhouette": 0.35, "acc": 0.49, "nmi": 0.8, "ari": 0.7})
    assert entry.best == {"acc": 0.52}


def test_older_files_lack_the_newer_keys(tmp_path):
    old = {
        "method": "quickstart",
        "status": "finished",
        "seed": 0,
        "config_hash": "0f",
        "datasets": {"Digits": {"num_samples": 9, "scores": {"acc": 0.5}, "oracle": []}, "None": {"scores": None}},
    }
    record = read_run(write(tmp_path, "a", old))
    assert (record.status, record.identity, record.generation, record.results_version) == ("finished", None, 1, None)
    assert record.datasets["Digits"].last == {"acc": 0.5}
    assert record.datasets["Digits"].samples_digest is None
    assert record.datasets["None"].last == {}


FOREIGN = {
    "": "it is empty",
    '{"method": "dec", "sta': "it is not whole JSON (line 1: Unterminated string starting at)",
    "[1, 2]": "it holds a list where an object is expected",
    "null": "it holds null where an object is expected",
    '{"a": NaN}': "it holds NaN, which is no number",
    '{"a": -Infinity}': "it holds -Infinity, which is no number",
    "[" * 100_000: "it is no JSON that a run writes",
    '{"a": ' + "1" * 5000 + "}": "it is no JSON that a run writes",
    "{}": 'it has no "method"',
    '{"method": "dec"}': 'it has no "seed"',
    '{"method": 3, "seed": 0}': '"method" is 3 where text is expected',
    '{"method": "dec", "seed": true}': '"seed" is true where a whole number is expected',
    '{"method": "dec", "seed": 0}': '"status" is null where one of finished, failed, interrupted is expected',
    '{"method": "dec", "seed": 0, "status": "done"}': '"status" is "done" where one of finished, failed, '
    "interrupted is expected",
    '{"method": "dec", "seed": 0, "status": "finished", "overrides": [1]}': '"overrides" is [1] where a list of texts '
    "is expected",
}


@pytest.mark.parametrize("text", FOREIGN)
def test_what_is_no_result_is_unreadable_and_says_why(tmp_path, text):
    folder = write(tmp_path, "2026-01-01_00-00-00_dec_0123abcd", text)
    record = read_run(folder)
    assert (record.status, record.method, record.datasets) == ("unreadable", "dec", {})
    assert record.error == f"{folder / 'result.json'}: {FOREIGN[text]}"


WRONG = {
    "text": ({"scores": {"acc": "0.9"}}, '"acc" is "0.9" where a number is expected'),
    "true": ({"scores": {"acc": True}}, '"acc" is true where a number is expected'),
    "huge": ({"scores": {"acc": 10**400}}, f'"acc" is 1{"0" * 29}... where a number is expected'),
    "list": ({"scores": [0.9]}, '"scores" is [0.9] where an object is expected'),
    "long": ({"scores": [0.9] * 20}, '"scores" is a list where an object is expected'),
    "free": ({"label_free": {"silhouette": "?"}}, '"silhouette" is "?" where a number is expected'),
    "chosen": ({"chosen": {"by": "silhouette", "value": {}}}, '"silhouette" is {} where a number is expected'),
    "best": ({"best": {"acc": 0.9}}, '"acc" is 0.9 where an object is expected'),
    "n": ({"num_samples": 1.5}, '"num_samples" is 1.5 where a whole number is expected'),
    "oracle": ({"oracle": "yes"}, '"oracle" is "yes" where a list of texts is expected'),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_value_of_the_wrong_kind_is_never_a_number(tmp_path, name):
    changes, message = WRONG[name]
    folder = write(tmp_path, "a", run(datasets={"Digits": dataset(**changes)}))
    record = read_run(folder)
    assert (record.status, record.error) == ("unreadable", f"{folder / 'result.json'}: {message}")


def test_a_dataset_that_is_no_object_is_unreadable(tmp_path):
    record = read_run(write(tmp_path, "a", run(datasets={"Digits": 0.9})))
    assert record.error.endswith('"Digits" is 0.9 where an object is expected')


def test_a_number_beyond_all_numbers_is_unreadable(tmp_path):
    text = json.dumps(run()).replace('"acc": 0.9', '"acc": 1e999')
    assert read_run(write(tmp_path, "a", text)).error.endswith('"acc" is Infinity where a number is expected')


def test_bytes_that_are_no_text_are_unreadable(tmp_path):
    folder = write(tmp_path, "a", "{}")
    (folder / "result.json").write_bytes(b"\xff\xfe{")
    assert read_run(folder).error == f"{folder / 'result.json'}: it is not text in UTF-8"


def test_a_folder_in_the_place_of_the_file_is_unreadable(tmp_path):
    (tmp_path / "a" / "result.json").mkdir(parents=True)
    record = read_run(tmp_path / "a")
    assert record.error == f"{tmp_path / 'a' / 'result.json'}: it cannot be read: Is a directory"


def test_null_is_the_absence_of_a_score(tmp_path):
    content = run(
        datasets={"Digits": dataset(scores={"acc": None, "nmi": 0.5}, chosen=None, best=None, label_free=None)}
    )
    entry = read_run(write(tmp_path, "a", content)).datasets["Digits"]
    assert (entry.last, entry.chosen, entry.chosen_by, entry.best, entry.space) == ({"nmi": 0.5}, {}, None, {}, "")


def test_a_torn_result_keeps_what_the_run_said_at_its_start(tmp_path):
    record = read_run(write(tmp_path, "a", "{", started=run(7, method="idec", generation=2)))
    assert (record.status, record.method, record.seed, record.generation) == ("unreadable", "idec", 7, 2)
    assert (record.identity, record.config_hash) == ("idec-c-7", "c" * 64)


def test_a_run_without_result_is_interrupted_or_running(tmp_path):
    folder = write(tmp_path, "a", started=run(4))
    assert (read_run(folder).status, read_run(folder).seed) == ("interrupted", 4)
    with FileLock(folder / ".lock"):
        assert read_run(folder).status == "running"
    assert read_run(folder).status == "interrupted"


def test_a_failed_run_that_is_tried_again_is_running(tmp_path):
    folder = write(tmp_path, "a", run(status="failed", error="x", datasets={"Digits": dataset()}))
    with FileLock(folder / ".lock"):
        record = read_run(folder)
    assert (record.status, record.datasets) == ("running", {})
    assert read_run(folder).status == "failed"


def test_a_finished_run_is_finished_whoever_holds_its_lock(tmp_path):
    folder = write(tmp_path, "a", run())
    with FileLock(folder / ".lock"):
        assert read_run(folder).status == "finished"


def test_a_start_that_says_nothing_is_unreadable(tmp_path):
    folder = write(tmp_path, "a")
    (folder / "run.json").write_text('{"met')
    record = read_run(folder)
    assert record.status == "unreadable"
    assert record.error.startswith(f"{folder / 'run.json'}: it is not whole JSON")


def test_looking_for_a_lock_leaves_none_behind_and_takes_none(tmp_path):
    assert not is_locked(tmp_path)
    assert list(tmp_path.iterdir()) == []
    lock = FileLock(tmp_path / ".lock")
    with lock:
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)
    with lock.acquire(blocking=False):
        assert lock.is_locked


def test_a_lock_of_another_process_is_seen(tmp_path):
    code = (
        "import sys; from filelock import FileLock\n"
        f"with FileLock({str(tmp_path / '.lock')!r}):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdout.readline() == b"held\n"
        assert is_locked(tmp_path)
        process.stdin.close()
        process.wait(timeout=20)
    assert not is_locked(tmp_path)


def test_what_cannot_be_a_lock_counts_as_free(tmp_path):
    (tmp_path / ".lock").mkdir()
    assert not is_locked(tmp_path)


def test_the_highest_generation_counts(tmp_path):
    write(tmp_path, "a", run(0, generation=2, status="failed", error="x"))
    write(tmp_path, "b", run(0, generation=1))
    write(tmp_path, "c", run(1))
    runs = read_runs([tmp_path])
    assert [(record.folder.name, record.status) for record in runs.records] == [("a", "failed"), ("c", "finished")]
    assert runs.superseded == (tmp_path / "b",)


def test_a_copy_counts_once_and_the_finished_one(tmp_path):
    write(tmp_path, "z", started=run(0))
    write(tmp_path / "copy", "a", run(0))
    runs = read_runs([tmp_path, tmp_path / "copy"])
    assert [(record.folder.name, record.status) for record in runs.records] == [("a", "finished")]
    assert runs.superseded == (tmp_path / "z",)


def test_a_folder_that_is_named_twice_is_read_once(tmp_path):
    old = run(0) | {"identity": None}
    folder = write(tmp_path, "a", old)
    assert len(read_runs([tmp_path, folder, tmp_path / "a" / ".."]).records) == 1


def test_runs_without_identity_count_each_for_itself(tmp_path):
    for name in "ab":
        write(tmp_path, name, run(0) | {"identity": None})
    assert len(read_runs([tmp_path]).records) == 2


def test_a_place_is_a_run_or_holds_runs(tmp_path):
    folders = [write(tmp_path, "b", run()), write(tmp_path, "a", started=run(1))]
    (tmp_path / "shared" / "deep").mkdir(parents=True)
    (tmp_path / "shared" / "deep" / "result.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("")
    assert find_runs(tmp_path) == sorted(folders)
    assert find_runs(folders[0]) == folders[:1]


def test_places_without_runs_are_mistakes(tmp_path):
    (tmp_path / "file").write_text("")
    for place, message in {
        tmp_path / "no": f"there is no folder {tmp_path / 'no'}. Name a folder of runs, for example logs",
        tmp_path / "file": f"{tmp_path / 'file'} cannot be read: Not a directory",
        tmp_path: f"{tmp_path} holds no run: no folder in it has a result.json or a run.json",
    }.items():
        with pytest.raises(UsageError) as caught:
            read_runs([place])
        assert str(caught.value) == message


def test_the_start_of_a_run_tells_its_data_and_inputs(tmp_path):
    content = run(4, inputs={"saved/encoder.pth": "ab" * 32})
    record = read_run(write(tmp_path, "a", started=content))
    entry = record.datasets["Digits"]
    assert (record.config_hash, record.results_version, record.seed) == ("c" * 64, 1, 4)
    assert (entry.samples_digest, entry.labels_digest, entry.num_samples) == ("5a" * 32, "1b" * 32, None)
    assert (entry.last, entry.chosen, entry.best) == ({}, {}, {})
    plain = read_run(write(tmp_path, "b", started=run(4)))
    other = read_run(write(tmp_path, "c", run(4), started=run(4, inputs={"saved/encoder.pth": "cd" * 32})))
    assert plain.inputs is None
    assert len({record.inputs, other.inputs, None}) == 3
    assert other.status == "finished"


def test_a_failed_run_knows_the_datasets_that_it_did_not_reach(tmp_path):
    both = {"A": dataset(), "B": dataset(samples_digest="77" * 32)}
    failed = run(0, status="failed", error="x", datasets={"A": both["A"]})
    record = read_run(write(tmp_path, "a", failed, started=run(0, datasets=both)))
    assert [(entry.name, entry.num_samples) for entry in record.datasets.values()] == [("A", 1797), ("B", None)]
