"""Shuffle all labels, and see whether a parameter moves by a bit.

    python -m bench.labels [--data-root DIR] [--iterations 30] [--samples 1500] [--seed 0]

Every shipped configuration runs three times, with its phases and intervals shortened and evaluations within each phase:
with the labels of its datasets, with the same labels shuffled, and shuffled otherwise. Parameters (with centroids and
buffers), clusters and confidence must be the same, bit for bit, while the scores differ, which shows that the labels
were there to be seen. A configuration whose result is marked ``oracle`` is listed with the reason and may change. Two
controls let labels choose, and have to change: the quickstart with an exit criterion on ACC, and with a learning rate
that follows ACC. Writes ``bench/results/labels.json``; ``bench/write_reliability.py`` makes the page.
"""

import argparse
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bench import common, machine
from recombine.batch import BatchOptions, Report, prepare, run_one
from recombine.execute import RunOptions
from recombine.job import Job
from recombine.keeper import SavingOptions
from recombine.load import load_file
from recombine.logs import LogOptions
from recombine.overrides import Override
from recombine.problems import Problem

_CONFIGURATIONS = common.ROOT / "configurations"
_QUICKSTART = _CONFIGURATIONS / "quickstart" / "digits.json"
_EVALUATIONS_A_PHASE, _RESTARTS, _BATCH = 3, 2, 128
#: Whole numbers wherever they stand in a method file, and by what part of the iterations they are bounded.
_COUNTS = (
    (re.compile(r"^iterations$"), 1.0),
    (re.compile(r"(_interval|_iterations_per_value|^start_at_iterations?|^warm_up_iterations)$"), 0.2),
    (re.compile(r"^train_for_iterations$"), 0.2),
)
_NOT_HERE = "was not found complete"
_CONTROLS: dict[str, dict[str, Any]] = {
    "exit criterion on ACC": {"/phases/[finetuning]/exit_criteria/performance_evaluation_acc_gt": 0.3},
    "learning rate that follows ACC": {
        "/phases/[finetuning]/optimizer_learning_rate_schedulers": [
            {"type": "ReduceLROnPlateau", "optimizer_name": "Adam_0", "metric": "acc", "mode": "max", "patience": 0}
        ]
    },
}


@dataclass(frozen=True)
class Outcome:
    """What a run left behind.

    Attributes:
        parameters: SHA-256 of all parameters and buffers.
        clusters: SHA-256 of clusters and confidence of every sample.
        scores: The scores of every evaluation and the final ones, as JSON.
        evaluations: How many evaluations within phases had scores.
        oracle: Why labels had a part in it.
    """

    parameters: str
    clusters: str
    scores: str
    evaluations: int
    oracle: tuple[str, ...]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, default=os.environ.get("RECOMBINE_DATA_ROOT"))
    parser.add_argument("--iterations", type=int, default=30, help="iterations of every phase")
    parser.add_argument("--samples", type=int, default=1500, help="samples of every dataset")
    parser.add_argument("--seed", type=int, default=0, help="of the shuffling")
    arguments = parser.parse_args()
    files = sorted(_CONFIGURATIONS.glob("*/*.json"))
    content: dict[str, Any] = {"machine": machine.machine()}
    content |= {key: getattr(arguments, key) for key in ("iterations", "samples", "seed")}
    content["configurations"] = [_row(path, {}, arguments) for path in files]
    content["controls"] = [{"control": name, **_row(_QUICKSTART, more, arguments)} for name, more in _CONTROLS.items()]
    common.write("labels.json", content)
    for row in [*content["configurations"], *content["controls"]]:
        os.write(1, (json.dumps(row) + "\n").encode())


