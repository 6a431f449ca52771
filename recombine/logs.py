"""Where the log of a run goes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from recombine.errors import UsageError
from recombine.problems import printable
from recombine.run_folder import unwritable_logs

Emit = Callable[[str], None]


@dataclass(frozen=True)
class LogOptions:
    """Where the log of a run goes.

    Attributes:
        log_dir: The folder in which the runs' folders are created.
        one_file: One text log for all methods, or None for one in each run's folder.
        with_files: Whether there is a text log at all.
        with_timestamps: Whether its lines begin with the time.
    """

    log_dir: Path
    one_file: Path | None = None
    with_files: bool = True
    with_timestamps: bool = True

    def stamped(self, line: str) -> str:
        """Return a line with the time in front, if it is to have one."""
        return f"[{datetime.now():%Y-%m-%d %H:%M:%S}] {line}" if self.with_timestamps else line

    def file_in(self, folder: Path) -> Path | None:
        """Return the text log of the run in ``folder``, or None where there is to be none."""
        if not self.with_files:
            return None
        return self.one_file if self.one_file is not None else folder / "run.log"


@dataclass
class Log:
    """The log of one run: each line is shown, and stands in the text log.

    A text log that cannot be written to is given up with one word: the run itself does not depend on it.

    Attributes:
        options: Whether lines begin with the time.
        emit: Shows a line.
        path: The text log, or None.
    """

    options: LogOptions
    emit: Emit
    path: Path | None
    _is_given_up: bool = field(default=False, init=False)

    def __call__(self, line: str) -> None:
        """Say a line."""
        stamped = self.options.stamped(printable(line))
        self.emit(stamped)
        if self.path is not None and not self._is_given_up:
            try:
                with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                    file.write(stamped + "\n")
            except OSError as error:
                self._is_given_up = True
                self.emit(f"The text log {self.path} cannot be written any more: {error.strerror or error}")


def check_log_places(log: LogOptions) -> None:
    """Make sure that logs can be written, before anything runs.

    Raises:
        UsageError: The log folder or the one log file cannot be written to.
    """
    try:
        log.log_dir.mkdir(parents=True, exist_ok=True)
        probe = log.log_dir / ".recombine-probe"
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable_logs(log.log_dir, error) from error
    if log.one_file is not None and log.with_files:
        try:
            log.one_file.parent.mkdir(parents=True, exist_ok=True)
            log.one_file.open("a", encoding="utf-8").close()
        except OSError as error:
            raise UsageError(f"the log file {log.one_file} cannot be written to: {error.strerror or error}") from error
