"""Files that carry the checksum of their bytes in their names: what is torn or changed is known before it is opened."""

import hashlib
import os
from functools import partial
from pathlib import Path

from recombine.files import write_beside

#: How many digits of the SHA-256 a name carries, behind an underscore at the end of its stem.
DIGITS = 32


class DamagedFileError(Exception):
    """A file cannot be read, or holds other bytes than were written; the text says which."""


def write_checked(folder: Path, stem: str, suffix: str, data: bytes) -> Path:
    """Write bytes to ``<stem>_<checksum><suffix>`` in a folder, whole or not at all, and return the path.

    Raises:
        OSError: It cannot be written.
    """
    path = folder / f"{stem}_{checksum(data)}{suffix}"
    write_beside(path, partial(_fill, data))
    return path


def read_checked(path: Path) -> bytes:
    """Return the bytes of a file that :func:`write_checked` wrote.

    Raises:
        DamagedFileError: It cannot be read, or its bytes do not match its name.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DamagedFileError(f"it cannot be read: {error.strerror or error}") from error
    if checksum(data) != path.stem[-DIGITS:]:
        raise DamagedFileError("it is damaged: its bytes do not match the checksum in its name")
    return data


def checksum(data: bytes) -> str:
    """Return the digits that belong into the name of a file with these bytes."""
    return hashlib.sha256(data).hexdigest()[:DIGITS]


def _fill(data: bytes, path: Path) -> None:
    """Write bytes that are on the disk before the file gets its name: power may fail at any time."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
