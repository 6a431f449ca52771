"""What a run leaves behind: scores, assignments, and the files of its folder."""

import contextlib
import csv
import hashlib
import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recombine.callbacks.base import Scored
from recombine.config import MethodConfig
from recombine.errors import UsageError
from recombine.evaluate import Evaluation
from recombine.files import safe_name, write_beside, write_json
from recombine.metrics import Scores

Status = Literal["finished", "failed", "interrupted"]
_PACKAGES = ("recombine", "torch", "torchvision", "numpy", "scikit-learn", "scipy", "jsonschema")
_RESERVED = ("checkpoints",)
_ROWS = 2**16


@dataclass(frozen=True)
class DatasetResult:
    """How a method clustered one dataset.

    Attributes:
        name: The dataset's name.
        num_samples: N.
        num_clusters: K.
        scores: Agreement with the labels, unrounded; None without labels or without assignments.
        clusters: Cluster of each sample, ``(N,)``, or None without assignments.
        confidence: Confidence of each assignment, ``(N,)``, in [0, 1], or None without assignments.
        oracle: Reasons why labels had a part in the result; empty for an unsupervised one.
        assignments_file: The table of assignments, ``<run's folder>/<dataset>/assignments.csv``, or None.
    """

    name: str
    num_samples: int
    num_clusters: int
    scores: Scores | None
    clusters: NDArray[np.int64] | None
    confidence: NDArray[np.float32] | None
    oracle: tuple[str, ...]
    assignments_file: Path | None

    def summary(self) -> dict[str, Any]:
        """Return what ``result.json`` says of the dataset; paths are relative to its folder."""
        file = self.assignments_file
        return {
            "num_samples": self.num_samples,
            "num_clusters": self.num_clusters,
            "scores": self.scores.as_dict() if self.scores is not None else None,
            "scored_on": "all samples, evaluation mode, plain view" if self.scores is not None else None,
            "oracle": list(self.oracle),
            "assignments": f"{file.parent.name}/{file.name}" if file is not None else None,
        }


@dataclass(frozen=True)
class Result:
    """What came of running a method once.

    Attributes:
        method: The method's name.
        source: The method file, or ``<dict>``.
        seed: The number from which all randomness of the run derived.
        status: ``finished``, ``failed`` or ``interrupted``.
        folder: The run's folder.
        datasets: Results by dataset name, in the order of the datasets; complete only if ``finished``.
        seconds: Wall-clock time of training and scoring.
        error: Why the run failed, or None.
    """

    method: str
    source: str
    seed: int
    status: Status
    folder: Path
    datasets: Mapping[str, DatasetResult] = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None


def new_folder(log_dir: Path, method: str, now: datetime) -> Path:
    """Create and return the folder of a new run.

    Raises:
        UsageError: It cannot be created.
    """
    stem = f"{now:%Y-%m-%d_%H-%M-%S}_{safe_name(method)}"
    try:
        log_dir.mkdir(parents=True, exist_ok=True)
        while True:
            folder = _free_path(log_dir, stem)
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                return folder
    except OSError as error:
        raise unwritable_logs(log_dir, error) from error


def unwritable_logs(log_dir: Path, error: OSError) -> UsageError:
    """Return what to tell the user about a log folder that cannot be written to."""
    is_below_a_file = isinstance(error, (FileExistsError, NotADirectoryError))
    reason = "a part of its path is a file" if is_below_a_file else error.strerror or str(error)
    return UsageError(f"the log folder {log_dir} cannot be written to: {reason}. Name another with --log-dir")


def write_environment(folder: Path, device: str) -> None:
    """Write ``environment.json``: versions, hardware, threads, command line."""
    environment = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "device": device,
        "threads": torch.get_num_threads(),
        "processors": os.cpu_count(),
        "command": sys.argv,
    }
    write_json(folder / "environment.json", environment)


def write_result(result: Result, config: MethodConfig) -> None:
    """Write ``result.json``."""
    content = {
        "method": result.method,
        "source": result.source,
        "status": result.status,
        "error": result.error,
        "seed": result.seed,
        "seconds": result.seconds,
        "config_hash": config_hash(config),
        "packages": {name: _version(name) for name in _PACKAGES},
        "datasets": {name: dataset.summary() for name, dataset in result.datasets.items()},
    }
    write_json(result.folder / "result.json", content)


def config_hash(config: MethodConfig) -> str:
    """Return the SHA-256 of the resolved configuration."""
    text = json.dumps(config.resolved, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def dataset_result(scored: Scored, folder: Path) -> DatasetResult:
    """Write the table of assignments of a scored dataset, and return its result."""
    evaluation, dataset = scored.evaluation, scored.dataset
    path: Path | None = None
    if evaluation is not None:
        stem = safe_name(dataset.name)
        path = _free_path(folder, f"{stem}_" if stem in _RESERVED else stem) / "assignments.csv"
        write_beside(path, partial(_write_assignments, evaluation, scored.labels))
    return DatasetResult(
        dataset.name,
        scored.num_samples,
        dataset.num_clusters,
        evaluation.scores if evaluation is not None else None,
        evaluation.clusters.numpy() if evaluation is not None else None,
        evaluation.confidence.numpy() if evaluation is not None else None,
        scored.oracle,
        path,
    )


def _free_path(folder: Path, stem: str) -> Path:
    """Return a path in ``folder`` at which nothing is yet: ``stem``, or ``stem`` with a number."""
    path, number = folder / stem, 1
    while path.exists():
        number += 1
        path = folder / f"{stem}_{number}"
    return path


def _write_assignments(evaluation: Evaluation, labels: Tensor | None, path: Path) -> None:
    """Write the table of assignments, a block of rows at a time."""
    columns = [evaluation.clusters, evaluation.confidence, *([labels] if labels is not None else [])]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["index", "cluster", "confidence", "label"][: 1 + len(columns)])
        for start in range(0, len(evaluation.clusters), _ROWS):
            blocks = [column[start : start + _ROWS].tolist() for column in columns]
            blocks[1] = [f"{sure:.6g}" for sure in blocks[1]]
            writer.writerows(zip(range(start, start + len(blocks[0])), *blocks, strict=True))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
