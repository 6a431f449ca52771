"""The folders of runs: which one belongs to a run, what has become of it, and who works on it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from recombine.errors import RecombineError, UsageError
from recombine.files import safe_name, write_json
from recombine.identity import Identity
from recombine.result_files import DESCRIPTION, LOCK, RESULT

CONFIGURATION, ENVIRONMENT, TRACEBACK = "config.json", "environment.json", "traceback.txt"
CHECKPOINTS, SHARED = "checkpoints", "shared"
_DIGITS = 8
_SECONDS_FOR_LOG_DIR = 60
_SECONDS_FOR_RUN = 0.5


class BusyRunError(RecombineError):
    """Another process works on the run."""


@dataclass(frozen=True)
class RunDescription:
    """What identifies a run, written before anything else of it.

    Attributes:
        method: The method's name.
        source: The method file, or ``<dict>``.
        overrides: The changes of the command line, in words.
        folder: The method file's folder, which relative paths are relative to.
        identity: What the run is.
    """

    method: str
    source: str
    overrides: tuple[str, ...]
    folder: Path
    identity: Identity

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "method": self.method,
            "source": self.source,
            "overrides": list(self.overrides),
            "folder": str(self.folder),
            "identity": self.identity.digest(),
            "parts": asdict(self.identity),
        }


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run.

    Attributes:
        path: The folder.
        generation: How often the run was started in a new folder.
        result: What ``result.json`` said when the folder was claimed, or None.
        is_new: Whether it was created for this start.
    """

    path: Path
    generation: int
    result: Mapping[str, Any] | None = None
    is_new: bool = False

    @property
    def status(self) -> str | None:
        """How the run ended before, ``interrupted`` if it could not say, or None if it is new."""
        if self.result is not None:
            return str(self.result.get("status", "interrupted"))
        return None if self.is_new else "interrupted"


@contextmanager
def claimed(log_dir: Path, run: RunDescription, now: datetime, is_fresh: bool = False) -> Iterator[RunFolder]:
    """Find or create the folder of a run, and keep other processes from working on it meanwhile.

    Args:
        log_dir: Where the runs' folders are.
        run: The run.
        now: The time, for the name of a new folder.
        is_fresh: Whether to start over in a new folder.

    Raises:
        UsageError: The folder cannot be written to.
        BusyRunError: Another process works on the run.
    """
    try:
        log_dir.mkdir(parents=True, exist_ok=True)
        _check_plain(log_dir / LOCK)
        with FileLock(log_dir / LOCK, timeout=_SECONDS_FOR_LOG_DIR):
            folder = _found_or_new(log_dir, run, now, is_fresh)
            _check_plain(folder.path)
            lock = _locked(folder.path)
    except OSError as error:
        raise unwritable_logs(log_dir, error) from error
    try:
        yield folder if folder.is_new else RunFolder(folder.path, folder.generation, read_json(folder.path / RESULT))
    finally:
        lock.release()


def _check_plain(path: Path) -> None:
    """Make sure that neither a file or folder nor anything in it is a symbolic link, through which a run would write.

    Raises:
        UsageError: One is.
    """
    for found in (path, *path.rglob("*")):
        if found.is_symlink():
            remedy = "Remove it, or name another log folder with --log-dir"
            raise UsageError(f"{found} is a symbolic link, and a run writes to no place but its folder. {remedy}")


def _locked(folder: Path) -> FileLock:
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=_SECONDS_FOR_RUN)
    except Timeout:
        raise BusyRunError(f"another process works on this run; its files are in {folder}") from None
    except OSError as error:
        raise UsageError(f"the run's folder {folder} cannot be written to: {error.strerror or error}") from error
    return lock


def _found_or_new(log_dir: Path, run: RunDescription, now: datetime, is_fresh: bool) -> RunFolder:
    """Return the newest folder of a run, or a new one."""
    digest = run.identity.digest()
    found = [folder for folder in log_dir.glob(f"*_{digest[:_DIGITS]}*") if _identity_of(folder) == digest]
    generations = {generation_of(folder): folder for folder in found}
    newest = max(generations, default=0)
    if newest and not is_fresh:
        return RunFolder(generations[newest], newest)
    folder = _new_folder(log_dir, f"{now:%Y-%m-%d_%H-%M-%S}_{safe_name(run.method)}_{digest[:_DIGITS]}")
    try:
        write_json(folder / DESCRIPTION, {**run.as_dict(), "generation": newest + 1})
    except OSError:
        folder.rmdir()
        raise
    return RunFolder(folder, newest + 1, is_new=True)


def _new_folder(log_dir: Path, stem: str) -> Path:
    """Create and return a folder; one that has the name already, of a run that was started over, gets company."""
    folder, number = log_dir / stem, 1
    while folder.exists():
        number += 1
        folder = log_dir / f"{stem}_{number}"
    folder.mkdir()
    return folder


def read_json(path: Path) -> Mapping[str, Any] | None:
    """Return the JSON object in a file, or None where there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _identity_of(folder: Path) -> Any:
    return (read_json(folder / DESCRIPTION) or {}).get("identity")


def generation_of(folder: Path) -> int:
    """Return how often the run in a folder was started in a new folder; 0 where it does not say."""
    generation = (read_json(folder / DESCRIPTION) or {}).get("generation")
    return generation if isinstance(generation, int) else 0


def unwritable_logs(log_dir: Path, error: OSError) -> UsageError:
    """Return what to tell the user about a log folder that cannot be written to."""
    is_below_a_file = isinstance(error, (FileExistsError, NotADirectoryError))
    reason = "a part of its path is a file" if is_below_a_file else error.strerror or str(error)
    return UsageError(f"the log folder {log_dir} cannot be written to: {reason}. Name another with --log-dir")
