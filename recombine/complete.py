"""Names that the file may leave out, filled in by rule: what the schema cannot express as a default."""

from typing import Any

from recombine.subschemas import JsonObject


def complete(method: JsonObject) -> None:
    """Fill in the names of mappings, layers, datasets and optimizers, and the extractors that they refer to."""
    for mapping in blocks(method, "mappings"):
        mapping.setdefault("name", mapping.get("type"))
        _number(blocks(mapping, "layers"), mapping.get("layers"))
    for dataset in blocks(method, "datasets"):
        dataset.setdefault("name", dataset.get("dataset"))
    for phase in blocks(method, "phases"):
        _number(blocks(phase, "optimizers"), phase.get("optimizers"))
        saving = phase.setdefault("save_centroids", [])
        phase["save_centroids"] = [saving] if isinstance(saving, dict) else saving
    _name_extractors(method)


def blocks(parent: Any, key: str) -> list[JsonObject]:
    """Return the objects in the list at ``key``, whatever else stands there."""
    found = parent.get(key) if isinstance(parent, dict) else None
    return [block for block in found if isinstance(block, dict)] if isinstance(found, list) else []


def _number(named: list[JsonObject], everything: Any) -> None:
    for position, block in enumerate(everything if isinstance(everything, list) else []):
        if any(block is other for other in named):
            block.setdefault("name", f"{block.get('type')}_{position}")


def _name_extractors(method: JsonObject) -> None:
    mappings = blocks(method, "mappings")
    extractors = [mapping["name"] for mapping in mappings if mapping.get("type") == "feature_extractor"]
    extractors = extractors or [mapping["name"] for mapping in mappings[:1]]
    if not extractors:
        return
    for mapping in mappings:
        if mapping.get("type") == "feature_space_classifier":
            mapping.setdefault("associated_feature_extractor_name", extractors[0])
    strategy = method.get("cluster_assignment_strategy")
    if isinstance(strategy, dict):
        strategy.setdefault("associated_feature_extractor_name", extractors[0])
