"""How often a block has something done: a few digits in a file must not keep a machine busy for years."""

from collections.abc import Iterator, Mapping
from typing import Any

from recombine.factory import FactoryError, names, resolve
from recombine.pointers import escaped
from recombine.signatures import nested_blocks, parameters_of

#: The most layers, or operations on one image, that a block may stand for; the deepest networks have 1,000 layers.
MOST = 1000
_COUNTS = ("num_layers", "num_encoder_layers", "num_decoder_layers", "num_ops", "mixture_width", "chain_depth")


def repetition_errors(block: Mapping[str, Any], place: str = "") -> Iterator[FactoryError]:
    """Yield the blocks of a layer or a transform that repeat what stands in them too often, the innermost alone.

    Args:
        block: The block, which names a class that there is.
        place: What stands before the keys of the errors.
    """
    inside = [
        error
        for key, value in block.items()
        for nested, inner in nested_blocks(value, f"{place}/{escaped(key)}")
        for error in repetition_errors(inner, nested)
    ]
    yield from inside
    counts, total = _counts(block), _total(block)
    if counts and total > MOST and not inside:
        key = max(counts, key=lambda name: counts[name])
        message = f"{block['type']} stands for {total:,} layers or operations, one after the other"
        where = key if key in block else "positional_arguments"
        yield FactoryError("RC204", message, f"At most {MOST:,} are possible.", f"{place}/{where}")


def _counts(block: Mapping[str, Any]) -> dict[str, int]:
    """Return the arguments of a block that say how often something is repeated."""
    positional, given = block.get("positional_arguments", ()), dict(block)
    if positional and block["type"] in names("layer"):
        known = parameters_of(resolve("layer", block["type"])) or ()
        given |= dict(zip([parameter.name for parameter in known], positional, strict=False))
    return {key: given[key] for key in _COUNTS if isinstance(given.get(key), int) and given[key] > 0}


def _total(block: Mapping[str, Any]) -> int:
    """Return how many layers or operations a block stands for: those within it, as often as it repeats them."""
    within = sum(_total(inner) for value in block.values() for _, inner in nested_blocks(value, ""))
    return (sum(_counts(block).values()) or 1) * max(1, within)
