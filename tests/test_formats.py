import csv
import io
import json
import shutil
import subprocess

import pytest

from recombine.aggregate import aggregate
from recombine.cli_results import _FORMATS
from recombine.formats import FORMATS, number, render
from recombine.result_files import read_runs
from tests.result_folders import dataset, run, scored, write, write_all

LR = "/phases/1/optimizers/0/lr"


@pytest.fixture
def log_dir(tmp_path, monkeypatch):
    """Return a folder of runs that has a bit of everything; work beside it."""
    monkeypatch.chdir(tmp_path)
    rates = [scored(seed, 0.9 + seed / 100, overrides=[f"{LR}=0.1"]) for seed in range(3)]
    oracle = {"Digits": dataset(0.5, oracle=['phase "p" may end by acc'])}
    other = [
        run(0, config="d", overrides=[f"{LR}=0.01"], datasets=oracle),
        run(1, config="d", overrides=[f"{LR}=0.01"], status="failed", error="\n100 % of x_1 | y & z\nmore"),
        run(0, "k_means", status="failed", error=None, config="e"),
    ]
    write_all(tmp_path / "logs", [*rates, *other])
    write(tmp_path / "logs", "torn", "{", started=run(2, config="d", overrides=[f"{LR}=0.01"]))
    return tmp_path / "logs"


def shown(log_dir, format_, scores=("last",), metrics=("acc",), width=None):
    """Return the table of a folder in a format."""
    return render(aggregate(read_runs([log_dir.relative_to(log_dir.parent)]), scores, metrics), format_, width)


NOTES = [
    "7 attempted: 4 finished, 2 failed, 1 unreadable",
    "Mean ± sample standard deviation (n - 1), none for a single value; in brackets the 95 % t-interval of the mean, "
    "none below 3 values; n: number of values.",
    "Scored on: all samples, evaluation mode, plain view.",
    "last: the final clustering.",
    "none: no finished run has the score.",
    "lr stands for /phases/1/optimizers/0/lr.",
    'oracle: dec lr=0.01 on Digits: phase "p" may end by acc',
]
FAILED = [
    "failed: logs/2026-01-01_00-00-04_dec (seed 1): 100 % of x_1 | y & z",
    "failed: logs/2026-01-01_00-00-05_k_means (seed 0): it left no error",
]


def test_the_table_of_the_terminal(log_dir):
    lines = shown(log_dir, "table").splitlines()
    assert lines[1].strip("┃").split("┃")[4:6] == [" attempted ", " finished "]
    assert [[cell.strip() for cell in line.strip("│").split("│")] for line in lines[3:8]] == [
        ["dec lr=0.01", "Digits", "1797", "last, oracle", "3", "1", "1", "0", "1", "0", "0.500"],
        [*[""] * 10, "n=1"],
        ["dec lr=0.1", "Digits", "1797", "last", "3", "3", "0", "0", "0", "0-2", "0.910 ± 0.010"],
        [*[""] * 10, "[0.885, 0.935] n=3"],
        ["k_means", "unknown", "", "last", "1", "0", "1", "0", "0", "", "none"],
    ]
    assert lines[9:] == [*NOTES, *FAILED]


def test_no_terminal_is_so_narrow_that_figures_are_cut(log_dir):
    text = shown(log_dir, "table", metrics=("acc", "nmi", "calinski_harabasz"), width=40)
    assert "…" not in text
    assert "0.910 ± 0.010" in text
    assert "[0.885, 0.935] n=3" in text
    assert "interrupted" in text


def test_markdown(log_dir):
    lines = shown(log_dir, "markdown").splitlines()
    assert lines[:5] == [
        "| method | dataset | N | score | attempted | finished | failed | interrupted | unreadable | seeds | ACC |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        "| dec lr=0.01 | Digits | 1797 | last, oracle | 3 | 1 | 1 | 0 | 1 | 0 | 0.500 n=1 |",
        "| dec lr=0.1 | Digits | 1797 | last | 3 | 3 | 0 | 0 | 0 | 0-2 | 0.910 ± 0.010 [0.885, 0.935] n=3 |",
        "| k_means | unknown |  | last | 1 | 0 | 1 | 0 | 0 |  | none |",
    ]
    failed = [line.replace("|", "\\|") for line in FAILED]
    bracketed = [note.replace("[", "\\[") for note in NOTES]
    assert lines[5:] == ["", *(f"- {line}" for line in [*bracketed, *failed])]