def _row(path: Path, more: Mapping[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what was found of one configuration."""
    row: dict[str, Any] = {"configuration": str(path.relative_to(_CONFIGURATIONS))}
    method = json.loads(path.read_text(encoding="utf-8"))
    changes = [*shortening(method, arguments.iterations, arguments.samples), *more.items()]
    overrides = tuple(Override(pointer, value) for pointer, value in changes)
    with tempfile.TemporaryDirectory() as name:
        options = _options(Path(name), arguments.data_root)
        job, problems = prepare(load_file(path, overrides), options, {})
        if job is None:
            return {**row, "skipped": _absence(problems)}
        draws = torch.Generator().manual_seed(arguments.seed)
        jobs = [job, shuffled(job, draws), shuffled(job, draws)]
        given, *others = [_outcome(job, options) for job in jobs]
    return {
        **row,
        "samples": {name: len(found) for name, found in job.samples.items()},
        "evaluations": given.evaluations,
        "shuffles": len(others),
        "oracle": list(given.oracle),
        "same_parameters": all(other.parameters == given.parameters for other in others),
        "same_clusters": all(other.clusters == given.clusters for other in others),
        "same_scores": any(other.scores == given.scores for other in others),
    }


def _absence(problems: Sequence[Problem]) -> str:
    """Return why a configuration is left out: its data are not here. Anything else ends the script."""
    texts = [str(problem) for problem in problems]
    if not any(_NOT_HERE in text for text in texts):
        raise SystemExit("\n".join(texts))
    return "its data are not on this machine"


def shortening(method: Mapping[str, Any], iterations: int, samples: int) -> list[tuple[str, Any]]:
    """Return changes that shorten every phase of a method, and let it be evaluated within each."""
    changes = list(_counts(method, "", iterations))
    interval = max(1, iterations // _EVALUATIONS_A_PHASE)
    for number, _ in enumerate(method["phases"]):
        changes.append((f"/phases/{number}/performance_evaluation_interval", interval))
    for number, _ in enumerate(method["datasets"]):
        changes.append((f"/datasets/{number}/index_of_last_sample_to_use", samples - 1))
        changes.append((f"/datasets/{number}/batch_size", _BATCH))
    return changes


def _counts(value: Any, pointer: str, iterations: int) -> Iterator[tuple[str, Any]]:
    """Yield a lower number for each count of iterations, and of restarts of k-means, below ``pointer``."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        place = f"{pointer}/{key}"
        if not isinstance(part, int) or isinstance(part, bool):
            yield from _counts(part, place, iterations)
            continue
        bounds = [max(1, int(share * iterations)) for pattern, share in _COUNTS if pattern.search(str(key))]
        bounds += [_RESTARTS] if str(key).endswith("_num_restarts") else []
        if bounds and part > bounds[0]:
            yield place, bounds[0]


def _options(folder: Path, data_root: Path | None) -> BatchOptions:
    return BatchOptions(LogOptions(folder), data_root, run=RunOptions(SavingOptions(0, 0), shares_phases=False))


def shuffled(job: Job, draws: torch.Generator) -> Job:
    """Return a job with the labels of every dataset in another order."""
    samples = {}
    for name, found in job.samples.items():
        labels = None if found.labels is None else found.labels[torch.randperm(len(found), generator=draws)]
        samples[name] = replace(found, labels=labels)
    return replace(job, samples=samples)


def _outcome(job: Job, options: BatchOptions) -> Outcome:
    """Run a job; return what it left behind."""
    ended = run_one(job, options, Report(_ignore, _ignore, _ignore))
    if ended.result is None or ended.result.status != "finished":
        raise SystemExit(f"{job.title}: {ended.error}")
    folder = ended.result.folder
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    found = list(ended.result.datasets.values())
    arrays = [array.tobytes() for entry in found for array in (entry.clusters, entry.confidence) if array is not None]
    history = common.history(folder)
    scores = [history, [entry["scores"] for entry in result["datasets"].values()]]
    oracle = sorted({reason for entry in found for reason in entry.oracle})
    clusters = hashlib.sha256(b"".join(arrays)).hexdigest()
    return Outcome(result["parameters"], clusters, json.dumps(scores), len(history), tuple(oracle))


def _ignore(line: str | Problem) -> None:
    del line


if __name__ == "__main__":
    main()
