import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from recombine import cli, loop
from recombine.execute import RunOptions
from recombine.keeper import SavingOptions
from tests.methods import DIVERGING, five_files, small, written

ROOT = Path(__file__).resolve().parent.parent
MAIN = ROOT / "main.py"
FINAL = r'Final performance on dataset "Digits": ACC [01]\.\d{3}, NMI [01]\.\d{3}, ARI -?[01]\.\d{3}'
ENDLESS = {"/phases/0/exit_criteria/iterations": 10**9}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


pytestmark = pytest.mark.usefixtures("at_home")


def python(*arguments, **options):
    """Run Python as a process of its own; return exit status, output and errors."""
    options |= {"capture_output": True, "text": True, "timeout": 120, "env": ENVIRONMENT, "check": False}
    done = subprocess.run([sys.executable, *map(str, arguments)], **options)  # noqa: S603
    return done.returncode, done.stdout, done.stderr


def rows(output):
    """Return file, status and note of each row of the final table."""
    lines = [line.strip("│").split("│") for line in output.splitlines() if line.startswith("│")]
    cells = [[cell.strip() for cell in line] for line in lines]
    return [(Path(line[0].split()[0]).name, line[1], line[-1]) for line in cells if line[0]]


def results(folder):
    """Return the contents of all ``result.json`` by method."""
    found = [json.loads(path.read_text()) for path in Path(folder).glob("*/result.json")]
    return {content["method"]: content for content in found}


def test_help_is_quick_and_imports_no_torch(tmp_path):
    code = "import sys; from recombine.cli import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    started = time.perf_counter()
    status, output, _ = python("-c", code, cwd=ROOT)
    seconds = time.perf_counter() - started
    assert status == 0
    assert output.startswith("Usage: ")
    modules = output.splitlines()[-1].split()
    assert "click" in modules
    assert {"torch", "torchvision", "sklearn", "numpy", "rich"}.isdisjoint(modules)
    assert seconds < 2


