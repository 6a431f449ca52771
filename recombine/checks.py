"""What a method file means, checked before anything runs: can every phase end, is every loss minimised, and so on.

The checks work on a completed method, where it agrees with the schema and its names refer to something.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from recombine import registry
from recombine.complete import placed_blocks
from recombine.neighbor_checks import sampling_findings
from recombine.pattern_losses import enabled_patterns, losses_of
from recombine.pointers import parts
from recombine.problems import Finding, listing
from recombine.references import runs_on
from recombine.schedule_checks import criteria_listen, obstacle, schedulers_listen
from recombine.set_checks import batch_of, set_findings, works_on_sets
from recombine.subschemas import JsonObject
from recombine.usage_checks import centroids_are_there_to_save, evaluations_come_in_time, views_are_used

_MAPPINGS, _PHASES, _STRATEGY, _DATASETS = "mappings", "phases", "cluster_assignment_strategy", "datasets"
#: Parts of mappings and datasets that no check reads.
_UNREAD = {
    _MAPPINGS: (
        "layers",
        "layer_initialization",
        "pre_processing_functions",
        "post_processing_functions",
        "softmax_layer_name",
    ),
    _DATASETS: ("transforms",),
}
_VIEWS = "batch_augmentations"
_CLASSIFIERS = ("feature_space_classifier", "sample_space_classifier")
_PERFORMANCE = "performance_evaluation_"
_TIME = {"iterations", "epochs", "patience"}
_LEAST_ARI = -0.5
_AFTER_PHASE = "k_means_after_phase"
_BY_PATTERNS = "recalculation_by_design_pattern"


def semantic_findings(method: JsonObject, spoilt: Collection[str] = ()) -> list[Finding]:
    """Return every contradiction of a completed method.

    Args:
        method: The method.
        spoilt: Pointers of places that other checks found fault with. A check that reads such a place is left out.
    """
    bad = {section for pointer in spoilt for section in _sections(pointer)}
    if "" in bad:
        return []
    findings = [f for check, reads in _METHOD_CHECKS.items() if not bad & set(reads) for f in check(method)]
    for i, phase in placed_blocks(method, "phases"):
        place = f"/phases/{i}"
        if place not in bad and phase["enabled"]:
            due = [check for check, reads in _PHASE_CHECKS.items() if not bad & set(reads)]
            findings += [finding for check in due for finding in check(method, phase, place)]
    return findings


def _sections(pointer: str) -> list[str]:
    """Return the sections of the file that a pointer leads into; phases and views are sections of their own."""
    first, *rest = parts(pointer) or [""]
    if first in _UNREAD and len(rest) > 1 and rest[1] in _UNREAD[first]:
        return []
    if first == _DATASETS and _VIEWS in rest:
        return [_VIEWS]
    return [first, f"/phases/{rest[0]}"] if first == _PHASES and rest else [first]


def needs_of(pattern: JsonObject) -> set[str]:
    """Return what a pattern's block needs of the method: ``soft_assignments``, ``centroids``."""
    needs: set[str] = set()
    for need in registry.patterns()[pattern["pattern"]].schema.get("x-needs", []):
        if isinstance(need, str):
            needs.add(need)
        elif all(pattern.get(key) in values for key, values in need["when"].items()):
            needs.add(need["need"])
    return needs - {"soft_assignments"} if pattern.get("classifier_name") is not None else needs


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
    prior = {mapping["name"]: _prior_name(mapping) for mapping in method["mappings"]}
    reported: set[str] = set()
    for i, name in enumerate(prior):
        chain: list[str] = []
        link: str | None = name
        while link is not None and link not in chain:
            chain.append(link)
            link = prior[link]
        if link == name and name not in reported:
            reported.update(chain)
            shown = " <- ".join(f'"{each}"' for each in [*chain, name])
            yield Finding("RC404", f"the mappings feed each other in a circle: {shown}", "", f"/mappings/{i}")


def _prior_name(mapping: JsonObject) -> str | None:
    """Return the name of the mapping that feeds ``mapping``, or None where samples do."""
    own: str | None = mapping.get("prior_mapping_name")
    return mapping.get("associated_feature_extractor_name") if own is None else own


