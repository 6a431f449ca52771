"""Parts of a method that would have no effect: views that nothing reads, criteria that are never looked at."""

from collections.abc import Iterator

from recombine.build import views_of
from recombine.problems import Finding
from recombine.references import runs_on
from recombine.subschemas import JsonObject

_PERFORMANCE = "performance_evaluation_"


def views_are_used(method: JsonObject) -> Iterator[Finding]:
    """Yield the views of datasets that no pattern reads, those that are switched off included."""
    for i, dataset in enumerate(method["datasets"]):
        here = [phase for phase in method["phases"] if runs_on(phase, dataset)]
        patterns = [pattern for phase in here for pattern in phase["design_patterns"]]
        read = {view for pattern in patterns for view in views_of(pattern)}
        for j, view in enumerate(dataset["batch_augmentations"]):
            if dataset["enabled"] and patterns and view["name"] not in read:
                message = f'no pattern that runs on dataset "{dataset["name"]}" reads view "{view["name"]}"'
                place = f"/datasets/{i}/batch_augmentations/{j}/name"
                yield Finding("RC410", message, "Name it in a pattern, or remove it.", place, is_warning=True)


def evaluations_come_in_time(method: JsonObject, phase: JsonObject, pointer: str) -> Iterator[Finding]:
    """Yield the criteria on performance of a phase that is over before its first evaluation."""
    del method
    last, interval = phase["exit_criteria"].get("iterations"), phase.get("performance_evaluation_interval")
    for key in phase["exit_criteria"]:
        if key.startswith(_PERFORMANCE) and isinstance(interval, int) and last is not None and last < interval:
            message = f"the criterion never holds: the phase ends after {last} iterations, and the first evaluation "
            message += f"comes after {interval}"
            remedy = f'Write a "performance_evaluation_interval" below {last}.'
            yield Finding("RC407", message, remedy, f"{pointer}/exit_criteria/{key}", is_warning=True)


def centroids_are_there_to_save(method: JsonObject, phase: JsonObject, pointer: str) -> Iterator[Finding]:
    """Yield that a phase saves centroids that the method has not, or that are placed in a later phase only."""
    used = method["cluster_assignment_strategy"].get("use_centroids_during_phases")
    if not phase["save_centroids"]:
        return
    if not used:
        remedy = 'Configure centroids in the strategy, or remove "save_centroids".'
        yield Finding("RC404", "the method has no centroids to save", remedy, f"{pointer}/save_centroids")
        return
    orders = [other["order"] for other in method["phases"] if other["enabled"] and other["name"] in used]
    if orders and phase["order"] < min(orders):
        message = f'phase "{phase["name"]}" has no centroids to save yet: they are placed when phase '
        message += " or ".join(f'"{name}"' for name in used) + " begins"
        yield Finding("RC404", message, "Save them in a later phase.", f"{pointer}/save_centroids", is_warning=True)