def test_a_batch_as_a_process_without_resume_runs_nothing(tmp_path):
    folder = five_files(tmp_path / "methods")
    status, output, errors = python(MAIN, "methods", cwd=tmp_path)
    assert status == 2
    assert errors.splitlines() == [
        "methods/b_broken.json:2:15: error RC002: the file is not JSON: a value is expected here, not }.",
        'methods/c_lacking.json:72:5: error RC102 at /datasets/0: the required key "batch_size" is missing. '
        'Add "batch_size".',
    ]
    assert rows(output) == [
        ("a_good.json", "not run", ""),
        ("b_broken.json", "invalid", "invalid: 1 error"),
        ("c_lacking.json", "invalid", "invalid: 1 error"),
        ("d_diverging.json", "not run", ""),
        ("e_good.json", "not run", ""),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["methods"]
    assert len(list(folder.iterdir())) == 5


def test_a_batch_as_a_process_with_resume_runs_the_rest(tmp_path):
    five_files(tmp_path / "methods")
    status, output, errors = python(MAIN, "methods", "--resume_on_error", "--one_log_file=one.log", cwd=tmp_path)
    assert status == 2
    assert len(errors.splitlines()) == 2
    assert "Traceback" not in output + errors
    table = rows(output)
    assert [row[:2] for row in table] == [
        ("a_good.json", "finished"),
        ("b_broken.json", "invalid"),
        ("c_lacking.json", "invalid"),
        ("d_diverging.json", "failed"),
        ("e_good.json", "finished"),
    ]
    assert "a loss became NaN or infinite" in output
    assert len(re.findall(r"^\[[-\d: ]{19}\] " + FINAL + "$", output, re.MULTILINE)) == 2
    found = results(tmp_path / "logs")
    assert {name: content["status"] for name, content in found.items()} == {
        "small": "finished",
        "diverging": "failed",
        "last": "finished",
    }
    log = (tmp_path / "one.log").read_text()
    assert log.count("Final performance on dataset") == 2
    assert not list(tmp_path.rglob("run.log"))
    assert not list(tmp_path.rglob("*.part"))


def test_an_interrupt_ends_the_process_and_the_result_says_so(tmp_path):
    written(tmp_path, small(ENDLESS))
    command = [sys.executable, MAIN, "method.json", "--no-log-timestamps"]
    options = {"cwd": tmp_path, "env": ENVIRONMENT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, **options)  # noqa: S603
    for line in process.stdout:
        if line.startswith('Phase "training"'):
            break
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")
    assert "interrupt once more to leave at once" in output
    assert "Interrupted after" in output
    assert rows(output) == [("method.json", "interrupted", "SIGINT ended the run")]
    (content,) = results(tmp_path / "logs").values()
    assert (content["status"], content["error"], content["datasets"]) == ("interrupted", "SIGINT ended the run", {})
    assert len(list(tmp_path.glob("logs/*/checkpoints/*.pt"))) == 1
    assert not list(tmp_path.rglob("*.part"))


def test_a_request_to_end_is_followed_and_the_result_says_so(call, tmp_path, monkeypatch):
    real = loop.train_step
    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", lambda phase: (signal.raise_signal(signal.SIGTERM), real(phase))[1])
        files = written(tmp_path, small()), written(tmp_path, small({"/seed": 1}), "other.json")
        status, output, errors = call(*files, "--resume-on-error", "--no-log-timestamps")
    assert (status, errors) == (143, "")
    assert "Interrupted after" in output
    assert [row[:2] for row in rows(output)] == [("method.json", "interrupted"), ("other.json", "not run")]
    (content,) = results(tmp_path / "logs").values()
    assert (content["status"], content["error"]) == ("interrupted", "SIGTERM ended the run")
    status, output, errors = call(*files, "--no-log-timestamps")
    assert (status, errors) == (0, "")
    assert 'Phase "training" on dataset "Digits" goes on after iteration 1' in output


def test_a_request_to_end_before_the_first_run_is_followed(call, tmp_path, monkeypatch):
    monkeypatch.setattr("recombine.batch.run_batch", lambda *_: signal.raise_signal(signal.SIGTERM))
    monkeypatch.setattr("recombine.launcher.run_batch", lambda *_: signal.raise_signal(signal.SIGTERM))
    assert call(written(tmp_path, small())) == (143, "", "terminated\n")


def test_validation_as_a_process_needs_neither_data_nor_torchvision(tmp_path):
    code = (
        f"import sys, runpy; sys.path.insert(0, {str(ROOT)!r})\n"
        f"sys.argv = [{str(MAIN)!r}, 'validate', 'configurations/dcjc/mnist']\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end:\n    print(end.code, 'torchvision' in sys.modules, 'torch' in sys.modules)\n"
    )
    status, output, errors = python("-c", code, cwd=tmp_path)
    assert (status, errors) == (0, "")
    *lines, last = output.splitlines()
    assert last == "0 False True"
    assert f"{ROOT}/configurations/dcjc/mnist/architecture_1_kl.json: valid" in lines
    assert len(lines) >= 3


def test_a_path_alone_is_run(call, tmp_path):
    path = written(tmp_path, small())
    for arguments in ([path], ["run", path, "--fresh"], ["--seed", "3", path], [path, "--seed=3", "--fresh"]):
        status, output, errors = call(*arguments, "--no-log-timestamps")
        assert (status, errors) == (0, "")
        lines = output.splitlines()
        assert lines[0].startswith(
            f'Method "small", seed {3 if len(arguments) > 1 and arguments[0] != "run" else 0}, on cpu'
        )
        assert len([line for line in lines if re.fullmatch(FINAL, line)]) == 1
        assert rows(output)[0][:2] == ("method.json", "finished")


@pytest.mark.parametrize("dash", ["-", "_"])
def test_options_have_both_spellings(call, tmp_path, dash):
    path = written(tmp_path, small())
    options = [
        "--no-log-timestamps",
        "--resume-on-error",
        "--no-log-files",
        "--log-dir",
        "elsewhere",
        "--allow-write",
        "x",
    ]
    spelt = [
        option.replace("-", dash).replace(dash * 2, "--", 1) if option.startswith("--") else option
        for option in options
    ]
    status, output, _ = call(path, *spelt)
    assert status == 0
    assert output.startswith('Method "small"')
    (folder,) = (tmp_path / "elsewhere").glob("20*")
    assert sorted(file.name for file in folder.iterdir()) == [
        ".lock",
        "Digits",
        "checkpoints",
        "config.json",
        "environment.json",
        "events.jsonl",
        "result.json",
        "run.json",
    ]


def test_one_log_file_has_both_spellings(call, tmp_path):
    path = written(tmp_path, small())
    for name, option in (("a.log", "--one_log_file"), ("b.log", "--one-log-file")):
        assert call(path, option, name, "--fresh")[0] == 0
        assert re.search(FINAL, (tmp_path / name).read_text())


def test_options_of_runs_that_go_on_arrive(call, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("recombine.launcher.run_all", lambda *given: seen.append(given) or [])
    path = written(tmp_path, small())
    assert call(path)[0] == 0
    status, _, errors = call(
        path,
        *("--fresh", "--retry-failed", "--no_shared_phases", "--jobs", "3", "--seeds", "2,5"),
        *("--checkpoint_minutes", "0.5", "--checkpoint-iterations", "7"),
    )
    assert (status, errors) == (0, "")
    (plain, default, _, one), (jobs, options, _, count) = seen
    assert (len(plain), one, default.run) == (1, 1, RunOptions())
    assert default.run.saving == SavingOptions(5, 0)
    assert [job.config.seed for job in jobs] == [2, 5]
    assert (count, options.run) == (3, RunOptions(SavingOptions(0.5, 7), True, True, False))


@pytest.mark.parametrize(
    "arguments",
    [("--jobs", "0"), ("--checkpoint-minutes", "-1"), ("--checkpoint-iterations", "-1"), ("--seed", "-1")],
)
def test_numbers_that_make_no_sense_are_refused(call, tmp_path, arguments):
    status, output, errors = call(written(tmp_path, small()), *arguments)
    assert (status, output) == (2, "")
    assert arguments[0] in errors
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("text", ["0", "x", "1,1", "99999999999999999999"])
def test_seeds_that_are_none_are_refused(call, tmp_path, text):
    status, output, errors = call(written(tmp_path, small()), "--seeds", text)
    assert (status, output) == (2, "")
    assert errors.startswith(f'error: --seeds "{text}"')
    assert not (tmp_path / "logs").exists()


def test_runs_are_skipped_retried_and_started_over(call, tmp_path, monkeypatch):
    path = written(tmp_path, small())
    with monkeypatch.context() as patch:
        patch.setattr("recombine.loop.score", lambda *_: {}["bug"])
        assert call(path, "--seeds", "2", "--resume-on-error")[0] == 1
    assert [row[:2] for row in rows(call(path, "--seeds", "2", "--resume-on-error")[1])] == [
        ("method.json", "failed")
    ] * 2
    status, output, _ = call(path, "--seeds", "2", "--retry-failed")
    assert (status, [row[:2] for row in rows(output)]) == (0, [("method.json", "finished")] * 2)
    assert len(list((tmp_path / "logs").glob("20*"))) == 2
    status, output, _ = call(path, "--seeds", "3")
    assert output.count("finished before") == 2
    assert len(list((tmp_path / "logs").glob("20*"))) == 3
    assert call(path, "--fresh")[0] == 0
    assert len(list((tmp_path / "logs").glob("20*"))) == 4


def test_values_are_set_and_swept(call, tmp_path):
    path = written(tmp_path, small())
    status, output, _ = call(
        path, "--set", "/phases/[training]/exit_criteria/iterations=1", "--set", "/seed=1,2", "--device", "cpu"
    )
    assert status == 0
    seeds = [json.loads(path.read_text())["seed"] for path in Path("logs").glob("*/result.json")]
    assert sorted(seeds) == [1, 2]
    assert output.count("[training]") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument 'PATHS...'."),
        (("x.json", "--seed", "-1"), "Invalid value for '--seed': -1 is not in the range x>=0."),
        (("x.json", "--sed", "1"), "No such option '--sed'."),
        (("x.json", "--set", "seed=1"), 'error: "seed" leads nowhere: a pointer begins with "/", for example'),
        (("x.json", "--set", "/seed"), 'error: --set "/seed": write POINTER=VALUE, for example'),
        (("x.json",), "x.json: error RC001: there is no such file or folder."),
    ],
)
def test_mistakes_of_usage_have_status_2_and_one_message(call, arguments, message):
    status, _, errors = call("run", *arguments)
    assert status == 2
    assert message in errors.replace(": --sed", " '--sed'")
    assert "Traceback" not in errors


