"""Write ``docs/speed.md`` from the files under ``bench/results``.

python -m bench.write_speed
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from bench import common
from bench.write_results import table

_HEAD = """# Speed

This page is written by `python -m bench.write_speed` from the files under `bench/results`, which the other scripts of
`bench/` write; each begins with a description of what it does. What is compared was measured in turns, in one process
unless the section says otherwise. A time is the median of its turns. A ratio is the median of the ratios of turns that
followed each other, and behind it stand the lowest and the highest, and the number of rounds. The rate of the machine
is that of a float32 product of 2048 x 2048 matrices, measured beside the rest.
"""
_DEVICES = ("", "_cuda", "_mps")
_BY_HAND = {"by_hand": "written by hand", "by_hand_channels_last": "written by hand, channels last"}
_GIGA = 1e9
_LOOP, _PRODUCTS, _VIEWS = "loop/by_hand", "loop/products", "views/loop"

Spread = Mapping[str, Any]
Written = TypeVar("Written")


@dataclass(frozen=True)
class Bar:
    """One row of the table on top of the page.

    Attributes:
        what: What was measured.
        sign: Whether the figure is to be at most (``<=``) or at least (``>=``) the limit; empty where there is none.
        limit: The limit, or None.
        measured: The figure.
        shown: The figure with its spread, as the table shows it.
    """

    what: str
    sign: str
    limit: float | None
    measured: float
    shown: str

    def row(self) -> list[str]:
        """Return the row's cells."""
        if self.limit is None:
            return [self.what, "", self.shown, ""]
        holds = self.measured <= self.limit if self.sign == "<=" else self.measured >= self.limit
        return [self.what, f"{self.sign} {self.limit:g}", self.shown, "yes" if holds else "no"]


def main() -> None:
    """Write the page."""
    found = [row.row() for row in bars()]
    sections = [_HEAD, table(["what", "bar", "measured", "holds"], found), *sections_of_the_page()]
    (common.ROOT / "docs" / "speed.md").write_text("\n".join(sections), encoding="utf-8")


def bars() -> Iterator[Bar]:
    """Yield what there is a bar for, and the few figures beside it that belong there."""
    found = (
        ("floor", _floor_bars),
        ("convolutions", _convolution_bars),
        ("set_steps", _set_bars),
        ("neighbors", _neighbor_bars),
        ("pil_pipeline", _pipeline_bars),
        ("startup", _startup_bars),
        ("validation", _validation_bars),
        ("evaluation", _evaluation_bars),
        ("memory", _memory_bars),
        ("clustpy_dec", _clustpy_bars),
    )
    yield from _written(found)


def sections_of_the_page() -> Iterator[str]:
    """Yield the sections below the table."""
    writers = (
        ("floor", _floor),
        ("convolutions", _convolutions),
        ("set_steps", _sets),
        ("neighbors", _neighbors),
        ("profile", _profile),
        ("steps", _steps),
        ("pil_pipeline", _pipeline),
        ("scaling", _scaling),
        ("startup", _startup),
        ("evaluation", _evaluation),
        ("memory", _memory),
        ("clustpy_dec", _clustpy),
        ("choices", _choices),
    )
    yield from _written(writers)


def _written(writers: Iterable[tuple[str, Callable[[Any], Iterator[Written]]]]) -> Iterator[Written]:
    """Yield what each writer makes of what its script found, on each kind of device."""
    for name, write in writers:
        for content in _results(name):
            yield from write(content)


def _results(name: str) -> list[Any]:
    """Return what a script found on each kind of device on which it ran."""
    found = [common.read(f"{name}{device}.json") for device in _DEVICES]
    return [content for content in found if content is not None]


def _floor_bars(content: Any) -> Iterator[Bar]:
    for phase, measured in content["phases"].items():
        ratios = measured["ratios"]
        yield _ratio(f"{phase}: general loop / written by hand", "<=", 1.10, content, ratios[_LOOP])
        yield _ratio(f"{phase}: general loop / its matrix products", "", None, content, ratios[_PRODUCTS])
        if _VIEWS in ratios:
            yield _ratio(f"{phase}: its two views / general loop", "<=", 0.10, content, ratios[_VIEWS])


