"""Where a method file may write."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR

from recombine.errors import ParameterFileError
from recombine.parameter_files import may_hold_tensors


@dataclass(frozen=True)
class Places:
    """The folders that a method may write to.

    Attributes:
        folder: The method file's own folder, which relative paths are relative to.
        allowed: Further folders: the log folder, and those that the user allowed.
    """

    folder: Path
    allowed: Sequence[Path]

    def to_write(self, path: str) -> Path:
        """Return the absolute path of a file or folder to write to, symbolic links resolved.

        Raises:
            ParameterFileError: It lies outside all folders that may be written to, or is hidden in them: programs
                read files there of their own accord.
        """
        try:
            absolute = (self.folder / path).resolve()
        except (OSError, RuntimeError) as error:
            raise ParameterFileError(f'"{path}" cannot be written: its symbolic links lead in a circle') from error
        folders = [self.folder.resolve(), *(folder.resolve() for folder in self.allowed)]
        below = [absolute.relative_to(folder) for folder in folders if absolute.is_relative_to(folder)]
        if any(all(not part.startswith(".") for part in inside.parts) for inside in below):
            return absolute
        if below:
            raise ParameterFileError(
                f'"{path}" is hidden: a file or folder whose name starts with a dot is not written'
            )
        raise ParameterFileError(
            f'"{path}" lies outside the folder of the method file, where it may save; allow it by --allow-write '
            f"{absolute if path.endswith('/') else absolute.parent}"
        )

    def check(self, path: str, replaces: bool = False) -> None:
        """Make sure that a file, or a folder whose name ends in a slash, can be written; nothing is written yet.

        Args:
            path: The file or folder.
            replaces: Whether a file that is there already gives way.

        Raises:
            ParameterFileError: It lies outside all folders that may be written to, or cannot be written, or would
                replace a file that no run has saved.
        """
        absolute = self.to_write(path)
        try:
            is_folder = path.endswith("/") or S_ISDIR(absolute.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            is_folder = False
        except OSError as error:
            raise ParameterFileError(f'"{path}" cannot be written: {error.strerror or error}') from error
        if replaces and not is_folder and absolute.exists() and not may_hold_tensors(absolute):
            raise ParameterFileError(f'"{path}" cannot be written: a file is there that holds no parameters')
        there = absolute if is_folder else absolute.parent
        while not os.path.lexists(there):
            there = there.parent
        if not there.is_dir():
            raise ParameterFileError(f'"{path}" cannot be written: {there} is no folder')
        if not os.access(there, os.W_OK | os.X_OK):
            raise ParameterFileError(f'"{path}" cannot be written: the folder {there} does not allow it')
