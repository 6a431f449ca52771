"""What phases ask of neighbours: are there as many, and do batches hold them?"""

from collections.abc import Iterator
from typing import Any

from recombine.config import DatasetConfig, PhaseConfig
from recombine.problems import Finding

_PARTS = ("neighbors", "affinity")
_BY_NEIGHBORHOODS, _PRECOMPUTED, _FULL, _BATCH = "by_neighborhoods", "precomputed", "full", "batch"


def sampling_findings(method: Any, phase: Any, pointer: str) -> Iterator[Finding]:
    """Yield that more neighbours are to be drawn than there are to draw from."""
    del method
    sampling = phase.get("sampling")
    if sampling is None or sampling["type"] != _BY_NEIGHBORHOODS:
        return
    drawn, among = sampling["neighbors_per_seed"], sampling["num_neighbors"]
    if drawn > among:
        message = f"{drawn} neighbours are to be drawn for each seed, but only among {among}"
        remedy = f'Write at most {among}, or a larger "num_neighbors".'
        yield Finding("RC104", message, remedy, f"{pointer}/sampling/neighbors_per_seed")


def neighbor_findings(phase: PhaseConfig, dataset: DatasetConfig, num_trained: int, place: str) -> Iterator[Finding]:
    """Yield what a dataset has too few samples for, or its batches.

    Args:
        phase: The phase.
        dataset: The dataset that it runs on.
        num_trained: How many samples of it the phase trains on.
        place: The phase's pointer.
    """
    if phase.sampling is not None and phase.sampling["type"] == _BY_NEIGHBORHOODS:
        yield from _too_few(phase.sampling["num_neighbors"], dataset, num_trained, f"{place}/sampling/num_neighbors")
        drawn = phase.sampling["neighbors_per_seed"]
        if drawn >= dataset.batch_size:
            message = f"{drawn} neighbours of a seed do not fit beside it into a batch of {dataset.batch_size} samples"
            yield Finding("RC405", message, "Draw fewer.", f"{place}/sampling/neighbors_per_seed")
    for i, block in enumerate(phase.design_patterns):
        for part in _PARTS:
            if block["enabled"] and part in block:
                pointer = f"{place}/design_patterns/{i}/{part}/num_neighbors"
                yield from _in_pattern(block[part], dataset, num_trained, pointer)


def _in_pattern(options: Any, dataset: DatasetConfig, num_trained: int, pointer: str) -> Iterator[Finding]:
    if options["source"] == _PRECOMPUTED or options.get("graph") == _FULL:
        return
    count = options["num_neighbors"]
    if options["neighborhood"] != _BATCH:
        yield from _too_few(count, dataset, num_trained, pointer)
    elif count >= dataset.batch_size:
        message = f"{count} neighbours beside each sample are not to be found in a batch of {dataset.batch_size}"
        yield Finding("RC405", message, f"Write at most {dataset.batch_size - 1}.", pointer)


def _too_few(count: int, dataset: DatasetConfig, num_trained: int, pointer: str) -> Iterator[Finding]:
    if count >= num_trained:
        message = (
            f'dataset "{dataset.name}" has {num_trained} samples to train on, too few for {count} neighbours of each'
        )
        yield Finding("RC502", message, f"Write at most {num_trained - 1}.", pointer)
