"""What a method that clusters sets must hold to, as far as the file alone tells."""

from collections.abc import Iterator

from recombine import registry
from recombine.mapping import SETS
from recombine.pattern_losses import enabled_patterns
from recombine.problems import Finding
from recombine.references import runs_on
from recombine.subschemas import JsonObject

_KIND = "x-works-on"
_PARTS = ("train", "validation", "test")
_LEAST_SIZE, _RANGE = 2, 2
#: The most objects of a batch: their places alone take half a GiB, and a set needs more.
_MOST_OBJECTS = 2**26
#: 0.64 + 0.16 + 0.2 is a little more than 1 in some orders.
_ROUNDING = 1e-9


def set_findings(method: JsonObject) -> Iterator[Finding]:
    """Yield what keeps datasets from making sets, and mappings, patterns and the strategy from working on them."""
    for i, dataset in enumerate(method["datasets"]):
        if dataset["enabled"]:
            place = f"/datasets/{i}"
            yield from _draw_findings(dataset, place) if dataset.get("sets") is not None else ()
            yield from _user_findings(method, dataset, place)
            yield from _validation_findings(method, dataset)
    yield from _extractor_findings(method)
    yield from _head_findings(method)


def works_on_sets(strategy: JsonObject) -> bool:
    """Tell whether a strategy clusters sets, each by itself."""
    return registry.strategies()[strategy["type"]].schema.get(_KIND) == SETS


def batch_of(dataset: JsonObject) -> int:
    """Return how many samples a batch of a dataset has at least: of sets, the objects of them all."""
    sets, size = dataset.get("sets"), dataset["batch_size"]
    if sets is None:
        return int(size)
    objects = sets["num_objects"]
    return int(size * (objects if isinstance(objects, int) else min(objects)))


def _draw_findings(dataset: JsonObject, place: str) -> Iterator[Finding]:
    """Yield sizes, numbers of clusters and shares of classes that contradict each other."""
    sets, most = dataset["sets"], dataset["num_clusters"]
    if sets["min_clusters"] > most:
        message = f"the least number of clusters of a set ({sets['min_clusters']}) is above the greatest ({most})"
        remedy = f'Write at most {most}, or a larger "num_clusters".'
        yield Finding("RC104", message, remedy, f"{place}/sets/min_clusters")
    if batch_of(dataset) > _MOST_OBJECTS:
        message = f"a batch of {dataset['batch_size']} sets has more than {_MOST_OBJECTS:,} objects"
        yield Finding("RC104", message, "Write a smaller number.", f"{place}/batch_size")
    yield from _size_findings(sets, most, f"{place}/sets/num_objects")
    shares = [part for part in map(sets["classes"].get, _PARTS) if isinstance(part, (int, float))]
    if max(shares, default=0) <= 1 < sum(shares) - _ROUNDING:
        message = f"the shares of the classes for training, validation and test add up to {sum(shares):g}"
        yield Finding("RC104", message, "They must be at most 1 together.", f"{place}/sets/classes")


def _size_findings(sets: JsonObject, most: int, place: str) -> Iterator[Finding]:
    """Yield sizes that contradict each other or the greatest number of clusters."""
    size, each = sets["num_objects"], sets["min_objects_per_cluster"]
    sizes = [size, size] if isinstance(size, int) else size
    if len(sizes) != _RANGE or min(sizes) < _LEAST_SIZE:
        return  # The schema has said so.
    low, high = sizes
    if low > high:
        yield Finding("RC104", f"the least size of a set ({low}) is above the greatest ({high})", "", place)
    elif low < most * each:
        message = f"a set of {low} objects cannot have {most} clusters with {each} or more objects each"
        remedy = f'Write at least {most * each}, or a smaller "num_clusters".'
        yield Finding("RC104", message, remedy, place)


