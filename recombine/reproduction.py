"""Runs that are run again, and published figures that are put to the test."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from recombine.batch import BatchOptions, Outcome, Report, check_jobs, prepare
from recombine.config import ClaimConfig
from recombine.environment import differences
from recombine.equivalence import Claim, verdict
from recombine.errors import UsageError
from recombine.execute import RunOptions
from recombine.intervals import CONFIDENCE, FEWEST, mean, sample_std, t_quantile
from recombine.job import Job
from recombine.launcher import run_all
from recombine.load import load_dict
from recombine.logs import LogOptions
from recombine.result_files import DESCRIPTION, RESULT, read_runs
from recombine.results import Result
from recombine.run_folder import CONFIGURATION, ENVIRONMENT, read_json
from recombine.seeds import Seeds

_FOLDER = "reproduced"
_METRICS = ("acc", "nmi", "ari")


@dataclass(frozen=True)
class Again:
    """How something is run again.

    Attributes:
        data_root: Where datasets are looked for first, or None.
        log_dir: Where the runs' folders are created, or None for a place of their own.
        jobs: How many run at once.
        report: What is said meanwhile.
    """

    data_root: Path | None
    log_dir: Path | None
    jobs: int
    report: Report


@dataclass(frozen=True)
class Finding:
    """Whether something reproduces.

    Attributes:
        outcomes: What became of the runs.
        lines: The answer in words.
        is_reproduced: Whether all of it does.
    """

    outcomes: Sequence[Outcome]
    lines: Sequence[str]
    is_reproduced: bool


def run_again(folder: Path, again: Again) -> Finding:
    """Run a finished run once more, and compare the bits, else the scores with the spread of its other seeds.

    Args:
        folder: The run's folder.
        again: How it is run; without a log folder, beside the run's, in ``reproduced``.

    Raises:
        UsageError: The folder holds no finished run, or its configuration cannot be run any more.
    """
    before = _finished(folder)
    job, options = _job_of(folder, again)
    known = read_json(folder / ENVIRONMENT) or {}
    threads = torch.get_num_threads()
    torch.set_num_threads(known.get("threads", threads))
    try:
        (outcome,) = run_all([job], options, again.report, 1)
    finally:
        torch.set_num_threads(threads)
    result = outcome.result
    if result is None or result.status != "finished":
        return Finding([outcome], [f"Not reproduced: the run did not finish: {outcome.error}"], False)
    if _is_same(folder, before, result):
        return Finding([outcome], [f"Reproduced: the same bits (parameters {str(result.parameters)[:16]}...)"], True)
    now = (read_json(result.folder / ENVIRONMENT) or {}).get("fingerprint", {})
    causes = differences(known.get("fingerprint", {}), now) or ["device, threads and versions are the same"]
    lines = ["Other bits: " + "; ".join(causes)]
    verdicts = [_compared(folder, before, result, name, metric) for name in result.datasets for metric in _METRICS]
    found = [verdict for verdict in verdicts if verdict is not None]
    is_within = bool(found) and all(within for within, _ in found)
    last = "Reproduced: the scores agree within the spread of the seeds" if is_within else "Not reproduced"
    return Finding([outcome], [*lines, *(line for _, line in found), last], is_within)


def _finished(folder: Path) -> Mapping[str, Any]:
    result = read_json(folder / RESULT)
    if result is None or result.get("status") != "finished" or result.get("parameters") is None:
        raise UsageError(f"{folder} holds no finished run with parameters to compare with")
    return result


def _job_of(folder: Path, again: Again) -> tuple[Job, BatchOptions]:
    """Return a run's job, from the configuration in its folder, and how to run it."""
    method, description = read_json(folder / CONFIGURATION), read_json(folder / DESCRIPTION)
    if method is None or description is None:
        raise UsageError(f"{folder} has no {CONFIGURATION} and {DESCRIPTION}: it cannot be run again")
    log = LogOptions(again.log_dir if again.log_dir is not None else folder.absolute().parent / _FOLDER)
    options = BatchOptions(log, again.data_root, run=RunOptions(is_fresh=True, shares_phases=False))
    loaded = load_dict(method, folder=Path(description["folder"]))
    job, problems = prepare(loaded, options, {})
    for problem in problems:
        again.report.problem(problem)
    if job is None:
        raise UsageError(f"the configuration of {folder} cannot be run any more")
    if job.identity.digest() != description["identity"]:
        raise UsageError(f"{folder} cannot be run again: its configuration, or its data, is not what it was")
    return replace(job, source=str(folder)), options


