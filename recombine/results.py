"""What came of a run, and ``result.json``, which says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

from recombine.config import MethodConfig
from recombine.dataset_result import DatasetResult, read_dataset_result
from recombine.environment import PACKAGES, package_version
from recombine.errors import RecombineError
from recombine.files import write_json
from recombine.identity import RESULTS_VERSION, config_hash
from recombine.keeper import Reused
from recombine.result_files import RESULT

Status = Literal["finished", "failed", "interrupted"]


@dataclass(frozen=True)
class Result:
    """What came of running a method once.

    Attributes:
        method: The method's name.
        source: The method file, or ``<dict>``, with the changes of the command line.
        seed: The number from which all randomness of the run derived.
        status: ``finished``, ``failed`` or ``interrupted``.
        folder: The run's folder.
        datasets: Results by dataset name, in the order of the datasets; complete only if ``finished``.
        seconds: Wall-clock time of training and scoring, over all starts of the run.
        error: Why the run failed, or None.
        identity: SHA-256 of what the run is: configuration, data, seed, version of the results.
        generation: How often the run was started in a new folder.
        parameters: SHA-256 of the networks with which the last dataset was scored, or None before that.
        reused: Phases that were taken from other runs.
        overrides: The changes of the command line.
        is_earlier: Whether the run ended before, and nothing was computed this time.
    """

    method: str
    source: str
    seed: int
    status: Status
    folder: Path
    datasets: Mapping[str, DatasetResult] = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None
    identity: str = ""
    generation: int = 1
    parameters: str | None = None
    reused: tuple[Reused, ...] = ()
    overrides: tuple[str, ...] = ()
    is_earlier: bool = False


def write_result(result: Result, config: MethodConfig, summaries: Mapping[str, Mapping[str, Any]]) -> None:
    """Write ``result.json``.

    Args:
        result: The result.
        config: The method.
        summaries: What it says of each dataset that is scored, by name.
    """
    content = {
        "method": result.method,
        "source": result.source,
        "overrides": list(result.overrides),
        "status": result.status,
        "error": result.error,
        "seed": result.seed,
        "seconds": result.seconds,
        "identity": result.identity,
        "config_hash": config_hash(config.resolved),
        "results_version": RESULTS_VERSION,
        "generation": result.generation,
        "parameters": result.parameters,
        "reused": [reused._asdict() for reused in result.reused],
        "packages": {name: package_version(name) for name in PACKAGES},
        "datasets": summaries,
    }
    write_json(result.folder / RESULT, content)


def read_result(found: Mapping[str, Any], folder: Path, source: str) -> Result:
    """Return the result of a run that ended before.

    Args:
        found: The content of its ``result.json``.
        folder: The run's folder.
        source: The method file, with the changes of the command line.

    Raises:
        RecombineError: Something is missing.
    """
    try:
        return _read(found, folder, source)
    except (KeyError, TypeError, AttributeError) as error:
        raise RecombineError(f"{folder / RESULT} is not whole; --fresh runs the method again") from error


def _read(found: Mapping[str, Any], folder: Path, source: str) -> Result:
    status = found["status"] if found["status"] in get_args(Status) else "interrupted"
    return Result(
        found["method"],
        source,
        found["seed"],
        cast(Status, status),
        folder,
        {name: read_dataset_result(folder, name, summary) for name, summary in found["datasets"].items()},
        found["seconds"],
        found["error"],
        found["identity"],
        found["generation"],
        found["parameters"],
        tuple(Reused(**reused) for reused in found["reused"]),
        tuple(found["overrides"]),
        is_earlier=True,
    )
