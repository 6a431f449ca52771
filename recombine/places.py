"""Where a method file may write."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR

from recombine.errors import ParameterFileError


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
            ParameterFileError: It lies outside all folders that may be written to.
        """
        absolute = (self.folder / path).resolve()
        folders = [self.folder.resolve(), *(folder.resolve() for folder in self.allowed)]
        if any(absolute.is_relative_to(folder) for folder in folders):
            return absolute
        raise ParameterFileError(
            f'"{path}" lies outside the folder of the method file, where it may save; allow it by --allow-write '
            f"{absolute if path.endswith('/') else absolute.parent}"
        )

    def check(self, path: str) -> None:
        """Make sure that a file, or a folder whose name ends in a slash, can be written; nothing is written yet.

        Raises:
            ParameterFileError: It lies outside all folders that may be written to, or cannot be written.
        """
        absolute = self.to_write(path)
        try:
            is_folder = path.endswith("/") or S_ISDIR(absolute.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            is_folder = False
        except OSError as error:
            raise ParameterFileError(f'"{path}" cannot be written: {error.strerror or error}') from error
        there = absolute if is_folder else absolute.parent
        while not os.path.lexists(there):
            there = there.parent
        if not there.is_dir():
            raise ParameterFileError(f'"{path}" cannot be written: {there} is no folder')
        if not os.access(there, os.W_OK | os.X_OK):
            raise ParameterFileError(f'"{path}" cannot be written: the folder {there} does not allow it')
