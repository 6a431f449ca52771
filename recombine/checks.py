"""What a method file means, checked before anything runs: can every phase end, is every loss minimised, and so on.

The checks work on a completed method that agrees with the schema and whose names all refer to something.
"""

from collections.abc import Callable, Iterator
from typing import Any

from recombine import registry
from recombine.complete import blocks
from recombine.problems import Finding
from recombine.references import runs_on
from recombine.subschemas import JsonObject

_CLASSIFIERS = ("feature_space_classifier", "sample_space_classifier")
_PERFORMANCE = "performance_evaluation_"


def semantic_findings(method: JsonObject) -> list[Finding]:
    """Return every contradiction of a valid, completed method."""
    findings = [finding for check in _METHOD_CHECKS for finding in check(method)]
    for i, phase in enumerate(method["phases"]):
        if phase["enabled"]:
            findings += [finding for check in _PHASE_CHECKS for finding in check(method, phase, f"/phases/{i}")]
    return findings


def losses_of(pattern: JsonObject) -> dict[str, JsonObject]:
    """Return the losses that a pattern's block has: name to ``{"weight": key or None, "group": key}``."""
    declared: dict[str, JsonObject] = registry.patterns()[pattern["pattern"]].schema["x-losses"]
    return {
        name: loss
        for name, loss in declared.items()
        if all((pattern.get(key) is not None) == wanted for key, wanted in loss.get("when", {}).items())
    }


def needs_of(pattern: JsonObject) -> set[str]:
    """Return what a pattern's block needs of the method: ``soft_assignments``, ``centroids``."""
    needs: set[str] = set()
    for need in registry.patterns()[pattern["pattern"]].schema.get("x-needs", []):
        if isinstance(need, str):
            needs.add(need)
        elif all(pattern.get(key) in values for key, values in need["when"].items()):
            needs.add(need["need"])
    return needs - {"soft_assignments"} if pattern.get("classifier_name") is not None else needs


def enabled_patterns(phase: JsonObject, pointer: str) -> Iterator[tuple[str, JsonObject]]:
    """Yield pointer and block of the patterns that take part in a phase."""
    for i, pattern in enumerate(phase["design_patterns"]):
        if pattern["enabled"]:
            yield f"{pointer}/design_patterns/{i}", pattern


def _datasets_exist(method: JsonObject) -> Iterator[Finding]:
    if not any(dataset["enabled"] for dataset in method["datasets"]):
        yield Finding("RC404", "no dataset is enabled", 'Set "enabled" of one to true.', "/datasets")


def _ranges_hold(method: JsonObject) -> Iterator[Finding]:
    for i, dataset in enumerate(method["datasets"]):
        first, last = dataset.get("index_of_first_sample_to_use"), dataset.get("index_of_last_sample_to_use")
        if first is not None and last is not None and first > last:
            message = f"the first sample to use ({first}) comes after the last ({last})"
            yield Finding("RC104", message, "", f"/datasets/{i}/index_of_first_sample_to_use")


def _kept_mappings_fit(method: JsonObject) -> Iterator[Finding]:
    before: Any = None
    placed = enumerate(method["datasets"])
    for i, dataset in sorted((pair for pair in placed if pair[1]["enabled"]), key=lambda pair: pair[1]["order"]):
        if before is not None and not dataset["reinitialize_mappings"] and dataset["num_clusters"] != before:
            message = f"the mappings are kept from a dataset with {before} clusters, but this one has another number"
            remedy = f'Write {before}, or set "reinitialize_mappings" to true.'
            yield Finding("RC404", message, remedy, f"/datasets/{i}/num_clusters")
        before = dataset["num_clusters"]


def _chains_end(method: JsonObject) -> Iterator[Finding]:
    prior = {mapping["name"]: prior_name(mapping) for mapping in method["mappings"]}
    for i, mapping in enumerate(method["mappings"]):
        seen, name = [mapping["name"]], prior[mapping["name"]]
        while name is not None and name not in seen:
            seen.append(name)
            name = prior.get(name)
        if name == mapping["name"]:
            chain = " <- ".join(f'"{link}"' for link in [*seen, name])
            yield Finding("RC404", f"the mappings feed each other in a circle: {chain}", "", f"/mappings/{i}")


def prior_name(mapping: JsonObject) -> str | None:
    """Return the name of the mapping that feeds ``mapping``, or None where samples do."""
    own = mapping.get("prior_mapping_name")
    if own is None and mapping["type"] == "feature_space_classifier":
        own = mapping.get("associated_feature_extractor_name")
    return own if own != mapping["name"] else None


