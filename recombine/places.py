"""Where a method file may write."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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
