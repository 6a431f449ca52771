"""What a dataset must have for sets to be made of it."""

from collections.abc import Collection, Iterator

from recombine.assignment.set_clustering import SetClustering
from recombine.config import DatasetConfig, PhaseConfig
from recombine.data import Data
from recombine.datasets.base import Samples
from recombine.errors import DataError, NetworkError
from recombine.evaluate import evaluation_mode
from recombine.method import Method
from recombine.problems import Finding
from recombine.set_data import SetData, source_of
from recombine.set_draws import ClassSets, Part, SetOptions
from recombine.set_outputs import count_logits
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
    strategy = method.assignment
    if not isinstance(data, SetData) or not strategy.is_ready:
        return
    forward = Forward(method, next(data.evaluation_batches(data.num_samples)))
    try:
        with evaluation_mode(method):
            wrong = list(_count_findings(strategy, forward, data)) if isinstance(strategy, SetClustering) else []
            if wrong:
                yield from wrong
            else:
                strategy.assign(forward)
    except NetworkError as error:
        message = f"the strategy cannot work on these networks: {error}"
        yield Finding("RC503", message, "", "/cluster_assignment_strategy")


def _count_findings(strategy: SetClustering, forward: Forward, data: SetData) -> Iterator[Finding]:
    """Yield that the network tells other numbers of clusters apart than the dataset's sets can have.

    Raises:
        NetworkError: The count head gives no row for each set.
    """
    width, (_, most) = count_logits(forward, strategy.count_head).shape[1], data.sets.clusters
    wanted = most - strategy.min_clusters + 1
    if width != wanted:
        counts = f"{strategy.min_clusters} to {most} clusters"
        message = f'"{strategy.count_head.name}" gives {width} numbers, but dataset "{data.name}" needs {wanted}, for '
        remedy = f"Make its last layer {wanted} wide."
        yield Finding("RC503", message + counts, remedy, "/cluster_assignment_strategy/count_head_name")


def parts_of(phases: Collection[PhaseConfig]) -> tuple[Part, ...]:
    """Return for what sets are drawn where these phases run: evaluations always, training and validation if they do."""
    parts: list[Part] = ["train"] if phases else []
    if any(phase.validation is not None for phase in phases):
        parts.append("validation")
    return (*parts, "test")
