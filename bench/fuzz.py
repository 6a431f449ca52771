"""Try wrong and right method files in thousands: each is refused with a code, or runs a step.

    python -m bench.fuzz [--mutants 5000] [--valid 5000] [--first 0] [--jobs 2] [--add]

A mutant is a shipped configuration with one to three random mistakes; a valid file is drawn from the schemas. Every
file has a number, from which all of it follows; the numbers go from ``--first`` on. A file that validates runs one
iteration of every phase, and its final scores, on made samples with the shape of its dataset's. Anything but these
outcomes is a traceback, is shown with the number of its file, and makes the exit status 1. Writes
``bench/results/fuzz.json``, unless told otherwise; with ``--add``, to the figures of earlier runs over other numbers.
``bench/write_fuzz.py`` puts the table into docs/security.md.
"""

import argparse
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass
from multiprocessing.pool import IMapIterator
from operator import attrgetter
from pathlib import Path
from types import FrameType
from typing import Any

from bench import common

KINDS = ("mutants", "valid")
_TRACEBACK = "traceback"
_LIMIT_SECONDS = 180
#: What a process may allocate, and after how long without news one must have died.
_LIMIT_BYTES, _SILENCE_SECONDS = 8 * 2**30, 900
_CHUNK, _PARTS_BETWEEN_REPORTS = 25, 10


@dataclass(frozen=True)
class Part:
    """Some files that one process tries: their kind, the number of the first one, and how many they are."""

    kind: str
    first: int
    count: int

    @property
    def numbers(self) -> range:
        """The numbers of its files."""
        return range(self.first, self.first + self.count)


def main() -> None:
    """Try all files, and write what became of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=int, default=5000, help="how many files")
    parser.add_argument("--first", type=int, default=0, help="number of the first file of each kind")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--minutes", type=float, default=60, help="after which no further files are tried")
    parser.add_argument("--add", action="store_true", help="add to the figures of earlier runs")
    parser.add_argument("--no-results", action="store_true", help="write no figures")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    started = time.monotonic()
    parts = [part for kind in KINDS for part in _parts(kind, arguments.first, getattr(arguments, kind))]
    parts.sort(key=attrgetter("first"))
    tally = Tally(common.read("fuzz.json") if arguments.add else None)
    if tally.overlaps(parts):
        parser.error("some of these numbers were tried before")
    with multiprocessing.get_context("spawn").Pool(arguments.jobs, _limit_memory, maxtasksperchild=20) as pool:
        results = pool.imap_unordered(_tried, parts)
        for done in range(1, len(parts) + 1):
            tally.add(results)
            if done % _PARTS_BETWEEN_REPORTS == 0:
                sys.stderr.write(f"{done} of {len(parts)} parts\n")
            if tally.a_process_died or time.monotonic() - started > 60 * arguments.minutes:
                sys.stdout.write("a process has died\n" if tally.a_process_died else "the time is over\n")
                break
    if not arguments.no_results:
        common.write("fuzz.json", tally.content((time.monotonic() - started) / 60))
    sys.stdout.write("".join(f"{kind}: {dict(tally.outcomes[kind])}\n" for kind in KINDS))
    sys.exit(1 if tally.a_process_died or any(tally.outcomes[kind][_TRACEBACK] for kind in KINDS) else 0)


class Tally:
    """What became of the files so far.

    Args:
        before: What earlier runs wrote, or None.

    Attributes:
        outcomes: How many files of each kind came to which end.
        codes: How many of them were refused with which code.
        a_process_died: Whether news have been missing for so long that a process must have died.
    """

    def __init__(self, before: dict[str, Any] | None) -> None:
        known = before or {kind: {"numbers": [], "outcomes": {}, "codes": {}} for kind in KINDS}
        self.outcomes = {kind: Counter[str](known[kind]["outcomes"]) for kind in KINDS}
        self.codes = {kind: Counter[str](known[kind]["codes"]) for kind in KINDS}
        self.a_process_died = False
        self._numbers = {
            kind: {n for first, end in known[kind]["numbers"] for n in range(first, end)} for kind in KINDS
        }
        self._minutes: float = known.get("minutes", 0.0)

    def overlaps(self, parts: list[Part]) -> bool:
        """Tell whether some files were tried before."""
        return any(not self._numbers[part.kind].isdisjoint(part.numbers) for part in parts)

    def add(self, results: "IMapIterator[Any]") -> None:
        """Wait for what became of the next part, and show its tracebacks."""
        try:
            part, outcomes, refusals, failures = results.next(_SILENCE_SECONDS)
        except multiprocessing.TimeoutError:
            self.a_process_died = True
            return
        self._numbers[part.kind].update(part.numbers)
        self.outcomes[part.kind].update(outcomes)
        self.codes[part.kind].update(refusals)
        sys.stdout.write("".join(failures))

    def content(self, minutes: float) -> dict[str, Any]:
        """Return everything by kind: numbers from one to before another, outcomes, codes, the most frequent first.

        Args:
            minutes: How long this run took.
        """
        found = {
            kind: {
                "numbers": _spans(sorted(self._numbers[kind])),
                "outcomes": dict(self.outcomes[kind]),
                "codes": dict(self.codes[kind].most_common()),
            }
            for kind in KINDS
        }
        return {"minutes": self._minutes + minutes, **found}


def _spans(numbers: list[int]) -> list[list[int]]:
    """Return ascending numbers as pairs of a first one and the one after a last one."""
    firsts = [n for before, n in zip([None, *numbers], numbers, strict=False) if before is None or n != before + 1]
    ends = [n + 1 for n, after in zip(numbers, [*numbers[1:], None], strict=True) if after != n + 1]
    return [list(span) for span in zip(firsts, ends, strict=True)]


def _parts(kind: str, first: int, count: int) -> list[Part]:
    return [Part(kind, first + done, min(_CHUNK, count - done)) for done in range(0, count, _CHUNK)]


def _limit_memory() -> None:
    """Let this process have so much memory and no more: a file that asks for more is an error, not the end."""
    resource.setrlimit(resource.RLIMIT_DATA, (_LIMIT_BYTES, _LIMIT_BYTES))


def _tried(part: Part) -> tuple[Part, Counter[str], Counter[str], list[str]]:
    """Return what became of some files: outcomes, the codes of the refused ones, and tracebacks."""
    from tests.fuzz import steps
    from tests.fuzz.files import files

    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _too_long)
    outcomes, codes, failures = Counter[str](), Counter[str](), []
    with tempfile.TemporaryDirectory() as place:
        for number, path in files(part.kind, part.first, part.count, Path(place)):  # type: ignore[no-untyped-call]
            signal.alarm(_LIMIT_SECONDS)
            try:
                outcome, refusals = steps.outcome(path, Path(place) / "logs")
            except Exception:  # noqa: BLE001  (this is what is looked for)
                outcome, refusals = _TRACEBACK, ()
                failures.append(f"{part.kind} {number}:\n{traceback.format_exc()}\n")
            signal.alarm(0)
            shutil.rmtree(Path(place) / "logs", ignore_errors=True)
            outcomes[outcome] += 1
            codes.update(set(refusals))
    return part, outcomes, codes, failures


def _too_long(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise TimeoutError(f"not done after {_LIMIT_SECONDS} s")


if __name__ == "__main__":
    main()