def test_a_log_folder_that_cannot_be_written_to_is_told(call, tmp_path):
    path = written(tmp_path, small())
    assert call(path, "--log-dir", path / "logs") == (
        2,
        "",
        f"error: the log folder {path}/logs cannot be written to: a part of its path is a file. "
        "Name another with --log-dir\n",
    )


def test_a_failing_method_has_status_1(call, tmp_path):
    path = written(tmp_path, small(DIVERGING))
    status, output, errors = call(path)
    assert (status, errors) == (1, "")
    assert "Failed: a loss became NaN or infinite in iteration " in output
    assert rows(output)[0][1] == "failed"


def test_our_own_bug_keeps_its_traceback_and_is_a_failure(call, tmp_path, monkeypatch):
    monkeypatch.setattr("recombine.execute.run_method", lambda run: {}["bug"])
    status, output, errors = call(written(tmp_path, small()))
    assert status == 1
    assert errors.startswith("Traceback (most recent call last):\n")
    assert errors.rstrip().endswith("KeyError: 'bug'")
    assert rows(output) == [("method.json", "failed", "KeyError: 'bug'")]


def test_data_are_looked_for_where_option_or_environment_say(call, tmp_path, monkeypatch):
    block = {"dataset": "COIL20", "root": "x", "batch_size": 2, "num_clusters": 2, "shuffle": True}
    path = written(tmp_path, small({"/datasets/0": block}))
    assert "  a/COIL20: " in call(path, "--data-root", "a")[2]
    monkeypatch.setenv("RECOMBINE_DATA_ROOT", "b")
    assert "  b/COIL20: " in call(path)[2]
    assert "  c/COIL20: " in call(path, "--data_root", "c")[2]


