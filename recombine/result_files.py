"""Reading the folders of runs: what each run came to, and what each file says that is no result."""

import hashlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from recombine.errors import UsageError
from recombine.problems import printable

Status = Literal["finished", "failed", "interrupted", "running", "unreadable"]

#: The files of a run that tell what it is and what came of it, and the one that is locked while somebody works on it.
RESULT, DESCRIPTION, LOCK = "result.json", "run.json", ".lock"
_ENDS = ("finished", "failed", "interrupted")
_STAMP = re.compile(r"^\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_")
_DIGITS = re.compile(r"_[0-9a-f]{8}(?:_\d+)?$")
_LONGEST_SHOWN = 30
_KINDS = {bool: "true or false", dict: "an object", list: "a list", str: "a text", int: "a number", float: "a number"}


@dataclass(frozen=True)
class DatasetEntry:
    """What a run says of one dataset; every number in it is finite.

    Attributes:
        name: The dataset's name.
        num_samples: N, or None where the file does not say.
        samples_digest: SHA-256 of the samples, or None.
        labels_digest: SHA-256 of the labels, or None.
        scored_on: Which samples were scored and how, or None.
        oracle: Reasons why labels had a part in the result.
        last: Scores of the final clustering by metric, those that need no labels among them.
        space: What the label-free scores were computed on, in words, or an empty string.
        chosen_by: The label-free score that chose an evaluation, or None.
        chosen: Scores of that evaluation by metric.
        best: The highest value of each metric among the evaluations, which labels chose.
    """

    name: str
    num_samples: int | None
    samples_digest: str | None
    labels_digest: str | None
    scored_on: str | None
    oracle: tuple[str, ...]
    last: Mapping[str, float]
    space: str
    chosen_by: str | None
    chosen: Mapping[str, float]
    best: Mapping[str, float]


@dataclass(frozen=True)
class RunRecord:
    """What the folder of a run says.

    Attributes:
        folder: The run's folder.
        method: The method's name.
        status: How the run ended; ``running`` if its lock is held; ``unreadable`` where its files say no result.
        seed: The run's seed, or None where it is not known.
        error: Why the run failed, or why its files say no result.
        identity: SHA-256 of configuration, data, seed and results version, or None in older runs.
        generation: How often the same run was started afresh, from 1.
        config_hash: SHA-256 of the configuration, or None.
        results_version: Version of the program's results, or None.
        inputs: SHA-256 of what the files say that the run reads beside its data, or None where there are none.
        overrides: Changes to the method file, ``POINTER=VALUE`` each.
        datasets: Entries by the dataset's name; of a run that is not finished they may have digests and no more.
    """

    folder: Path
    method: str
    status: Status
    seed: int | None = None
    error: str | None = None
    identity: str | None = None
    generation: int = 1
    config_hash: str | None = None
    results_version: int | None = None
    inputs: str | None = None
    overrides: tuple[str, ...] = ()
    datasets: Mapping[str, DatasetEntry] = field(default_factory=dict)


@dataclass(frozen=True)
class Runs:
    """The runs that count, and what else was found.

    Attributes:
        records: One for each run, by the name of its folder.
        superseded: Folders that do not count, as there is a later generation or a copy of the same run.
    """

    records: tuple[RunRecord, ...]
    superseded: tuple[Path, ...] = ()

    @property
    def unreadable(self) -> list[RunRecord]:
        """The runs whose files say no result."""
        return [record for record in self.records if record.status == "unreadable"]


class _ForeignError(Exception):
    """A file holds something else than what a run writes; the text says what."""


def read_runs(places: Sequence[Path]) -> Runs:
    """Read all runs in ``places``, each the folder of a run or a folder of such folders.

    Of the runs with one identity the one of the highest generation counts. A run that is there twice in the same
    generation, a copy, counts once, the finished one if they differ.

    Raises:
        UsageError: A place is no folder, cannot be read, or holds no run.
    """
    folders = {folder.resolve(): folder for place in places for folder in find_runs(place)}
    records = [read_run(folder) for folder in folders.values()]
    latest: dict[str, RunRecord] = {}
    for record in records:
        key = record.identity or str(record.folder)
        latest[key] = max(latest.get(key, record), record, key=_precedence)
    kept = sorted(latest.values(), key=lambda record: (record.folder.name, str(record.folder)))
    counted = {record.folder for record in kept}
    return Runs(tuple(kept), tuple(record.folder for record in records if record.folder not in counted))


