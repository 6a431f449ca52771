import json
import re

import pytest
import torch

from recombine import execute as module
from recombine.batch import BatchOptions, prepare
from recombine.callbacks.base import Callback
from recombine.errors import DivergedError, RecombineError
from recombine.execute import execute
from recombine.load import load_dict
from recombine.logs import LogOptions
from tests.methods import DIVERGING, rich, small

STAMP = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] "
FINAL = r'Final performance on dataset "Digits": ACC [01]\.\d{3}, NMI [01]\.\d{3}, ARI -?[01]\.\d{3}'


def job(method, folder):
    """Return a method that is ready to run, with its logs in ``folder``."""
    found, problems = prepare(load_dict(method), BatchOptions(LogOptions(folder)), {})
    assert found is not None, problems
    return found


def run(method, folder, log=None, watchers=()):
    """Run a method; return result, error and the lines that were shown."""
    lines = []
    result, error = execute(job(method, folder), log or LogOptions(folder), lines.append, watchers)
    return result, error, lines


def content(result):
    """Return what ``result.json`` says."""
    return json.loads((result.folder / "result.json").read_text())


class Recorder(Callback):
    """Notes how the run ended."""

    def __init__(self):
        self.errors = []

    def run_ended(self, error):
        self.errors.append(error)


def test_a_run_leaves_its_files_and_nothing_half_written(tmp_path):
    result, error, lines = run(small(), tmp_path)
    assert error is None
    assert result.folder.parent == tmp_path
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d_\d\d-\d\d-\d\d_small_{result.identity[:8]}", result.folder.name)
    files = sorted(path.relative_to(result.folder).as_posix() for path in result.folder.rglob("*"))
    assert files == [
        ".lock",
        "Digits",
        "Digits/assignments.csv",
        "Digits/confusion.csv",
        "Digits/embeddings",
        "Digits/embeddings/00_00000002_end.npz",
        "checkpoints",
        *(f"checkpoints/{path.name}" for path in (result.folder / "checkpoints").iterdir()),
        "config.json",
        "environment.json",
        "events.jsonl",
        "result.json",
        "run.json",
        "run.log",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", result.folder.name]
    assert (result.folder / "run.log").read_text().splitlines() == lines
    assert json.loads((result.folder / "config.json").read_text()) == load_dict(small()).require().resolved
    assert content(result)["status"] == result.status == "finished"
    assert content(result)["datasets"]["Digits"]["scores"] == result.datasets["Digits"].scores.as_dict()
    rows = (result.folder / "Digits" / "assignments.csv").read_text().splitlines()
    assert (rows[0], len(rows)) == ("index,cluster,confidence,label", 61)


def test_the_last_word_on_a_dataset_has_its_exact_form(tmp_path):
    _, _, lines = run(small(), tmp_path)
    assert all(re.match(STAMP, line) for line in lines)
    assert [line for line in lines if re.fullmatch(STAMP + FINAL, line)] == [lines[-2]]


def test_names_do_not_lead_out_of_the_run_s_folder(tmp_path):
    names = {"/name": "../../x/y", "/datasets/0/name": "../z"}
    result, error, lines = run(small(names), tmp_path / "logs")
    assert error is None
    assert result.folder.parent == tmp_path / "logs"
    assert result.folder.name.endswith(f"_x_y_{result.identity[:8]}")
    assert (result.folder / "z" / "assignments.csv").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]
    assert any('Final performance on dataset "../z": ACC' in line for line in lines)


def test_events_are_a_json_object_a_line(tmp_path):
    result, _, _ = run(rich(), tmp_path)
    events = [json.loads(line)["event"] for line in (result.folder / "events.jsonl").read_text().splitlines()]
    assert (events[0], events[-1]) == ("run_started", "run_ended")
    assert {"dataset_started", "phase_started", "evaluation", "phase_ended", "dataset_scored"} <= set(events)


def test_lines_may_begin_without_the_time(tmp_path):
    _, _, lines = run(small(), tmp_path, LogOptions(tmp_path, with_timestamps=False))
    assert lines[0].startswith('Method "small", seed 0, on cpu')
    assert re.fullmatch(FINAL, lines[-2])


def test_without_log_files_the_rest_is_still_written(tmp_path):
    result, _, lines = run(small(), tmp_path, LogOptions(tmp_path, tmp_path / "one.log", with_files=False))
    assert lines
    assert not (result.folder / "run.log").exists()
    assert not (tmp_path / "one.log").exists()
    assert (result.folder / "result.json").exists()


def test_one_log_file_holds_all_runs(tmp_path):
    log = LogOptions(tmp_path, tmp_path / "one.log")
    first, _, lines = run(small(), tmp_path, log)
    second, _, more = run(small({"/name": "second"}), tmp_path, log)
    assert (tmp_path / "one.log").read_text().splitlines() == lines + more
    assert not any((result.folder / "run.log").exists() for result in (first, second))


def test_a_diverged_loss_fails_the_run_with_a_clear_word(tmp_path):
    recorder = Recorder()
    result, error, lines = run(small(DIVERGING), tmp_path, watchers=[recorder])
    assert isinstance(error, DivergedError)
    assert recorder.errors == [error]
    assert result.status == content(result)["status"] == "failed"
    assert result.error == content(result)["error"] == str(error)
    assert re.match(
        r'a loss became NaN or infinite in iteration \d of phase "training" on dataset "Digits"; ', str(error)
    )
    assert lines[-1].endswith(f"Failed: {error}")
    assert not list(tmp_path.rglob("*.part"))


def test_what_was_scored_before_a_failure_is_kept(tmp_path):
    second = {**small()["datasets"][0], "name": "second", "order": 1}
    last = {**small()["phases"][0], "name": "last", "order": 1, "optimizers": [DIVERGING["/phases/0/optimizers/0"]]}
    datasets = [{**small()["datasets"][0], "phases": ["training"]}, second]
    result, error, _ = run(
        small({"/datasets": datasets, "/phases/1": last, "/phases/1/exit_criteria/iterations": 5}), tmp_path
    )
    assert isinstance(error, DivergedError)
    assert list(content(result)["datasets"]) == ["Digits"]
    assert (result.folder / "Digits" / "assignments.csv").exists()


@pytest.mark.parametrize(
    ("raised", "status", "word", "kept"),
    [
        (KeyboardInterrupt(), "interrupted", "interrupted by the user", True),
        (KeyError("x"), "failed", "KeyError: 'x'", True),
        (RecombineError("no luck"), "failed", "no luck", True),
        (
            torch.OutOfMemoryError("CUDA out of memory.\nmore"),
            "failed",
            "the memory of the device does not suffice: CUDA out of memory. A smaller batch size helps",
            False,
        ),
    ],
)
def test_whatever_ends_a_run_the_result_says_so(tmp_path, monkeypatch, raised, status, word, kept):
    def fail(_):
        raise raised

    monkeypatch.setattr(module, "run_method", fail)
    result, error, _ = run(small(), tmp_path)
    assert (error is raised) == kept
    assert (result.status, result.error) == (status, word)
    assert (content(result)["status"], content(result)["error"]) == (status, word)