def _convolution_bars(content: Any) -> Iterator[Bar]:
    for phase, measured in content["phases"].items():
        for name in ("by_hand", "by_hand_channels_last"):
            what = f"convolutions, {phase}: general loop / {_BY_HAND[name]}"
            yield _ratio(what, "<=", 1.10, content, measured["ratios"][f"loop/{name}"])


def _set_bars(content: Any) -> Iterator[Bar]:
    yield _ratio(
        "sets of points: general loop / written by hand", "<=", 1.11, content, content["ratios"]["loop/by_hand"]
    )


def _neighbor_bars(content: Any) -> Iterator[Bar]:
    if "images" in content:
        measured = content["images"]
        what = f"exact neighbours of {measured['samples']:,} x {measured['numbers']}: ours / scikit-learn's"
        yield _ratio(what, "<=", 0.7, measured, measured["recombine/scikit-learn"])


def _pipeline_bars(content: Any) -> Iterator[Bar]:
    yield _ratio("the usual pipeline of PIL images / our views", ">=", 25, content, content["ratios"]["usual/ours"])


def _evaluation_bars(content: Any) -> Iterator[Bar]:
    yield _ratio("evaluation of MNIST / its products", "<=", 1.5, content, content["evaluation/products"])


def _startup_bars(content: Any) -> Iterator[Bar]:
    yield _time("dec_cc_hybrid to the end of its first iteration", 6, content["until"]["losses"])
    yield _time("`--help`", 0.5, content["seconds"]["help"])
    one = content["seconds_after_imports"]["one file"]
    yield _time("`validate` of 1 file after the imports", 0.05, one)
    yield _time(f"`validate` of {content['files']} files after the imports, a file", 0.05, content["seconds_a_file"])


def _validation_bars(content: Any) -> Iterator[Bar]:
    what = f"`validate` of all {content['files']} shipped configurations after the imports, a file"
    yield _time(what, 0.05, content["seconds_a_file"])


def _memory_bars(content: Any) -> Iterator[Bar]:
    for step in content["differences"]:
        what = f"bytes for each further sample, {step['from_samples']:,} to {step['to_samples']:,}"
        grown = step["bytes_per_sample"]
        yield Bar(what, "<=", step["allowed_bytes_per_sample"], grown, f"{grown:.1f}")


def _clustpy_bars(content: Any) -> Iterator[Bar]:
    for phase, limit in (("pretraining", 1.1), ("clustering", 1.3)):
        ratios = content["epochs"][phase]["ratios"]
        yield _ratio(f"DEC: an epoch of {phase}, ClustPy / ours", ">=", limit, content, ratios["theirs/ours"])


def _ratio(what: str, sign: str, limit: float | None, content: Any, measured: Spread) -> Bar:
    where = "" if content["machine"]["device"] == "cpu" else f" ({content['machine']['device']})"
    return Bar(what + where, sign, limit, measured["median"], _shown_ratio(measured))


def _time(what: str, limit: float, measured: Spread) -> Bar:
    digits = 2 if limit >= 0.1 else 3  # noqa: PLR2004  (as many as the limit needs)
    median, low, high = (f"{measured[name]:.{digits}f}" for name in ("median", "lowest", "highest"))
    shown = f"{median} s ({low} to {high}, {measured['rounds']} runs)"
    return Bar(what, "<=", limit, measured["median"], shown)


def _shown_ratio(measured: Spread) -> str:
    digits = 1 if measured["median"] >= 10 else 2  # noqa: PLR2004  (three digits say enough)
    low, high = f"{measured['lowest']:.{digits}f}", f"{measured['highest']:.{digits}f}"
    return f"{measured['median']:.{digits}f} ({low} to {high}, {measured['rounds']} rounds)"


def _milliseconds(measured: Spread) -> str:
    return f"{measured['median'] * 1000:.1f}"


def _seconds(measured: Spread) -> str:
    return f"{measured['median']:.2f}"


def _machine(content: Any) -> str:
    machine = content["machine"]
    threads = f"{machine['threads']} thread{'s' if machine['threads'] != 1 else ''}"
    return (
        f"Device {machine['device']}, {machine['processors']} processors, {threads}, torch {machine['torch']}, "
        f"{machine['gemm_gflops']:.0f} GFLOP/s.\n"
    )


