"""Names that the file may leave out, filled in by rule: what the schema cannot express as a default."""

from collections.abc import Iterator
from typing import Any

from recombine.subschemas import JsonObject


def complete(method: JsonObject) -> None:
    """Fill in names, and the extractors that mappings and the strategy refer to; make lists of single savings."""
    fill_names(method)
    for phase in blocks(method, "phases"):
        saving = phase.setdefault("save_centroids", [])
        phase["save_centroids"] = [saving] if isinstance(saving, dict) else saving
    _name_extractors(method)


def fill_names(method: Any) -> None:
    """Fill in the names of mappings, layers, datasets and optimizers."""
    for mapping in blocks(method, "mappings"):
        mapping.setdefault("name", mapping.get("type"))
        _number(mapping, "layers")
    for dataset in blocks(method, "datasets"):
        dataset.setdefault("name", dataset.get("dataset"))
    for phase in blocks(method, "phases"):
        _number(phase, "optimizers")


def blocks(parent: Any, key: str) -> list[JsonObject]:
    """Return the objects in the list at ``key``, whatever else stands there."""
    return [block for _, block in placed_blocks(parent, key)]


def placed_blocks(parent: Any, key: str) -> Iterator[tuple[int, JsonObject]]:
    """Yield the objects in the list at ``key`` with their positions in it."""
    found = parent.get(key) if isinstance(parent, dict) else None
    for position, block in enumerate(found if isinstance(found, list) else ()):
        if isinstance(block, dict):
            yield position, block


def _number(parent: JsonObject, key: str) -> None:
    for position, block in placed_blocks(parent, key):
        block.setdefault("name", f"{block.get('type')}_{position}")


def _name_extractors(method: JsonObject) -> None:
    mappings = blocks(method, "mappings")
    extractors = [mapping["name"] for mapping in mappings if mapping.get("type") == "feature_extractor"]
    for mapping in mappings:
        if mapping.get("type") == "feature_space_classifier" and extractors:
            mapping.setdefault("associated_feature_extractor_name", extractors[0])
    strategy = method.get("cluster_assignment_strategy")
    if isinstance(strategy, dict) and mappings:
        strategy.setdefault("associated_feature_extractor_name", [*extractors, mappings[0]["name"]][0])
