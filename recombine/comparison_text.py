"""What a comparison says, in words."""

from collections.abc import Sequence

from recombine.aggregate import Row, compact
from recombine.comparison import Comparison
from recombine.group_names import digits
from recombine.intervals import CONFIDENCE, FEWEST, POWER
from recombine.problems import printable

_INTERVAL = f"{CONFIDENCE * 100:.0f} % t-interval"
_SMALLEST_P = 0.0001


def describe(comparisons: Sequence[Comparison]) -> str:
    """Return what comparisons say, as lines with a line break at the end.

    Args:
        comparisons: At least one, all of the same two configurations, by dataset.
    """
    lines: list[str] = []
    for comparison in comparisons:
        head = _head(comparison)
        lines += [line for line in head if line not in lines]
        lines += _figures(comparison)
    return printable("\n".join(lines)) + "\n"


def _head(comparison: Comparison) -> list[str]:
    """Return what is compared: the two, the dataset, and which score with the part that labels had in it."""
    data = comparison.rows[0].group.data
    lines = [f"{letter}: {_name(row)}" for letter, row in zip("AB", comparison.rows, strict=True)]
    lines.append(f"{data.name} ({data.num_samples} samples, data {digits(data.samples_digest)})")
    for letter, row in zip("AB", comparison.rows, strict=True):
        reasons = f" ({'; '.join(row.oracle_reasons)})" if row.oracle_reasons else ""
        lines.append(f"  score of {letter}: {row.title}{reasons}")
    return lines


def _name(row: Row) -> str:
    hashed = f"({digits(row.group.variant.config_hash)})"
    name = row.group.name.text
    full = name if name.endswith(hashed) else f"{name} {hashed}"
    return f"{full} in {row.group.runs[0].folder.parent}"


def _figures(comparison: Comparison) -> list[str]:
    paired = comparison.paired
    bounds = "" if paired.interval is None else ", {} [{:+.4f}, {:+.4f}]".format(_INTERVAL, *paired.interval)
    alone = [compact(seeds) for seeds in comparison.unpaired]
    lines = [
        f"{comparison.metric}: {_pairs(paired.num)}, seeds {compact(comparison.seeds)}",
        f"  mean of A {paired.means[0]:.4f}, of B {paired.means[1]:.4f}; A - B {paired.difference:+.4f}{bounds}",
        f"  {_tests(comparison)}",
        f"  {verdict_text(comparison)}",
    ]
    if any(alone):
        lines.append(f"  seeds without a partner: of A {alone[0] or 'none'}, of B {alone[1] or 'none'}")
    return [line for line in lines if line.strip()]


def _tests(comparison: Comparison) -> str:
    paired, parts = comparison.paired, []
    if paired.p_t is not None:
        corrected = comparison.p_holm is not None and comparison.num_tests > 1
        holm = f" ({_p(comparison.p_holm)} by Holm for {comparison.num_tests} tests)" if corrected else ""
        parts.append(f"paired t-test {_p(paired.p_t)}{holm}")
    if paired.p_ranks is not None:
        parts.append(f"signed-rank test {_p(paired.p_ranks)}")
    if paired.effect is not None:
        parts.append(f"effect size d_z {paired.effect:+.2f}")
    return "; ".join(parts)


def verdict_text(comparison: Comparison) -> str:
    """Return the verdict with its reason, in one line."""
    return f"{comparison.verdict}: {_reason(comparison)}"


def _reason(comparison: Comparison) -> str:
    paired = comparison.paired
    higher = f"{'A' if paired.difference > 0 else 'B'} is higher by {abs(paired.difference):.4f}"
    if comparison.verdict == "too few pairs":
        return f"{paired.num}, and at least {FEWEST} are needed"
    if paired.is_constant and paired.difference == 0:
        return "the two values of every pair are equal"
    if paired.is_constant:
        return f"{higher} in every pair; as the difference never varies, there is no test"
    if comparison.verdict == "real":
        return f"{higher}, and the interval excludes 0"
    if comparison.excludes_zero:
        return f"the interval excludes 0, but among {comparison.num_tests} tests at once that may be chance"
    return f"the interval contains 0; {_needed(comparison)}"


def _needed(comparison: Comparison) -> str:
    if comparison.paired.difference == 0:
        return "the means are equal"
    chance = f"to show a difference like this with a chance of {POWER * 100:.0f} %"
    if comparison.pairs_needed is None:
        return f"more than 10,000 pairs would be needed {chance}"
    return f"about {comparison.pairs_needed} pairs would be needed {chance}"


def _pairs(num: int) -> str:
    return f"{num} pair" if num == 1 else f"{num} pairs"


def _p(value: float | None) -> str:
    return f"p < {_SMALLEST_P}" if value is not None and value < _SMALLEST_P else f"p = {value:.4f}"