def _floor(content: Any) -> Iterator[str]:
    yield "## The general loop against its floors\n"
    yield (
        "`bench/floor.py`: an iteration of dec_cc_hybrid with all that a run does around it; the same written by hand "
        "(`bench/bare.py`), without options, checks or a log; and the matrix products of the linear layers alone, "
        "forward and backward. The ratio to the hand-written iteration is what generality costs. The ratio to the "
        "products is what everything but the products costs: 1 would be the least that this machine allows. "
        f"{content['samples']:,} made images, {content['repeats']} iterations a turn. {_machine(content)}"
    )
    rows = []
    for phase, measured in content["phases"].items():
        seconds, gflop = measured["seconds"], measured["gflop_of_products"]
        rate = gflop / seconds["products"]["median"]
        times = [_milliseconds(seconds[name]) for name in ("loop", "by_hand", "products")]
        views = _milliseconds(seconds["views"]) if "views" in seconds else ""
        rows.append([phase, *times, views, f"{gflop:.2f}", f"{rate:.0f}"])
    head = ["phase", "general loop, ms", "by hand, ms", "products, ms", "views, ms", "GFLOP of the products", "GFLOP/s"]
    yield table(head, rows)
    yield "The products by layer, as the loop calls them: samples times views, inputs, outputs.\n"
    yield table(["phase", "linear layers"], [[name, _layers(found)] for name, found in content["phases"].items()])


def _layers(measured: Any) -> str:
    return ", ".join(f"{use['rows']} x {use['inputs']} x {use['outputs']}" for use in measured["linear_layers"])


def _profile(content: Any) -> Iterator[str]:
    yield "## Where the time of an iteration goes\n"
    yield (
        "`bench/profile_step.py`: milliseconds of an iteration of dec_cc_hybrid by group of operations, from torch's "
        f"profiler, which slows the iteration itself; {content['iterations']} iterations. {_machine(content)}"
    )
    for phase, measured in content["phases"].items():
        plain, wall = measured["seconds"] * 1000, measured["seconds_under_profiler"]
        rows = [[name, f"{one * 1000:.2f}", f"{one / wall:.1%}"] for name, one in measured["groups"].items()]
        yield f"{phase.capitalize()}: {plain:.1f} ms without the profiler, {wall * 1000:.1f} ms with it.\n"
        yield table(["group", "ms", "share"], rows)
        most = [f"`{name}` {one * 1000:.2f}" for name, one in list(measured["operations"].items())[:8]]
        yield f"Operations that take most, ms: {', '.join(most)}.\n"


def _convolutions(content: Any) -> Iterator[str]:
    yield "## Convolutions\n"
    yield (
        "`bench/convolutions.py`: an iteration of architecture 1 of Clustering with Deep Learning for MNIST (batches "
        "of 100) with all that a run does around it, and the same written by hand, as torch stores kernels and "
        "channels last. "
        f"{content['samples']:,} made images, {content['repeats']} iterations a turn. {_machine(content)}"
    )
    rows = [
        [phase, *(_milliseconds(measured["seconds"][name]) for name in ("loop", *_BY_HAND))]
        for phase, measured in content["phases"].items()
    ]
    yield table(["phase", "general loop, ms", *(f"{words}, ms" for words in _BY_HAND.values())], rows)


def _sets(content: Any) -> Iterator[str]:
    yield "## Sets\n"
    seconds = content["seconds"]
    yield (
        "`bench/set_steps.py`: an iteration of `configurations/learning_to_cluster/points.json` (200 sets of 72 "
        "points, fourteen residual blocks of bidirectional LSTMs) with all that a run does around it, and the same "
        f"written by hand. To make the sets takes {content['ratios']['generator/loop']['median']:.2%} of the time. "
        f"{_machine(content)}"
    )
    names = {"loop": "general loop, ms", "by_hand": "by hand, ms", "generator": "making the sets, ms"}
    yield table(list(names.values()), [[_milliseconds(seconds[name]) for name in names]])


