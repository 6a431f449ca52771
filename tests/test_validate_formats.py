import json

import pytest

from recombine.excerpt import Sources, marked, width
from recombine.problem_formats import as_github, summary
from recombine.problems import Problem
from tests.methods import small, written

pytestmark = pytest.mark.usefixtures("at_home")
TWO = {"/seed": -1, "/phases/0/design_patterns/0/loss_weigth": 2}
KEYS = ["code", "severity", "message", "remedy", "pointer", "file", "line", "column", "fixes"]
WARNED = {
    "/phases/0/optimizers/0/optimizes_centroids": True,
    "/phases/0/exit_criteria": {"performance_evaluation_acc_gt": 0.5},
    "/phases/0/performance_evaluation_interval": 1,
    "/cluster_assignment_strategy": {"type": "centroid_similarity", "use_centroids_during_phases": ["training"]},
}


def test_text_shows_each_mistake_with_its_line_and_counts_them(call, tmp_path):
    path = written(tmp_path, small(TWO))
    status, output, errors = call("validate", path)
    assert (status, output) == (2, "")
    lines = errors.splitlines()
    assert lines[0].endswith(
        'error RC101 at /phases/0/design_patterns/0/loss_weigth: "loss_weigth" is not a key that is known here. '
        'Did you mean "loss_weight"?'
    )
    assert lines[1:3] == ['              "loss_weigth": 2', "              ^"]
    assert lines[4:6] == ['      "seed": -1', "              ^"]
    assert lines[6:] == ["2 errors and 0 warnings in 1 file"]


def test_warnings_are_counted_apart_and_leave_a_file_valid(call, tmp_path):
    path = written(tmp_path, small(WARNED))
    status, output, errors = call("validate", path)
    assert (status, output) == (0, f"{path}: valid\n")
    assert errors.splitlines()[-1] == "0 errors and 1 warning in 1 file"


def test_a_file_that_is_gone_has_no_line_to_show(call):
    status, output, errors = call("validate", "gone.json")
    assert (status, output) == (2, "")
    assert errors == ("gone.json: error RC001: there is no such file or folder.\n1 error and 0 warnings in 1 file\n")


def test_json_is_one_document_with_the_same_keys_for_all(call, tmp_path):
    path, good = written(tmp_path, small(TWO)), written(tmp_path, small(), "good.json")
    status, output, errors = call("validate", path, good, "gone.json", "--format", "json")
    assert (status, errors) == (2, "")
    found = json.loads(output)
    assert [list(entry) for entry in found] == [KEYS] * 3
    line = path.read_text().splitlines().index('          "loss_weigth": 2') + 1
    assert found[0] == {
        "code": "RC101",
        "severity": "error",
        "message": '"loss_weigth" is not a key that is known here',
        "remedy": 'Did you mean "loss_weight"?',
        "pointer": "/phases/0/design_patterns/0/loss_weigth",
        "file": str(path),
        "line": line,
        "column": 11,
        "fixes": [{"line": line, "column": 11, "old": '"loss_weigth"', "new": '"loss_weight"'}],
    }
    assert [entry["fixes"] for entry in found[1:]] == [[], []]
    assert found[2] | {"line": 0, "column": 0, "pointer": ""} == found[2]


def test_json_of_good_files_is_an_empty_list(call, tmp_path):
    assert call("validate", written(tmp_path, small()), "--format", "json") == (0, "[]\n", "")
    (entry,) = json.loads(call("validate", written(tmp_path, small(WARNED)), "--format=json")[1])
    assert entry["severity"] == "warning"


def test_github_gets_a_command_for_each(call, tmp_path):
    path = written(tmp_path, small({"/name": "", "/seed": -1}))
    status, output, errors = call("validate", path, "--format", "github")
    assert (status, errors) == (2, "")
    lines = output.splitlines()
    assert len(lines) == 2
    assert lines[0] == (
        f"::error file={path},line=2,col=11,title=RC104::at /name: at least 1 character must stand here."
    )
    assert call("validate", written(tmp_path, small()), "--format", "github") == (0, "", "")


def test_what_github_would_take_for_its_own_is_escaped():
    problem = Problem("RC101", "100% wrong\r\nor::not", "A, b: c.", "/x", "a,b:c%.json", 3, 4, is_warning=True)
    assert as_github(problem) == (
        "::warning file=a%2Cb%3Ac%25.json,line=3,col=4,title=RC101::at /x: 100%25 wrong\\u000d%0Aor::not. A, b: c."
    )
    assert as_github(Problem("RC001", "gone", file="f")) == "::error file=f,title=RC001::gone."


def test_counts_are_in_singular_and_plural():
    error, warning = Problem("RC101", "e"), Problem("RC407", "w", is_warning=True)
    assert summary([error], 1) == "1 error and 0 warnings in 1 file"
    assert summary([error, error, warning], 2) == "2 errors and 1 warning in 2 files"


@pytest.mark.parametrize(
    ("line", "column", "shown"),
    [
        ('  "a": 1', 3, ['  "a": 1', "  ^"]),
        ('\t"a": 1\r', 2, ['    "a": 1', "    ^"]),
        ('"聚类": 1', 7, ['"聚类": 1', "        ^"]),
        ('"e\u0301": 1', 6, ['"e\u0301": 1', "    ^"]),
        ('"\x1b[2J": 1', 8, ['"\\u001b[2J": 1', "            ^"]),
        ("abc", 4, ["abc", "   ^"]),
        ("abc", 99, ["abc", "   ^"]),
        ("", 1, ["", "^"]),
        ("abc", 0, ["abc", "^"]),
    ],
)
def test_the_mark_stands_under_the_place(line, column, shown):
    assert marked(line, column) == shown


@pytest.mark.parametrize("column", [1, 50, 61, 62, 500, 990, 1000])
@pytest.mark.parametrize("letter", ["x", "聚", "\t", "\x00"])
def test_long_lines_are_cut_around_the_mark(column, letter):
    line = letter * (column - 1) + "!" + letter * (1000 - column)
    text, caret = marked(line, column)
    assert width(text) <= 106
    assert caret.endswith("^")
    before = text[: text.index("!")]
    assert width(before) == len(caret) - 1
    assert text.endswith("...") or column > 900
    assert not (text.endswith("...") and column == 1000)
    assert not (text.startswith("...") and column == 1)


def test_lines_come_from_the_file_of_the_problem(tmp_path):
    path = tmp_path / "m.json"
    path.write_bytes("\ufeffone\ntwo \xff".encode())
    sources = Sources({"shown": path})
    assert sources.excerpt(Problem("RC101", "x", file="shown", line=1, column=1)) == ["one", "^"]
    assert sources.excerpt(Problem("RC101", "x", file=str(path), line=2, column=2)) == ["two \xff", " ^"]
    for line in (0, 3):
        assert sources.excerpt(Problem("RC101", "x", file="shown", line=line, column=1)) == []
    assert sources.excerpt(Problem("RC101", "x", file="gone", line=1, column=1)) == []
    assert sources.excerpt(Problem("RC101", "x", file=str(tmp_path), line=1, column=1)) == []
