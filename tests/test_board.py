import io

import pytest
from rich.console import Console

from recombine import board as module
from recombine.batch import Outcome
from recombine.board import Board
from recombine.dataset_result import DatasetResult
from recombine.metrics import Scores
from recombine.results import Result
from recombine.worker import Progress


def outcome(status="finished", error=None, scores=(0.5, 0.25, 0.125)):
    """Return what became of a run on two datasets, the second without labels."""
    found = Scores(*scores)
    datasets = {
        name: DatasetResult(name, 3, 2, values, None, None, (), None) for name, values in (("a", found), ("b", None))
    }
    return Outcome("m.json", (), Result("m", "m.json", 0, status, "folder", datasets), error)


def shown(board):
    """Return the rows of the table, and its title."""
    table = board.table()
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)], table.title


@pytest.fixture
def clock(monkeypatch):
    """Let every look at the clock take a second."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now.__setitem__(0, now[0] + 1) or now[0])


def test_elsewhere_than_on_a_terminal_every_change_is_a_line():
    lines = []
    with Board(lines.append) as board:
        first, second = board.add("m.json /lr=1", 3), board.add("n.json", 0)
        first.begin()
        first.show(Progress("training", 7, 10, "ACC 0.5", (0, 0)))
        second.begin()
        first.end(outcome())
        second.end(Outcome("n.json", error="no luck"))
        board.refresh()
    assert lines == [
        "m.json /lr=1, seed 3: started",
        "n.json, seed 0: started",
        "m.json /lr=1, seed 3: finished: a: ACC 0.500, NMI 0.250, ARI 0.125",
        "n.json, seed 0: failed: no luck",
    ]


def test_a_run_without_scores_ends_without_a_note():
    lines = []
    Board(lines.append).add("m.json", 0).end(Outcome("m.json", (), Result("m", "m.json", 0, "finished", "f")))
    assert lines == ["m.json, seed 0: finished"]


def test_rows_say_where_a_run_is_and_how_it_ended(clock):
    board = Board(print)
    waiting, running, endless, ended, failed = (board.add(name, 1) for name in ("w", "r", "e", "d", "f"))
    for row in (running, endless, ended, failed):
        row.emit = [].append
        row.begin()
    running.show(Progress("training", 7, 10, "ACC 0.500", (0, 0)))
    endless.show(Progress("until [good]", 3, None, "", (1, 0)))
    failed.end(Outcome("f", error="its process was ended by SIGKILL"))
    ended.end(outcome())
    rows, title = shown(board)
    assert rows == [
        ["f", "1", "failed", "", "its process was ended by SIGKILL"],
        ["d", "1", "finished", "", "a: ACC 0.500, NMI 0.250, ARI 0.125"],
        ["r", "1", "running", "training 7 of 10", "ACC 0.500"],
        ["e", "1", "running", "until [good] 3", ""],
    ]
    assert title == "1 failed, 1 finished, 2 running, 1 waiting"
    assert waiting.status == "waiting"


def test_of_those_that_ended_the_last_ten_are_shown_and_all_are_counted(clock):
    board = Board([].append)
    rows = [board.add(f"m{number}", 0) for number in range(25)]
    for row in reversed(rows[:20]):
        row.end(outcome())
    found, title = shown(board)
    assert [row[0] for row in found] == [f"m{number}" for number in reversed(range(10))]
    assert title == "20 finished, 5 waiting"


def test_on_a_terminal_there_is_a_table_and_no_line():
    console, lines = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None), []
    with Board(lines.append, console) as board:
        row = board.add("[red]m.json[/red]", 4)
        row.begin()
        row.show(Progress("training", 7, 10, "", (0, 0)))
        board.refresh()
        assert "training 7 of 10" in console.file.getvalue()
        row.end(outcome())
        board.refresh()
    text = console.file.getvalue()
    assert "[red]m.json[/red]" in text
    assert "1 finished" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor comes back
    assert lines == []
