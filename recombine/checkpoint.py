"""Checkpoints: files of tensors and plain values that are there whole or are passed over.

A checkpoint is one file that ``torch.load`` opens with ``weights_only=True``: nothing in it can run code. Its name
carries the first digits of the SHA-256 of its bytes, so that a torn or changed file is known before it is opened.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from recombine.checked_files import DIGITS, DamagedFileError, read_checked, write_checked
from recombine.errors import ParameterFileError
from recombine.parameter_files import read_tensors

_FORMAT = 1
_NAME = re.compile(rf"(\d{{6,}})_([0-9a-f]{{{DIGITS}}})\.pt")
_KEPT = 2


class CheckpointError(Exception):
    """A file is no checkpoint of this run; the text says why."""


@dataclass
class Checkpoints:
    """The checkpoints of one run, the last two of them kept.

    Attributes:
        folder: Where they lie.
        identity: What the run is; a checkpoint of another one is passed over.
        refused: What was passed over, and why, in words.
    """

    folder: Path
    identity: str
    refused: list[str] = field(default_factory=list)
    _useless: set[Path] = field(default_factory=set, init=False)

    def save(self, content: Mapping[str, Any]) -> None:
        """Write a checkpoint, then remove all but the last two; one that was passed over is none of them.

        Raises:
            OSError: It cannot be written; those that are there stay.
        """
        there = self._files()
        number = _number(there[-1]) + 1 if there else 1
        write(self.folder, f"{number:06}", self.identity, content)
        sound = [file for file in there if file not in self._useless]
        for old in [*sound[: 1 - _KEPT], *self._useless, *self.folder.glob(".*.part")]:
            old.unlink(missing_ok=True)
        self._useless.clear()

    def latest(self) -> dict[str, Any] | None:
        """Return what the newest sound checkpoint holds, or None; say in :attr:`refused` what was passed over."""
        for file in reversed(self._files()):
            try:
                return read(file, self.identity)
            except CheckpointError as error:
                self.refused.append(f"{file.name} is passed over: {error}")
                self._useless |= {file} if file.is_file() else set()
        return None

    def keep_last(self) -> None:
        """Remove all but the newest: of a finished run, nobody goes on from another."""
        for file in self._files()[:-1]:
            file.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        """Return the files that are named like checkpoints, the oldest first."""
        return sorted((file for file in self.folder.glob("*.pt") if _NAME.fullmatch(file.name)), key=_number)


def write(folder: Path, stem: str, identity: str, content: Mapping[str, Any]) -> Path:
    """Write ``content`` to ``<stem>_<checksum>.pt`` in ``folder`` and return the path.

    Raises:
        OSError: It cannot be written.
    """
    buffer = io.BytesIO()
    torch.save({**content, "format": _FORMAT, "identity": identity}, buffer)
    return write_checked(folder, stem, ".pt", buffer.getvalue())


def read(path: Path, identity: str) -> dict[str, Any]:
    """Return the content of a checkpoint, its tensors on the CPU.

    Raises:
        CheckpointError: It is torn, changed, of another run, or of another version of the format.
    """
    try:
        content = read_tensors(io.BytesIO(read_checked(path)), path)
    except (DamagedFileError, ParameterFileError) as error:
        raise CheckpointError(str(error)) from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise CheckpointError("it is no checkpoint of this version of recombine")
    if content.get("identity") != identity:
        raise CheckpointError("it belongs to another run")
    return content


def _number(file: Path) -> int:
    return int(file.name.partition("_")[0])
