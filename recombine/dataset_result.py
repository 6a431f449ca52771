"""What a run leaves behind of one dataset: scores, the table of assignments, and the confusion matrix."""

import csv
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recombine.callbacks.base import Scored
from recombine.errors import UsageError
from recombine.evaluate import Evaluation
from recombine.files import write_beside
from recombine.label_free import LabelFree
from recombine.metrics import Agreement, Confusion, Scores, agreement, confusion, counts
from recombine.selection import Selection
from recombine.set_folder import SETS, write_sets

_ASSIGNMENTS, _CONFUSION = "assignments.csv", "confusion.csv"
_ROWS = 2**16
_COLUMNS = (1, 2)


@dataclass(frozen=True)
class DatasetResult:
    """How a method clustered one dataset.

    Attributes:
        name: The dataset's name.
        num_samples: N.
        num_clusters: K.
        scores: Agreement with the labels, unrounded; None without labels or without assignments. An
            :class:`~recombine.metrics.Agreement`, but for results of versions that knew only three scores.
        clusters: Cluster of each sample, ``(N,)``, or None without assignments.
        confidence: Confidence of each assignment, ``(N,)``, in [0, 1], or None without assignments.
        oracle: Reasons why labels had a part in the result; empty for an unsupervised one.
        assignments_file: The table of assignments, ``<run's folder>/<dataset>/assignments.csv``, or None.
        confusion_file: Classes by clusters after matching, ``confusion.csv`` beside it, or None.
        label_free: Scores without labels, or None without assignments.
        selection: The evaluation chosen without labels, and the best ones; or None.
        sets: Of a dataset that makes sets: every score over them, how often their numbers of clusters are told rightly,
            and baselines, as plain values; else None. ``scores`` are then means over the sets.
    """

    name: str
    num_samples: int
    num_clusters: int
    scores: Scores | None
    clusters: NDArray[np.int64] | None
    confidence: NDArray[np.float32] | None
    oracle: tuple[str, ...]
    assignments_file: Path | None
    confusion_file: Path | None = None
    label_free: LabelFree | None = None
    selection: Selection | None = None
    sets: Mapping[str, Any] | None = None

    def summary(self) -> dict[str, Any]:
        """Return what ``result.json`` says of the dataset; paths are relative to its folder."""
        selection = self.selection or Selection(None, None, 0)
        return {
            "num_samples": self.num_samples,
            "num_clusters": self.num_clusters,
            "scored_on": self._scored_on if self.clusters is not None else None,
            "oracle": list(self.oracle),
            "assignments": _relative(self.assignments_file),
            "confusion": _relative(self.confusion_file),
            "scores": self.scores.as_dict() if self.scores is not None else None,
            "label_free": self.label_free.as_dict() if self.label_free is not None else None,
            **({"sets": dict(self.sets)} if self.sets is not None else {}),
            **selection.as_dict(),
        }

    @property
    def _scored_on(self) -> str:
        what = "all samples" if self.sets is None else f"{self.sets['num_sets']} sets of classes for test, one by one"
        return f"{what}, evaluation mode, plain view"


def dataset_result(scored: Scored, folder: Path) -> DatasetResult:
    """Write the tables of a scored dataset, and return its result.

    Args:
        scored: The final word on the dataset.
        folder: The dataset's own folder within the run's; :mod:`recombine.dataset_folders` names it.
    """
    evaluation, dataset = scored.evaluation, scored.dataset
    if evaluation is None:
        nothing = (None, None, None, scored.oracle, None)
        return DatasetResult(dataset.name, scored.num_samples, dataset.num_clusters, *nothing)
    path, report = folder / _ASSIGNMENTS, evaluation.sets
    write_beside(path, partial(_write_assignments, evaluation, scored.labels))
    if report is not None:
        write_sets(report, folder / SETS, f"{dataset.name}: sets that were clustered one by one")
    scores, matrix = _compared(evaluation, scored.labels)
    beside = path.with_name(_CONFUSION)
    if matrix is not None:
        write_beside(beside, partial(_write_confusion, matrix, scored.class_names or ()))
    return DatasetResult(
        dataset.name,
        scored.num_samples,
        dataset.num_clusters,
        scores,
        evaluation.clusters.numpy(),
        evaluation.confidence.numpy(),
        scored.oracle,
        path,
        beside if matrix is not None else None,
        evaluation.label_free,
        scored.selection,
        report.as_dict() if report is not None else None,
    )


