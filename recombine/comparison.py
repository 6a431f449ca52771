"""Two configurations compared seed by seed, on the same data."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from recombine.aggregate import Group, Row, Score, check_metrics, compact, groups, repeated_seeds, variant_of
from recombine.errors import UsageError
from recombine.group_names import digits
from recombine.intervals import CONFIDENCE, Paired, compare_pairs, holm, pairs_needed
from recombine.problems import listing, suggestion
from recombine.result_files import RunRecord, Runs, find_runs, is_run, read_runs

Verdict = Literal["real", "not shown", "too few pairs"]

_HASH = re.compile(r"[0-9a-f]{4,64}")
_LEVEL = 1 - CONFIDENCE


@dataclass(frozen=True)
class Side:
    """One of the two configurations.

    Attributes:
        word: How the user named it.
        groups: Its runs by dataset, at least one group.
        runs: Everything that was read to find it.
    """

    word: str
    groups: tuple[Group, ...]
    runs: Runs

    @property
    def unreadable(self) -> list[RunRecord]:
        """Its runs whose files say no result."""
        return list(
            {run.folder: run for group in self.groups for run in group.runs if run.status == "unreadable"}.values()
        )


@dataclass(frozen=True)
class Comparison:
    """A metric of the two on one dataset; differences are those of the first minus the second.

    Attributes:
        metric: Which one.
        rows: The rows of the first and of the second, with the metric's cell.
        paired: The figures, over the seeds of which both have a value.
        seeds: These seeds, ascending.
        unpaired: The seeds of which only the first, and only the second has a value.
        p_holm: The t-test's p-value, corrected for all that were made at once; None where there is no test.
        num_tests: How many tests were made at once.
    """

    metric: str
    rows: tuple[Row, Row]
    paired: Paired
    seeds: tuple[int, ...]
    unpaired: tuple[tuple[int, ...], tuple[int, ...]]
    p_holm: float | None = None
    num_tests: int = 1

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval of the mean difference lies on one side of 0."""
        return self.paired.interval is not None and (self.paired.interval[0] > 0 or self.paired.interval[1] < 0)

    @property
    def verdict(self) -> Verdict:
        """``real`` where the interval excludes 0 and, among several tests, the corrected one agrees."""
        if self.paired.interval is None:
            return "too few pairs"
        agrees = self.p_holm is None or self.num_tests == 1 or self.p_holm <= _LEVEL
        return "real" if self.excludes_zero and agrees else "not shown"

    @property
    def pairs_needed(self) -> int | None:
        """About how many pairs would show the difference seen with a chance of 80 %; None: none, or over 10,000."""
        return None if self.paired.effect is None else pairs_needed(self.paired.effect)


def find_side(word: str, log_dir: Path) -> Side:
    """Return the configuration that a word names.

    Args:
        word: A folder with runs of one configuration; the folder of a run, which stands for all runs beside it of the
            same configuration; what ``recombine results`` calls a configuration; or four or more digits with which
            its hash begins.
        log_dir: Where names and hashes are looked up.

    Raises:
        UsageError: It names none, or several.
    """
    place = Path(word)
    if not _holds_runs(place):
        return _named(word, log_dir)
    if not is_run(place):
        runs = read_runs([place])
        return _single(word, groups(runs), runs)
    runs = read_runs([place.parent if place.name not in ("", "..") else place.resolve().parent])
    own = read_runs([place]).records[0]
    return Side(word, tuple(group for group in groups(runs) if group.variant == variant_of(own)), runs)


def compare(sides: tuple[Side, Side], metrics: Sequence[str], score: Score, dataset: str | None) -> list[Comparison]:
    """Compare two configurations in every metric, on one dataset or on all that they have in common.

    Args:
        sides: The first and the second.
        metrics: Names of metrics.
        score: Which of a run's three scores.
        dataset: The dataset's name; None for all of them.

    Returns:
        At least one comparison, by dataset and metric.

    Raises:
        UsageError: The two are the same, have no dataset or no seed in common, or saw different data.
    """
    first, second = sides
    for side in sides:
        check_metrics(side.runs, metrics)
    if _folders(first) & _folders(second):
        raise UsageError(f'"{first.word}" and "{second.word}" name the same runs')
    found = [
        _compared(pair, metric, score)
        for pair in _common_groups(first, second, dataset)
        for metric in dict.fromkeys(metrics)
    ]
    return _corrected(found)


def _holds_runs(place: Path) -> bool:
    try:
        return bool(find_runs(place))
    except UsageError:
        return False


