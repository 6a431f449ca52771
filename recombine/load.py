"""From a method file to a frozen configuration, or to every mistake in it at once."""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recombine import jsonfile
from recombine.checks import semantic_findings
from recombine.class_checks import class_findings
from recombine.complete import complete
from recombine.config import MethodConfig, method_config
from recombine.jsonfile import Document
from recombine.normalize import Normalizer
from recombine.overrides import Override, apply
from recombine.problems import Finding, InvalidMethodError, Problem, has_errors
from recombine.references import reference_findings
from recombine.subschemas import root_schema
from recombine.validation import schema_findings

_SCHEMA_FINDINGS_THAT_SPOIL_NOTHING = ("RC101", "RC104")


@dataclass(frozen=True)
class Loaded:
    """What came of a method file.

    Attributes:
        source: The file's name, or ``<dict>``.
        config: The frozen configuration, or None where there are errors.
        problems: Errors and warnings, in the order of their places.
        document: The parsed file, or None where it is not JSON.
        normalizer: Knows the file's own names for renamed keys.
    """

    source: str
    config: MethodConfig | None
    problems: tuple[Problem, ...]
    document: Document | None = None
    normalizer: Normalizer | None = None

    def require(self) -> MethodConfig:
        """Return the configuration; raise InvalidMethodError where there is none."""
        if self.config is None:
            raise InvalidMethodError(self.problems)
        return self.config

    def problem(self, finding: Finding) -> Problem:
        """Return a finding as a problem with its place in the file."""
        if self.document is None or self.normalizer is None:
            return Problem(finding.code, finding.message, finding.remedy, finding.pointer, self.source)
        return located(finding, self.document, self.normalizer)


def load_file(path: Path, overrides: Sequence[Override] = ()) -> Loaded:
    """Read and check a method file."""
    document, problems = jsonfile.read(path)
    return _load(document, problems, str(path), overrides)


def load_dict(method: Mapping[str, Any], overrides: Sequence[Override] = ()) -> Loaded:
    """Check a method given as a Python object; relative paths are relative to the current folder."""
    document, problems = jsonfile.parse(json.dumps(method), "<dict>", Path.cwd())
    return _load(document, problems, "<dict>", overrides)


def _load(document: Document | None, problems: list[Problem], source: str, overrides: Sequence[Override]) -> Loaded:
    if document is None:
        return Loaded(source, None, tuple(problems))
    normalizer = Normalizer()
    value = normalizer.normalize(copy.deepcopy(document.value), [root_schema()])
    findings = [_doubled(place, alias) for place, alias in normalizer.doubled.items()]
    findings += apply(value, overrides)
    value = Normalizer().normalize(value, [root_schema()]) if overrides else value
    findings += _check(value)
    problems = problems + [located(finding, document, normalizer) for finding in dict.fromkeys(findings)]
    problems.sort(key=lambda problem: (problem.line, problem.column))
    config = None if has_errors(problems) else method_config(value, document.folder)
    return Loaded(source, config, tuple(problems), document, normalizer)


def _check(value: Any) -> list[Finding]:
    """Return all findings of a normalized method; deeper checks run as far as shallower ones leave sense in it."""
    findings = schema_findings(value)
    if not isinstance(value, dict):
        return findings
    complete(value)
    findings += class_findings(value)
    findings += reference_findings(value)
    sound = all(f.code in _SCHEMA_FINDINGS_THAT_SPOIL_NOTHING or f.code.startswith("RC2") for f in findings)
    return findings + semantic_findings(value) if sound else findings


def located(finding: Finding, document: Document, normalizer: Normalizer) -> Problem:
    """Return a finding as a problem at the place in the file where its pointer leads."""
    pointer = normalizer.original(finding.pointer)
    line, column = document.place(pointer, of_key=finding.code in ("RC101", "RC202"))
    return Problem(
        finding.code, finding.message, finding.remedy, pointer, document.file, line, column, finding.is_warning
    )


def _doubled(place: str, alias: str) -> Finding:
    key = place.rpartition("/")[2]
    message = f'"{key}" and "{alias}" mean the same and both stand here'
    return Finding("RC106", message, f'Remove "{alias}".', place)
