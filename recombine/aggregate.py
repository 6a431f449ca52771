"""Runs put together: what was attempted, what came of it, and means over the finished runs."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from recombine.errors import UsageError
from recombine.group_names import Data, Name, Variant, dataset_names, variant_names
from recombine.intervals import mean, sample_std, t_interval
from recombine.problems import suggestion
from recombine.result_files import DatasetEntry, RunRecord, Runs, Status

Score = Literal["last", "chosen", "best"]

SCORES: tuple[Score, ...] = ("last", "chosen", "best")
AGAINST_LABELS = ("acc", "nmi", "ari", "ami", "homogeneity", "completeness", "v_measure", "fowlkes_mallows", "purity")
LABEL_FREE = ("silhouette", "davies_bouldin", "calinski_harabasz", "assignment_entropy")
_COUNTS = ("num_used_clusters",)


@dataclass(frozen=True)
class Value:
    """A metric of one finished run."""

    seed: int
    value: float
    folder: Path


@dataclass(frozen=True)
class Cell:
    """A metric over the finished runs of a group.

    Attributes:
        values: Those of the runs that have one, by seed.
    """

    values: tuple[Value, ...]

    @property
    def num(self) -> int:
        """Number of values."""
        return len(self.values)

    @cached_property
    def mean(self) -> float | None:
        """Their mean; None where there is none."""
        return mean(self._numbers) if self.values else None

    @cached_property
    def std(self) -> float | None:
        """Their sample standard deviation; None below two."""
        return sample_std(self._numbers) if self.values else None

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % t-interval of their mean; None below three."""
        return t_interval(self._numbers) if self.values else None

    @property
    def _numbers(self) -> list[float]:
        return [value.value for value in self.values]


@dataclass(frozen=True)
class Group:
    """All runs of one configuration on one dataset, however they ended.

    Attributes:
        name: What tables call the configuration.
        dataset: What tables call the dataset.
        variant: The configuration.
        data: The dataset.
        runs: At least one, by the name of its folder.
    """

    name: Name
    dataset: str
    variant: Variant
    data: Data
    runs: tuple[RunRecord, ...]

    @property
    def finished(self) -> list[RunRecord]:
        """The finished runs by seed."""
        return sorted((run for run in self.runs if run.status == "finished"), key=_seed)

    @property
    def seeds(self) -> list[int]:
        """The seeds of the finished runs, ascending; one that stands twice belongs to two runs."""
        return [_seed(run) for run in self.finished]

    @property
    def scored_on(self) -> list[str]:
        """Which samples were scored and how, in the words of the finished runs."""
        return list(dict.fromkeys(entry.scored_on for _, entry in self.entries() if entry.scored_on is not None))

    def count(self, status: Status) -> int:
        """Return how many runs have a status."""
        return sum(run.status == status for run in self.runs)

    def entries(self) -> Iterator[tuple[RunRecord, DatasetEntry]]:
        """Yield the finished runs by seed, with what they say of the dataset."""
        return ((run, run.datasets[self.data.name]) for run in self.finished if self.data.name in run.datasets)

    def cell(self, metric: str, score: Score, by: str | None = None) -> Cell:
        """Return the values of a metric; of ``chosen``, those of the evaluations that the score ``by`` chose."""
        numbers = [(run, _scores(entry, score, by).get(metric)) for run, entry in self.entries()]
        return Cell(tuple(Value(_seed(run), value, run.folder) for run, value in numbers if value is not None))

    def chosen_by(self) -> list[str]:
        """Return the label-free scores that chose an evaluation of a finished run."""
        return list(dict.fromkeys(entry.chosen_by for _, entry in self.entries() if entry.chosen_by is not None))


@dataclass(frozen=True)
class Row:
    """A line of a table: one of the three scores of a group.

    Attributes:
        group: Whose it is.
        score: Which one.
        by: The label-free score that chose, for ``chosen``; None where no run has one.
        cells: A cell for each metric.
    """

    group: Group
    score: Score
    by: str | None
    cells: Mapping[str, Cell]

    @property
    def num_oracle(self) -> int:
        """How many of the finished runs owe this score to labels."""
        entries = list(self.group.entries())
        return len(entries) if self.score == "best" else sum(bool(entry.oracle) for _, entry in entries)

    @property
    def is_oracle(self) -> bool:
        """Whether the score, in some of the runs at least, is owed to labels."""
        return self.score == "best" or self.num_oracle > 0

    @property
    def title(self) -> str:
        """Which score it is, for example ``chosen by silhouette, oracle in 2 of 3 runs``."""
        name = self.score if self.by is None else f"{self.score} by {self.by}"
        return f"{name}, {self.oracle_text}" if self.is_oracle else name

    @property
    def oracle_text(self) -> str:
        """``oracle``, with how many runs are where not all are; empty where none is."""
        num = len(list(self.group.entries()))
        if not self.is_oracle:
            return ""
        return "oracle" if self.num_oracle == num else f"oracle in {self.num_oracle} of {num} runs"

    @property
    def oracle_reasons(self) -> list[str]:
        """Return why, in the words of the runs, each reason once."""
        return list(dict.fromkeys(reason for _, entry in self.group.entries() for reason in entry.oracle))


@dataclass(frozen=True)
class Table:
    """What a command shows.

    Attributes:
        rows: By dataset, configuration and score.
        metrics: Keys of the cells of every row.
        runs: All runs, each counted once.
    """

    rows: tuple[Row, ...]
    metrics: tuple[str, ...]
    runs: Runs


