"""Write ``docs/reliability.md`` from the files under ``bench/results``.

python -m bench.write_reliability
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench import common
from bench.write_results import table

_HEAD = """# Reliability

This page is written by `python -m bench.write_reliability` from the files under `bench/results`, which the other
scripts of `bench/` write; each begins with a description of what it does. *Bits as undisturbed* means: the parameters
with centroids and buffers, the scores, the assignments, the files that the method saves, and the history of events but
for their times are the same, byte for byte, as those of a run of the same method to which nothing happened.

## What you can rely on

- **Start the same command again, whatever happened.** What is finished is skipped, what was interrupted goes on, and
  what failed is left with its cause until you say `--retry-failed`. `--fresh` starts over in a new folder.
- **A run that went on gives the bits of one that was never interrupted**, on the same machine with the same versions
  and threads. Where those differ from the first start, the log says so. A run keeps the threads that it began with.
- **At most five minutes are lost** to `kill -9` or a lack of memory, or what `--checkpoint-minutes` says. Ctrl-C and
  SIGTERM lose nothing: the iteration is finished and saved first. A second Ctrl-C leaves at once, and loses as much as
  `kill -9`. Checkpoints are flushed to the disk before they get their name; a power cut itself was not tried.
- **A file is there whole, or it does not count.** Checkpoints carry a checksum in their name. One that is torn,
  changed, of another run, or holds anything but tensors is named and passed over for the one before it; without any,
  the run says so and starts from its beginning. Nothing in a checkpoint is ever run as code.
- **A run that could not write its result is not finished**, whatever it had computed: it has no result, and goes on.
- **A changed method is another run**, in a folder of its own. What was interrupted before the change is left alone, and
  the log shows the difference.
- **One process works on a run.** A second one says so and leaves.
- **A failed run never gives a number.** `recombine results` counts attempted, finished and failed, and its means are
  those of the finished runs alone.
- **Labels move nothing** but what is marked `oracle`.

