"""Interrupted runs of methods that were changed since: they are left alone, and the user is told."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from recombine.identity import differences, identity_part
from recombine.job import Job
from recombine.result_files import DESCRIPTION, is_run, read_run
from recombine.run_folder import CONFIGURATION, read_json

_MOST = 5

Key = tuple[str | None, tuple[str, ...], int | None]


def changed_since(jobs: Sequence[Job], log_dir: Path) -> list[str]:
    """Return a text for each job that an interrupted run of the same file and seed cannot serve, and why not.

    Args:
        jobs: What is to run.
        log_dir: Where the runs' folders are.
    """
    if not log_dir.is_dir():
        return []
    own = {job.identity.digest() for job in jobs}
    left = [found for found in _interrupted(log_dir) if found[1] not in own]
    texts = [_text(job, folder) for job in jobs for folder, _, key in left if key == _key(job)]
    more = len(texts) - _MOST
    return texts if more <= 0 else [*texts[:_MOST], f"and {more} more interrupted runs with another configuration"]


def _interrupted(log_dir: Path) -> Iterator[tuple[Path, str | None, Key]]:
    """Yield the folder of each interrupted run, its identity, and what a job for it would be known by."""
    for folder in sorted(log_dir.iterdir()):
        if is_run(folder):
            record = read_run(folder)
            if record.status == "interrupted":
                head = read_json(folder / DESCRIPTION) or {}
                seed = head["parts"].get("seed") if isinstance(head.get("parts"), dict) else None
                yield folder, record.identity, (head.get("source"), record.overrides, seed)


def _key(job: Job) -> Key:
    return job.source, job.overrides, job.config.seed


def _text(job: Job, folder: Path) -> str:
    there = read_json(folder / CONFIGURATION)
    if there is None:
        return f"{folder} was interrupted and lacks its {CONFIGURATION}: it is left alone, and the method starts anew"
    changes = differences(identity_part(there), identity_part(job.config.resolved)) or ["the data, or a file it reads"]
    lines = "".join(f"\n  {change}" for change in changes)
    return f"{folder} was interrupted with another configuration: it is left alone, and the method starts anew{lines}"