def _neighbors(content: Any) -> Iterator[str]:
    yield "## Exact nearest neighbours\n"
    if "images" in content:
        found = content["images"]
        yield (
            f"`bench/neighbors.py`: the {found['k']} nearest neighbours of {found['samples']:,} samples of "
            f"{found['numbers']} numbers ({found['data']}) among themselves. Ours took "
            f"{_seconds(found['seconds']['recombine'])} s, scikit-learn's brute force "
            f"{_seconds(found['seconds']['scikit-learn'])} s; {found['share_of_equal_indices']:.4%} of the indices are "
            f"equal, and no distance differs by more than {found['largest_difference_of_distances']:.1g}. "
            f"{_machine(found)}"
        )
    rows = []
    for name in ("million", "themselves"):
        if name in content:
            found = content[name]
            gigabytes = [found[key] / _GIGA for key in ("bytes_of_samples", "rss_bytes_before", "peak_rss_bytes")]
            place = [f"{found['references']:,} x {found['numbers']}", f"{found['queries']:,}"]
            rows.append([*place, f"{found['seconds']:.0f}", *(f"{size:.2f}" for size in gigabytes)])
    if rows:
        yield "Searches in processes of their own, on made samples; memory as the system counts what is resident.\n"
        yield table(["samples", "queries", "seconds", "samples, GB", "before, GB", "peak, GB"], rows)


def _steps(content: Any) -> Iterator[str]:
    yield "## One iteration of every shipped configuration\n"
    yield (
        "`bench/steps.py`: milliseconds of an iteration at the start of a phase, and from where on a pattern or a "
        f"stage of one sets in. {content['samples']:,} made images in place of MNIST's, {content['repeats']} "
        f"iterations a turn. {_machine(content)}"
    )
    rows = []
    for row in content["phases"]:
        seconds = row["seconds"]
        span = f"{seconds['lowest'] * 1000:.1f} to {seconds['highest'] * 1000:.1f}"
        place = [row["configuration"], row["phase"], f"{row['from_iteration']:,}"]
        rows.append([*place, _milliseconds(seconds), span, seconds["rounds"]])
    yield table(["configuration", "phase", "from iteration", "ms", "lowest to highest", "rounds"], rows)


def _pipeline(content: Any) -> Iterator[str]:
    seconds = content["seconds"]
    yield "## Views against the usual pipeline\n"
    yield (
        f"`bench/pil_pipeline.py`: two views of {content['batch']} images of MNIST, each by RandomResizedCrop and "
        "RandomAffine. The usual pipeline: torchvision's transforms on PIL images, a DataLoader without workers, its "
        "default collation. The ratio says how many batches of ours are made in the time of one of the usual pipeline: "
        f"{_shown_ratio(content['ratios']['usual/ours'])}. {_machine(content)}"
    )
    rows = [["usual", _milliseconds(seconds["usual"])], ["ours", _milliseconds(seconds["ours"])]]
    yield table(["pipeline", "ms a batch"], rows)


def _scaling(content: Any) -> Iterator[str]:
    yield "## Growth with the size of the problem\n"
    yield (
        "`bench/scaling.py`: milliseconds as one size grows and the others stay (dec_cc_hybrid: B 256, K 10, two "
        "views). The exponent is that of the growth from the size before: 0 where nothing grows, 1 where the time "
        "grows in proportion, 2 where it grows with the square. Nothing may exceed 1 by more than noise, but for the "
        "contrasts of all pairs of samples and of all pairs of clusters, which are quadratic in B and in K by their "
        f"definition. An iteration may not grow with N at all. {_machine(content)}"
    )
    rows = []
    for name, measured in content["tables"].items():
        size = name.partition(",")[0]
        for (value, seconds), exponent in zip(
            measured["seconds"].items(), ["", *_two_digits(measured["exponents"])], strict=True
        ):
            rows.append([size, measured["what"], f"{int(value):,}", _milliseconds(seconds), exponent])
    yield table(["size", "what", "value", "ms", "exponent"], rows)


def _two_digits(values: Sequence[float]) -> list[str]:
    return [f"{value:.2f}" for value in values]