def _strategy_can_assign(method: JsonObject) -> Iterator[Finding]:
    strategy = method["cluster_assignment_strategy"]
    kinds = {mapping["name"]: mapping["type"] for mapping in method["mappings"]}
    if strategy["type"] == "classifier":
        if not set(kinds.values()) & set(_CLASSIFIERS):
            message = "the strategy needs a classifier, but no mapping is one"
            remedy = f'Declare a mapping of type "{_CLASSIFIERS[0]}" or "{_CLASSIFIERS[1]}".'
            yield Finding("RC404", message, remedy, "/cluster_assignment_strategy/type")
        yield from _is_classifier(strategy, kinds, "/cluster_assignment_strategy")
    elif "feature_extractor" not in kinds.values():
        message = "the strategy works on features, but no mapping is a feature extractor"
        yield Finding("RC404", message, 'Declare one of type "feature_extractor".', "/cluster_assignment_strategy/type")
    yield from _phase_happens(method, strategy)


def _phase_happens(method: JsonObject, strategy: JsonObject) -> Iterator[Finding]:
    key = "classical_clustering_in_feature_space_after_phase"
    key = key if strategy["type"] == "k_means_after_phase" else "use_centroids_during_phases"
    named = strategy.get(key) or []
    wanted = [named] if isinstance(named, str) else named
    datasets = [dataset for dataset in method["datasets"] if dataset["enabled"]]
    phases = [phase for phase in method["phases"] if phase["enabled"] and phase["name"] in wanted]
    if wanted and not any(runs_on(phase, dataset) for phase in phases for dataset in datasets):
        message = f"no dataset runs {' or '.join(repr(name) for name in wanted)}".replace("'", '"')
        message += ", so that there would never be an assignment"
        yield Finding("RC404", message, "", f"/cluster_assignment_strategy/{key}")


def _is_classifier(block: JsonObject, kinds: dict[str, str], pointer: str) -> Iterator[Finding]:
    name = block.get("classifier_name")
    if name is not None and kinds[name] not in _CLASSIFIERS:
        message = f'mapping "{name}" is no classifier, but of type "{kinds[name]}"'
        known = ", ".join(f'"{other}"' for other, kind in kinds.items() if kind in _CLASSIFIERS)
        yield Finding("RC404", message, f"Classifiers here: {known or 'none'}.", f"{pointer}/classifier_name")


def _phase_can_end(method: JsonObject, phase: JsonObject, pointer: str) -> Iterator[Finding]:
    criteria, place = phase["exit_criteria"], f"{pointer}/exit_criteria"
    on_performance = [key for key in criteria if key.startswith(_PERFORMANCE)]
    if len(on_performance) < len(criteria):
        return
    possible = [key for key in on_performance if _can_hold(key, criteria[key])]
    if not possible or not _assigns_during(method, phase):
        reason = "no assignments are made in this phase" if possible else "no score can ever pass its criteria"
        message = f"the phase could never end: {reason}"
        yield Finding("RC401", message, 'Add "iterations" or "epochs".', place)
    else:
        message = "the phase ends only if a score is reached, and may never end"
        yield Finding("RC401", message, 'Consider "iterations" or "epochs" as well.', place, is_warning=True)


def _can_hold(key: str, value: Any) -> bool:
    if key.endswith("_gt"):
        return bool(value < 1)
    bound = value["value"] if isinstance(value, dict) else value
    return bool(bound > (-0.5 if "_ari_" in key else 0))


def _assigns_during(method: JsonObject, phase: JsonObject) -> bool:
    strategy = method["cluster_assignment_strategy"]
    orders = {other["name"]: other["order"] for other in method["phases"]}
    if strategy["type"] == "k_means_after_phase":
        return bool(phase["order"] > orders[strategy["classical_clustering_in_feature_space_after_phase"]])
    if strategy["type"] == "centroid_similarity":
        first = min(orders[name] for name in strategy["use_centroids_during_phases"])
        return bool(phase["order"] >= first)
    return True


def _saved_centroids_exist(method: JsonObject, phase: JsonObject, pointer: str) -> Iterator[Finding]:
    if phase["save_centroids"] and not method["cluster_assignment_strategy"].get("use_centroids_during_phases"):
        remedy = 'Configure centroids in the strategy, or remove "save_centroids".'
        yield Finding("RC404", "the method has no centroids to save", remedy, f"{pointer}/save_centroids")