def test_csv_has_unrounded_numbers(log_dir):
    text = shown(log_dir, "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["method"] for row in rows] == ["dec lr=0.01", "dec lr=0.1", "k_means"]
    assert list(rows[0])[:4] == ["method", "dataset", "num_samples", "score"]
    one, three, none = rows
    assert (one["oracle"], one["oracle_reasons"]) == ("oracle", 'phase "p" may end by acc')
    assert (one["attempted"], one["finished"], one["failed"], one["unreadable"]) == ("3", "1", "1", "1")
    assert one["failures"] == "logs/2026-01-01_00-00-04_dec (seed 1): 100 % of x_1 | y & z"
    assert (one["acc_n"], one["acc_mean"], one["acc_std"], one["acc_low"]) == ("1", "0.5", "", "")
    assert float(three["acc_mean"]) == pytest.approx(0.91, rel=1e-15)
    half = 4.302652729749464 * 0.01 / 3**0.5
    assert float(three["acc_low"]) == pytest.approx(0.91 - half, rel=1e-9)
    assert (three["seeds"], three["overrides"], three["failures"]) == ("0-2", f"{LR}=0.1", "")
    assert three["scored_on"] == "all samples, evaluation mode, plain view"
    assert (none["acc_n"], none["acc_mean"], none["dataset"]) == ("0", "", "")


def test_json_has_the_value_of_each_seed(log_dir):
    content = json.loads(shown(log_dir, "json"))
    assert content["attempted"] == 7
    assert content["protocol"]["std"] == "sample standard deviation (n - 1), none for a single value"
    assert content["protocol"]["scored_on"] == ["all samples, evaluation mode, plain view"]
    one, three, _ = content["rows"]
    cell = three["metrics"]["acc"]
    assert cell["n"] == 3
    assert cell["values"][1] == {"seed": 1, "value": 0.91, "folder": "logs/2026-01-01_00-00-01_dec"}
    assert one["metrics"]["acc"] == {
        "n": 1,
        "mean": 0.5,
        "std": None,
        "low": None,
        "high": None,
        "values": [{"seed": 0, "value": 0.5, "folder": "logs/2026-01-01_00-00-03_dec"}],
    }
    assert (one["oracle"], one["oracle_runs"], three["oracle"]) == (True, 1, False)
    assert one["runs"] == {
        "attempted": 3,
        "finished": 1,
        "failed": 1,
        "interrupted": 0,
        "running": 0,
        "unreadable": 1,
    }
    failure = {
        "folder": "logs/2026-01-01_00-00-04_dec",
        "method": "dec",
        "seed": 1,
        "error": "100 % of x_1 | y & z",
    }
    assert one["failures"] == [failure]
    assert content["failures"][0] == failure
    assert len(content["warnings"]) == 1
    assert content["superseded"] == []


def test_latex(log_dir):
    lines = shown(log_dir, "latex").splitlines()
    assert lines[:6] == [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        r"\footnotesize",
        r"\begin{tabular}{llrlrrrrrll}",
        r"\toprule",
    ]
    assert lines[6] == (
        r"method & dataset & N & score & attempted & finished & failed & interrupted & unreadable & seeds & ACC \\"
    )
    assert lines[7:12] == [
        r"\midrule",
        r"dec lr=0.01 & Digits & 1797 & last, oracle & 3 & 1 & 1 & 0 & 1 & 0 & \shortstack{$0.500$\\$n=1$} \\",
        r"dec lr=0.1 & Digits & 1797 & last & 3 & 3 & 0 & 0 & 0 & 0-2 & "
        r"\shortstack{$0.910 \pm 0.010$\\$[0.885, 0.935],\ n=3$} \\",
        r"k\_means & unknown &  & last & 1 & 0 & 1 & 0 & 0 &  & none \\",
        r"\bottomrule",
    ]
    assert lines[13].startswith(r"\caption{7 attempted: 4 finished, 2 failed, 1 unreadable. Mean $\pm$ sample")
    assert r"the 95 \% t-interval" in lines[13]
    assert lines[14] == r"\end{table}"
    assert lines[15:] == [f"% {line}" for line in FAILED]


AWKWARD = r"[5pt] a&b%c$d#e_f{g}h~i^j\k<l>m|n" + '"\n*[x](y)'


def test_awkward_names_do_no_harm(tmp_path):
    write(tmp_path, "a", scored(0, 0.5, method=AWKWARD))
    table = aggregate(read_runs([tmp_path]), ("last",), ("acc",))
    latex = render(table, "latex").splitlines()[8]
    assert latex.startswith(
        r"{[}5pt{]} a\&b\%c\$d\#e\_f\{g\}h\textasciitilde{}i\textasciicircum{}j\textbackslash{}k"
        r"\textless{}l\textgreater{}m\textbar{}n"
    )
    markdown = render(table, "markdown").splitlines()[2]
    assert markdown.startswith(r"| \[5pt\] a&b%c$d#e_f{g}h~i^j\\k\<l>m\|n" + '" \\*\\[x\\](y) | Digits |')
    assert next(csv.DictReader(io.StringIO(render(table, "csv"))))["method"] == AWKWARD
    assert json.loads(render(table, "json"))["rows"][0]["method"] == AWKWARD


def test_control_characters_are_shown_and_not_sent(tmp_path):
    write(tmp_path, "a", run(0, method="\x1b[31mred", status="failed", error="\x1b]0;title\x07"))
    table = aggregate(read_runs([tmp_path]), ("last",), ("acc",))
    for format_ in FORMATS:
        assert "\x1b" not in render(table, format_)
        assert "\x07" not in render(table, format_)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(log_dir, tmp_path):
    write(log_dir, "awkward", scored(0, 0.5, method=AWKWARD, config="9"))
    table = aggregate(read_runs([log_dir]), ("last", "chosen", "best"), ("acc", "nmi", "silhouette"))
    body = render(table, "latex")
    text = f"\\documentclass{{article}}\\usepackage{{booktabs}}\\begin{{document}}\n{body}\\end{{document}}\n"
    (tmp_path / "t.tex").write_text(text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603
    assert done.returncode == 0, done.stdout[-2000:]


def test_all_formats_are_offered():
    assert tuple(FORMATS) == _FORMATS


@pytest.mark.parametrize(
    ("value", "text"), [(0.98765, "0.988"), (-0.01, "-0.010"), (99.9, "99.900"), (1234.56, "1234.6")]
)
def test_numbers_are_rounded_for_people(value, text):
    assert number(value) == text
