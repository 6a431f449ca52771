"""Names that refer to something within the file: do they, and is each of them there once?"""

from collections.abc import Iterable, Iterator

from recombine.complete import blocks, placed_blocks
from recombine.mirror_checks import mirrored_names
from recombine.misspelt import certain_name
from recombine.pointers import escaped, parts
from recombine.problems import Finding, suggestion
from recombine.signatures import nested_blocks
from recombine.step import PLAIN_VIEW
from recombine.subschemas import JsonObject, Visit, annotation

_WORDS = {
    "mapping": "mapping",
    "layer": "layer",
    "phase": "phase",
    "dataset": "dataset",
    "view": "batch augmentation",
    "optimizer": "optimizer of this phase",
}


def reference_findings(method: JsonObject, visits: Iterable[Visit]) -> list[Finding]:
    """Return every name that refers to nothing, or stands twice.

    Args:
        method: A completed method.
        visits: All values in it that the schema describes.
    """
    findings = list(_doubles(method))
    known = _Names(method)
    for visit in visits:
        kind = annotation(visit.parts, "x-ref") if isinstance(visit.value, str) else None
        if kind in _WORDS:
            findings += _check(kind, visit, known)
    return findings


def _check(kind: str, visit: Visit, names: "_Names") -> Iterator[Finding]:
    for known, where in names.that_would_do(kind, visit):
        if visit.value not in known:
            message = f'there is no {_WORDS[kind]} called "{visit.value}"{where}'
            remedy = suggestion(visit.value, known) or "None is declared."
            fix = certain_name(visit.value, known)
            yield Finding("RC301", message, remedy, visit.pointer, fix=fix)


class _Names:
    """The names in a method that others refer to.

    Args:
        method: A completed method.
    """

    def __init__(self, method: JsonObject) -> None:
        self._method = method
        self._layers: dict[tuple[int, bool], list[str]] = {}

    def that_would_do(self, kind: str, visit: Visit) -> Iterator[tuple[list[str], str]]:
        """Yield the names that would do, with a word on where; several lists must all hold the name."""
        if kind == "layer":
            yield from self._of_layers(visit)
        elif kind == "view":
            yield from self._of_views(visit)
        else:
            parent = self._phase_of(visit) if kind == "optimizer" else self._method
            found = parent.get(f"{kind}s")
            # An empty list is a mistake of its own, except that a phase may have no optimizers.
            # Where a block has no name, which the schema does not allow, nobody knows what it would be called.
            if (
                isinstance(found, list)
                and (found or kind == "optimizer")
                and len(names(blocks(parent, f"{kind}s"))) == len(found)
            ):
                yield names(found), ""

    def _phase_of(self, visit: Visit) -> JsonObject:
        phase: JsonObject = self._method["phases"][int(parts(visit.pointer)[1])]
        return phase

    def _of_layers(self, visit: Visit) -> Iterator[tuple[list[str], str]]:
        owner = annotation(visit.parts, "x-of")
        name = next((parent[owner] for parent in reversed(visit.parents) if owner in parent), None)
        mapping = next((mapping for mapping in blocks(self._method, "mappings") if mapping.get("name") == name), None)
        if mapping is None or "architecture" in mapping:
            return
        if "mirror_of" in mapping:
            mirrored = mirrored_names(self._method, mapping)
            if mirrored is not None:
                yield mirrored, f' in mapping "{name}"'
            return
        nested = "layer_initialization" in parts(visit.pointer)
        key = id(mapping), nested
        if key not in self._layers:
            known = _all_layers(mapping, "") if nested else _named(mapping, "layers", "")
            self._layers[key] = [layer for _, layer in known]
        yield self._layers[key], f' in mapping "{name}"'

    def _of_views(self, visit: Visit) -> Iterator[tuple[list[str], str]]:
        phase = self._phase_of(visit)
        for dataset in blocks(self._method, "datasets"):
            if dataset.get("enabled") is True and runs_on(phase, dataset):
                views = names(blocks(dataset, "batch_augmentations"))
                yield [PLAIN_VIEW, *views], f' in dataset "{dataset.get("name")}"'


def names(named: list[JsonObject]) -> list[str]:
    """Return the names of blocks that have one."""
    return [block["name"] for block in named if isinstance(block.get("name"), str)]


def _all_layers(mapping: JsonObject, pointer: str) -> Iterator[tuple[str, str]]:
    """Yield place and name of each layer of a mapping that has a name, those of layers inside layers as well."""
    for place, layer in _placed(mapping, "layers", pointer):
        yield from _layers_in(layer, place)


def _layers_in(layer: JsonObject, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(layer.get("name"), str):
        yield f"{pointer}/name", layer["name"]
    for key, value in layer.items():
        for place, inner in nested_blocks(value, f"{pointer}/{escaped(key)}"):
            yield from _layers_in(dict(inner), place)


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


def _declarations(method: JsonObject) -> Iterator[tuple[str, Iterable[tuple[str, str]]]]:
    for key in ("mappings", "phases", "datasets"):
        yield key, _named(method, key, "")
    for pointer, mapping in _placed(method, "mappings", ""):
        yield f'layers of mapping "{mapping.get("name")}"', _all_layers(mapping, pointer)
    for pointer, phase in _placed(method, "phases", ""):
        yield f'optimizers of phase "{phase.get("name")}"', _named(phase, "optimizers", pointer)
    for pointer, dataset in _placed(method, "datasets", ""):
        title = f'batch augmentations of dataset "{dataset.get("name")}"'
        yield title, _named(dataset, "batch_augmentations", pointer)


def _placed(parent: JsonObject, key: str, pointer: str) -> list[tuple[str, JsonObject]]:
    return [(f"{pointer}/{key}/{position}", block) for position, block in placed_blocks(parent, key)]


def _named(parent: JsonObject, key: str, pointer: str) -> list[tuple[str, str]]:
    return [(f"{place}/name", name) for place, block in _placed(parent, key, pointer) for name in names([block])]
