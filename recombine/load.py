"""From a method file to a frozen configuration, or to every mistake in it at once."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recombine import jsonfile
from recombine.architecture_files import ArchitectureFiles
from recombine.checks import semantic_findings
from recombine.class_checks import class_findings
from recombine.complete import complete
from recombine.config import MethodConfig, method_config
from recombine.errors import UsageError
from recombine.jsonfile import Document
from recombine.mirror_checks import mirror_findings, output_findings
from recombine.normalize import Doubled, Normalizer
from recombine.overrides import Override, apply
from recombine.pointers import escaped, is_within, parts
from recombine.problems import Finding, InvalidMethodError, Problem, has_errors, printable
from recombine.references import reference_findings
from recombine.subschemas import root_schema, walk
from recombine.validation import schema_findings

_DICT = "<dict>"
_UNKNOWN_KEY, _MISSING_KEY = ("RC101", "RC202"), ("RC102", "RC203")
_SPOILS_NOTHING = ("RC101", "RC104", "RC201", "RC202", "RC203", "RC204")


@dataclass(frozen=True)
class Locator:
    """Knows where in a method file a finding's pointer leads.

    Attributes:
        document: The parsed file.
        normalizer: Knows the file's own names for renamed keys.
        changed: The overrides by the canonical pointers of what they changed.
    """

    document: Document
    normalizer: Normalizer
    changed: Mapping[str, Override]

    def locate(self, finding: Finding) -> Problem:
        """Return a finding as a problem with its place in the file, or with the override that brought it about."""
        code, message, remedy, pointer, is_warning, *_ = finding
        override = next((o for place, o in self.changed.items() if is_within(pointer, place)), None)
        if override is not None:
            file = f"{self.document.file} with {override}"
            return Problem(code, message, remedy, pointer, file, is_warning=is_warning)
        return self.document.problem(finding._replace(pointer=self.normalizer.original(pointer)))


@dataclass(frozen=True)
class Loaded:
    """What came of a method file.

    Attributes:
        source: The file's name, or ``<dict>``.
        config: The frozen configuration, or None where there are errors.
        problems: Errors and warnings, in the order of their places.
        locator: Knows where findings about the configuration stand; None where there is none.
    """

    source: str
    config: MethodConfig | None
    problems: tuple[Problem, ...]
    locator: Locator | None = None

    def require(self) -> MethodConfig:
        """Return the configuration; raise InvalidMethodError where there is none."""
        if self.config is None:
            raise InvalidMethodError(self.problems)
        return self.config

    def with_findings(self, findings: Sequence[Finding]) -> "Loaded":
        """Return the same with further findings about the configuration."""
        if self.locator is None:
            return self
        problems = (*self.problems, *(self.locator.locate(finding) for finding in dict.fromkeys(findings)))
        return replace(self, problems=_sorted(problems), config=None if has_errors(problems) else self.config)


def load_file(path: Path, overrides: Sequence[Override] = ()) -> Loaded:
    """Read and check a method file."""
    document, problems = jsonfile.read(path)
    return _load(document, problems, printable(str(path)), overrides)


def load_text(text: str, path: Path) -> Loaded:
    """Check what would stand in a method file at ``path``."""
    name = printable(str(path))
    document, problems = jsonfile.parse(text, name, path.resolve().parent)
    return _load(document, problems, name, ())


def load_dict(method: Mapping[str, Any], overrides: Sequence[Override] = (), folder: Path | None = None) -> Loaded:
    """Check a method given as a Python object.

    Args:
        method: The method.
        overrides: Changes to it.
        folder: What relative paths are relative to; None: the current folder.

    Raises:
        UsageError: It holds something that JSON does not know.
    """
    try:
        text = json.dumps(method)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the method cannot be written as JSON: {error}") from error
    document, problems = jsonfile.parse(text, _DICT, folder if folder is not None else Path.cwd())
    if document is not None:
        document = Document(document.value, _DICT, document.folder)
    return _load(document, [replace(problem, line=0, column=0) for problem in problems], _DICT, overrides)


def _load(document: Document | None, problems: list[Problem], source: str, overrides: Sequence[Override]) -> Loaded:
    if document is None:
        return Loaded(source, None, tuple(problems))
    as_written, spelling_out = Normalizer(with_defaults=False), Normalizer()
    value = as_written.normalize(document.value, [root_schema()]) if overrides else document.value
    findings: list[Finding] = []
    changed: dict[str, Override] = {}
    for override in overrides:
        pointer, nothing = apply(value, override)
        findings += nothing
        if not nothing:
            changed[pointer] = override
    written, value = value, spelling_out.normalize(value, [root_schema()])
    findings += [_double(doubled) for doubled in as_written.doubled + spelling_out.doubled]
    architectures = ArchitectureFiles(document.folder)
    findings += _check(value, written, architectures)
    locator = Locator(document, as_written if overrides else spelling_out, changed)
    found = Loaded(source, None, (*problems, *architectures.problems), locator).with_findings(findings)
    return found if has_errors(found.problems) else replace(found, config=method_config(value, document.folder))


def _double(doubled: Doubled) -> Finding:
    message = f'"{doubled.key}" and "{doubled.other}" mean the same and both stand here'
    return Finding("RC106", message, "Remove one of them.", doubled.pointer)


def _check(value: Any, written: Any, architectures: ArchitectureFiles) -> list[Finding]:
    """Return all findings of a normalized method; deeper checks look at what shallower ones left sense in."""
    findings = schema_findings(value)
    if not isinstance(value, dict):
        return findings
    complete(value)
    findings += output_findings(value)
    findings += architectures.spell_out(value)
    visits = list(walk(value, [root_schema()]))
    findings += class_findings(visits)
    findings += reference_findings(value, visits)
    findings += mirror_findings(value)
    spoilt = [f.pointer or f"/{escaped(f.key)}" for f in findings if _spoils(f)]
    if findings:
        findings = _without_shadows(_with_fixes(findings, _canonical(written)))
    return findings + semantic_findings(value, spoilt)


def _canonical(written: Any) -> Any:
    """Return the method as it was written, with the names of keys that are not aliases."""
    return Normalizer(with_defaults=False).normalize(written, [root_schema()])


def _spoils(finding: Finding) -> bool:
    """Tell whether a mistake leaves its place without a sense; a list of the method that is empty has none."""
    is_empty = finding.code == "RC104" and len(parts(finding.pointer)) == 1
    return finding.code not in _SPOILS_NOTHING or _is_misspelt(finding) or is_empty


def _is_misspelt(finding: Finding) -> bool:
    return finding.code in _UNKNOWN_KEY and finding.key != ""


def _with_fixes(findings: Sequence[Finding], written: Any) -> list[Finding]:
    """Return findings with the words that are certain: not for keys that stand there already.

    An unknown key certainly means a required one that is missing, where no other pair is like them.
    """
    missing = Counter(f.pointer for f in findings if f.code in _MISSING_KEY)
    pairs = Counter((f.pointer.rpartition("/")[0], f.key) for f in findings if _is_misspelt(f))
    required = {(f.pointer, f.key) for f in findings if f.code in _MISSING_KEY}
    fixed = []
    for finding in findings:
        owner = finding.pointer.rpartition("/")[0]
        pair = (owner, finding.key)
        is_certain = _is_misspelt(finding) and pair in required and pairs[pair] == 1 and missing[owner] == 1
        fix = finding.key if is_certain else finding.fix
        is_there = finding.code in _UNKNOWN_KEY and _holds(written, owner, fix)
        fixed.append(finding._replace(fix="" if is_there else fix))
    return fixed


def _holds(written: Any, pointer: str, key: str) -> bool:
    """Tell whether an object of the method as it was written has a key."""
    for part in parts(pointer):
        if isinstance(written, list):
            written = dict(enumerate(written)).get(int(part))
        else:
            written = written.get(part) if isinstance(written, dict) else None
    return isinstance(written, dict) and key in written


def _without_shadows(findings: Sequence[Finding]) -> list[Finding]:
    """Leave out missing keys that stand there misspelt, which another finding says already."""
    meant = {(f.pointer.rpartition("/")[0], f.key) for f in findings if _is_misspelt(f)}
    return [f for f in findings if f.code not in _MISSING_KEY or (f.pointer, f.key) not in meant]


def _sorted(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
