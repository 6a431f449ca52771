import io
from pathlib import Path

import numpy as np
from rich.console import Console

from recombine.batch import NOT_RUN, Outcome
from recombine.dataset_result import DatasetResult
from recombine.label_free import LabelFree
from recombine.metrics import Scores, agreement, counts
from recombine.problems import Problem
from recombine.results import Result
from recombine.tables import outcome_table

SCORES = Scores(acc=0.98765, nmi=0.5, ari=-0.01)


def scored(name="few", scores=SCORES, clusters=(), oracle=(), silhouette=None):
    """Return the result on a dataset."""
    free = LabelFree(silhouette, None, None, None, 2, 1.0, 60, "output of encoder")
    return DatasetResult(name, 60, 4, scores, clusters, None, oracle, None, label_free=free)


def result(status="finished", error=None, **datasets):
    """Return the result of a run."""
    return Result("m", "m.json", 3, status, Path("logs"), datasets, 1.0, error)


def shown(*outcomes, width=160):
    """Return the rows of the table as lists of cells, without the header."""
    text = io.StringIO()
    Console(file=text, width=width).print(outcome_table(list(outcomes)))
    rows = [line.strip()[1:-1].split("│") for line in text.getvalue().splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in row] for row in rows]


def test_each_dataset_has_a_row_with_its_scores():
    outcome = Outcome("m.json", (), result(a=scored("a"), b=scored("b", oracle=("why",))))
    assert shown(outcome) == [
        ["m.json", "finished", "3", "a", "60", "0.988", "0.500", "-0.010", ""],
        ["m.json", "finished", "3", "b", "60", "0.988", "0.500", "-0.010", "oracle"],
    ]


def test_datasets_without_scores_say_why():
    unlabelled = scored("c", None, silhouette=0.2)
    outcome = Outcome("m.json", (), result(a=scored("a", None), b=scored("b", None, None, ("why",)), c=unlabelled))
    assert [row[3:] for row in shown(outcome)] == [
        ["a", "60", "", "", "", "no labels"],
        ["b", "60", "", "", "", "oracle, no assignments yet"],
        ["c", "60", "", "", "", "no labels, silhouette 0.200"],
    ]


def test_of_many_scores_three_are_shown():
    scores = agreement(counts(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])))
    assert shown(Outcome("m.json", (), result(a=scored("a", scores))))[0][5:] == ["1.000", "1.000", "1.000", ""]


def test_methods_without_scores_have_a_row_with_the_reason():
    error = Problem("RC101", "x")
    failed = result("failed", "a loss became NaN", a=scored())
    outcomes = [
        Outcome("bad.json", (error,), error="invalid: 1 error"),
        Outcome("late.json", error=NOT_RUN),
        Outcome("broken.json", error="KeyError: 'x'"),
        Outcome("diverged.json", (), failed, failed.error),
        Outcome("empty.json", (), result()),
    ]
    assert [[row[0], row[1], row[2], row[-1]] for row in shown(*outcomes)] == [
        ["bad.json", "invalid", "", "invalid: 1 error"],
        ["late.json", "not run", "", ""],
        ["broken.json", "failed", "", "KeyError: 'x'"],
        ["diverged.json", "failed", "3", "a loss became NaN"],
        ["empty.json", "finished", "3", ""],
    ]


def test_text_in_brackets_is_no_markup():
    source = "m.json /phases/[finetuning]/order=[bold]1"
    assert shown(Outcome(source, error=NOT_RUN))[0][0] == source