def _classifiers_are_fed(method: JsonObject) -> Iterator[Finding]:
    for i, mapping in enumerate(method["mappings"]):
        if mapping["type"] == "feature_space_classifier" and _prior_name(mapping) is None:
            message = f'classifier "{mapping["name"]}" works on features, but no mapping is a feature extractor'
            yield Finding("RC404", message, 'Declare one of type "feature_extractor".', f"/mappings/{i}/type")


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


def _choice_has_effect(method: JsonObject) -> Iterator[Finding]:
    strategy = method["cluster_assignment_strategy"]
    if strategy.get("classifier_selection_criterion", "name") != "name" and "classifier_name" in strategy:
        message = '"classifier_name" has no effect unless "classifier_selection_criterion" is "name"'
        yield Finding("RC407", message, "", "/cluster_assignment_strategy/classifier_name", is_warning=True)


def _phases_happen(method: JsonObject) -> Iterator[Finding]:
    strategy = method["cluster_assignment_strategy"]
    after = strategy.get("classical_clustering_in_feature_space_after_phase")
    named = {
        "classical_clustering_in_feature_space_after_phase": [] if after is None else [after],
        "use_centroids_during_phases": strategy.get("use_centroids_during_phases") or [],
    }
    datasets = [dataset for dataset in method["datasets"] if dataset["enabled"]]
    for key, wanted in named.items():
        phases = [phase for phase in method["phases"] if phase["enabled"] and phase["name"] in wanted]
        if wanted and datasets and not any(runs_on(phase, dataset) for phase in phases for dataset in datasets):
            words = " or ".join(f'"{name}"' for name in wanted)
            what = "centroids" if key == "use_centroids_during_phases" else "assignments"
            message = f"no enabled dataset runs phase {words}, so that there would never be {what}"
            yield Finding("RC404", message, "", f"/cluster_assignment_strategy/{key}")


def _is_classifier(block: JsonObject, kinds: dict[str, str], pointer: str) -> Iterator[Finding]:
    name = block.get("classifier_name")
    if name is not None and kinds[name] not in _CLASSIFIERS:
        message = f'mapping "{name}" is no classifier, but of type "{kinds[name]}"'
        known = listing([other for other, kind in kinds.items() if kind in _CLASSIFIERS])
        yield Finding("RC404", message, f"Classifiers here: {known or 'none'}.", f"{pointer}/classifier_name")


def _phase_can_end(method: JsonObject, phase: JsonObject, pointer: str) -> Iterator[Finding]:
    criteria, place = phase["exit_criteria"], f"{pointer}/exit_criteria"
    if not criteria or _TIME & criteria.keys():
        return
    scored = {key: value for key, value in criteria.items() if key.startswith(_PERFORMANCE)}
    reasons = [obstacle(key, value, phase) for key, value in criteria.items() if key not in scored]
    if scored and not any(can_hold(key, value) for key, value in scored.items()):
        reasons.append("no score can ever pass its criteria")
    elif scored:
        reasons.append(None if _assigns_during(method, phase) else "no assignments are made in it that could be scored")
    if None not in reasons:
        message = f"the phase could never end: {'; '.join(reason for reason in reasons if reason)}"
        yield Finding("RC401", message, 'Add "iterations" or "epochs".', place)
        return
    ways = ["a score is reached"] if scored else []
    ways += ["a loss or a learning rate falls as far as that"] if len(scored) < len(criteria) else []
    message = f"the phase ends only if {' or '.join(ways)}, and may never end"
    yield Finding("RC401", message, 'Consider "iterations" or "epochs" as well.', place, is_warning=True)


def can_hold(criterion: str, value: Any) -> bool:
    """Tell whether an exit criterion on performance can hold for some score."""
    if criterion.endswith("_gt"):
        return bool(value < 1)
    bound = value["value"] if isinstance(value, dict) else value
    return bool(bound > (_LEAST_ARI if "_ari_" in criterion else 0))


