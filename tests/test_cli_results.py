import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from recombine.cli_results import compare, results
from tests.result_folders import run, scored, write, write_all

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """Work in a folder with runs of two methods."""
    monkeypatch.chdir(tmp_path)
    ours = [scored(seed, 0.9 + seed / 100) for seed in range(3)]
    theirs = [scored(seed, 0.8 + seed / 90, method="km", config="d") for seed in range(3)]
    write_all(Path("logs"), [*ours, *theirs])


def call(command, *arguments):
    """Call a command; return exit status, output and errors."""
    done = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_results_show_a_table():
    status, output, errors = call(results, "logs")
    assert (status, errors) == (0, "")
    assert "│ dec    │ Digits  │ 1797 │ last  │ 3 " in output
    assert "0.910 ± 0.010" in output
    assert output.splitlines()[8] == "6 attempted: 6 finished"


def test_scores_and_metrics_are_chosen():
    _, output, _ = call(results, "logs", "--score", "all", "--metrics", "ami, silhouette", "--format", "markdown")
    lines = output.splitlines()
    assert lines[0].endswith("| AMI | silhouette |")
    assert [line.split(" | ")[3] for line in lines[2:8]] == ["last", "chosen by silhouette", "best, oracle"] * 2


def test_the_output_is_written_whole_and_the_screen_stays_clear():
    status, output, errors = call(results, "logs", "--format", "json", "--output", "out/table.json")
    assert (status, output, errors) == (0, "", "")
    assert json.loads(Path("out/table.json").read_text())["attempted"] == 6
    assert [path.name for path in Path("out").iterdir()] == ["table.json"]


def test_an_output_that_cannot_be_written_is_a_mistake():
    Path("file").write_text("")
    status, _, errors = call(results, "logs", "--output", "file/table.txt")
    assert (status, errors) == (2, "error: file/table.txt cannot be written: File exists\n")


def test_warnings_name_file_and_cause():
    folder = write(Path("logs"), "torn", '{"a": NaN}')
    status, output, errors = call(results, "logs", "--format", "csv")
    assert status == 0
    assert errors == (
        f"warning: {folder}/result.json: it holds NaN, which is no number; the run counts as attempted and has no "
        "number\n"
    )
    assert output.startswith("method,dataset,")
    _, _, errors = call(compare, "dec", "km")
    assert errors == ""


def test_mistakes_are_one_line_and_status_2():
    for arguments, message in {
        ("nowhere",): "there is no folder nowhere. Name a folder of runs, for example logs",
        ("logs", "--metrics", "acd"): 'there is no metric "acd". Did you mean "acc"?',
        ("logs", "--metrics", " , "): "name at least one metric, for example acc",
    }.items():
        assert call(results, *arguments) == (2, "", f"error: {message}\n")
    assert call(compare, "dec", "dek")[2] == (
        'error: "dek" is no configuration in logs, and no folder of runs. Did you mean "dec"?\n'
    )


def test_compare_says_whether_the_difference_is_real():
    status, output, errors = call(compare, "dec", "km", "--metric", "acc", "--metric", "nmi,ari")
    assert (status, errors) == (0, "")
    lines = output.splitlines()
    assert lines[:2] == ["A: dec (cccccccc) in logs", "B: km (dddddddd) in logs"]
    assert [line for line in lines if line.startswith(("acc", "nmi", "ari"))] == [
        "acc: 3 pairs, seeds 0-2",
        "nmi: 3 pairs, seeds 0-2",
        "ari: 3 pairs, seeds 0-2",
    ]
    assert "  real: A is higher by 0.0989, and the interval excludes 0" in lines


def test_compare_warns_of_what_it_leaves_out():
    folder = write(Path("logs"), "torn", "", started=run(9, config="c"))
    _, _, errors = call(compare, "cccc", "dddd", "--score", "chosen", "--dataset", "Digits")
    assert errors == f"warning: {folder}/result.json: it is empty; it is left out\n"


def test_reading_results_imports_neither_torch_nor_scipys_statistics():
    code = (
        "import sys\nfrom recombine.cli_results import results, compare\n"
        "light = set(sys.modules)\n"
        "from contextlib import suppress\n"
        "with suppress(SystemExit):\n    results(['logs'], standalone_mode=False)\n"
        "with suppress(SystemExit):\n    compare(['dec', 'km'], standalone_mode=False)\n"
        "sys.stderr.write(' '.join(sorted(light)) + '\\n' + ' '.join(sys.modules))\n"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)}
    )
    light, everything = (set(line.split()) for line in done.stderr.splitlines())
    assert "scipy.special" in everything
    assert everything.isdisjoint({"torch", "torchvision", "sklearn", "scipy.stats", "jsonschema"})
    assert light.isdisjoint({"numpy", "scipy", "rich", "filelock", "json"})