def text_of(method, old, new):
    """Return a method as text in which something is replaced."""
    text = json.dumps(method)
    assert old in text
    return text.replace(old, new)


PHASE, DATASET, LAYER = "/phases/0", "/datasets/0", "/mappings/0/layers/1"
SCORED = {f"{PHASE}/performance_evaluation_interval": 1}
LOADING = {f"{PHASE}/load_mapping_parameters": [{"mapping_name": "encoder", "path_to_file": "file.pth"}]}
SAVING = {"mapping_name": "encoder", "saving_interval": 1, "path_to_file_or_dir": "../x.pth", "keep_old_files": False}
BAD_INPUT = {
    "empty file": ("", "RC002"),
    "broken JSON": ("{", "RC002"),
    "NaN": (text_of(small(), "0.01", "NaN"), "RC002"),
    "huge number": (text_of(small(), "0.01", "1e999"), "RC104"),
    "deep nesting": ("[" * 100_000, "RC002"),
    "duplicate key": (text_of(small(), '"order": 0', '"order": 0, "order": 0'), "RC003"),
    "unknown key": (small({"/devise": "cpu"}), "RC101"),
    "missing key": (small({"/name": None}), "RC102"),
    "one cluster": (small({f"{DATASET}/num_clusters": 1}), "RC104"),
    "no cluster": (small({f"{DATASET}/num_clusters": 0}), "RC104"),
    "half a cluster": (small({f"{DATASET}/num_clusters": 9.5}), "RC103"),
    "duplicate mapping": (small({"/mappings/2": {"name": "encoder", "type": "design_pattern_specific"}}), "RC302"),
    "dangling name": (small({"/phases/0/optimizers/0/trained_mapping_names": ["x"]}), "RC301"),
    "dotted class": (small({f"{LAYER}/type": "os.system"}), "RC201"),
    "endless phase": (small({f"{PHASE}/exit_criteria": {"performance_evaluation_acc_gt": 1}, **SCORED}), "RC401"),
    "idle optimizer": (small({f"{PHASE}/optimizers/0/trained_mapping_names": []}), "RC402"),
    "loss without optimizer": (small({f"{PHASE}/optimizers": []}), "RC403"),
    "more clusters than samples": (small({f"{DATASET}/num_clusters": 61}), "RC502"),
    "batch larger than the dataset": (small({f"{DATASET}/batch_size": 61}), "RC502"),
    "layers that do not fit": (small({f"{LAYER}/out_features": 7}), "RC503"),
    "absent dataset": (
        small({DATASET: {"dataset": "MNIST", "root": "x", "batch_size": 2, "num_clusters": 2, "shuffle": True}}),
        "RC501",
    ),
    "bomb": (small(LOADING), "RC504"),
    "saving elsewhere": (small({f"{PHASE}/save_mapping_parameters": [SAVING]}), "RC505"),
    "absent device": (small({"/device": "cuda:77"}), "RC507"),
    "control character": (small({"/name": "a\x1b[2J"}), "RC106"),
}