def _assigns_during(method: JsonObject, phase: JsonObject) -> bool:
    strategy = method["cluster_assignment_strategy"]
    running = sorted((other for other in method["phases"] if other["enabled"]), key=lambda other: other["order"])
    names = [other["name"] for other in running]
    before = names[: names.index(phase["name"])]
    if strategy["type"] == _AFTER_PHASE:
        at_evaluations = "classical_clustering_in_feature_space_at_evaluations_num_restarts" in strategy
        return at_evaluations or strategy["classical_clustering_in_feature_space_after_phase"] in before
    if strategy["type"] == "centroid_similarity":
        return bool({*before, phase["name"]} & set(strategy["use_centroids_during_phases"]))
    return True


def _optimizers_train(method: JsonObject, phase: JsonObject, pointer: str) -> Iterator[Finding]:
    del method
    enabled = enabled_patterns(phase, pointer)
    groups = {pattern[loss["group"]] for _, pattern in enabled for loss in losses_of(pattern).values()}
    is_said = groups - {optimizer["group_name"] for optimizer in phase["optimizers"]}  # by _losses_are_minimised
    cycle = phase["optimizer_cycle"]
    active = {name for entry in cycle for name in entry["active_optimizer_names"]}
    for i, optimizer in enumerate(phase["optimizers"]):
        place, name = f"{pointer}/optimizers/{i}", optimizer["name"]
        if not optimizer["trained_mapping_names"] and not optimizer["optimizes_centroids"]:
            remedy = 'Name mappings in "trained_mapping_names".'
            yield Finding("RC402", f'optimizer "{name}" trains nothing', remedy, place)
        elif optimizer["group_name"] not in groups and not is_said:
            group = optimizer["group_name"]
            message = f'optimizer "{name}" trains nothing: no loss of this phase belongs to its group "{group}"'
            remedy = f"Groups with losses: {', '.join(sorted(groups)) or 'none'}."
            yield Finding("RC402", message, remedy, f"{place}/group_name")
        elif cycle and name not in active:
            message = f'optimizer "{name}" trains nothing: it is never active in "optimizer_cycle"'
            yield Finding("RC402", message, "Name it there, or remove it.", place)


def _centroids_can_be_optimized(method: JsonObject, phase: JsonObject, pointer: str) -> Iterator[Finding]:
    strategy = method["cluster_assignment_strategy"]
    used = phase["name"] in (strategy.get("use_centroids_during_phases") or [])
    for i, optimizer in enumerate(phase["optimizers"]):
        place, name = f"{pointer}/optimizers/{i}/optimizes_centroids", optimizer["name"]
        if optimizer["optimizes_centroids"] and not used:
            remedy = f'Name "{phase["name"]}" in "use_centroids_during_phases" of the strategy.'
            message = f'optimizer "{name}" optimizes centroids, but this phase has none'
            yield Finding("RC404", message, remedy, place)
        elif optimizer["optimizes_centroids"] and strategy["centroid_recalculation_strategy"] == "fixed_centroids":
            message = f'optimizer "{name}" optimizes centroids, but the strategy keeps them fixed'
            remedy = 'Set "centroid_recalculation_strategy" to "recalculation_by_design_pattern".'
            yield Finding("RC106", message, remedy, place)


def _rivals_have_groups_of_their_own(method: JsonObject, phase: JsonObject, pointer: str) -> Iterator[Finding]:
    del method
    for place, pattern in enabled_patterns(phase, pointer):
        names = {loss["group"]: pattern[loss["group"]] for loss in losses_of(pattern).values()}
        if len(names) > len(set(names.values())):
            group = next(iter(names.values()))
            message = f'losses of the pattern that pull against each other belong to one group, "{group}"'
            remedy = f"Give {listing(list(names))} different values."
            yield Finding("RC106", message, remedy, place, is_warning=True)


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
        if "soft_assignments" in needs and strategy["type"] == _AFTER_PHASE and not _has_centroids(strategy):
            message = "the pattern needs soft assignments, but the strategy assigns hard, after a phase"
            remedy = 'Give "classifier_name", or give the strategy centroids by "use_centroids_during_phases".'
            yield Finding("RC404", message, remedy, f"{place}/pattern")
        elif "soft_assignments" in needs and works_on_sets(strategy):
            message = "the pattern needs soft assignments to clusters that all samples share, and sets have their own"
            yield Finding("RC404", message, 'Give "classifier_name".', f"{place}/pattern")
        elif "centroids" in needs and works_on_sets(strategy):
            yield Finding(
                "RC404", "the pattern needs centroids, and clusters of sets have none", "", f"{place}/pattern"
            )
        elif not centroids and ("centroids" in needs or _needs_soft_centroids(needs, strategy)):
            message = f'the pattern needs centroids, and phase "{phase["name"]}" has none'
            remedy = 'Name the phase in "use_centroids_during_phases" of the strategy.'
            yield Finding("RC404", message, remedy, f"{place}/pattern")


