"""Plans as tables and sentences."""

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from recombine.mapping import SETS
from recombine.measure_plan import Measured
from recombine.memory import in_words
from recombine.plan import DatasetPlan, MethodPlan, Totals
from recombine.plan_networks import A_SAMPLE, MappingPlan, NetworkPlan
from recombine.plan_phases import LossPlan, PhasePlan, SteppingPlan

#: A line of text, or a table.
Part = str | Table

_KNOWN_BY = {
    "data": "as its data says",
    "dataset": "as its class has them",
    "transforms": "as its transforms make them",
    "--sample-shape": "as --sample-shape says",
}
_MAPPINGS = ("mapping", "layer", "output", "parameters", "trainable", "FLOPs")
_LOSSES = ("phase", "loss", "weight", "reaches", "optimizer", "which moves", "in iterations")
_TIMELINE = ("dataset", "phase", "from", "iterations", "ends after")
_TIMES = ("dataset", "phase", "to begin", "a step", "an evaluation", "to end", "whole")
_MINUTE, _HOUR, _MILLISECONDS = 60, 3600, 1000


def method_parts(plan: MethodPlan) -> Iterator[Part]:
    """Yield what there is to show of a method; what is the same on a further dataset is not said again."""
    yield f"{title(plan)}: {plan.method}"
    before: DatasetPlan | None = None
    for dataset in plan.datasets:
        yield _dataset_in_words(dataset)
        if before is None or before.networks != dataset.networks:
            yield networks_table(dataset.networks)
        if dataset.phases and (before is None or _losses(before) != _losses(dataset)):
            yield losses_table(dataset.phases)
            yield from _idle_in_words(dataset.phases)
        before = dataset
    yield timeline_table(plan.datasets)
    if plan.measured is not None:
        yield from measured_parts(plan.measured)


def title(plan: MethodPlan) -> str:
    """Return the method file with the changes of the command line."""
    return " ".join([plan.file, *plan.overrides])


def totals_parts(totals: Totals) -> Iterator[str]:
    """Yield what several methods amount to together."""
    yield f"Methods: {totals.methods:,} planned, {totals.invalid:,} invalid; {totals.phases:,} phases on datasets"
    open_ended = totals.phases_of_unknown_length
    rest = f", and {open_ended:,} phases of unknown length" if open_ended else ""
    yield f"Parameters: {totals.parameters:,}; iterations: {totals.iterations:,}{rest}"
    if totals.peak_bytes is not None:
        time = "not known" if totals.seconds is None else duration(totals.seconds)
        yield f"Time one after the other: {time}; memory of the largest: {in_words(totals.peak_bytes)}"


def _losses(dataset: DatasetPlan) -> list[tuple[LossPlan, ...]]:
    return [phase.losses for phase in dataset.phases]


def _dataset_in_words(dataset: DatasetPlan) -> str:
    count = "" if dataset.num_samples is None else f"{dataset.num_samples:,} "
    sets = "" if dataset.set_size is None else f", in sets of {dataset.set_size}"
    what = f"{count}samples {shape_in_words(dataset.sample)}{sets}, {_KNOWN_BY[dataset.known_by]}"
    return f'Dataset "{dataset.name}" ({dataset.dataset}): {what}'


def shape_in_words(shape: Sequence[int] | None) -> str:
    """Return a shape as ``3 x 32 x 32``; a question mark where it is not known."""
    return "?" if shape is None else " x ".join(map(str, shape)) or "1"


def networks_table(networks: NetworkPlan) -> Table:
    """Return the mappings with their layers."""
    table = Table(*_MAPPINGS, title="Networks, on one sample or set; FLOPs of a pass forward, as torch counts them")
    for column in table.columns[3:]:
        column.justify = "right"
    for mapping in networks.mappings:
        for row in _mapping_rows(mapping):
            table.add_row(*map(Text, row))
        table.add_section()
    if networks.centroids:
        table.add_row("centroids", "", "", f"{networks.centroids:,}", f"{networks.centroids:,}", "")
    flops = [mapping.flops for mapping in networks.mappings if mapping.flops is not None]
    table.add_row("all", "", "", f"{networks.parameters:,}", f"{networks.trainable:,}", f"{sum(flops):,}")
    return table