def _precedence(record: RunRecord) -> tuple[int, bool, str]:
    return record.generation, record.status == "finished", record.folder.name


def find_runs(place: Path) -> list[Path]:
    """Return the run that ``place`` is, or the runs that lie in it, by name.

    Raises:
        UsageError: It is no folder, cannot be read, or holds no run.
    """
    try:
        if is_run(place):
            return [place]
        folders = sorted(folder for folder in place.iterdir() if is_run(folder))
    except FileNotFoundError as error:
        raise UsageError(f"there is no folder {place}. Name a folder of runs, for example logs") from error
    except OSError as error:
        raise UsageError(f"{error.filename or place} cannot be read: {error.strerror or error}") from error
    if not folders:
        raise UsageError(f"{place} holds no run: no folder in it has a {RESULT} or a {DESCRIPTION}")
    return folders


def is_run(folder: Path) -> bool:
    """Tell whether a folder is that of a run."""
    return (folder / RESULT).exists() or (folder / DESCRIPTION).exists()


def is_locked(folder: Path) -> bool:
    """Tell at once whether a process holds the lock of a run, without leaving a lock file where there was none.

    A lock that this user may not open counts as free.
    """
    path = folder / LOCK
    if not path.exists():
        return False
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


def read_run(folder: Path) -> RunRecord:
    """Return what a folder says of its run; what is no result makes it ``unreadable`` and is never an error."""
    started, cause = _started(folder)
    try:
        if not (folder / RESULT).exists():
            return _unfinished(started, cause)
        record = _record(folder, _load(folder / RESULT), started)
    except _ForeignError as error:
        return _with(started, status="unreadable", error=f"{folder / RESULT}: {error}")
    if record.status != "finished" and is_locked(folder):
        return _with(started, status="running")
    return record


def _started(folder: Path) -> tuple[RunRecord, str | None]:
    """Return what the file that a run writes first says, and why it says nothing where it does not."""
    nothing = RunRecord(folder, _method_of(folder), "interrupted")
    if not (folder / DESCRIPTION).exists():
        return nothing, None
    try:
        return _head(folder, _load(folder / DESCRIPTION), nothing), None
    except _ForeignError as error:
        return nothing, f"{folder / DESCRIPTION}: {error}"


def _unfinished(started: RunRecord, cause: str | None) -> RunRecord:
    if cause is not None:
        return _with(started, status="unreadable", error=cause)
    return _with(started, status="running" if is_locked(started.folder) else "interrupted")


def _with(record: RunRecord, **changes: Any) -> RunRecord:
    return RunRecord(**{**vars(record), **changes})


def _method_of(folder: Path) -> str:
    """Return the method's name as far as the folder's name tells it."""
    return _DIGITS.sub("", _STAMP.sub("", folder.name)) or folder.name


