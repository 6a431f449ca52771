"""Files of embeddings: where a sample of a dataset lay in the latent space at some moment of a run.

Each is an .npz of plain arrays in ``<run>/<dataset>/embeddings``. Its name says when it was made, so that nothing need
be read to know what there is: ``01_00000500.npz`` is the second phase after 500 iterations, and ``01_00002000_end.npz``
its end, after 2000. The end of a phase stands for the moment after its last iteration.
"""

import re
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recombine.errors import UsageError
from recombine.files import write_beside

EMBEDDINGS = "embeddings"
_NAME = re.compile(r"(\d{2,})_(\d{8,})(_end)?\.npz")
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Frame:
    """An embedding at a moment of a run.

    Attributes:
        phase: The phase's name, or an empty text where the dataset was scored without any phase.
        positions: Positions of the samples in the dataset, ascending, ``(S,)``.
        features: Their features ``(S, D)``.
        clusters: Their clusters ``(S,)``, or None where nothing was assigned yet.
    """

    phase: str
    positions: NDArray[np.int64]
    features: NDArray[np.float32]
    clusters: NDArray[np.int64] | None


@dataclass(frozen=True, order=True)
class Moment:
    """When in a run, of one dataset, an embedding was made.

    Attributes:
        position: Number of the phase among those of the dataset, from 0.
        iteration: Iterations of the phase that were done.
        is_end: Whether the phase was over.
    """

    position: int
    iteration: int
    is_end: bool = False

    @property
    def file(self) -> str:
        """The name of the file."""
        return f"{self.position:02}_{self.iteration:08}{'_end' if self.is_end else ''}.npz"


def write_frame(folder: Path, moment: Moment, frame: Frame) -> None:
    """Write an embedding, whole or not at all; it takes the place of another one of the same iteration."""
    write_beside(folder / moment.file, partial(_fill, frame))
    if moment.is_end:
        (folder / Moment(moment.position, moment.iteration).file).unlink(missing_ok=True)


def moments(folder: Path) -> list[Moment]:
    """Return the moments of which there is an embedding in a folder, in order of time; none where it is absent."""
    found = [_NAME.fullmatch(file.name) for file in folder.glob("*.npz")]
    return sorted(Moment(int(name[1]), int(name[2]), name[3] is not None) for name in found if name is not None)


def read_frame(folder: Path, moment: Moment) -> Frame:
    """Read an embedding.

    Raises:
        UsageError: The file is damaged.
    """
    path = folder / moment.file
    try:
        with np.load(path, allow_pickle=False) as held:
            clusters = held["clusters"] if "clusters" in held else None
            return Frame(str(held["phase"]), held["positions"], held["features"], clusters)
    except _UNREADABLE as error:
        raise UsageError(f"{path} cannot be read: {error}. Remove it, or run the method again with --fresh") from error


def _fill(frame: Frame, path: Path) -> None:
    content: dict[str, Any] = {"phase": np.array(frame.phase), "positions": frame.positions, "features": frame.features}
    if frame.clusters is not None:
        content["clusters"] = frame.clusters
    with path.open("wb") as file:
        np.savez(file, **content)
