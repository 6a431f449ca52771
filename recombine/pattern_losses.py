"""The patterns that take part in a phase, their losses, and what both are called in the log."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from recombine import registry
from recombine.subschemas import JsonObject

Block = Mapping[str, Any]


def losses_of(pattern: Block) -> dict[str, JsonObject]:
    """Return the losses that a pattern's block has: name to ``{"weight": key or None, "group": key}``."""
    declared: dict[str, JsonObject] = registry.patterns()[pattern["pattern"]].schema["x-losses"]
    return {
        name: loss
        for name, loss in declared.items()
        if all((pattern.get(key) is not None) == wanted for key, wanted in loss.get("when", {}).items())
    }


def enabled_patterns(phase: JsonObject, pointer: str) -> Iterator[tuple[str, JsonObject]]:
    """Yield pointer and block of the patterns that take part in a phase."""
    for i, pattern in enumerate(phase["design_patterns"]):
        if pattern["enabled"]:
            yield f"{pointer}/design_patterns/{i}", pattern


def named_patterns(patterns: Iterable[Block]) -> Iterator[tuple[str, Block]]:
    """Yield the blocks of the patterns that take part in a phase, each with its name in the log."""
    used: Counter[str] = Counter()
    for block in patterns:
        if block["enabled"]:
            used[block["pattern"]] += 1
            count = used[block["pattern"]]
            yield block["pattern"] if count == 1 else f"{block['pattern']}_{count}", block


def loss_weight(pattern: Block, loss: JsonObject) -> float:
    """Return the weight of one of the losses that :func:`losses_of` gives, without its schedule."""
    own = loss["weight"]
    weight: float = pattern["loss_weight"] * (pattern[own] if own not in (None, "loss_weight") else 1)
    return weight


def loss_names(name: str, pattern: Block) -> dict[str, str]:
    """Return what the losses of a pattern are called in the log, by the names that the pattern gives them.

    Args:
        name: The pattern's name in the log.
        pattern: Its block.
    """
    losses = losses_of(pattern)
    return {loss: name if len(losses) == 1 else f"{name}.{loss}" for loss in losses}
