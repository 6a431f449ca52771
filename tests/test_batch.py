import json
import signal
from pathlib import Path

import pytest
from filelock import FileLock

from recombine import batch, execute
from recombine.batch import NOT_RUN, BatchOptions, Outcome, Report, check_jobs, exit_status, find_files, run_batch
from recombine.errors import UsageError
from recombine.interruption import InterruptedRunError
from recombine.logs import LogOptions
from recombine.overrides import combinations
from recombine.problems import Problem
from recombine.seeds import parse_seeds
from tests.methods import DIVERGING, five_files, small, written


class Said:
    """Takes what is said while a batch runs."""

    def __init__(self):
        self.problems, self.lines, self.failures = [], [], []
        self.report = Report(
            lambda problem: self.problems.append(str(problem)), self.lines.append, self.failures.append
        )


def ran(paths, tmp_path, resume=False, sets=()):
    """Check and run methods; return the outcomes by file name (and overrides), and what was said."""
    said = Said()
    options = BatchOptions(LogOptions(tmp_path / "logs"), resume_on_error=resume)
    jobs = check_jobs(find_files(paths, tmp_path), combinations(sets), options, said.report)
    outcomes = list(run_batch(jobs, options, said.report))
    found = {outcome.source.removeprefix(f"{Path(paths[0]).parent}/"): outcome for outcome in outcomes}
    assert len(found) == len(outcomes)
    return found, said


def statuses(outcomes):
    """Return the statuses of outcomes, in order."""
    return [outcome.status for outcome in outcomes.values()]