def _load(path: Path) -> dict[str, Any]:
    """Return the object that a file holds."""
    try:
        content = json.loads(path.read_bytes(), parse_constant=_refuse)
    except OSError as error:
        raise _ForeignError(f"it cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise _ForeignError("it is not text in UTF-8") from error
    except json.JSONDecodeError as error:
        what = "it is empty" if not error.doc.strip() else f"it is not whole JSON (line {error.lineno}: {error.msg})"
        raise _ForeignError(what) from error
    except (ValueError, RecursionError) as error:  # A number of too many digits, brackets in too many brackets.
        raise _ForeignError("it is no JSON that a run writes") from error
    if not isinstance(content, dict):
        raise _ForeignError(f"it holds {_kind(content)} where an object is expected")
    return content


def _refuse(word: str) -> None:
    raise _ForeignError(f"it holds {word}, which is no number")


def _record(folder: Path, content: dict[str, Any], started: RunRecord) -> RunRecord:
    """Return what ``result.json`` says, with what it leaves out as it was at the start."""
    head = _head(folder, content, started)
    for key in ("method", "seed"):
        if content.get(key) is None:
            raise _ForeignError(f'it has no "{key}"')
    status = content.get("status")
    _require(status in _ENDS, "status", status, f"one of {', '.join(_ENDS)}")
    datasets = {name: _entry(name, entry) for name, entry in _object(content, "datasets").items()}
    if status != "finished":
        datasets = {**started.datasets, **datasets}
    return _with(head, status=status, error=_text(content, "error"), datasets=datasets)


def _head(folder: Path, content: dict[str, Any], known: RunRecord) -> RunRecord:
    """Return what both files of a run may say of it."""
    overrides, parts = _texts(content, "overrides"), _object(content, "parts")
    data, inputs = _object(parts, "data"), _object(parts, "inputs")
    return RunRecord(
        folder,
        _text(content, "method") or known.method,
        "interrupted",
        seed=_first(_integer(content, "seed"), _integer(parts, "seed"), known.seed),
        identity=_first(_text(content, "identity"), known.identity),
        generation=_first(_integer(content, "generation"), known.generation),
        config_hash=_first(_text(content, "config_hash"), _text(parts, "configuration"), known.config_hash),
        results_version=_first(
            _integer(content, "results_version"), _integer(parts, "results_version"), known.results_version
        ),
        inputs=hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest() if inputs else known.inputs,
        overrides=overrides or known.overrides,
        datasets={name: _digests(name, _object(data, name)) for name in data},
    )


def _digests(name: str, found: dict[str, Any]) -> DatasetEntry:
    """Return what a run knows of a dataset when it starts."""
    return _entry(name, {f"{kind}_digest": _text(found, kind) for kind in ("samples", "labels")})


def _first(*values: Any) -> Any:
    """Return the first value that is not None."""
    return next((value for value in values if value is not None), None)


def _entry(name: str, content: Any) -> DatasetEntry:
    _require(isinstance(content, dict), name, content, "an object")
    label_free, chosen = _object(content, "label_free"), _object(content, "chosen")
    by = _text(chosen, "by")
    return DatasetEntry(
        printable(name),
        _integer(content, "num_samples"),
        _text(content, "samples_digest"),
        _text(content, "labels_digest"),
        _text(content, "scored_on"),
        _texts(content, "oracle"),
        {**_numbers(label_free, texts=("space",), aside=("sample_size",)), **_numbers(_object(content, "scores"))},
        _space(label_free),
        by,
        {**({} if by is None else _numbers({by: chosen.get("value")})), **_numbers(_object(chosen, "scores"))},
        _numbers({key: _value(key, best) for key, best in _object(content, "best").items()}),
    )


def _space(label_free: dict[str, Any]) -> str:
    size, space = _integer(label_free, "sample_size"), _text(label_free, "space")
    parts = [] if size is None else [f"a sample of {size:,}"]
    return ", ".join([*parts, *([] if space is None else [space])])


def _value(key: str, best: Any) -> Any:
    _require(isinstance(best, dict), key, best, "an object")
    return best.get("value")


def _numbers(content: dict[str, Any], texts: Sequence[str] = (), aside: Sequence[str] = ()) -> dict[str, float]:
    """Return the numbers of an object; null is left out, anything else but ``texts`` is foreign."""
    found = {key: value for key, value in content.items() if value is not None and key not in (*texts, *aside)}
    for key, value in found.items():
        _require(
            isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max,
            key,
            value,
            "a number",
        )
    return found


def _object(content: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the object at a key, which may be null or absent."""
    value = content.get(key)
    _require(value is None or isinstance(value, dict), key, value, "an object")
    return value or {}


def _text(content: dict[str, Any], key: str) -> str | None:
    value = content.get(key)
    _require(value is None or isinstance(value, str), key, value, "text")
    return value if value is None else printable(value)


def _integer(content: dict[str, Any], key: str) -> int | None:
    value = content.get(key)
    whole = isinstance(value, int) and not isinstance(value, bool)
    _require(value is None or whole, key, value, "a whole number")
    return value


def _texts(content: dict[str, Any], key: str) -> tuple[str, ...]:
    value = content.get(key)
    fits = value is None or (isinstance(value, list) and all(isinstance(item, str) for item in value))
    _require(fits, key, value, "a list of texts")
    return tuple(map(printable, value or ()))


def _require(holds: bool, key: str, value: Any, expected: str) -> None:
    if not holds:
        raise _ForeignError(printable(f'"{key}" is {_shown(value)} where {expected} is expected'))


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    if len(text) <= _LONGEST_SHOWN:
        return text
    return _kind(value) if isinstance(value, (dict, list)) else f"{text[:_LONGEST_SHOWN]}..."


def _kind(value: Any) -> str:
    return next((name for kind, name in _KINDS.items() if isinstance(value, kind)), "null")
