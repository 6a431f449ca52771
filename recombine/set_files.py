"""Tables of sets that were clustered: text files with semicolons between the cells, and one line of column names.

Numbers have six significant digits; a cell is empty where there is no number.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from recombine.files import write_text
from recombine.set_examples import CountScores, SetExample

_SEPARATOR = ";"


def write_example(example: SetExample, scores: CountScores, folder: Path) -> list[Path]:
    """Write what is known of a set; return the files.

    - ``input.csv``: the objects, each with ``input_index`` (its place in the set, from 0), ``cluster_index`` (its class
      as a number within the set: 0 is the lowest class that occurs), ``class`` (its name, or its number where it has
      none), ``x`` and ``y`` (points in a plane alone), and ``dataset_index`` (its number in the dataset).
    - ``cluster_probabilities.csv``: one row of ``real_cluster_count``, ``predicted_cluster_count``, and
      ``probability_<k>`` for each k.
    - ``cluster_probabilities2.csv``: a row for each k with ``cluster_count``, ``probability``, and ``metric_<name>``
      for each score that any k has.
    - ``prediction_<k>.csv``, k in four digits: the objects as they are clustered if there are k clusters, each with
      ``input_index``, ``x`` and ``y`` (points alone), ``cluster_index``, ``cluster_probability`` (that of its cluster),
      and ``cluster<j>_probability`` for each of the k clusters, from 0.

    Args:
        example: The set.
        scores: Its scores by cluster count, then by name; it may lack some.
        folder: Where the files go; it need not exist.

    Raises:
        OSError: A file cannot be written.
    """
    tables = {
        "input.csv": _objects(example),
        "cluster_probabilities.csv": _counts_in_a_row(example),
        "cluster_probabilities2.csv": _counts_in_rows(example, scores),
    }
    tables |= {f"prediction_{count:04}.csv": _prediction(example, count) for count in example.counts}
    for name, rows in tables.items():
        _write(folder / name, rows)
    return [folder / name for name in tables]


def write_metric_stats(path: Path, stats: Mapping[str, tuple[float, float]]) -> None:
    """Write the average and the standard deviation of each metric over all sets.

    The columns are ``metric``, ``average`` and ``standard_deviation``.

    Raises:
        OSError: The file cannot be written.
    """
    _write(path, [["metric", "average", "standard_deviation"], *([name, *both] for name, both in stats.items())])


def _objects(example: SetExample) -> Iterable[Sequence[object]]:
    numbers, labels = example.class_numbers.tolist(), example.classes.tolist()
    yield ["input_index", "cluster_index", "class", *_point_columns(example), "dataset_index"]
    for place, index in enumerate(example.index.tolist()):
        yield [place, numbers[place], example.class_name(labels[place]), *_point(example, place), index]


def _counts_in_a_row(example: SetExample) -> Iterable[Sequence[object]]:
    heads = [f"probability_{count}" for count in example.counts]
    yield ["real_cluster_count", "predicted_cluster_count", *heads]
    yield [example.true_count, example.predicted_count, *example.count_probs.tolist()]


def _counts_in_rows(example: SetExample, scores: CountScores) -> Iterable[Sequence[object]]:
    names = score_names(scores)
    yield ["cluster_count", "probability", *(f"metric_{name}" for name in names)]
    for count in example.counts:
        found = scores.get(count, {})
        yield [count, example.probability(count), *(found.get(name, "") for name in names)]


def score_names(scores: CountScores) -> list[str]:
    """Return the names of all scores that any cluster count has, in the order in which they come."""
    return list(dict.fromkeys(name for found in scores.values() for name in found))


def _prediction(example: SetExample, count: int) -> Iterable[Sequence[object]]:
    probs, clusters = example.soft_clusters(count).tolist(), example.clusters(count).tolist()
    heads = [f"cluster{cluster}_probability" for cluster in range(count)]
    yield ["input_index", *_point_columns(example), "cluster_index", "cluster_probability", *heads]
    for place, (cluster, row) in enumerate(zip(clusters, probs, strict=True)):
        yield [place, *_point(example, place), cluster, row[cluster], *row]


def _point_columns(example: SetExample) -> list[str]:
    return ["x", "y"] if example.is_points else []


def _point(example: SetExample, place: int) -> list[float]:
    return [float(value) for value in example.values[place]] if example.is_points else []


def _write(path: Path, rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=_SEPARATOR, lineterminator="\n")
    writer.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows)
    write_text(path, text.getvalue())
