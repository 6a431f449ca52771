"""Write ``docs/reliability.md`` from the files under ``bench/results``.

python -m bench.write_reliability
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from bench import common
from bench.write_results import table

_HEAD = """# Reliability

This page is written by `python -m bench.write_reliability` from the files under `bench/results`, which the other
scripts of `bench/` write; each begins with a description of what it does.

What you can rely on:

- A run that is killed at any moment goes on from its last checkpoint, and ends with the bits of one that never was.
- A checkpoint that is torn, changed or of another run is named and passed over for the one before.
- A failure stays a failure, with its cause, and never becomes a number in a table.
- Labels reach no parameter, unless the method file leaves a choice to scores; then the result is marked *oracle*.

The bits are those of one device, thread count and set of versions; all of them are recorded with a run.
"""


def main() -> None:
    """Write the page."""
    sections = [_HEAD, *_kills(), *_checkpoint_cost(), *_aggregation()]
    (common.ROOT / "docs" / "reliability.md").write_text("\n".join(sections), encoding="utf-8")


def _kills() -> list[str]:
    found = common.read("kills.json")
    if found is None:
        return []
    trials = [trial for trial in found["trials"] if trial["where"] != "after the end"]
    places = Counter((trial["dataset"] or "", trial["where"]) for trial in trials)
    same = Counter((trial["dataset"] or "", trial["where"]) for trial in trials if all(trial["same"].values()))
    writing = Counter((trial["dataset"] or "", trial["where"]) for trial in trials if trial["while_writing"])
    rows = [
        [dataset, where, count, writing[dataset, where], same[dataset, where]]
        for (dataset, where), count in sorted(places.items())
    ]
    rows.append(["all", "", len(trials), sum(writing.values()), sum(same.values())])
    return [
        "## Killed at random moments\n",
        f"`bench/every_pattern.json`, a method with every design pattern in four phases on two datasets, with a "
        f"checkpoint every {found['interval']} iterations. {len(trials)} runs were ended by SIGKILL at a time drawn "
        f"uniformly over the length of the run (seed {found['seed']}), and started again. The same: parameters, "
        "scores, assignments, saved files and the history of events, but for its times, bit for bit.\n",
        table(["dataset", "where the kill fell", "kills", "while a file was written", "the same"], rows),
    ]


def _checkpoint_cost() -> list[str]:
    found = common.read("checkpoint_cost.json")
    if found is None:
        return []
    rows = [
        [
            name,
            f"{phase['bytes'] / 2**20:.0f} MiB",
            f"{phase['save_seconds']:.2f} s (at most {phase['slowest_save_seconds']:.2f} s)",
            f"{phase['share_of_a_minute']:.2%} (at most {phase['largest_share_of_a_minute']:.2%})",
            f"{phase['share_of_a_step_on']:.4%}",
            f"{phase['share_of_a_step_off']:.4%}",
            phase["rounds"],
        ]
        for name, phase in found["phases"].items()
    ]
    head = ["phase", "size", "to write one", "share of a minute", "a step, none due", "a step, all off", "rounds"]
    return [
        "## What checkpoints cost\n",
        f"`configurations/dec_cc_hybrid/mnist_adam.json` on {found['samples']:,} samples of MNIST. {_machine(found)} "
        "The bar is 2 % of the time for one checkpoint a minute. Each is flushed to the disk before it is named.\n",
        table(head, rows),
    ]


def _aggregation() -> list[str]:
    found = common.read("aggregation.json")
    if found is None:
        return []
    rows = [
        [what, f"{spread['median']:.2f} s ({spread['lowest']:.2f} to {spread['highest']:.2f}, {spread['rounds']})"]
        for what, spread in found["seconds"].items()
    ]
    return [
        "## A thousand runs put together\n",
        f"`recombine results` on {found['runs']:,} folders of finished runs, the whole process from its start: median, "
        f"lowest, highest, rounds. The bar is 3 s. {_machine(found)}\n",
        table(["command", "time"], rows),
    ]


def _machine(found: Mapping[str, Any]) -> str:
    machine = found["machine"]
    return f"Measured with {machine['threads']} thread(s) of torch {machine['torch']}."


if __name__ == "__main__":
    main()