def _startup(content: Any) -> Iterator[str]:
    until, seconds, cpu = content["until"], content["seconds"], content["cpu_seconds"]
    yield "## Start\n"
    yield (
        "`bench/startup.py`: seconds of whole processes, each run once before, so that all files are in the cache. The "
        "imports are those of the modules that a validation has imported when it ends, by name, without the rest. "
        f"{_machine(content)}"
    )
    moments = {
        "run_started": "dec_cc_hybrid: all checks done, the run begins",
        "phase_started": "dec_cc_hybrid: the first phase begins",
        "losses": "dec_cc_hybrid: the first iteration is done and its losses are written",
    }
    rows = [[text, _seconds(until[name]), "", until[name]["rounds"]] for name, text in moments.items()]
    commands = {
        "help": "`--help`",
        "import torch": "`import torch` alone",
        "imports": "the imports of a validation alone",
        "validate one": "`validate` of 1 file",
        "validate many": f"`validate` of {content['files']} files",
    }
    times = [[text, _seconds(seconds[name]), _seconds(cpu[name])] for name, text in commands.items()]
    rows += [[*row, seconds[name]["rounds"]] for row, name in zip(times, commands, strict=True)]
    yield table(["what", "seconds", "processor seconds", "runs"], rows)
    after = {name: found["median"] for name, found in content["seconds_after_imports"].items()}
    yield (
        f"In a process that has imported everything, `validate` takes {after['one file']:.3f} s for 1 file and "
        f"{after['many files']:.3f} s for {content['files']}.\n"
    )


def _evaluation(content: Any) -> Iterator[str]:
    seconds = content["seconds"]
    yield "## Evaluation\n"
    yield (
        f"`bench/evaluation.py`: assigning and scoring {content['samples']:,} images of MNIST by dec_cc_hybrid, in "
        f"batches of {content['batch_size']:,}, against the encoder's matrix products alone "
        f"({content['gflop_of_products']:.0f} GFLOP). Ratio: {_shown_ratio(content['evaluation/products'])}. "
        f"{_machine(content)}"
    )
    yield table(["what", "seconds"], [[name, _seconds(found)] for name, found in seconds.items()])


def _memory(content: Any) -> Iterator[str]:
    yield "## Memory\n"
    yield (
        "`bench/memory.py`: the most memory that a whole run holds and that is no copy of a file, for samples that lie "
        "in a file of arrays. Each size runs in a process of its own. What may grow with the samples is their order, "
        f"the target distribution and the features. {_machine(content)}"
    )
    rows = [[f"{row['samples']:,}", f"{row['peak_anonymous_bytes'] / 2**20:.0f}"] for row in content["rows"]]
    yield table(["samples", "MiB"], rows)


def _clustpy(content: Any) -> Iterator[str]:
    yield "## DEC beside ClustPy\n"
    yield (
        f"`bench/clustpy_dec.py`: seconds of an epoch over {content['samples']:,} images of MNIST, ClustPy "
        f"{content['clustpy']} and ours with the same network, batches of {content['batch']} and Adam. Theirs is timed "
        "through the functions that its DEC calls, with its own DataLoader. ClustPy takes the target from each batch; "
        "ours keeps that of the first iteration here, and in the last row recomputes it from the whole dataset once an "
        f"epoch, which theirs never does. The ratio is theirs / ours: above 1 ours is faster. {_machine(content)} What "
        "keeps an epoch of clustering from a larger ratio is that both spend most of it in the same matrix products, "
        "at the rate of the library below; the next idea is another library for the products of linear layers.\n"
    )
    rows = []
    for phase, measured in content["epochs"].items():
        for name, ratio in measured["ratios"].items():
            ours = name.partition("/")[2]
            times = [_seconds(measured["seconds"]["theirs"]), _seconds(measured["seconds"][ours])]
            rows.append([phase, ours, *times, _shown_ratio(ratio)])
    yield table(["phase", "which", "ClustPy, s", "ours, s", "ratio"], rows)


def _choices(content: Any) -> Iterator[str]:
    yield "## What the code chooses between\n"
    yield (
        "`bench/choices.py`: ways of doing the same, the chosen one first. Views go through a network as one batch, on "
        "a CPU only where it has no convolutions. Optimizers step by one kernel. k-means is scikit-learn's on a CPU, "
        f"and the project's own for many features on a GPU ({content['k_means']['points']:,} points, "
        f"{content['k_means']['restarts']} restarts). Below 1 the first way is faster. {_machine(content)}"
    )
    measured = {**content["views"], **content["optimizers"], "k-means": content["k_means"]}
    rows = []
    for what, found in measured.items():
        (pair,) = found["ratios"]
        times = [_milliseconds(found["seconds"][name]) for name in pair.split("/")]
        rows.append([what, pair.replace("/", " / "), *times, _shown_ratio(found["ratios"][pair])])
    yield table(["what", "ways", "first, ms", "second, ms", "ratio"], rows)


if __name__ == "__main__":
    main()
