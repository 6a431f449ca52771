"""What a method that clusters sets must hold to, as far as the file alone tells."""

from collections.abc import Iterator

from recombine import registry
from recombine.mapping import SETS
from recombine.problems import Finding
from recombine.references import runs_on
from recombine.subschemas import JsonObject

_KIND = "x-works-on"


def set_findings(method: JsonObject) -> Iterator[Finding]:
    """Yield what keeps datasets from making sets, and mappings, patterns and the strategy from working on them."""
    for i, dataset in enumerate(method["datasets"]):
        if dataset["enabled"]:
            place = f"/datasets/{i}"
            yield from _size_findings(dataset, place) if dataset.get("sets") is not None else ()
            yield from _user_findings(method, dataset, place)
            yield from _validation_findings(method, dataset)
    yield from _extractor_findings(method)


def _size_findings(dataset: JsonObject, place: str) -> Iterator[Finding]:
    """Yield sizes and numbers of clusters that contradict each other."""
    sets, most = dataset["sets"], dataset["num_clusters"]
    size = sets["num_objects"]
    low, high = (size, size) if isinstance(size, int) else size
    if low > high:
        yield Finding(
            "RC104", f"the least size of a set ({low}) is above the greatest ({high})", "", f"{place}/sets/num_objects"
        )
    if sets["min_clusters"] > most:
        message = f"the least number of clusters of a set ({sets['min_clusters']}) is above the greatest ({most})"
        remedy = f'Write at most {most}, or a larger "num_clusters".'
        yield Finding("RC104", message, remedy, f"{place}/sets/min_clusters")
    each = sets["min_objects_per_cluster"]
    if low < most * each:
        message = f"a set of {low} objects cannot have {most} clusters with {each} or more objects each"
        remedy = f'Write at least {most * each}, or a smaller "num_clusters".'
        yield Finding("RC104", message, remedy, f"{place}/sets/num_objects")


def _user_findings(method: JsonObject, dataset: JsonObject, place: str) -> Iterator[Finding]:
    """Yield that a dataset makes sets which nothing takes, or none where they are needed."""
    makes_sets = dataset.get("sets") is not None
    strategy = method["cluster_assignment_strategy"]
    takes_sets = registry.strategies()[strategy["type"]].schema.get(_KIND) == SETS
    of_sets = [mapping["name"] for mapping in method["mappings"] if mapping["works_on"] == SETS]
    if not makes_sets and (takes_sets or of_sets):
        who = f'the strategy "{strategy["type"]}"' if takes_sets else f'mapping "{of_sets[0]}"'
        message = f'{who} works on sets, and dataset "{dataset["name"]}" makes none'
        yield Finding("RC404", message, 'Add "sets".', place)
    whole = registry.strategies()[strategy["type"]].schema.get(_KIND) == "whole_dataset"
    if makes_sets and (whole or strategy.get("use_centroids_during_phases")):
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
