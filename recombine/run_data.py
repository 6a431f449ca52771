"""What a run left behind, read when a picture asks for it."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recombine.build import build_data, load_samples
from recombine.config import DatasetConfig, MethodConfig
from recombine.data import Data
from recombine.dataset_folders import dataset_folders
from recombine.errors import DataError, UsageError
from recombine.frames import EMBEDDINGS, Frame, Moment, moments, read_frame
from recombine.label_free import sample_positions
from recombine.load import load_dict
from recombine.metrics import confusion, counts
from recombine.result_files import DESCRIPTION, RunRecord, find_runs, is_run, read_run
from recombine.run_folder import CONFIGURATION, read_json

_EVENTS = "events.jsonl"
_ASSIGNMENTS, _CONFUSION = "assignments.csv", "confusion.csv"
_HOW_TO_KEEP = "the run kept no embeddings: run it again with --fresh, or with --fresh --keep-embeddings N for a film"

Event = Mapping[str, Any]


class MissingError(UsageError):
    """A run lacks what a picture is made of; the text says what."""


@dataclass(frozen=True)
class ConfusionTable:
    """The table of counts after matching, as the run wrote it: matched pairs on the diagonal.

    Attributes:
        classes: Names of the C rows.
        clusters: Numbers of the K columns.
        table: Counts ``(C, K)``.
    """

    classes: tuple[str, ...]
    clusters: tuple[int, ...]
    table: NDArray[np.int64]


class RunData:
    """A run.

    Args:
        folder: The run's folder.
        data_root: Where datasets are looked for first, or None.

    Raises:
        UsageError: The folder is not that of a run.
    """

    def __init__(self, folder: Path, data_root: Path | None = None) -> None:
        self.folder = _run_folder(folder)
        self.data_root = data_root
        self.record: RunRecord = read_run(self.folder)
        if self.record.status == "unreadable":
            raise UsageError(f"{self.folder} cannot be drawn: {self.record.error}")

    @cached_property
    def config(self) -> MethodConfig:
        """The method; UsageError where its file is gone or cannot be read any more."""
        found = read_json(self.folder / CONFIGURATION)
        if found is None:
            raise UsageError(f"{self.folder} has no {CONFIGURATION} that can be read: it cannot be drawn")
        config = load_dict(found, folder=Path(self._description.get("folder", "."))).config
        if config is None:
            raise UsageError(f"the configuration in {self.folder} cannot be read by this version: it cannot be drawn")
        return config

    @cached_property
    def events(self) -> list[Event]:
        """The history; a line that is not whole is left out."""
        path = self.folder / _EVENTS
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        found = [_parsed(line) for line in lines]
        return [event for event in found if event is not None]

    @cached_property
    def datasets(self) -> dict[str, "DatasetRun"]:
        """The datasets of the method by name."""
        places = dataset_folders([dataset.name for dataset in self.config.datasets])
        return {found.name: DatasetRun(self, found, self.folder / places[found.name]) for found in self.config.datasets}

    def samples_digest(self, dataset: str) -> str | None:
        """Return what the run knew of the samples of a dataset."""
        parts = self._description.get("parts") or {}
        found = (parts.get("data") or {}).get(dataset) or {}
        digest = found.get("samples")
        return str(digest) if digest is not None else None

    @cached_property
    def _description(self) -> Mapping[str, Any]:
        return read_json(self.folder / DESCRIPTION) or {}


class DatasetRun:
    """What a run left behind of one dataset.

    Args:
        run: The run.
        config: The dataset.
        folder: Its folder within the run's.
    """

    def __init__(self, run: RunData, config: DatasetConfig, folder: Path) -> None:
        self.run = run
        self.config = config
        self.folder = folder

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.config.name

    @property
    def phases(self) -> tuple[str, ...]:
        """Names of its phases, in order."""
        return tuple(phase.name for phase in self.run.config.phases_of(self.config))

    @cached_property
    def events(self) -> list[Event]:
        """The part of the history that is about the dataset."""
        return [event for event in self.run.events if event.get("dataset") == self.name]

    @cached_property
    def num_samples(self) -> int:
        """N, as the history has it; MissingError where the dataset's turn did not come."""
        for event in self.events:
            if event["event"] == "dataset_started":
                return int(event["num_samples"])
        raise MissingError("the run did not come to this dataset")

    @cached_property
    def moments(self) -> list[Moment]:
        """The moments of which there is an embedding, in order of time; MissingError where there is none."""
        found = moments(self.folder / EMBEDDINGS)
        if not found:
            raise MissingError(_HOW_TO_KEEP)
        return found

    def frame(self, moment: Moment) -> Frame:
        """Return the embedding of a moment."""
        return read_frame(self.folder / EMBEDDINGS, moment)

    @cached_property
    def positions(self) -> NDArray[np.int64]:
        """Positions of the samples that pictures show, ascending, ``(S,)``: those that the embeddings are of."""
        kept = moments(self.folder / EMBEDDINGS)
        if kept:
            return self.frame(kept[-1]).positions
        return sample_positions(self.num_samples, self.run.config.seed, self.name).numpy()

    @cached_property
    def assignments(self) -> NDArray[np.int64] | None:
        """Final cluster of each sample, and its label where there are any, ``(N, 1 or 2)``; None without a result."""
        path = self.folder / _ASSIGNMENTS
        if not path.exists():
            return None
        try:
            with path.open(encoding="utf-8") as file:
                header = file.readline().strip().split(",")
                columns = [header.index(name) for name in ("cluster", "label") if name in header]
                return np.loadtxt(file, np.int64, delimiter=",", usecols=columns, ndmin=2)
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from error

    @property
    def clusters(self) -> NDArray[np.int64] | None:
        """Final cluster of each sample, ``(N,)``, or None; where each set has clusters of its own, there are none."""
        return self.assignments[:, 0] if self.assignments is not None and self.config.sets is None else None

    @cached_property
    def labels(self) -> NDArray[np.int64] | None:
        """Label of each sample, ``(N,)``, from the table of assignments, else from the data, or None."""
        if self.assignments is not None:
            return self.assignments[:, 1] if self.assignments.shape[1] > 1 else None
        try:
            labels = self.data.labels
        except MissingError:
            return None
        return labels.numpy() if labels is not None else None

    @cached_property
    def confusion(self) -> ConfusionTable:
        """The table of counts after matching; MissingError where the run wrote none."""
        path = self.folder / _CONFUSION
        if self.config.sets is not None:
            raise MissingError("each set has clusters of its own")
        if not path.exists():
            raise MissingError("the run wrote no confusion.csv: it has no labels, makes sets, or was not scored")
        try:
            with path.open(encoding="utf-8", newline="") as file:
                header, *rows = csv.reader(file)
            clusters = tuple(int(cell) for cell in header[1:])
            table = np.array([[int(cell) for cell in row[1:]] for row in rows], dtype=np.int64)
            return ConfusionTable(tuple(row[0] for row in rows), clusters, table.reshape(len(rows), len(clusters)))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from error

    @cached_property
    def class_names(self) -> dict[int, str]:
        """Names of the classes by label, where there are labels and clusters."""
        if self.labels is None:
            return {}
        found = {int(label): str(label) for label in np.unique(self.labels)}
        if self.clusters is None or not (self.folder / _CONFUSION).exists():
            return found
        rows = confusion(counts(self.labels, self.clusters)).classes
        return found | dict(zip(rows, self.confusion.classes, strict=False))

    @cached_property
    def matching(self) -> dict[int, int]:
        """The class that each matched cluster of the result stands for; empty without labels."""
        if self.labels is None or self.clusters is None:
            return {}
        return confusion(counts(self.labels, self.clusters)).matching

    @cached_property
    def data(self) -> Data:
        """The dataset itself; MissingError where it is gone or is not what it was."""
        run = self.run
        try:
            samples = load_samples(self.config, run.config.folder, run.data_root)
        except DataError as error:
            raise MissingError(f"it needs the dataset: {error}") from error
        known = run.samples_digest(self.name)
        if known is not None and samples.digest != known:
            raise MissingError("the dataset is not what it was when the run started")
        return build_data(self.config, samples, run.config.seed, torch.device("cpu"))


def _run_folder(folder: Path) -> Path:
    """Return a folder if it is that of a run; else a UsageError says what it is."""
    runs = find_runs(folder)
    if is_run(folder):
        return folder
    several = f"{len(runs)} runs" if len(runs) > 1 else "a run"
    raise UsageError(f"{folder} is no run, but holds {several}: name one, for example {runs[-1]}")


def _parsed(line: str) -> Event | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "event" in found else None


def phase_ends(found: Sequence[Moment]) -> list[Moment]:
    """Return the last of the moments of each phase, in order."""
    return [moment for moment in found if moment == max(one for one in found if one.position == moment.position)]
