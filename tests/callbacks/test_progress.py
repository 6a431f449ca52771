import io
import itertools

import pytest
from rich.console import Console

from recombine.callbacks import progress
from recombine.callbacks.base import Callback
from recombine.callbacks.progress import LiveProgress, PlainProgress
from tests.runs import method, train


@pytest.fixture
def clock(monkeypatch):
    """Let every look at the clock take a second."""
    ticks = itertools.count()
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(ticks)))


def _terminal():
    return Console(file=io.StringIO(), force_terminal=True, width=160, color_system=None)


def _plain(phase, seconds=0.0):
    lines = []
    watcher = PlainProgress(lines.append)
    watcher.seconds = seconds
    train(method(phase=phase), [watcher])
    return lines


def test_lines_tell_phase_iteration_losses_scores_and_time_left(clock):
    lines = _plain({"exit_criteria": {"iterations": 3}, "performance_evaluation_interval": 2})
    first, last = lines[0], lines[-1]
    assert first.startswith("training: iteration 1 of 3, reconstruction ")
    assert "ACC" not in first
    assert last.startswith("training: iteration 3 of 3, reconstruction ")
    assert ", ACC 0." in last
    assert last.endswith(", about 0 s left")


def test_the_time_left_goes_by_the_time_so_far(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    class Slow(Callback):
        def iteration_done(self, phase, state, losses):
            now[0] += 10

    lines = []
    train(method(phase={"exit_criteria": {"iterations": 8}}), [Slow(), PlainProgress(lines.append)])
    assert [line.split(", ")[0] for line in lines] == [f"training: iteration {i} of 8" for i in (3, 6)]
    assert [line.split(", ")[-1] for line in lines] == ["about 50 s left", "about 20 s left"]


def test_a_phase_without_bound_tells_no_time_left(clock):
    criteria = {"performance_evaluation_acc_gt": 0}
    lines = _plain({"exit_criteria": criteria, "performance_evaluation_interval": 4})
    assert lines[0].startswith("training: iteration 1, reconstruction ")
    assert not any("left" in line or " of " in line for line in lines)


def test_nobody_is_told_more_often_than_he_can_read():
    assert _plain({}, seconds=30.0) == []


def test_a_bar_on_a_terminal_shows_everything():
    console = _terminal()
    watcher = LiveProgress(console)
    watcher.seconds = 0.0
    phase = {
        "name": "[red]fine[/red]",
        "exit_criteria": {"iterations": 30},
        "performance_evaluation_interval": 10,
    }
    described = method(phase=phase)
    described["cluster_assignment_strategy"]["use_centroids_during_phases"] = [phase["name"]]

    class Slow(Callback):
        def iteration_done(self, phase, state, losses):
            if state.clock.iteration == 25:
                watcher._progress.refresh()

    train(described, [watcher, Slow()])
    shown = console.file.getvalue()
    assert "[red]fine[/red]" in shown
    assert "25/30" in shown
    assert "reconstruction " in shown
    assert "ACC 0." in shown
    assert ":" in shown.split("25/30")[1][:20]  # the time left
    watcher.run_ended(None)
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor comes back


def test_on_a_narrow_terminal_the_losses_give_way():
    console = Console(file=io.StringIO(), force_terminal=True, width=60, color_system=None)
    watcher = LiveProgress(console)
    watcher.seconds = 0.0
    described = method(phase={"exit_criteria": {"iterations": 9}})
    described["phases"][0]["design_patterns"] *= 4

    class Slow(Callback):
        def iteration_done(self, phase, state, losses):
            if state.clock.iteration == 7:
                watcher._progress.refresh()

    train(described, [watcher, Slow()])
    lines = console.file.getvalue().splitlines()
    bar = next(number for number, line in enumerate(lines) if "7/9" in line)
    assert "training" in lines[bar]
    assert "reconstruction " in lines[bar + 1]
    assert "…" in lines[bar + 1]


def test_a_bar_serves_several_phases_and_ends_with_the_run():
    console = _terminal()
    watcher = LiveProgress(console)
    watcher.seconds = 0.0
    described = method()
    described["phases"].append(described["phases"][0] | {"name": "second", "order": 1})
    train(described, [watcher])
    shown = console.file.getvalue()
    assert "training" in shown
    assert "second" in shown
    assert watcher._progress.tasks == []


def test_an_interrupted_run_takes_its_bar_away():
    console = _terminal()
    watcher = LiveProgress(console)

    class Interrupting(Callback):
        def iteration_done(self, phase, state, losses):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(method(), [watcher, Interrupting()])
    assert len(watcher._progress.tasks) == 1
    watcher.run_ended(KeyboardInterrupt())
    assert watcher._progress.tasks == []
    assert console.file.getvalue().count("\x1b[?25h") == 1