def _needs_soft_centroids(needs: set[str], strategy: JsonObject) -> bool:
    return "soft_assignments" in needs and strategy["type"] in ("centroid_similarity", _AFTER_PHASE)


def _has_centroids(strategy: JsonObject) -> bool:
    return bool(strategy.get("use_centroids_during_phases"))


def _patterns_may_move_centroids(method: JsonObject, phase: JsonObject, pointer: str) -> Iterator[Finding]:
    chosen = method["cluster_assignment_strategy"].get("centroid_recalculation_strategy", _BY_PATTERNS)
    rivals = [optimizer["name"] for optimizer in phase["optimizers"] if optimizer["optimizes_centroids"]]
    for place, pattern in enabled_patterns(phase, pointer):
        if "centroids_that_it_may_move" not in needs_of(pattern):
            continue
        if chosen != _BY_PATTERNS:
            message = f'the pattern moves the centroids, but the strategy has "{chosen}" for that'
            remedy = f'Set "centroid_recalculation_strategy" to "{_BY_PATTERNS}".'
            yield Finding("RC106", message, remedy, f"{place}/centroid_update")
        elif rivals:
            message = f'both the pattern and optimizer "{rivals[0]}" move the centroids'
            remedy = 'Set "optimizes_centroids" to false, or "centroid_update" to "none".'
            yield Finding("RC106", message, remedy, f"{place}/centroid_update", is_warning=True)


def _batches_suffice(method: JsonObject, phase: JsonObject, pointer: str) -> Iterator[Finding]:
    for place, pattern in enabled_patterns(phase, pointer):
        smallest = registry.patterns()[pattern["pattern"]].smallest_batch
        for i, dataset in enumerate(method["datasets"]):
            if dataset["enabled"] and runs_on(phase, dataset) and 0 < batch_of(dataset) < smallest:
                message = f'the pattern "{pattern["pattern"]}" at {place} needs batches of at least {smallest} samples'
                yield Finding("RC405", message, f"Write at least {smallest}.", f"/datasets/{i}/batch_size")


_METHOD_CHECKS: dict[Callable[[JsonObject], Iterator[Finding]], tuple[str, ...]] = {
    _datasets_exist: (_DATASETS,),
    _ranges_hold: (_DATASETS,),
    _kept_mappings_fit: (_DATASETS,),
    _chains_end: (_MAPPINGS,),
    set_findings: (_MAPPINGS, _DATASETS, _STRATEGY, _PHASES),
    _classifiers_are_fed: (_MAPPINGS,),
    _strategy_can_assign: (_MAPPINGS, _STRATEGY),
    _choice_has_effect: (_STRATEGY,),
    _phases_happen: (_PHASES, _DATASETS, _STRATEGY),
    views_are_used: (_PHASES, _DATASETS, _VIEWS),
}

#: Every check reads its own phase.
_PHASE_CHECKS: dict[Callable[[JsonObject, JsonObject, str], Iterator[Finding]], tuple[str, ...]] = {
    _phase_can_end: (_PHASES, _STRATEGY),
    sampling_findings: (),
    centroids_are_there_to_save: (_PHASES, _STRATEGY),
    evaluations_come_in_time: (),
    _optimizers_train: (),
    _centroids_can_be_optimized: (_STRATEGY,),
    _losses_are_minimised: (),
    _rivals_have_groups_of_their_own: (),
    _needs_are_met: (_STRATEGY, _MAPPINGS),
    _patterns_may_move_centroids: (_STRATEGY,),
    _batches_suffice: (_DATASETS,),
    schedulers_listen: (),
    criteria_listen: (),
}
