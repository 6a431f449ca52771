"""Progress for whoever watches: a live bar on a terminal, now and then a line elsewhere."""

import time
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from recombine.callbacks.base import Callback, PhaseView
from recombine.criteria import Performance
from recombine.objective import LossValue
from recombine.state import RunState

_SECONDS_BETWEEN_REFRESHES = 0.25
_SECONDS_BETWEEN_LINES = 30.0


class _Watcher(Callback):
    """Looks at the losses no more often than somebody can read them.

    Args:
        seconds: Time between two looks.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.scores = ""
        self._next = 0.0

    def phase_started(self, phase: PhaseView, state: RunState) -> None:
        self.scores = ""
        self._next = time.monotonic() + self.seconds
        self.begin(phase)

    def iteration_done(self, phase: PhaseView, state: RunState, losses: Sequence[LossValue]) -> None:
        if time.monotonic() >= self._next:
            self.show(phase, state, ", ".join(f"{loss.name} {float(loss.value):.4g}" for loss in losses))
            self._next = time.monotonic() + self.seconds

    def evaluated(self, phase: PhaseView, state: RunState, performance: Performance | None) -> None:
        if performance is not None and performance.scores is not None:
            self.scores = str(performance.scores)

    def begin(self, phase: PhaseView) -> None:
        """Start to show a phase."""

    def show(self, phase: PhaseView, state: RunState, losses: str) -> None:
        """Show the state of a phase."""


class _Bar(Progress):
    """A bar with a line of text below it, which gives way first where the terminal is narrow."""

    line = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return what is shown."""
        yield self.make_tasks_table(self.tasks)
        yield Text(self.line, no_wrap=True, overflow="ellipsis", style="dim")


class LiveProgress(_Watcher):
    """A bar on a terminal: phase, iteration, losses, last scores, time left.

    Args:
        console: The terminal.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(_SECONDS_BETWEEN_REFRESHES)
        self._progress = _Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=10),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[scores]}", markup=False),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None

    def begin(self, phase: PhaseView) -> None:
        """Start a new bar."""
        self._stop()
        self._progress.start()
        self._task = self._progress.add_task(phase.config.name, total=phase.iterations, scores="")

    def show(self, phase: PhaseView, state: RunState, losses: str) -> None:
        """Move the bar."""
        if self._task is not None:
            self._progress.line = losses
            self._progress.update(self._task, completed=state.clock.iteration, scores=self.scores)

    def phase_ended(self, phase: PhaseView, state: RunState, reason: str) -> None:
        """Take the bar away."""
        self._stop()

    def run_ended(self, error: BaseException | None) -> None:
        """Take the bar away."""
        self._stop()

    def _stop(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._progress.line = ""
            self._task = None
        self._progress.stop()


class PlainProgress(_Watcher):
    """A line every half minute.

    Args:
        emit: Takes each line, without line break.
    """

    def __init__(self, emit: Callable[[str], None]) -> None:
        super().__init__(_SECONDS_BETWEEN_LINES)
        self.emit = emit
        self._started = 0.0

    def begin(self, phase: PhaseView) -> None:
        """Start the phase's clock."""
        self._started = time.monotonic()

    def show(self, phase: PhaseView, state: RunState, losses: str) -> None:
        """Write a line."""
        done = state.clock.iteration
        length = f" of {phase.iterations}" if phase.iterations is not None else ""
        parts = [f"{phase.config.name}: iteration {done}{length}", losses, self.scores, self._left(done, phase)]
        self.emit(", ".join(part for part in parts if part))

    def _left(self, done: int, phase: PhaseView) -> str:
        if phase.iterations is None:
            return ""
        seconds = (time.monotonic() - self._started) / done * (phase.iterations - done)
        return f"about {seconds:.0f} s left"
