"""What a run leaves behind of sets that were clustered one by one: tables, a page, and what pictures need."""

import csv
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch

from recombine.errors import UsageError
from recombine.files import write_beside
from recombine.set_analyses import CountUncertainty, Hierarchies
from recombine.set_examples import SetExample
from recombine.set_files import write_example, write_metric_stats
from recombine.set_hierarchy import Hierarchy
from recombine.set_page import write_page
from recombine.set_report import CHOSEN, SetReport

#: The folder of sets within that of a dataset.
SETS = "sets"
_PAGE, _SCORES, _STATS, _KEPT = "index.html", "scores.csv", "metric_stats.csv", "for_pictures.npz"
_COUNTS, _UNCERTAINTY = "counts.csv", "count_uncertainty.csv"
_DIGITS = ".6g"


def write_sets(report: SetReport, folder: Path, title: str) -> None:
    """Write what there is to say of sets.

    - ``scores.csv``: mean and population standard deviation of every score over the sets, for the number of clusters
      that the network chose, for every number, and for baselines.
    - ``metric_stats.csv``: those of the chosen number alone.
    - ``counts.csv``: sets by their true number of clusters (rows) and the number that the network told (columns).
    - ``index.html``: a page to look at the first sets, and ``examples/<number>/`` with a table of each.
    - ``hierarchy_<metric>.csv``: scores at each threshold of a hierarchical clustering of the features.
    - ``count_uncertainty.csv``: how sure the number of clusters of a few sets is, where the strategy was to tell.

    Args:
        report: What there is to say.
        folder: Where it goes; it need not exist.
        title: Heading of the page.

    Raises:
        OSError: A file cannot be written.
    """
    rows = [
        [name, metric, _number(found.mean), _number(found.std)]
        for name, row in report.table.items()
        for metric, found in row.items()
    ]
    _write(folder / _SCORES, ["clustering", "metric", "mean", "standard_deviation"], rows)
    chosen = report.table[CHOSEN]
    write_metric_stats(folder / _STATS, {name: (found.mean, found.std) for name, found in chosen.items()})
    told = sorted({k for row in report.counts.values() for k in row})
    counted = [[true, *(row[k] for k in told)] for true, row in report.counts.items()]
    _write(folder / _COUNTS, ["true_count", *(f"told_{k}" for k in told)], counted)
    scores = [{k: found.as_dict() for k, found in own.items()} for own in report.scores]
    for example, own in zip(report.examples, scores, strict=True):
        write_example(example, own, folder / "examples" / f"{example.number:03}")
    if report.examples:
        write_page(report.examples, scores, folder / _PAGE, title)
    _write_analyses(report, folder)
    write_beside(folder / _KEPT, partial(_keep, report))


def _write_analyses(report: SetReport, folder: Path) -> None:
    names = ("thresholds", "num_clusters", "misclassification_rate", "homogeneity", "completeness")
    for metric, found in report.hierarchies.by_metric.items() if report.hierarchies is not None else ():
        columns = [getattr(found, name).tolist() for name in names]
        rows = [[_number(value) for value in row] for row in zip(*columns, strict=True)]
        _write(folder / f"hierarchy_{metric}.csv", names, rows)
    uncertain = [
        [number, found.true_count, found.answer, k, _number(probability)]
        for number, found in enumerate(report.uncertainty)
        for k, probability in zip(found.counts, found.probabilities.tolist(), strict=True)
    ]
    if uncertain:
        _write(folder / _UNCERTAINTY, ["set", "true_count", "answer", "cluster_count", "probability"], uncertain)


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    write_beside(path, partial(_fill, [header, *rows]))


def _fill(rows: Iterable[Sequence[object]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";", lineterminator="\n").writerows(rows)


def _number(value: float) -> str:
    return format(value, _DIGITS)


def _keep(report: SetReport, path: Path) -> None:
    """Write the arrays that pictures are made of."""
    kept: dict[str, Any] = {"num_examples": np.array(len(report.examples))}
    for i, example in enumerate(report.examples):
        arrays = {"number": example.number, "counts": example.counts, "class_names": example.class_names or ()}
        tensors = {name: getattr(example, name).numpy() for name in ("index", "values", "classes", "count_probs")}
        heads = {f"probs_{k}": probs.numpy() for k, probs in zip(example.counts, example.cluster_probs, strict=True)}
        kept |= {f"example_{i}_{name}": np.asarray(value) for name, value in (arrays | tensors | heads).items()}
    kept["num_uncertain"] = np.array(len(report.uncertainty))
    for i, found in enumerate(report.uncertainty):
        parts = {"counts": found.counts, "passes": found.passes, "true_count": found.true_count}
        kept |= {f"uncertain_{i}_{name}": np.asarray(value) for name, value in parts.items()}
    if report.hierarchies is not None:
        kept["hierarchy_classes"] = report.hierarchies.classes
        for metric, tree in report.hierarchies.by_metric.items():
            kept |= {f"hierarchy_{metric}_{one.name}": getattr(tree, one.name) for one in fields(Hierarchy)}
    with path.open("wb") as file:
        np.savez_compressed(file, **kept)


class KeptSets:
    """What pictures of sets are made of, as :func:`write_sets` left it.

    Args:
        folder: Where.

    Raises:
        FileNotFoundError: There is nothing.
        UsageError: The file is damaged.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / _KEPT
        try:
            with np.load(path, allow_pickle=False) as held:
                self._held = {name: held[name] for name in held.files}
            self.examples = [self._example(i) for i in range(int(self._held["num_examples"]))]
            self.uncertainty = [self._uncertain(i) for i in range(int(self._held["num_uncertain"]))]
            self.hierarchies = self._hierarchies()
        except FileNotFoundError:
            raise
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
            raise UsageError(f"{path} cannot be read: {error}. Run the method again with --fresh") from error

    def _example(self, i: int) -> SetExample:
        held = {name: self._held[f"example_{i}_{name}"] for name in ("number", "counts", "class_names")}
        names = ("index", "values", "classes", "count_probs")
        index, values, classes, count_probs = (torch.from_numpy(self._held[f"example_{i}_{name}"]) for name in names)
        counts = tuple(held["counts"].tolist())
        heads = tuple(torch.from_numpy(self._held[f"example_{i}_probs_{k}"]) for k in counts)
        class_names = tuple(str(name) for name in held["class_names"]) or None
        return SetExample(int(held["number"]), index, values, classes, counts, count_probs, heads, class_names)

    def _uncertain(self, i: int) -> CountUncertainty:
        counts, passes, true = (self._held[f"uncertain_{i}_{name}"] for name in ("counts", "passes", "true_count"))
        return CountUncertainty(tuple(counts.tolist()), passes, int(true))

    def _hierarchies(self) -> Hierarchies | None:
        if "hierarchy_classes" not in self._held:
            return None
        names = [one.name for one in fields(Hierarchy)]
        cosine, euclidean = (
            Hierarchy(**{name: self._held[f"hierarchy_{metric}_{name}"] for name in names})
            for metric in ("cosine", "euclidean")
        )
        return Hierarchies(self._held["hierarchy_classes"], {"cosine": cosine, "euclidean": euclidean})
