"""Names that refer to something within the file: do they, and is each of them there once?"""

from collections.abc import Iterator

from recombine.complete import blocks
from recombine.pointers import parts
from recombine.problems import Finding, suggestion
from recombine.step import PLAIN_VIEW
from recombine.subschemas import JsonObject, Visit, annotation, root_schema, walk

_WORDS = {
    "mapping": "mapping",
    "layer": "layer",
    "phase": "phase",
    "view": "batch augmentation",
    "optimizer": "optimizer of this phase",
}


def reference_findings(method: JsonObject) -> list[Finding]:
    """Return every name that refers to nothing, or stands twice, in a completed method."""
    findings = list(_doubles(method))
    for visit in walk(method, [root_schema()]):
        kind = annotation(visit.parts, "x-ref")
        if kind in _WORDS and isinstance(visit.value, str):
            findings += _check(kind, visit, method)
    return findings


def _check(kind: str, visit: Visit, method: JsonObject) -> Iterator[Finding]:
    for known, where in _known(kind, visit, method):
        if visit.value not in known:
            message = f'there is no {_WORDS[kind]} called "{visit.value}"{where}'
            yield Finding("RC301", message, suggestion(visit.value, known) or "None is declared.", visit.pointer)


def _known(kind: str, visit: Visit, method: JsonObject) -> Iterator[tuple[list[str], str]]:
    """Yield the names that would do, with a word on where; several lists must all hold the name."""
    if kind == "mapping":
        yield names(blocks(method, "mappings")), ""
    elif kind == "phase":
        yield names(blocks(method, "phases")), ""
    elif kind == "layer":
        yield from _known_layers(visit, method)
    elif kind == "view":
        yield from _known_views(visit, method)
    else:
        yield names(blocks(_phase_of(visit, method), "optimizers")), ""


def names(named: list[JsonObject]) -> list[str]:
    """Return the names of blocks that have one."""
    return [block["name"] for block in named if isinstance(block.get("name"), str)]


def _phase_of(visit: Visit, method: JsonObject) -> JsonObject:
    phase: JsonObject = method["phases"][int(parts(visit.pointer)[1])]
    return phase


def _known_layers(visit: Visit, method: JsonObject) -> Iterator[tuple[list[str], str]]:
    owner = annotation(visit.parts, "x-of")
    name = next((parent[owner] for parent in reversed(visit.parents) if owner in parent), None)
    mapping = next((mapping for mapping in blocks(method, "mappings") if mapping.get("name") == name), None)
    if mapping is not None:
        nested = "layer_initialization" in visit.pointer
        yield list(layer_names(blocks(mapping, "layers"), nested=nested)), f' in mapping "{name}"'


def layer_names(layers: list[JsonObject], *, nested: bool) -> Iterator[str]:
    """Yield the names of a mapping's layers; with ``nested``, those of layers inside layers as well."""
    for layer in layers:
        yield from names([layer])
        if nested:
            yield from _nested_names(layer)


def _nested_names(block: JsonObject) -> Iterator[str]:
    for value in block.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict) and "type" in item:
                yield from layer_names([item], nested=True)


def _known_views(visit: Visit, method: JsonObject) -> Iterator[tuple[list[str], str]]:
    phase = _phase_of(visit, method)
    for dataset in blocks(method, "datasets"):
        if dataset.get("enabled") is True and runs_on(phase, dataset):
            views = names(blocks(dataset, "batch_augmentations"))
            yield [PLAIN_VIEW, *views], f' in dataset "{dataset.get("name")}"'


def runs_on(phase: JsonObject, dataset: JsonObject) -> bool:
    """Tell whether a phase runs on a dataset, if both are enabled."""
    chosen = dataset.get("phases")
    return not isinstance(chosen, list) or phase.get("name") in chosen


def _doubles(method: JsonObject) -> Iterator[Finding]:
    for kind, places in _declarations(method):
        seen: set[str] = set()
        for pointer, name in places:
            if name in seen:
                yield Finding("RC302", f'two {kind} are called "{name}"', "Give each a name of its own.", pointer)
            seen.add(name)


def _declarations(method: JsonObject) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for key in ("mappings", "phases", "datasets"):
        yield key, _named(method, key, "")
    for pointer, mapping in _placed(method, "mappings", ""):
        yield f'layers of mapping "{mapping.get("name")}"', _named(mapping, "layers", pointer)
    for pointer, phase in _placed(method, "phases", ""):
        yield f'optimizers of phase "{phase.get("name")}"', _named(phase, "optimizers", pointer)
    for pointer, dataset in _placed(method, "datasets", ""):
        title = f'batch augmentations of dataset "{dataset.get("name")}"'
        yield title, _named(dataset, "batch_augmentations", pointer)


def _placed(parent: JsonObject, key: str, pointer: str) -> list[tuple[str, JsonObject]]:
    found = parent.get(key)
    everything = enumerate(found) if isinstance(found, list) else ()
    return [(f"{pointer}/{key}/{i}", block) for i, block in everything if isinstance(block, dict)]


def _named(parent: JsonObject, key: str, pointer: str) -> list[tuple[str, str]]:
    return [(place, name) for place, block in _placed(parent, key, pointer) for name in names([block])]