def test_files_and_folders_stand_for_method_files_in_order(tmp_path, monkeypatch):
    for name in ("x/b.json", "x/a.json", "x/a.txt", "x/deep/c.json", "y.json", "empty/z.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "x" / "folder.json").mkdir()
    monkeypatch.chdir(tmp_path)
    found = find_files([Path("y.json"), Path("x"), Path("y.json")], tmp_path / "nowhere")
    assert found == [Path("y.json"), Path("x/a.json"), Path("x/b.json"), Path("y.json")]


def test_relative_paths_are_looked_for_beside_the_program_too(tmp_path, monkeypatch):
    here, program = tmp_path / "here", tmp_path / "program"
    for folder in (here, program):
        (folder / "both").mkdir(parents=True)
        written(folder / "both", "{}", "m.json")
    written(program, "{}", "only.json")
    monkeypatch.chdir(here)
    assert find_files([Path("both"), Path("only.json")], program) == [Path("both/m.json"), program / "only.json"]


def test_what_is_not_there_is_a_problem_under_the_name_given(tmp_path):
    (tmp_path / "empty").mkdir()
    long = Path("a" * 5000)
    found = find_files([Path("no.json"), tmp_path / "empty", long, tmp_path / "no.json"], tmp_path)
    assert [str(problem) for problem in found] == [
        "no.json: error RC001: there is no such file or folder.",
        f"{tmp_path}/empty: error RC001: the folder holds no .json file. Name the files, or the folder that holds "
        f"them; "
        "folders below it are not searched.",
        f"{long}: error RC001: there is no such file or folder.",
        f"{tmp_path}/no.json: error RC001: there is no such file or folder.",
    ]


def test_bad_files_keep_everything_from_running(tmp_path):
    folder = five_files(tmp_path / "methods")
    outcomes, said = ran([*sorted(folder.iterdir()), Path("gone.json")], tmp_path)
    assert statuses(outcomes) == [NOT_RUN, "invalid", "invalid", NOT_RUN, NOT_RUN, "invalid"]
    assert said.problems == [
        f"{folder}/b_broken.json:2:15: error RC002: the file is not JSON: a value is expected here, not }}.",
        f'{folder}/c_lacking.json:72:5: error RC102 at /datasets/0: the required key "batch_size" is missing. '
        'Add "batch_size".',
        "gone.json: error RC001: there is no such file or folder.",
    ]
    assert exit_status(list(outcomes.values())) == 2
    assert said.lines == []
    assert not (tmp_path / "logs").exists()


def test_with_resume_the_others_run_and_the_status_is_that_of_bad_files(tmp_path):
    outcomes, said = ran(sorted(five_files(tmp_path / "methods").iterdir()), tmp_path, resume=True)
    assert statuses(outcomes) == ["finished", "invalid", "invalid", "failed", "finished"]
    assert len(said.problems) == 2
    assert exit_status(list(outcomes.values())) == 2
    diverging = outcomes["d_diverging.json"]
    assert diverging.error.startswith("a loss became NaN or infinite in iteration ")
    saved = json.loads((diverging.result.folder / "result.json").read_text())
    assert (saved["status"], saved["error"], saved["datasets"]) == ("failed", diverging.error, {})
    assert outcomes["a_good.json"].result.datasets["Digits"].scores is not None
    assert len(list((tmp_path / "logs").glob("20*"))) == 3
    assert not list(tmp_path.rglob("*.part"))
    assert said.failures == []


def test_a_failure_ends_the_batch_unless_it_resumes(tmp_path):
    folder = tmp_path / "methods"
    folder.mkdir()
    written(folder, small(DIVERGING), "a.json")
    written(folder, small(), "b.json")
    outcomes, _ = ran([folder], tmp_path)
    assert statuses(outcomes) == ["failed", NOT_RUN]
    assert exit_status(list(outcomes.values())) == 1
    resumed, _ = ran([folder], tmp_path, resume=True)
    assert statuses(resumed) == ["failed", "finished"]
    assert exit_status(list(resumed.values())) == 1


def test_a_sweep_runs_every_combination_and_says_which_is_which(tmp_path):
    path = written(tmp_path, small())
    outcomes, _ = ran([path], tmp_path, sets=["/datasets/0/batch_size=15,20", "/seed=3"])
    suffixes = [f"/datasets/0/batch_size={size}" for size in (15, 20)]
    # The seed is a column of its own.
    assert [outcome.source for outcome in outcomes.values()] == [f"{path} {suffix}" for suffix in suffixes]
    assert [outcome.result.overrides for outcome in outcomes.values()] == [(suffix,) for suffix in suffixes]
    assert [outcome.result.seed for outcome in outcomes.values()] == [3, 3]
    assert exit_status(list(outcomes.values())) == 0


def test_seeds_multiply_with_files_and_sweeps(tmp_path):
    first, second = written(tmp_path, small(), "a.json"), written(tmp_path, small({"/seed": 7}), "b.json")
    options, said = BatchOptions(LogOptions(tmp_path / "logs")), Said()
    changes = combinations(["/datasets/0/batch_size=15,20"])
    jobs = check_jobs([first, second], changes, options, said.report, parse_seeds("2"))
    assert [(Path(job.source).name, job.overrides[0][-2:], job.config.seed) for job in jobs] == [
        (name, size, seed)
        for name, own in (("a.json", 0), ("b.json", 7))
        for size in ("15", "20")
        for seed in (own, own + 1)
    ]
    assert all(job.config.resolved["seed"] == job.config.seed == job.identity.seed for job in jobs)
    assert len({job.identity.digest() for job in jobs}) == 8
    assert len({id(job.samples["Digits"]) for job in jobs}) == 1
    listed = check_jobs([first], [()], options, said.report, parse_seeds("5,3"))
    assert [job.config.seed for job in listed] == [5, 3]


def test_a_run_that_somebody_works_on_is_told_and_the_others_run(tmp_path):
    first, second = written(tmp_path, small(), "a.json"), written(tmp_path, small({"/name": "b", "/seed": 1}), "b.json")
    folder = ran([first], tmp_path)[0]["a.json"].result.folder
    with FileLock(folder / ".lock"):
        outcomes, said = ran([first, second], tmp_path, resume=True)
    assert statuses(outcomes) == ["busy", "finished"]
    assert outcomes["a.json"].error == f"another process works on this run; its files are in {folder}"
    assert said.failures == [f"error: {outcomes['a.json'].error}"]
    assert exit_status(list(outcomes.values())) == 1


def test_a_batch_that_is_started_again_runs_only_what_is_missing(tmp_path):
    paths = [written(tmp_path, small({"/seed": seed}), f"{seed}.json") for seed in range(3)]
    ran(paths[:2], tmp_path)
    outcomes, said = ran(paths, tmp_path)
    assert [outcome.result.is_earlier for outcome in outcomes.values()] == [True, True, False]
    assert statuses(outcomes) == ["finished"] * 3
    assert sum("finished before" in line for line in said.lines) == 2


def test_a_bad_value_of_a_sweep_names_itself(tmp_path):
    path = written(tmp_path, small())
    outcomes, said = ran([path], tmp_path, sets=["/datasets/0/num_clusters=1,3"])
    assert statuses(outcomes) == ["invalid", NOT_RUN]
    assert said.problems == [
        f"{path} with /datasets/0/num_clusters=1: error RC104 at /datasets/0/num_clusters: 1 is out of range. The "
        f"value "
        "must be at least 2."
    ]


def test_our_own_failure_keeps_its_traceback_and_the_others_run(tmp_path, monkeypatch):
    first, second = written(tmp_path, small(), "a.json"), written(tmp_path, small({"/name": "fine"}), "b.json")
    real = execute.run_method
    monkeypatch.setattr(execute, "run_method", lambda run: real(run) if run.config.name == "fine" else {}["bug"])
    outcomes, said = ran([first, second], tmp_path, resume=True)
    assert statuses(outcomes) == ["failed", "finished"]
    assert outcomes["a.json"].error == "KeyError: 'bug'"
    (text,) = said.failures
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("KeyError: 'bug'\n")
    folder = outcomes["a.json"].result.folder
    assert (folder / "traceback.txt").read_text() == text
    assert json.loads((folder / "result.json").read_text())["status"] == "failed"
    assert exit_status(list(outcomes.values())) == 1


def test_our_own_failure_in_a_check_concerns_one_file(tmp_path, monkeypatch):
    first, second = written(tmp_path, small(), "a.json"), written(tmp_path, small({"/name": "fine"}), "b.json")
    real = batch.prepare
    monkeypatch.setattr(
        batch, "prepare", lambda loaded, *rest: real(loaded, *rest) if loaded.config.name == "fine" else {}["bug"]
    )
    outcomes, said = ran([first, second], tmp_path, resume=True)
    assert statuses(outcomes) == ["failed", "finished"]
    assert said.failures[0].endswith("KeyError: 'bug'\n")
    assert exit_status(list(outcomes.values())) == 1
    stopped, _ = ran([first, second], tmp_path)
    assert statuses(stopped) == ["failed", NOT_RUN]


@pytest.mark.parametrize(
    ("error", "text", "status"),
    [
        (KeyboardInterrupt(), "interrupted by the user", 130),
        (InterruptedRunError(signal.SIGINT), "SIGINT ended the run", 130),
        (InterruptedRunError(signal.SIGTERM), "SIGTERM ended the run", 143),
    ],
)
def test_an_interrupt_ends_everything(tmp_path, monkeypatch, error, text, status):
    def interrupt(_):
        raise error

    monkeypatch.setattr(execute, "run_method", interrupt)
    first, second = written(tmp_path, small(), "a.json"), written(tmp_path, small({"/name": "b"}), "b.json")
    outcomes, _ = ran([first, second], tmp_path, resume=True)
    assert statuses(outcomes) == ["interrupted", NOT_RUN]
    assert outcomes["a.json"].error == text
    assert exit_status(list(outcomes.values())) == status
    (folder,) = (tmp_path / "logs").glob("20*")
    assert json.loads((folder / "result.json").read_text())["status"] == "interrupted"


def test_logs_that_cannot_be_written_keep_everything_from_running(tmp_path):
    (tmp_path / "logs").write_text("")
    with pytest.raises(UsageError, match="logs cannot be written to: a part of its path is a file"):
        ran([written(tmp_path, small())], tmp_path)


def test_warnings_are_said_and_keep_nothing_from_running(tmp_path):
    outcomes, said = ran([written(tmp_path, small({"/datasets/0/batch_size": 25}))], tmp_path)
    assert statuses(outcomes) == ["finished"]
    assert [text.split(": ")[1] for text in said.problems] == ["warning RC506 at /datasets/0/batch_size"]


def test_the_status_of_a_batch_is_that_of_its_worst_method():
    warned = Outcome("a", (Problem("RC506", "w", is_warning=True),))
    failed = Outcome("b", error="it failed")
    invalid = Outcome("c", (Problem("RC101", "e"),), error="invalid: 1 error")
    assert exit_status([]) == exit_status([warned]) == 0
    assert exit_status([warned, failed]) == 1
    assert exit_status([invalid]) == exit_status([failed, invalid]) == 2
    assert exit_status([invalid, failed, Outcome("d", error="e", signal=signal.SIGTERM)]) == 143
