"""What the measurements of reliability share: runs of ``bench/every_pattern.json`` through the command line.

A run is a process of its own. It is forked from one that has imported everything, and calls what ``main.py`` calls: so
a trial does not wait for imports, and can change a module before the command starts. ``Lab.command`` starts the whole
program instead, where the start itself is part of what is measured.
"""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench import common
from bench.kills import METHOD, left_behind
from recombine import cli, execute, keeper, launcher

EVERY = ("--checkpoint-iterations", "7", "--checkpoint-minutes", "0")
_PRELOADED = (cli, execute, launcher)
_STOP = 700
_STAMP = re.compile(r"^\[[\d-]+ [\d:]+\] ")
_POLL_SECONDS, _PATIENCE_SECONDS = 0.005, 300

Before = Callable[[], None]


class Ended(NamedTuple):
    """A command that ended: its exit status as a shell shows it, and all that it said."""

    status: int
    said: str

    def line(self, words: str) -> str:
        """Return the first line that holds ``words``, without its time; empty where there is none."""
        found = next((line for line in self.said.splitlines() if words in line), "")
        return _STAMP.sub("", found)

    @property
    def is_clear(self) -> bool:
        """Whether nothing that was said is a traceback."""
        return "Traceback" not in self.said


@dataclass
class Started:
    """A command under way.

    Attributes:
        number: The number of its process.
        output: The file that takes what it says.
    """

    number: int
    output: Path

    def wait(self) -> Ended:
        """Wait for its end."""
        _, status = os.waitpid(self.number, 0)
        exit_code = os.waitstatus_to_exitcode(status)
        return Ended(exit_code if exit_code >= 0 else 128 - exit_code, self.output.read_text(encoding="utf-8"))

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal."""
        os.kill(self.number, number)


@dataclass(frozen=True)
class Trial:
    """A folder with the method file, what it saves, and logs.

    Attributes:
        folder: The folder.
    """

    folder: Path

    @property
    def logs(self) -> Path:
        """The log folder."""
        return self.folder / "logs"

    @property
    def run_folders(self) -> list[Path]:
        """The folders of runs, the oldest first."""
        return sorted((file.parent for file in self.logs.glob("*/run.json")), key=lambda path: path.stat().st_ctime_ns)

    @property
    def run_folder(self) -> Path:
        """The folder of the only run."""
        (folder,) = self.run_folders
        return folder

    @property
    def checkpoints(self) -> list[Path]:
        """The checkpoints of the only run, the oldest first."""
        return sorted((self.run_folder / "checkpoints").glob("*.pt"))

    def arguments(self, *options: str) -> list[str]:
        """Return the words of the command line."""
        return ["main.py", str(self.folder / METHOD.name), "--log-dir", str(self.logs), *EVERY, *options]

    def start(self, *options: str, before: Before | None = None) -> Started:
        """Start the command in a process that has imported everything.

        Args:
            options: Further words of the command line.
            before: Called in that process before the command.
        """
        output = self.folder / f"said_{time.monotonic_ns()}.txt"
        output.touch()
        number = os.fork()
        if number:
            return Started(number, output)
        _become(self.arguments(*options), output, before)
        raise SystemExit

    def run(self, *options: str, before: Before | None = None) -> Ended:
        """Run the command to its end."""
        return self.start(*options, before=before).wait()

    def command(self, *options: str) -> Started:
        """Start the whole program."""
        output = self.folder / f"said_{time.monotonic_ns()}.txt"
        words = [sys.executable, *self.arguments(*options)]
        with output.open("wb") as file:
            process = subprocess.Popen(words, cwd=common.ROOT, stdout=file, stderr=subprocess.STDOUT)  # noqa: S603
        process.returncode = 0  # its end is waited for by its number
        return Started(process.pid, output)

    def left(self) -> dict[str, Any]:
        """Return what identifies the outcome of the only run that has a result."""
        return left_behind(self.logs, self.folder / "saved")


@dataclass
class Finding:
    """What was found of one hazard.

    Attributes:
        hazard: Its name.
        done: What was done, in words.
        expected: What is to happen, in words.
        said: What the command said of it, in one trial.
        checks: How often each thing that is to hold held, and how often it was looked at.
        where: How many trials fell where, if they fell at random.
        skipped: Why nothing was done, or nothing.
    """

    hazard: str
    done: str
    expected: str
    said: str = ""
    checks: dict[str, list[int]] = field(default_factory=dict)
    where: dict[str, int] = field(default_factory=dict)
    skipped: str = ""

    def check(self, name: str, holds: bool) -> None:
        """Note whether something held."""
        counts = self.checks.setdefault(name, [0, 0])
        counts[0] += holds
        counts[1] += 1

    def check_said(self, trial: Trial, ended: Ended, words: str) -> None:
        """Note whether a sentence was said, and no traceback."""
        line = ended.line(words)
        self.said = self.said or line.replace(f"{trial.folder}/", "")
        self.check("it says so", bool(line))
        self.check("no traceback", ended.is_clear)

    def check_end(self, lab: "Lab", trial: Trial, ended: Ended) -> None:
        """Note whether a run that was mended and started again ended like the undisturbed one."""
        self.check("finishes when started again", ended.status == 0 and ended.is_clear)
        self.check("bits as undisturbed", ended.status == 0 and trial.left() == lab.whole)


class Lab:
    """Makes trials below a folder, and knows what an undisturbed run leaves behind.

    Args:
        folder: The folder.

    Attributes:
        whole: What an undisturbed run leaves behind.
        seconds: How long such a run takes, from the start of the command, without imports.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = iter(range(sys.maxsize))
        self._stopped: Trial | None = None
        trial = self.trial()
        started = time.monotonic()
        ended = trial.run()
        self.seconds = time.monotonic() - started
        if ended.status != 0:
            raise SystemExit(f"the undisturbed run failed:\n{ended.said}")
        self.whole = trial.left()

    def trial(self) -> Trial:
        """Return a new folder with the method file."""
        folder = self._new_folder()
        folder.mkdir()
        shutil.copy(METHOD, folder)
        return Trial(folder)

    def stopped(self) -> Trial:
        """Return a new folder with a run that was killed in its fourth phase, and has two checkpoints."""
        if self._stopped is None:
            self._stopped = self.trial()
            self._stopped.run(before=lambda: before_call(keeper.FileKeeper, "iteration_over", stop_here, _STOP))
        folder = self._new_folder()
        shutil.copytree(self._stopped.folder, folder)
        return Trial(folder)

    def _new_folder(self) -> Path:
        return self.folder / f"trial_{next(self._numbers)}"