def aggregate(runs: Runs, scores: Sequence[Score], metrics: Sequence[str]) -> Table:
    """Put runs together in a table.

    Raises:
        UsageError: A metric is none that is known or that a run has.
    """
    check_metrics(runs, metrics)
    rows = [_row(group, score, by, metrics) for group in groups(runs) for score in scores for by in _ways(group, score)]
    return Table(tuple(rows), tuple(metrics), runs)


def check_metrics(runs: Runs, metrics: Sequence[str]) -> None:
    """Make sure that metrics exist.

    Raises:
        UsageError: One is none that is known or that a run has.
    """
    entries = [entry for record in runs.records for entry in record.datasets.values()]
    known = {*AGAINST_LABELS, *LABEL_FREE, *_COUNTS, *(metric for entry in entries for metric in entry.last)}
    for metric in metrics:
        if metric not in known:
            raise UsageError(f'there is no metric "{metric}". {suggestion(metric, known)}')


def groups(runs: Runs) -> list[Group]:
    """Return the runs by configuration and dataset, sorted by what tables call these.

    A run that tells nothing of a dataset counts for every dataset that others of its configuration ran on; where that
    name stands for different data, it has a group of its own.
    """
    variants: dict[Variant, list[RunRecord]] = defaultdict(list)
    for record in runs.records:
        variants[variant_of(record)].append(record)
    by_data = {variant: _by_data(records) for variant, records in variants.items()}
    names = variant_names(variants, {variant: list(found) for variant, found in by_data.items()})
    titles = dataset_names(data for found in by_data.values() for data in found)
    made = [
        Group(name, titles[data], variant, data, tuple(members))
        for name, (variant, found) in zip(names, by_data.items(), strict=True)
        for data, members in found.items()
    ]
    return sorted(made, key=lambda group: (not group.dataset, group.dataset, group.name.text))


def variant_of(record: RunRecord) -> Variant:
    """Return the configuration of a run."""
    return Variant(record.method, record.config_hash, record.results_version, record.inputs)


def _by_data(records: Sequence[RunRecord]) -> dict[Data, list[RunRecord]]:
    """Return the runs of one configuration by dataset."""
    known = _known_data(records)
    found: dict[Data, list[RunRecord]] = {data: [] for data in known}
    for record in records:
        for name in dict.fromkeys(data.name for data in known) or {"": None}:
            found.setdefault(_data_of(record, name, known), []).append(record)
    return found


def _known_data(records: Sequence[RunRecord]) -> list[Data]:
    """Return the datasets of one configuration, as far as its runs tell them apart."""
    finished = [_data(entry) for run in records if run.status == "finished" for entry in run.datasets.values()]
    others = [_data(entry) for run in records if run.status != "finished" for entry in run.datasets.values()]
    known, names = list(dict.fromkeys(finished)), {data.name for data in finished}
    # What an unfinished run leaves open is no dataset of its own, and neither is one that is never scored.
    for data in sorted(others, key=lambda data: (data.samples_digest is None, data.num_samples is None)):
        is_open = data.samples_digest is None and any(data.name == other.name for other in known)
        if not is_open and _match(data, known) is None and (not names or data.name in names):
            known.append(data)
    return known


def _data_of(record: RunRecord, name: str, known: Sequence[Data]) -> Data:
    """Return which of the known datasets a run's dataset of a name is, as far as that is clear."""
    entry = record.datasets.get(name)
    own = None if entry is None else _match(_data(entry), known)
    same = [data for data in known if data.name == name]
    return own or (same[0] if len(same) == 1 else Data(name))


def _match(data: Data, known: Sequence[Data]) -> Data | None:
    """Return which of the known datasets is the same; the number of samples may be left open."""
    alike = [other for other in known if other == data or other == data._replace(num_samples=other.num_samples)]
    return next((other for other in alike if data.num_samples in (None, other.num_samples)), None)


def _data(entry: DatasetEntry) -> Data:
    return Data(entry.name, entry.num_samples, entry.samples_digest, entry.labels_digest)


def _row(group: Group, score: Score, by: str | None, metrics: Sequence[str]) -> Row:
    return Row(group, score, by, {metric: group.cell(metric, score, by) for metric in metrics})


def _ways(group: Group, score: Score) -> list[str] | list[None]:
    """Return by what ``chosen`` was chosen: what was chosen in different ways has different rows."""
    return (group.chosen_by() or [None]) if score == "chosen" else [None]


def _scores(entry: DatasetEntry, score: Score, by: str | None) -> Mapping[str, float]:
    if score == "chosen":
        return entry.chosen if entry.chosen_by == by else {}
    return entry.last if score == "last" else entry.best


def _seed(run: RunRecord) -> int:
    # Whatever is finished has a seed.
    return run.seed if run.seed is not None else -1


def repeated_seeds(group: Group) -> list[int]:
    """Return the seeds of more than one finished run of a group."""
    return [seed for seed, num in Counter(group.seeds).items() if num > 1]


def compact(seeds: Sequence[int]) -> str:
    """Return ascending seeds as ranges, for example ``0-4, 7``; one that stands twice as ``7 (2 times)``."""
    ranges: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if ranges and ranges[-1][1] == seed - 1:
            ranges[-1][1] = seed
        else:
            ranges.append([seed, seed])
    texts = [str(low) if low == high else f"{low}-{high}" for low, high in ranges]
    again = [f"{seed} {num} times" for seed, num in Counter(seeds).items() if num > 1]
    return ", ".join(texts) + (f" ({', '.join(again)})" if again else "")
