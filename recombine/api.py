"""Running a method from Python."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from recombine.batch import ASIDE, BatchOptions, prepare
from recombine.execute import RunOptions, execute
from recombine.load import load_dict, load_file
from recombine.logs import LogOptions, check_log_places
from recombine.overrides import Override
from recombine.problems import InvalidMethodError
from recombine.results import Result


def run(
    source: str | Path | Mapping[str, Any],
    *,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
    device: str | None = None,
    data_root: str | Path | None = None,
    log_dir: str | Path = "logs",
    allow_write: Sequence[str | Path] = (),
) -> Result:
    """Train and score a method; every call is a run of its own, in a new folder.

    Design patterns of other packages take part after :func:`recombine.plugins.allow`.

    Args:
        source: A method file, or its content as a dict (relative paths are then relative to the current folder).
        overrides: Values by JSON pointer, as ``--set`` takes them, for example ``{"/datasets/0/batch_size": 64}``.
        seed: Replaces the method's seed.
        device: Replaces the method's device.
        data_root: Where datasets are looked for first.
        log_dir: Where the run's folder is created.
        allow_write: Further folders that the method may save parameters to.

    Returns:
        Scores, assignments and paths. Nothing is shown; the log stands in the run's folder.

    Raises:
        InvalidMethodError: The method has mistakes; ``problems`` holds all of them.
        RecombineError: The arguments cannot be followed, or the run failed by something that the user can mend, for
            example a diverged loss.
    """
    changes = [Override(pointer, value) for pointer, value in (overrides or {}).items()]
    changes += [Override(f"/{key}", value) for key, value in (("seed", seed), ("device", device)) if value is not None]
    loaded = load_dict(source, changes) if isinstance(source, Mapping) else load_file(Path(source), changes)
    root = Path(data_root) if data_root is not None else None
    options = BatchOptions(LogOptions(Path(log_dir)), root, tuple(Path(folder) for folder in allow_write))
    job, problems = prepare(loaded, options, {})
    if job is None:
        raise InvalidMethodError(problems)
    check_log_places(options.log)
    job = replace(job, overrides=tuple(str(change) for change in changes if change.pointer not in ASIDE))
    result, error = execute(job, options.log, _silent, (), RunOptions(is_fresh=True, shares_phases=False))
    if error is not None:
        raise error
    return result


def _silent(line: str) -> None:
    del line