What you cannot rely on: a run whose `events.jsonl` was cut does not go on (it refuses, and `--fresh` starts over), and
nobody notices an edit that leaves files well-formed: a score that is changed in `result.json` is a changed score.
"""
_KINDS = {
    "status": "status",
    "parameters": "parameters",
    "datasets": "scores",
    "events": "events",
    "files": "files",
}


def main() -> None:
    """Write the page."""
    writers = (
        ("kills", _kills),
        ("hazards", _hazards),
        ("many_runs", _many_runs),
        ("labels", _labels),
        ("checkpoint_cost", _cost),
        ("aggregation", _aggregation),
    )
    sections = [_HEAD]
    for name, write in writers:
        content = common.read(f"{name}.json")
        if content is not None:
            sections += write(content)
    (common.ROOT / "docs" / "reliability.md").write_text("\n".join(sections), encoding="utf-8")


def _machine(content: Mapping[str, Any]) -> str:
    machine = content["machine"]
    threads = f"{machine['threads']} thread{'s' if machine['threads'] != 1 else ''}"
    return f"Device {machine['device']}, {machine['processors']} processors, {threads}, torch {machine['torch']}.\n"


def _kills(content: Mapping[str, Any]) -> Iterator[str]:
    trials = content["trials"]
    same = [trial for trial in trials if all(trial["same"].values())]
    writing = sum(trial["while_writing"] for trial in trials)
    yield "## `kill -9` at random moments\n"
    yield (
        f"`bench/kills.py`: {len(trials)} runs of a method that uses every pattern, in four phases on two datasets, "
        f"are ended by SIGKILL at moments drawn uniformly over the whole run (seed {content['seed']}), and started "
        f"again. A checkpoint is written every {content['interval']} iterations. **{len(same)} of {len(trials)} gave "
        f"the bits of the run that was never killed**, in {', '.join(_KINDS.values())}. {writing} were killed in the "
        "middle of writing a file.\n"
    )
    falls = Counter((trial["dataset"], trial["where"]) for trial in trials)
    equal = Counter((trial["dataset"], trial["where"]) for trial in same)
    rows = [[dataset, where, count, equal[dataset, where]] for (dataset, where), count in sorted(falls.items())]
    yield table(["dataset", "where the kill fell", "kills", "bits as undisturbed"], rows)


def _hazards(content: Mapping[str, Any]) -> Iterator[str]:
    yield "## Hazards\n"
    yield (
        "`bench/hazards.py`: each hazard happens to a run of the same method in a process of its own; then what is "
        "broken is mended, and the same command is started again. A full disk is a small disk in memory that is "
        "filled; a read-only folder is mounted so. The last columns say how often each thing held, of how often it "
        f"was looked at (seed {content['seed']}). {_machine(content)}"
    )
    found = [hazard for hazard in content["hazards"] if not hazard["skipped"]]
    rows = [[hazard["hazard"], hazard["done"], hazard["expected"], _checks(hazard)] for hazard in found]
    yield table(["hazard", "done", "expected", "found"], rows)
    for hazard in content["hazards"]:
        if hazard["skipped"]:
            yield f"Left out: {hazard['hazard']}: {hazard['skipped']}.\n"
    yield "Where the signals fell:\n"
    falls = [[hazard["hazard"], _counts(hazard["where"])] for hazard in found if hazard["where"]]
    yield table(["signal", "moments"], falls)
    yield "What the command said, in one of the trials:\n"
    said = [[hazard["hazard"], _cell(hazard["said"])] for hazard in found if hazard["said"]]
    yield table(["hazard", "sentence"], said)


def _checks(hazard: Mapping[str, Any]) -> str:
    return "; ".join(f"{name} {held}/{count}" for name, (held, count) in hazard["checks"].items())


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _many_runs(content: Mapping[str, Any]) -> Iterator[str]:
    failing = [way for way in content["ways"] if way["status"] == "failed"]
    yield f"## {content['runs']} runs, {sum(way['runs'] for way in failing)} of which fail\n"
    yield (
        f"`bench/many_runs.py`: {content['runs']} small runs, {content['seeds']} seeds to a method, by `recombine run "
        "DIR --jobs 2 --seeds ... --resume-on-error`; two more files are no methods. What happens to runs is real: a "
        "process is killed, a file is removed after all were checked, a folder is mounted read-only; the error of "
        f"ours is raised in the process from outside the program. {_machine(content)}"
    )
    rows = [
        [way["name"], way["runs"], way["status"], _cell(content["causes"].get(way["name"], ""))]
        for way in content["ways"]
    ]
    yield table(["what happens", "runs", "how they end", "cause in `result.json`"], rows)
    nights = [
        [
            night["name"],
            f"{night['seconds']:.0f}",
            night["exit_status"],
            _counts(night["results"]),
            _counts(night["table"]),
        ]
        for night in content["nights"]
    ]
    head = ["start", "seconds", "exit status", "`recombine results` says", "the command's own table says"]
    yield table(head, nights)
    yield "Held against what was done to each run, and against the results read file by file:\n"
    yield table(["what has to hold", "holds"], [[name, _yes(holds)] for name, holds in content["checks"].items()])
    bits = content["bits"]
    yield (
        f"{bits['runs']} runs of the methods to which something happened ran once more, undisturbed and elsewhere: "
        f"{bits['same']} have the same parameters as those that were mended and went on.\n"
    )
    if content["jobs"] is not None:
        yield from _jobs(content["jobs"])


def _jobs(jobs: Mapping[str, Any]) -> Iterator[str]:
    seconds = jobs["seconds"]
    one, two = (f"{seconds[name]['median']:.1f} s" for name in ("jobs 1", "jobs 2"))
    yield (
        f"{jobs['runs']} of the runs to which nothing happens, one thread each, start-up included: `--jobs 2` takes "
        f"{two} where `--jobs 1` takes {one}. The ratio, measured in turns, is {_spread(jobs['2/1'])}; 0.5 would be "
        "the least.\n"
    )


def _yes(holds: bool) -> str:
    return "yes" if holds else "**no**"


def _spread(found: Mapping[str, Any], digits: int = 2) -> str:
    low, high = f"{found['lowest']:.{digits}f}", f"{found['highest']:.{digits}f}"
    return f"{found['median']:.{digits}f} ({low} to {high}, {found['rounds']} rounds)"


def _labels(content: Mapping[str, Any]) -> Iterator[str]:
    yield "## Labels\n"
    yield (
        "`bench/labels.py`: every shipped configuration runs with the labels of its datasets, and with the same "
        f"labels shuffled (seed {content['seed']}); {content['iterations']} iterations a phase, the first "
        f"{content['samples']:,} samples of each dataset, with evaluations within each phase. Where the clusters are "
        "found after the last phase, evaluations within it have nothing to score yet. The scores differ, so the "
        "labels were there to be seen; parameters, clusters and confidence may not, by a single bit. "
        f"{_machine(content)}"
    )
    rows = [_label_row(row["configuration"], row) for row in content["configurations"]]
    head = [
        "configuration",
        "samples",
        "evaluations with scores",
        "shuffles",
        "marked oracle",
        "parameters",
        "clusters",
        "scores",
    ]
    yield table(head, rows)
    exempt = [row["configuration"] for row in content["configurations"] if row.get("oracle")]
    yield f"Marked oracle or supervised, and so exempt: {', '.join(exempt) if exempt else 'none of them'}.\n"
    yield "Controls: the quickstart with something that lets labels choose. They have to change, and to be marked.\n"
    yield table(head, [_label_row(row["control"], row) for row in content["controls"]])


def _label_row(name: str, row: Mapping[str, Any]) -> list[object]:
    if "skipped" in row:
        return [name, f"left out: {_cell(row['skipped'])}", *[""] * 6]
    samples = ", ".join(f"{dataset} {count:,}" for dataset, count in row["samples"].items())
    bits = ["same" if row[f"same_{kind}"] else "changed" for kind in ("parameters", "clusters", "scores")]
    return [name, samples, row["evaluations"], row["shuffles"], "; ".join(row["oracle"]), *bits]


def _cost(content: Mapping[str, Any]) -> Iterator[str]:
    yield "## What checkpoints cost\n"
    yield (
        f"`bench/checkpoint_cost.py`: `dec_cc_hybrid/mnist_adam.json` on {content['samples']:,} images of MNIST. The "
        "time of one checkpoint, flushed to the disk, as a share of the minute in which one is written; the same from "
        "blocks of steps with one checkpoint in turns with blocks without any; and what a step pays for asking "
        f"whether one is due, with checkpoints on and off. At most 2 % is allowed. {_machine(content)}"
    )
    rows = [_cost_row(phase, found) for phase, found in content["phases"].items()]
    head = [
        "phase",
        "MB",
        "ms a checkpoint",
        "share of a minute",
        "slowest",
        "by blocks: ms",
        "share",
        "ms a step",
        "asking, on",
        "off",
    ]
    yield table(head, rows)


def _cost_row(phase: str, found: Mapping[str, Any]) -> Sequence[object]:
    extra = found.get("blocks", {}).get("extra_seconds")
    by_blocks = ["", ""]
    if extra is not None:
        by_blocks = [f"{extra['median'] * 1000:.0f}", f"{extra['median'] / 60:.2%} ({extra['rounds']} rounds)"]
    return [
        phase,
        f"{found['bytes'] / 1e6:.0f}",
        f"{found['save_seconds'] * 1000:.0f}",
        f"{found['share_of_a_minute']:.2%} ({found['rounds']} rounds)",
        f"{found['largest_share_of_a_minute']:.2%}",
        *by_blocks,
        f"{found['step_seconds'] * 1000:.0f}",
        f"{found['share_of_a_step_on']:.5%}",
        f"{found['share_of_a_step_off']:.5%}",
    ]


def _aggregation(content: Mapping[str, Any]) -> Iterator[str]:
    yield f"## Aggregating {content['runs']:,} runs\n"
    yield (
        "`bench/aggregation.py`: whole processes, start-up included, over folders of runs as the command line leaves "
        f"them; at most 3 s are allowed. {_machine(content)}"
    )
    rows = [[name, _spread(found)] for name, found in content["seconds"].items()]
    yield table(["command", "seconds"], rows)


if __name__ == "__main__":
    main()