@pytest.mark.parametrize("kind", BAD_INPUT)
def test_bad_input_of_every_kind_is_one_message_and_nothing_runs(call, tmp_path, kind):
    method, code = BAD_INPUT[kind]
    (tmp_path / "methods").mkdir()
    path = written(tmp_path / "methods", method)
    (path.parent / "file.pth").write_bytes(pickle.dumps(print))
    before = sorted(tmp_path.rglob("*"))
    status, output, errors = call(path)
    assert status == 2
    assert re.match(rf"{path}(:\d+:\d+)?: error {code}( at /[\w/]+)?: ", errors)
    assert errors.count("error RC") == 1
    assert "Traceback" not in output + errors
    assert "\x1b" not in output + errors
    assert rows(output) == [("method.json", "invalid", "invalid: 1 error")]
    assert sorted(tmp_path.rglob("*")) == before


def test_validation_tells_good_files_from_bad_ones(call, tmp_path):
    good, bad = written(tmp_path, small(), "good.json"), written(tmp_path, small({"/seed": -1}), "bad.json")
    warned = {"performance_evaluation_acc_gt": 0.5}
    strategy = {"type": "centroid_similarity", "use_centroids_during_phases": ["training"]}
    changes = {"/cluster_assignment_strategy": strategy, "/phases/0/exit_criteria": warned}
    warning = written(tmp_path, small({**changes, "/phases/0/performance_evaluation_interval": 1}), "warned.json")
    assert call("validate", good) == (0, f"{good}: valid\n", "")
    status, output, errors = call("validate", good, bad, warning, "gone.json")
    assert (status, output) == (2, f"{good}: valid\n{warning}: valid\n")
    assert re.findall(r": ((?:error|warning) RC\d+)", errors) == [
        "error RC104",
        "warning RC401",
        "error RC001",
    ]


def test_lists_show_names_and_titles(call):
    status, output, _ = call("list", "patterns")
    assert status == 0
    assert "reconstruction                  Training a feature extractor through reconstruction of samples\n" in output
    status, output, _ = call("list", "layers")
    assert "Linear" in output.splitlines()
    assert call("list", "nothing")[0] == 2


def test_help_and_version_are_those_of_the_program(call):
    for option in ("--help", "-h"):
        status, output, _ = call(option)
        assert status == 0
        assert "Commands:" in output
        assert "--set" not in output
        assert "--set POINTER=VALUE" in call("run", option)[1]


def test_on_a_terminal_lines_are_not_broken(tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    path = written(tmp_path, small({"/name": "a :cat: [bold]"}))
    output = CliRunner().invoke(cli.main, [str(path), "--no-log-timestamps"]).output
    output = re.sub(r"\x1b\[[?;\d]*[A-Za-z]|\r", "", output)
    assert 'Method "a :cat: [bold]", seed 0, on cpu' in output
    assert len([line for line in output.splitlines() if re.fullmatch(FINAL, line)]) == 1


def test_validation_imports_no_package_that_it_does_not_need(tmp_path):
    path = written(tmp_path, small())
    code = (
        "import sys, recombine.load, recombine.cli\n"
        "try:\n    recombine.cli.main(['validate', sys.argv[1]])\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "print(sorted({'sklearn', 'scipy', 'torchvision'} & set(sys.modules)))"
    )
    status, output, errors = python("-c", code, path, cwd=ROOT)
    assert (status, output.splitlines()[-1], errors) == (0, "[]", "")
