"""What checkpoints cost: the time to write one, what a block of steps pays for one, and a step while none is due.

    python -m bench.checkpoint_cost [--rounds 15] --data-root DIR

``configurations/dec_cc_hybrid/mnist_adam.json`` on MNIST, both phases: networks, Adam's memory, the targets of 60,000
samples and the clusters of the last evaluation are in the file, which is flushed to the disk. Blocks of steps with one
checkpoint take turns with blocks without: the difference is what a checkpoint costs with all that follows from it, such
as caches that it empties. Writes
``bench/results/checkpoint_cost.json``; ``bench/write_reliability.py`` makes the page.
"""

import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench import common, machine
from bench.stepping import Loop, alternate, read_method
from recombine.callbacks.events import EventFile
from recombine.checkpoint import Checkpoints
from recombine.interruption import Interruption
from recombine.keeper import FileKeeper, Keeper, SavingOptions
from recombine.phase import Phase

METHOD = common.ROOT / "configurations" / "dec_cc_hybrid" / "mnist_adam.json"
_PHASES = ("pretraining", "finetuning")
_SECONDS_BETWEEN = 60
_WARM_STEPS = 5
_STEPS = 5
_BLOCK = 10
_CALLS = 20_000


def main() -> None:
    """Measure and write."""
    arguments = machine.parser(__doc__, rounds=15, needs_data=True).parse_args()
    machine.settle(arguments)
    samples = machine.mnist(arguments.data_root)
    found = {phase: _measure(Loop(read_method(METHOD), samples, phase), arguments.rounds) for phase in _PHASES}
    common.write("checkpoint_cost.json", {"machine": machine.machine(), "samples": len(samples), "phases": found})


def _measure(loop: Loop, rounds: int) -> dict[str, Any]:
    """Return the cost of a checkpoint, and of a step to which none falls due, with checkpoints off and on."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(_WARM_STEPS):
            loop.step()
        loop.phase.evaluate()
        always = _keeper(folder / "always", SavingOptions(0, 1))
        always.iteration_over(loop.phase)
        waiting, idle = _keeper(folder / "waiting", SavingOptions(_SECONDS_BETWEEN, 0)), Keeper()
        saving = alternate({"save": lambda: always.iteration_over(loop.phase)}, rounds, 1)["save"]
        steps = alternate({"step": loop.step}, rounds, _STEPS)["step"]
        blocks = {
            "with": _Block(loop, _keeper(folder / "blocks", SavingOptions(0, _BLOCK))),
            "without": _Block(loop, idle),
        }
        turns = alternate(blocks, rounds, 1)
        calls = alternate({"on": _Calls(waiting, loop.phase), "off": _Calls(idle, loop.phase)}, rounds, 1)
        size = max(file.stat().st_size for file in (folder / "always").glob("*.pt"))
    step = statistics.median(steps)
    return {
        "bytes": size,
        "save_seconds": statistics.median(saving),
        "slowest_save_seconds": max(saving),
        "share_of_a_minute": statistics.median(saving) / _SECONDS_BETWEEN,
        "largest_share_of_a_minute": max(saving) / _SECONDS_BETWEEN,
        "blocks": {
            "steps": _BLOCK,
            "seconds": machine.spreads(turns),
            "extra_seconds": machine.spread([one - other for one, other in zip(*turns.values(), strict=True)]),
        },
        "step_seconds": step,
        "share_of_a_step_on": statistics.median(calls["on"]) / _CALLS / step,
        "share_of_a_step_off": statistics.median(calls["off"]) / _CALLS / step,
        "rounds": rounds,
    }


def _keeper(folder: Path, options: SavingOptions) -> FileKeeper:
    folder.mkdir()
    events = EventFile(folder / "events.jsonl")
    return FileKeeper(Checkpoints(folder, "0"), options, None, Interruption(_nowhere), events, [], _nowhere)


class _Block:
    """Some steps, each followed by what a run does after it; the keeper of one that saves is due once."""

    def __init__(self, loop: Loop, keeper: Keeper) -> None:
        self.loop, self.keeper = loop, keeper

    def __call__(self) -> None:
        for _ in range(_BLOCK):
            self.loop.step()
            self.keeper.iteration_over(self.loop.phase)


class _Calls:
    """Many times what a step calls after an iteration."""

    def __init__(self, keeper: Keeper, phase: Phase) -> None:
        self.keeper, self.phase = keeper, phase

    def __call__(self) -> None:
        for _ in range(_CALLS):
            self.keeper.iteration_over(self.phase)


def _nowhere(line: str) -> None:
    del line


if __name__ == "__main__":
    main()