def _optimizers_train(method: JsonObject, phase: JsonObject, pointer: str) -> Iterator[Finding]:
    enabled = enabled_patterns(phase, pointer)
    groups = {pattern[loss["group"]] for _, pattern in enabled for loss in losses_of(pattern).values()}
    centroids = phase["name"] in (method["cluster_assignment_strategy"].get("use_centroids_during_phases") or [])
    for i, optimizer in enumerate(phase["optimizers"]):
        place, name = f"{pointer}/optimizers/{i}", optimizer["name"]
        if optimizer["optimizes_centroids"] and not centroids:
            remedy = f'Name "{phase["name"]}" in "use_centroids_during_phases" of the strategy.'
            message = f'optimizer "{name}" optimizes centroids, but this phase has none'
            yield Finding("RC404", message, remedy, f"{place}/optimizes_centroids")
        elif not optimizer["trained_mapping_names"] and not optimizer["optimizes_centroids"]:
            remedy = 'Name mappings in "trained_mapping_names".'
            yield Finding("RC402", f'optimizer "{name}" trains nothing', remedy, place)
        elif optimizer["group_name"] not in groups:
            group = optimizer["group_name"]
            message = f'optimizer "{name}" trains nothing: no loss of this phase belongs to its group "{group}"'
            remedy = f"Groups with losses: {', '.join(sorted(groups)) or 'none'}."
            yield Finding("RC402", message, remedy, f"{place}/group_name")


def _losses_are_minimised(method: JsonObject, phase: JsonObject, pointer: str) -> Iterator[Finding]:
    del method
    groups = {optimizer["group_name"] for optimizer in phase["optimizers"]}
    for place, pattern in enabled_patterns(phase, pointer):
        for name, loss in losses_of(pattern).items():
            group = pattern[loss["group"]]
            if group not in groups:
                message = f'no optimizer of this phase minimises the loss "{name}": it belongs to group "{group}"'
                remedy = f"Groups with optimizers: {', '.join(sorted(groups)) or 'none'}."
                yield Finding("RC403", message, remedy, f"{place}/{loss['group']}")


def _needs_are_met(method: JsonObject, phase: JsonObject, pointer: str) -> Iterator[Finding]:
    strategy = method["cluster_assignment_strategy"]
    centroids = phase["name"] in (strategy.get("use_centroids_during_phases") or [])
    kinds = {mapping["name"]: mapping["type"] for mapping in method["mappings"]}
    for place, pattern in enabled_patterns(phase, pointer):
        yield from _is_classifier(pattern, kinds, place)
        needs = needs_of(pattern)
        if "soft_assignments" in needs and strategy["type"] == "k_means_after_phase":
            message = "the pattern needs soft assignments, but the strategy assigns hard, after a phase"
            yield Finding("RC404", message, 'Give "classifier_name", or take another strategy.', f"{place}/pattern")
        elif not centroids and ("centroids" in needs or _needs_soft_centroids(needs, strategy)):
            message = f'the pattern needs centroids, and phase "{phase["name"]}" has none'
            remedy = 'Name the phase in "use_centroids_during_phases" of the strategy.'
            yield Finding("RC404", message, remedy, f"{place}/pattern")


def _needs_soft_centroids(needs: set[str], strategy: JsonObject) -> bool:
    return "soft_assignments" in needs and strategy["type"] == "centroid_similarity"


def _batches_suffice(method: JsonObject, phase: JsonObject, pointer: str) -> Iterator[Finding]:
    for place, pattern in enabled_patterns(phase, pointer):
        smallest = registry.patterns()[pattern["pattern"]].schema.get("x-min-batch", 1)
        for i, dataset in enumerate(method["datasets"]):
            if dataset["enabled"] and runs_on(phase, dataset) and dataset["batch_size"] < smallest:
                message = f'the pattern "{pattern["pattern"]}" at {place} needs batches of at least {smallest} samples'
                yield Finding("RC405", message, f"Write at least {smallest}.", f"/datasets/{i}/batch_size")


def _schedulers_listen(method: JsonObject, phase: JsonObject, pointer: str) -> Iterator[Finding]:
    del method
    for i, scheduler in enumerate(blocks(phase, "optimizer_learning_rate_schedulers")):
        place = f"{pointer}/optimizer_learning_rate_schedulers/{i}"
        if "metric" in scheduler and scheduler["type"] != "ReduceLROnPlateau":
            message = f"{scheduler['type']} watches no metric; only ReduceLROnPlateau does"
            yield Finding("RC407", message, 'Remove "metric".', f"{place}/metric")
        if scheduler.get("metric", "loss") != "loss" and phase.get("performance_evaluation_interval") is None:
            message = "a scheduler that watches a score needs evaluations, and this phase has none"
            yield Finding("RC406", message, 'Add "performance_evaluation_interval".', f"{place}/metric")


_METHOD_CHECKS: tuple[Callable[[JsonObject], Iterator[Finding]], ...] = (
    _datasets_exist,
    _ranges_hold,
    _kept_mappings_fit,
    _chains_end,
    _strategy_can_assign,
)

_PHASE_CHECKS: tuple[Callable[[JsonObject, JsonObject, str], Iterator[Finding]], ...] = (
    _phase_can_end,
    _saved_centroids_exist,
    _optimizers_train,
    _losses_are_minimised,
    _needs_are_met,
    _batches_suffice,
    _schedulers_listen,
)
