"""What a dataset must have for sets to be made of it."""

from collections.abc import Collection, Iterator

from recombine.config import DatasetConfig, PhaseConfig
from recombine.data import Data
from recombine.datasets.base import Samples
from recombine.errors import DataError, NetworkError
from recombine.evaluate import evaluation_mode
from recombine.method import Method
from recombine.problems import Finding
from recombine.set_data import source_of
from recombine.set_draws import ClassSets, Part, SetOptions
from recombine.step import Forward


def sampled_set_findings(
    dataset: DatasetConfig, samples: Samples, phases: Collection[PhaseConfig], place: str
) -> Iterator[Finding]:
    """Yield what keeps the sets of a dataset from being made, and classes of which a single object stands for all.

    Args:
        dataset: The dataset.
        samples: Its decoded samples.
        phases: The phases that run on it.
        place: Its pointer.
    """
    if dataset.sets is None:
        return
    parts = parts_of(phases)
    try:
        source = source_of(dataset.name, samples, SetOptions.of(dataset.sets, dataset.num_clusters))
        for part in parts:
            source.check(part)
    except DataError as error:
        yield Finding("RC502", str(error), "", f"{place}/sets")
        return
    for part in parts:
        alone = source.lone_classes(part) if isinstance(source, ClassSets) else 0
        if alone and dataset.sets["min_objects_per_cluster"] > 1:
            message = f"of the classes for {part}, {alone} with a single object: it stands several times in their sets"
            yield Finding("RC506", message, "", f"{place}/sets", True)


def set_network_findings(method: Method, data: Data) -> Iterator[Finding]:
    """Yield that the strategy cannot assign the objects of sets by what the networks give."""
    if data.set_sizes is None or not method.assignment.is_ready:
        return
    try:
        with evaluation_mode(method):
            method.assignment.assign(Forward(method, next(data.evaluation_batches(data.num_samples))))
    except NetworkError as error:
        message = f"the strategy cannot work on these networks: {error}"
        yield Finding("RC503", message, "", "/cluster_assignment_strategy")


def parts_of(phases: Collection[PhaseConfig]) -> tuple[Part, ...]:
    """Return for what sets are drawn where these phases run: evaluations always, training and validation if they do."""
    parts: list[Part] = ["train"] if phases else []
    if any(phase.validation is not None for phase in phases):
        parts.append("validation")
    return (*parts, "test")
