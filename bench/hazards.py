"""Let every hazard of a night happen to a run, mend it, start it again, and compare with an undisturbed run.

    python -m bench.hazards [--seed 0] [--signals 20] [--pairs 10] [--only disk|files|processes]

The method is ``bench/every_pattern.json``, with a checkpoint every 7 iterations. A full disk is a small disk in memory
that is filled, a read-only folder is mounted so: both need the right to mount, and are left out with a word where there
is none. Afterwards parameters, scores, assignments, saved files and the history of events (but for their times) must be
the same, bit for bit, as those of the undisturbed run. Writes ``bench/results/hazards.json``;
``bench/write_reliability.py`` makes the page.
"""

import argparse
import os
import random
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from bench import common, hazards_disk, hazards_files, hazards_processes, machine
from bench.trials import Finding, Lab, can_mount


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--signals", type=int, default=20, help="runs that each signal ends")
    parser.add_argument("--pairs", type=int, default=10, help="times that two processes start at once")
    parser.add_argument("--only", choices=["disk", "files", "processes"], help="only these, and write nothing")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    draws = random.Random(arguments.seed)  # noqa: S311
    with tempfile.TemporaryDirectory() as name:
        lab = Lab(Path(name))
        kinds: dict[str, Callable[[], list[Finding]]] = {
            "disk": lambda: _disk(lab),
            "files": lambda: hazards_files.findings(lab, draws),
            "processes": lambda: hazards_processes.findings(lab, draws, arguments.pairs, arguments.signals),
        }
        chosen = [arguments.only] if arguments.only else list(kinds)
        found = [asdict(finding) for kind in chosen for finding in kinds[kind]()]
    for finding in found:
        _tell(finding)
    if arguments.only is None:
        described = {"machine": machine.machine(), "seed": arguments.seed, "seconds": lab.seconds}
        common.write("hazards.json", {**described, "hazards": found})


def _disk(lab: Lab) -> list[Finding]:
    obstacle = can_mount(lab.folder)
    if obstacle:
        return [Finding("full disk, read-only folders", "", "", skipped=obstacle)]
    return hazards_disk.findings(lab)


def _tell(finding: dict[str, object]) -> None:
    found = finding["skipped"] or finding["checks"]
    os.write(1, f"{finding['hazard']}: {found} {finding['where']}\n  {finding['said']}\n".encode())


if __name__ == "__main__":
    main()