def _named(word: str, log_dir: Path) -> Side:
    """Return the configuration of a name or a hash."""
    runs = read_runs([log_dir])
    known = groups(runs)
    same = tuple(group for group in known if group.name.text == word)
    if same:
        return Side(word, same, runs)
    hashed = [group for group in known if _HASH.fullmatch(word) and (group.variant.config_hash or "").startswith(word)]
    if hashed:
        return _single(word, hashed, runs)
    remedy = suggestion(word, (group.name.text for group in known))
    raise UsageError(f'"{word}" is no configuration in {log_dir}, and no folder of runs. {remedy}')


def _single(word: str, found: Sequence[Group], runs: Runs) -> Side:
    variants = {group.variant for group in found}
    if len(variants) > 1:
        names = sorted({group.name.text for group in found})
        remedy = "Name one of them, and their folder with --log-dir"
        raise UsageError(f'"{word}" holds {len(variants)} configurations: {listing(names)}. {remedy}')
    return Side(word, tuple(found), runs)


def _folders(side: Side) -> set[Path]:
    return {run.folder.resolve() for group in side.groups for run in group.runs}


def _common_groups(first: Side, second: Side, dataset: str | None) -> list[tuple[Group, Group]]:
    """Return the groups of the two that saw the same data."""
    names = [{group.data.name: None for group in side.groups if group.data.name} for side in (first, second)]
    common = [name for name in names[0] if name in names[1] and dataset in (None, name)]
    if not common:
        ran_on = [listing(list(found)) if found else "no dataset that it finished" for found in names]
        wanted = "no dataset in common" if dataset is None else f'not both the dataset "{dataset}"'
        raise UsageError(
            f'"{first.word}" and "{second.word}" have {wanted}: the one ran on {ran_on[0]}, the other on {ran_on[1]}'
        )
    return [pair for name in common for pair in _same_data(first, second, name)]


def _same_data(first: Side, second: Side, name: str) -> list[tuple[Group, Group]]:
    """Return the groups of the two on the same data of a name; runs on different data are never paired."""
    mine, theirs = ([group for group in side.groups if group.data.name == name] for side in (first, second))
    pairs = [(one, other) for one in mine for other in theirs if one.data == other.data and one.data.samples_digest]
    if not pairs:
        seen = [", ".join(_seen(group) for group in found) for found in (mine, theirs)]
        raise UsageError(
            f'runs are paired on the same data alone, and of "{name}" "{first.word}" saw {seen[0]}, "{second.word}" '
            f"saw {seen[1]}"
        )
    return pairs


def _seen(group: Group) -> str:
    data = group.data
    if data.samples_digest is None:
        return "samples of which its runs tell no digest"
    return f"samples {digits(data.samples_digest)} with labels {digits(data.labels_digest, 'of no kind')}"


def _compared(pair: tuple[Group, Group], metric: str, score: Score) -> Comparison:
    """Pair the values of a metric by seed."""
    rows = (_row(pair[0], metric, score), _row(pair[1], metric, score))
    values = [{value.seed: value.value for value in row.cells[metric].values} for row in rows]
    seeds = sorted(set(values[0]) & set(values[1]))
    if not seeds:
        have = " and ".join(
            f"{compact(sorted(found)) or 'none'} of {row.group.name.text}"
            for found, row in zip(values, rows, strict=True)
        )
        raise UsageError(
            f'no seed has a value of {metric} ({score}) on "{pair[0].data.name}" in both: there are {have}'
        )
    paired = compare_pairs([values[0][seed] for seed in seeds], [values[1][seed] for seed in seeds])
    alone = [tuple(sorted(set(found) - set(seeds))) for found in values]
    return Comparison(metric, rows, paired, tuple(seeds), (alone[0], alone[1]))


def _row(group: Group, metric: str, score: Score) -> Row:
    repeated = repeated_seeds(group)
    if repeated:
        raise UsageError(
            f"{group.name.text} has more than one finished run of seed {compact(repeated)} on {group.dataset}: which "
            "of them belongs to a pair is not known"
        )
    ways = group.chosen_by() if score == "chosen" else []
    if len(ways) > 1:
        raise UsageError(
            f"the evaluations of {group.name.text} were chosen by {' or '.join(ways)}; compare one of them"
        )
    by = ways[0] if ways else None
    return Row(group, score, by, {metric: group.cell(metric, score, by)})


def _corrected(found: Sequence[Comparison]) -> list[Comparison]:
    """Correct the p-values for their number."""
    tests = [comparison.paired.p_t for comparison in found if comparison.paired.p_t is not None]
    corrected = iter(holm(tests))
    return [
        comparison
        if comparison.paired.p_t is None
        else replace(comparison, p_holm=next(corrected), num_tests=len(tests))
        for comparison in found
    ]