def _user_findings(method: JsonObject, dataset: JsonObject, place: str) -> Iterator[Finding]:
    """Yield that a dataset makes sets which nothing takes, or none where they are needed."""
    makes_sets = dataset.get("sets") is not None
    strategy = method["cluster_assignment_strategy"]
    takes_sets = works_on_sets(strategy)
    of_sets = [mapping["name"] for mapping in method["mappings"] if mapping["works_on"] == SETS]
    if not makes_sets and (takes_sets or of_sets):
        who = f'the strategy "{strategy["type"]}"' if takes_sets else f'mapping "{of_sets[0]}"'
        message = f'{who} works on sets, and dataset "{dataset["name"]}" makes none'
        yield Finding("RC404", message, 'Add "sets".', place)
    whole = registry.strategies()[strategy["type"]].schema.get(_KIND) == "whole_dataset"
    if makes_sets and not whole and strategy.get("use_centroids_during_phases"):
        message = f'dataset "{dataset["name"]}" makes sets, and centroids are placed among all samples together'
        key = "use_centroids_during_phases"
        yield Finding("RC404", message, f'Remove "{key}".', f"/cluster_assignment_strategy/{key}")
    elif makes_sets and whole:
        message = f'dataset "{dataset["name"]}" makes sets, and the strategy clusters all samples together'
        remedy = 'Remove "sets", or take the strategy "set_clustering".'
        yield Finding("RC404", message, remedy, "/cluster_assignment_strategy/type")


def _validation_findings(method: JsonObject, dataset: JsonObject) -> Iterator[Finding]:
    """Yield phases that hold out samples of a dataset that makes sets, or the other way round."""
    makes_sets = dataset.get("sets") is not None
    wanted = "num_sets" if makes_sets else "fraction"
    for i, phase in enumerate(method["phases"]):
        validation = phase.get("validation")
        if phase["enabled"] and runs_on(phase, dataset) and validation is not None and wanted not in validation:
            verb = "makes" if makes_sets else "makes no"
            message = f'dataset "{dataset["name"]}" {verb} sets, and is validated by "{wanted}"'
            yield Finding("RC106", message, f'Write "{wanted}".', f"/phases/{i}/validation")
        sampling = phase.get("sampling")
        if phase["enabled"] and runs_on(phase, dataset) and makes_sets and sampling is not None:
            if sampling["type"] != "uniform":
                message = f'dataset "{dataset["name"]}" makes batches of sets, and not of neighbourhoods'
                yield Finding("RC106", message, 'Remove "sampling".', f"/phases/{i}/sampling/type")


def _extractor_findings(method: JsonObject) -> Iterator[Finding]:
    """Yield that the features which the strategy works on are those of sets."""
    name = method["cluster_assignment_strategy"]["associated_feature_extractor_name"]
    for i, mapping in enumerate(method["mappings"]):
        if mapping["name"] == name and mapping["works_on"] == SETS:
            message = f'mapping "{name}" works on sets, and the features of the method are those of single samples'
            remedy = "Declare a mapping that works on samples first."
            yield Finding("RC404", message, remedy, f"/mappings/{i}/works_on")


def _head_findings(method: JsonObject) -> Iterator[Finding]:
    """Yield numbers of clusters that the outputs of the strategy's heads stand for, and should not."""
    strategy, place = method["cluster_assignment_strategy"], "/cluster_assignment_strategy/min_clusters"
    fewest = strategy.get("min_clusters")
    if fewest is None:
        return
    for dataset in method["datasets"]:
        name, most = dataset["name"], dataset["num_clusters"]
        if dataset["enabled"] and fewest > most:
            message = f'the strategy tells {fewest} or more clusters, and sets of dataset "{name}" have up to {most}'
            yield Finding("RC104", message, f"Write at most {most}.", place)
    for i, phase in enumerate(method["phases"]):
        for own, pattern in enabled_patterns(phase, f"/phases/{i}") if phase["enabled"] else ():
            shared, first = _heads(strategy) & _heads(pattern), pattern.get("min_clusters")
            if shared and first != fewest:
                message = (
                    f'the first output of "{min(shared)}" stands for k = {first} here, for k = {fewest} in the strategy'
                )
                yield Finding("RC106", message, f"Write {fewest}, or change the strategy's.", f"{own}/min_clusters")


def _heads(block: JsonObject) -> set[str]:
    return {block[key] for key in ("count_head_name", "assignment_head_name") if key in block}