def _is_same(folder: Path, before: Mapping[str, Any], result: Result) -> bool:
    """Tell whether two runs have the same parameters and the same assignments."""
    if before["parameters"] != result.parameters:
        return False
    for name, dataset in result.datasets.items():
        earlier = before["datasets"][name]["assignments"]
        if (earlier is None) != (dataset.assignments_file is None):
            return False
        if earlier is not None and dataset.assignments_file is not None:
            with suppress(OSError):
                if (folder / earlier).read_bytes() == dataset.assignments_file.read_bytes():
                    continue
            return False
    return True


def _compared(
    folder: Path, before: Mapping[str, Any], result: Result, dataset: str, metric: str
) -> tuple[bool, str] | None:
    """Return whether a score is within the spread of the other seeds, with a line that says so; None without labels."""
    scores = result.datasets[dataset].scores
    if scores is None:
        return None
    then, now = before["datasets"][dataset]["scores"][metric], scores.as_dict()[metric]
    line = f"{dataset}, {metric.upper()}: {then:.4f} then, {now:.4f} now"
    others = _other_seeds(folder, before, dataset, metric)
    if len(others) < FEWEST:
        return False, f"{line}; undecided: the spread is known from {FEWEST} seeds on, here are {len(others)}"
    center, spread = mean(others), sample_std(others) or 0.0
    reach = t_quantile((1 + CONFIDENCE) / 2, len(others) - 1) * spread * math.sqrt(1 + 1 / len(others))
    is_within = abs(now - center) <= reach
    word = "within" if is_within else "outside"
    return is_within, f"{line}; {word} the 95 % range of {len(others)} seeds, {center:.4f} ± {reach:.4f}"


def _other_seeds(folder: Path, before: Mapping[str, Any], dataset: str, metric: str) -> list[float]:
    """Return a score of the finished runs beside a run that differ from it in nothing but the seed, itself included."""
    own = before["datasets"][dataset]
    values = []
    for record in read_runs([folder.absolute().parent]).records:
        entry = record.datasets.get(dataset)
        is_alike = record.config_hash == before["config_hash"] and record.results_version == before["results_version"]
        if record.status != "finished" or entry is None or not is_alike:
            continue
        if entry.samples_digest == own["samples_digest"] and entry.labels_digest == own["labels_digest"]:
            values += [entry.last[metric]] if metric in entry.last else []
    return values


def check_claims(file: Path, count: int, margin: float | None, again: Again) -> Finding:
    """Run a method with several seeds, and test its claims for equivalence.

    Args:
        file: The method file.
        count: Number of seeds, from the method's own on; runs that are finished are not run again.
        margin: How near to a claim counts as the same; None: its spread, at least 0.01.
        again: How it is run; without a log folder, in ``logs``.

    Raises:
        UsageError: The file is bad, or claims nothing.
    """
    log = LogOptions(again.log_dir if again.log_dir is not None else Path("logs"))
    options = BatchOptions(log, again.data_root, resume_on_error=True)
    jobs = check_jobs([file], [()], options, again.report, Seeds(count=count))
    ready = [job for job in jobs if isinstance(job, Job)]
    if not ready:
        raise UsageError(f"{file} cannot be run")
    claims = ready[0].config.claims
    if not claims:
        raise UsageError(f'{file} claims nothing: write the published figures into "claims"')
    outcomes = list(run_all(jobs, options, again.report, again.jobs))
    finished = [found.result for found in outcomes if found.result is not None and found.result.status == "finished"]
    lines = [f"{len(finished)} of {len(outcomes)} runs finished"]
    words = [_tested(claim, finished, margin, lines) for claim in claims]
    return Finding(outcomes, lines, all(word == "reproduced" for word in words))


def _tested(claim: ClaimConfig, finished: Sequence[Result], margin: float | None, lines: list[str]) -> str:
    """Test a claim, add a line that says what came out, and return the verdict in a word."""
    name = f"{claim.dataset}, {claim.metric.upper()} ({claim.source})"
    results = [result.datasets[claim.dataset] for result in finished if claim.dataset in result.datasets]
    values = [result.scores.as_dict().get(claim.metric) for result in results if result.scores is not None]
    ours = [value for value in values if value is not None]
    if not ours:
        lines.append(f"{name}: undecided: no finished run has this score")
        return "undecided"
    found = verdict(ours, Claim(claim.mean, claim.spread, claim.n), margin)
    is_oracle = any(result.oracle for result in results)
    lines.append(f"{name}: {found}{' (oracle: labels had a part in our scores)' if is_oracle else ''}")
    return found.word