def _mapping_rows(mapping: MappingPlan) -> Iterator[tuple[str, ...]]:
    given_by = mapping.given_by
    if given_by is None:
        words = "(nothing is known to feed it)"
    else:
        given = "a set" if given_by == A_SAMPLE and mapping.works_on == SETS else given_by
        words = f"({given}: {shape_in_words(mapping.input)})"
    flops = "?" if mapping.flops is None else f"{mapping.flops:,}"
    numbers = f"{mapping.parameters:,}", f"{mapping.trainable:,}", flops
    yield mapping.name, words, shape_in_words(mapping.output), *numbers
    for layer in mapping.layers:
        name = layer.name if layer.name.startswith(layer.type) else f"{layer.name} ({layer.type})"
        counts = f"{layer.parameters:,}" if layer.parameters else "", "", f"{layer.flops:,}" if layer.flops else ""
        yield "", f"  {name}", shape_in_words(layer.output), *counts


def losses_table(phases: Sequence[PhasePlan]) -> Table:
    """Return the losses of phases, what they reach and who minimises them."""
    table = Table(*_LOSSES, title="Losses, and the optimizers that minimise them")
    for phase in phases:
        for loss in phase.losses:
            for i, stepping in enumerate(loss.steppings):
                own = (phase.name, loss.name, _weight_in_words(loss), ", ".join(loss.reaches)) if i == 0 else ("",) * 4
                table.add_row(*map(Text, (*own, *_stepping(stepping, phase.cycle))))
        table.add_section()
    return table


def _weight_in_words(loss: LossPlan) -> str:
    words = [f"{loss.weight:g}"]
    if loss.start_at_iteration:
        words.append(f"from iteration {loss.start_at_iteration:,}")
    if loss.warm_up_iterations:
        words.append(f"rising over {loss.warm_up_iterations:,}")
    return ", ".join(words)


def _stepping(stepping: SteppingPlan, cycle: int) -> tuple[str, str, str]:
    return stepping.optimizer, ", ".join(stepping.trains), turns_in_words(stepping.iterations, cycle)


def turns_in_words(turns: Sequence[tuple[int, int]], cycle: int) -> str:
    """Return in which iterations of a cycle an optimizer steps."""
    if sum(last - first + 1 for first, last in turns) == cycle:
        return "all"
    spans = [str(first) if first == last else f"{first}-{last}" for first, last in turns]
    return f"{', '.join(spans) or 'none'} of 0-{cycle - 1}"


def _idle_in_words(phases: Sequence[PhasePlan]) -> Iterator[str]:
    for phase in phases:
        for optimizer in phase.optimizers:
            if optimizer.idle:
                names = ", ".join(optimizer.idle)
                yield f'Phase "{phase.name}": optimizer "{optimizer.name}" has no loss that depends on {names}'


def timeline_table(datasets: Sequence[DatasetPlan]) -> Table:
    """Return what runs when, dataset after dataset."""
    table = Table(*_TIMELINE, title="Timeline")
    for dataset in datasets:
        for i, phase in enumerate(dataset.phases):
            first = "?" if phase.first_iteration is None else f"{phase.first_iteration:,}"
            length = "?" if phase.iterations is None else f"{phase.iterations:,}"
            name = dataset.name if i == 0 else ""
            table.add_row(*map(Text, (name, phase.name, first, length, phase.ends)))
        if not dataset.phases:
            table.add_row(*map(Text, (dataset.name, "(scored only)", "", "", "")))
    return table


def measured_parts(measured: Measured) -> Iterator[Part]:
    """Yield what a few steps took, and what the whole run would."""
    table = Table(*_TIMES, title=f"Time, from a few steps on {measured.device}")
    for one in measured.phases:
        times = one.setup_seconds, one.step_seconds, one.evaluation_seconds, one.finish_seconds
        whole = "?" if one.seconds is None else duration(one.seconds)
        table.add_row(*map(Text, (one.dataset, one.phase, *map(duration, times), whole)))
    yield table
    whole = "not known" if measured.seconds is None else duration(measured.seconds)
    rest = f"{duration(measured.preparation_seconds)} to prepare, {duration(measured.scoring_seconds)} to score"
    yield f"Time of the run: {whole}, of which {rest}"
    memory = measured.memory
    parts = {
        "parameters": memory.parameters,
        "gradients": memory.gradients,
        "optimizers": memory.optimizer_state,
        "activations": memory.activations,
        "data": memory.data,
        "views of a batch": memory.views,
        "the program itself": memory.program,
    }
    listed = ", ".join(f"{name} {in_words(size)}" for name, size in parts.items())
    yield f"Memory of the run at its peak: {in_words(measured.peak_bytes)} ({listed})"
    if measured.device_peak_bytes is not None:
        yield f"Memory of its tensors on the GPU at their peak: {in_words(measured.device_peak_bytes)}"


def duration(seconds: float) -> str:
    """Return a time in a unit that suits it."""
    if seconds < 1:
        return f"{seconds * _MILLISECONDS:.3g} ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.1f} min"
    return f"{seconds / _HOUR:.1f} h"
