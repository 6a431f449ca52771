import json

import pytest
from click.testing import CliRunner

from recombine import cli
from recombine.cli_plan import parse_shape
from recombine.errors import UsageError
from tests.methods import five_files, rich, small, written

pytestmark = pytest.mark.usefixtures("at_home")
ABSENT = {"/datasets/0/root": "nowhere", "/datasets/0/index_of_last_sample_to_use": None}


def invoked(*arguments):
    """Return what ``recombine plan`` said, and its exit status."""
    return CliRunner().invoke(cli.main, ["plan", *map(str, arguments)])


def test_a_plan_in_words(tmp_path):
    result = invoked(written(tmp_path, rich()))
    assert (result.exit_code, result.stderr) == (0, "")
    for words in (
        "Networks, on one sample or set",
        'Dataset "few" (Digits): 60 samples 1 x 8 x 8, as its data says',
        "adversarial_interpolation.critic",
        "3 iterations or performance_evaluation_acc_gt 0.99",
    ):
        assert words in result.stdout
    assert "Methods:" not in result.stdout


def test_a_plan_as_json(tmp_path):
    result = invoked(written(tmp_path, small()), "--format", "json")
    content = json.loads(result.stdout)
    (method,) = content["methods"]
    assert (method["method"], method["measured"]) == ("small", None)
    (dataset,) = method["datasets"]
    assert [mapping["output"] for mapping in dataset["networks"]["mappings"]] == [[3], [64]]
    assert dataset["phases"][0]["losses"][0]["reaches"] == ["encoder", "decoder"]
    assert content["totals"] == {
        "methods": 1,
        "invalid": 0,
        "phases": 1,
        "parameters": 64 * 8 + 8 + 8 * 3 + 3 + 3 * 64 + 64,
        "iterations": 2,
        "phases_of_unknown_length": 0,
        "seconds": None,
        "peak_bytes": None,
    }


def test_of_a_folder_the_good_files_are_planned_and_the_bad_ones_reported(tmp_path):
    result = invoked(five_files(tmp_path / "methods"))
    assert result.exit_code == 2
    assert [line.split(": ")[1] for line in result.stderr.splitlines()] == [
        "error RC002",
        "error RC102 at /datasets/0",
    ]
    assert "Methods: 3 planned, 2 invalid; 3 phases on datasets" in result.stdout
    assert "b_broken.json" not in result.stdout


def test_a_file_that_is_absent_is_reported(tmp_path):
    result = invoked(tmp_path / "absent.json", written(tmp_path, small()), "--format", "json")
    assert result.exit_code == 2
    assert "error RC001: there is no such file or folder" in result.stderr
    assert json.loads(result.stdout)["totals"]["methods"] == 1


def test_a_shape_is_given_for_what_nothing_tells(tmp_path):
    file = written(tmp_path, small({**ABSENT, "/datasets/0/dataset": "ImageFolder"}))
    result = invoked(file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "give for example --sample-shape 3x128x128" in result.stderr
    assert invoked(file, "--sample-shape", "1x8x8").exit_code == 0


def test_shapes():
    assert (parse_shape(None), parse_shape("784"), parse_shape("3X12x9")) == (None, (784,), (3, 12, 9))
    for text in ("", "3x", "ax2", "0x3", "3,4"):
        with pytest.raises(UsageError, match="is no shape: write for example 3x128x128"):
            parse_shape(text)


def test_a_sweep_is_planned_value_by_value(tmp_path):
    result = invoked(written(tmp_path, small()), "--set", "/datasets/0/batch_size=10,30")
    assert result.exit_code == 0
    assert "method.json /datasets/0/batch_size=30: small" in result.stdout
    assert "Methods: 2 planned" in result.stdout


def test_a_measured_plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoked(written(tmp_path, small()), "--measure", "--device", "cpu")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Memory of the run at its peak: " in result.stdout
    assert "Time of the run: " in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["method.json"]