def _become(arguments: Sequence[str], output: Path, before: Before | None) -> None:
    """Be the command; never return."""
    status = 1
    try:
        file = os.open(output, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.chdir(common.ROOT)
        sys.argv = list(arguments)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if before is not None:
            before()
        cli.main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001  (as Python ends a program)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: It does not come.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(_POLL_SECONDS)


def before_call(holder: Any, name: str, action: Before, at: int = 1) -> None:
    """Let ``action`` happen right before the ``at``-th call of a function."""
    setattr(holder, name, _Preceded(getattr(holder, name), action, at))


class _Preceded:
    """A function before whose call number ``at`` something happens; as an attribute of a class, a method."""

    def __init__(self, function: Callable[..., Any], action: Before, at: int) -> None:
        self._function, self._action, self._left = function, action, at

    def __get__(self, owner: Any, kind: type) -> Callable[..., Any]:
        return partial(self, owner)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self._left -= 1
        if self._left == 0:
            self._action()
        return self._function(*arguments, **options)


def stop_here() -> None:
    """End this process as ``kill -9`` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def fill(folder: Path, free: int = 0) -> None:
    """Fill a disk up to ``free`` bytes, by a file in ``folder``."""
    block = bytes(4096)
    with (folder / "balloon").open("ab", buffering=0) as file:
        while _free_bytes(folder) > free:
            try:
                file.write(block)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                return


def _free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def make_space(folder: Path) -> None:
    """Undo :func:`fill`."""
    (folder / "balloon").unlink()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """Put a disk of its own, in memory, where a folder is."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder))
    try:
        yield
    finally:
        _unmount(folder)


def make_read_only(folder: Path) -> None:
    """Let a folder be read-only to every process, whoever owns it, until :func:`make_writable`."""
    _mount("--bind", str(folder), str(folder))
    _mount("-o", "remount,ro,bind", str(folder))


def make_writable(folder: Path) -> None:
    """Undo :func:`make_read_only`."""
    _unmount(folder)


def can_mount(folder: Path) -> str:
    """Return why nothing can be mounted here; empty where it can."""
    try:
        with small_disk(folder / "mounted", 1):
            make_read_only(folder / "mounted")
            make_writable(folder / "mounted")
    except (OSError, subprocess.CalledProcessError) as error:
        return f"mounting is not allowed here ({error})"
    return ""


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)  # noqa: S603, S607  (folders of our own)


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", str(folder)], check=True, capture_output=True)  # noqa: S603, S607
