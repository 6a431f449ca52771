"""Ctrl-C and SIGTERM: the first one lets the iteration finish, the second one does not."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class InterruptedRunError(KeyboardInterrupt):
    """The user, or the system, ended a run.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"{signal.Signals(number).name} ended the run")
        self.number = number


class Interruption:
    """Notes signals while it is entered, so that a run can end where its state is whole.

    Outside the main thread, where Python takes no signals, it notes none.

    Args:
        tell: Takes the sentence that answers the first signal.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._before: dict[int, Any] = {}
        self.number: int | None = None

    def __enter__(self) -> "Interruption":
        """Take the signals over."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *details: object) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def request(self, number: int = signal.SIGTERM) -> None:
        """Ask the run to end as a signal would."""
        self.number = self.number or number

    def check(self) -> None:
        """Raise InterruptedRunError if a signal came."""
        if self.number is not None:
            raise InterruptedRunError(self.number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            raise InterruptedRunError(number)
        self.number = number
        self._tell("Interrupted: the iteration is finished and saved first; interrupt once more to leave at once")
