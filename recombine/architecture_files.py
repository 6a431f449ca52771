"""Mappings that a method file takes from a list of architectures, spelt out as layers.

A method that is spelt out holds the layers themselves, and neither the file nor its name: it is the same run wherever
the list lies, and another one as soon as the architecture changes.
"""

import copy
import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeGuard

from recombine import jsonfile
from recombine.complete import blocks, placed_blocks
from recombine.dcjc_architecture import Architecture, ArchitectureError, initialization
from recombine.jsonfile import Document
from recombine.normalize import Normalizer
from recombine.problems import Finding, Problem, suggestion
from recombine.subschemas import JsonObject, root_schema
from recombine.validation import schema_findings, shown

_SCHEMA = "architecture.json"
_REMEMBERED = 256


class _ListError(Exception):
    """A list of architectures has mistakes; ``problems`` holds them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__()
        self.problems = list(problems)


class ArchitectureFiles:
    """The lists of architectures that a method file names.

    Args:
        folder: What relative paths are relative to.

    Attributes:
        problems: What is wrong in the lists, with the places there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.problems: list[Problem] = []

    def spell_out(self, method: JsonObject) -> Iterator[Finding]:
        """Put layers in the place of architectures and of their mirror images, and yield what is wrong with them.

        Where something is wrong, the mapping stays as it is.

        Args:
            method: A method with all names filled in; what the schema finds fault with is passed over.
        """
        for i, mapping in placed_blocks(method, "mappings"):
            chosen, place = mapping.get("architecture"), f"/mappings/{i}/architecture"
            if _is_sound(chosen) and not mapping.get("layers") and "mirror_of" not in mapping:
                try:
                    document = self._read(chosen["path_to_file"], place)
                    found = _architecture(document, _position(document, chosen, place))
                except ArchitectureError as error:
                    yield error.finding
                except _ListError as error:
                    self.problems += [problem for problem in error.problems if problem not in self.problems]
                else:
                    yield from _batch_findings(method, found, place)
                    _replace(method, mapping, found)

    def _read(self, path: str, place: str) -> Document:
        document, problems = jsonfile.read(self._folder / path)
        for problem in problems:
            if problem.code == "RC001":
                message = f'the list of architectures "{path}" cannot be used: {problem.message}'
                raise ArchitectureError("RC001", message, problem.remedy, f"{place}/path_to_file")
        if document is None or problems:
            raise _ListError(problems)
        if not isinstance(document.value, list):
            message = f"a list [...] of architectures is expected here, not {shown(document.value)}"
            raise _ListError([document.problem(Finding("RC103", message, "", ""))])
        return document


def _is_sound(chosen: Any) -> TypeGuard[JsonObject]:
    """Tell whether a mapping says which architecture it takes."""
    if not isinstance(chosen, dict) or not isinstance(chosen.get("path_to_file"), str):
        return False
    index = chosen.get("index")
    is_index = isinstance(index, int) and not isinstance(index, bool) and index >= 0
    return is_index if "name" not in chosen else isinstance(chosen["name"], str)


def _position(document: Document, chosen: JsonObject, place: str) -> int:
    """Return the position of the chosen architecture in its list."""
    found = document.value
    if "name" not in chosen:
        if chosen["index"] >= len(found):
            message = f"there is no architecture {chosen['index']}: the list holds {len(found)}, counted from 0"
            raise ArchitectureError("RC104", message, "", f"{place}/index")
        return int(chosen["index"])
    names = [block.get("name") if isinstance(block, dict) else None for block in found]
    if names.count(chosen["name"]) != 1:
        several = chosen["name"] in names
        message = f'{"several architectures are" if several else "no architecture is"} called "{chosen["name"]}"'
        remedy = 'Give its "index".' if several else suggestion(chosen["name"], [n for n in names if n is not None])
        raise ArchitectureError("RC302" if several else "RC301", message, remedy, f"{place}/name")
    return names.index(chosen["name"])


def _architecture(document: Document, position: int) -> Architecture:
    block, findings = _checked(json.dumps(document.value[position]))
    if not findings:
        try:
            return Architecture(copy.deepcopy(block))
        except ArchitectureError as error:
            findings = (error.finding,)
    located = [finding._replace(pointer=f"/{position}{finding.pointer}") for finding in findings]
    raise _ListError([document.problem(finding) for finding in located])


@lru_cache(_REMEMBERED)
def _checked(text: str) -> tuple[Any, tuple[Finding, ...]]:
    """Return an architecture with its defaults spelt out, and what the schema finds wrong with it."""
    block = Normalizer().normalize(json.loads(text), [root_schema(_SCHEMA)])
    return block, tuple(schema_findings(block, _SCHEMA))


def _batch_findings(method: JsonObject, found: Architecture, place: str) -> Iterator[Finding]:
    for dataset in blocks(method, "datasets"):
        own = dataset.get("batch_size")
        if dataset.get("enabled") is True and isinstance(own, int) and own != found.batch_size:
            message = f'the batch size {found.batch_size} of architecture "{found.name}" has no effect'
            reason = f'dataset "{dataset.get("name")}" has its own, {own}'
            remedy = f"Write {found.batch_size} there to train as its authors did."
            yield Finding("RC407", f"{message}: {reason}", remedy, place, is_warning=True)


def _replace(method: JsonObject, mapping: JsonObject, found: Architecture) -> None:
    """Put layers in the place of an architecture and of its mirror images."""
    del mapping["architecture"]
    _spell_out(mapping, found.encoder())
    for mirror in blocks(method, "mappings"):
        if mirror.get("mirror_of") == mapping["name"] and not mirror.get("layers") and "architecture" not in mirror:
            del mirror["mirror_of"]
            output = mirror.pop("output_non_linearity", found.output_non_linearity)
            _spell_out(mirror, found.decoder(mapping["name"], output))


def _spell_out(mapping: JsonObject, layers: list[JsonObject]) -> None:
    own = mapping.get("layer_initialization")
    mapping["layers"] = layers
    mapping["layer_initialization"] = [*initialization(layers), *(own if isinstance(own, list) else [])]