def read_dataset_result(folder: Path, name: str, summary: Mapping[str, Any]) -> DatasetResult:
    """Return the result on a dataset of a run that was finished earlier.

    Args:
        folder: The run's folder.
        name: The dataset's name.
        summary: What ``result.json`` says of the dataset. Older files say less.

    Raises:
        UsageError: The table of assignments is not there or not whole.
    """
    table, matrix = summary["assignments"], summary.get("confusion")
    clusters, confidence = _read_assignments(folder / table, summary["num_samples"]) if table else (None, None)
    found = summary.get("label_free")
    return DatasetResult(
        name,
        summary["num_samples"],
        summary["num_clusters"],
        _scores(summary["scores"]),
        clusters,
        confidence,
        tuple(summary["oracle"]),
        folder / table if table else None,
        folder / matrix if matrix else None,
        LabelFree.from_dict(found) if found else None,
        Selection.from_dict(summary) if summary.get("num_evaluations") else None,
        summary.get("sets"),
    )


def _relative(file: Path | None) -> str | None:
    return f"{file.parent.name}/{file.name}" if file is not None else None


def _compared(evaluation: Evaluation, labels: Tensor | None) -> tuple[Scores | None, Confusion | None]:
    """Return every score against the labels, and which cluster stands for which class; it differs from set to set."""
    if labels is None:
        return None, None
    if evaluation.sets is not None:
        return evaluation.scores, None
    counted = counts(labels.numpy(), evaluation.clusters.numpy())
    return agreement(counted), confusion(counted)


def _scores(values: Mapping[str, Any] | None) -> Scores | None:
    if values is None:
        return None
    return Agreement(**values) if "ami" in values else Scores(**values)


def _write_assignments(evaluation: Evaluation, labels: Tensor | None, path: Path) -> None:
    """Write the table of assignments, a block of rows at a time."""
    columns = [evaluation.clusters, evaluation.confidence, *([labels] if labels is not None else [])]
    names = ["index", "cluster", "confidence", "label"][: 1 + len(columns)]
    if evaluation.sets is not None:
        sizes = torch.tensor(evaluation.sets.set_sizes)
        columns += [torch.arange(len(sizes)).repeat_interleave(sizes), evaluation.sets.index.cpu()]
        names += ["set", "dataset_index"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for start in range(0, len(evaluation.clusters), _ROWS):
            blocks = [column[start : start + _ROWS].tolist() for column in columns]
            blocks[1] = [f"{sure:.6g}" for sure in blocks[1]]
            writer.writerows(zip(range(start, start + len(blocks[0])), *blocks, strict=True))


def _write_confusion(matrix: Confusion, class_names: Sequence[str], path: Path) -> None:
    """Write the matrix: a row for each class, a column for each cluster, matched pairs on the diagonal."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["class", *matrix.clusters])
        for label, row in zip(matrix.classes, matrix.table.tolist(), strict=True):
            writer.writerow([_class_name(label, class_names), *row])


def _class_name(label: int, class_names: Sequence[str]) -> str:
    return class_names[label] if 0 <= label < len(class_names) else str(label)


def _read_assignments(path: Path, num_samples: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return clusters and confidence of N samples; the latter has the six digits that the table has."""
    kind = np.dtype([("cluster", np.int64), ("confidence", np.float32)])
    try:
        with warnings.catch_warnings(action="ignore"):  # that of an empty table: the check below says more
            rows = np.loadtxt(path, kind, delimiter=",", skiprows=1, usecols=_COLUMNS, ndmin=1)
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    if len(rows) != num_samples:
        raise _unreadable(path, f"it has {len(rows)} rows for {num_samples} samples")
    return np.ascontiguousarray(rows["cluster"]), np.ascontiguousarray(rows["confidence"])


def _unreadable(path: Path, reason: str) -> UsageError:
    return UsageError(f"{path} cannot be read: {reason}. Run the method again with --fresh")
