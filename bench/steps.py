"""Measure one iteration of every phase of the shipped configurations, all in alternation.

    python -m bench.steps [--rounds 7] [--repeats 5] [--samples 10000] [--device cpu] [--threads N]

Made images stand in for MNIST's; the digits are scikit-learn's. A phase is measured at its start, and where a stage of
a pattern begins or a pattern sets in. Centroids that k-means would place are placed on random samples: that comes
before the first iteration and has no part in it. Writes ``bench/results/steps.json``, or ``steps_<device>.json``;
``bench/write_speed.py`` makes the page.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import common, machine
from bench.stepping import Loop, alternate, read_method
from recombine.datasets.base import Samples

_CONFIGURATIONS = common.ROOT / "configurations"
_WARM_UP = 4


def main() -> None:
    """Measure and write."""
    parser = machine.parser(__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="iterations in one turn")
    parser.add_argument("--samples", type=int, default=10_000, help="made images")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = machine.settle(arguments, arguments.device)
    images = machine.made_images(arguments.samples)
    loops: dict[tuple[str, str, int], Loop] = {}
    for path in sorted(_CONFIGURATIONS.glob("*/*.json")):
        loops.update(_loops(path, images, arguments.device))
    for loop in loops.values():
        for _ in range(_WARM_UP):
            loop.step()
    candidates = {_name(place): loop.step for place, loop in loops.items()}
    seconds = alternate(candidates, arguments.rounds, arguments.repeats, device)
    rows = [_row(place, machine.spread(seconds[_name(place)])) for place in loops]
    described = {"machine": machine.machine(device), "samples": arguments.samples, "repeats": arguments.repeats}
    common.write(_file(arguments.device), {**described, "phases": rows})


def without_k_means(method: Mapping[str, Any]) -> dict[str, Any]:
    """Return a method whose centroids start on random samples where k-means would place them."""
    changed = copy.deepcopy(dict(method))
    strategy = changed["cluster_assignment_strategy"]
    if strategy.get("centroid_initialization_strategy") == "classical_clustering":
        strategy["centroid_initialization_strategy"] = "random_feature_representations"
    return changed


def move_to(loop: Loop, iteration: int) -> Loop:
    """Set the clock of a loop; return the loop."""
    clock = loop.phase.state.clock
    epoch = iteration // clock.iterations_per_epoch
    loop.phase.state.clock = replace(clock, iteration=iteration, epoch=epoch)
    return loop


def _loops(path: Path, images: Samples, device: str) -> Iterator[tuple[tuple[str, str, int], Loop]]:
    """Yield a loop for each moment of each phase at which another kind of iteration begins."""
    method = without_k_means(read_method(path))
    dataset = method["datasets"][0]
    samples = images if dataset["dataset"] != "Digits" else machine.digits()
    for phase in method["phases"]:
        loop = Loop(method, samples, phase["name"], device)
        for start in _starts(loop):
            found = loop if start == 0 else move_to(Loop(method, samples, phase["name"], device), start)
            yield (str(path.relative_to(_CONFIGURATIONS)), phase["name"], start), found


def _starts(loop: Loop) -> list[int]:
    objectives, criteria = loop.phase.objectives, loop.phase.config.exit_criteria
    end = criteria["iterations"] if "iterations" in criteria else criteria["epochs"] * loop.phase.data.batches_per_epoch
    stages = {start for objective in objectives for start in objective.pattern.stage_starts()}
    onsets = {objective.schedule.start_at_iteration for objective in objectives}
    return sorted(start for start in {0} | stages | onsets if start < end)


def _name(place: tuple[str, str, int]) -> str:
    return " ".join(str(part) for part in place)


def _row(place: tuple[str, str, int], seconds: dict[str, float]) -> dict[str, Any]:
    configuration, phase, iteration = place
    return {"configuration": configuration, "phase": phase, "from_iteration": iteration, "seconds": seconds}


def _file(device: str) -> str:
    return "steps.json" if device == "cpu" else f"steps_{device.partition(':')[0]}.json"


if __name__ == "__main__":
    main()
