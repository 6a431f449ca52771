"""What validation found, for people, for programs and for GitHub."""

import json
from collections.abc import Sequence
from typing import Any

from recombine.excerpt import Sources
from recombine.problems import Problem, printable
from recombine.repair import Edit

_INDENT = "    "


def as_text(problem: Problem, sources: Sources) -> str:
    """Return the message of a problem, and below it the line of the file with a mark."""
    return "\n".join([str(problem), *(_INDENT + line for line in sources.excerpt(problem))])


def summary(problems: Sequence[Problem], num_files: int) -> str:
    """Return the numbers of errors and of warnings in one line."""
    warnings = sum(problem.is_warning for problem in problems)
    counts = f"{_count(len(problems) - warnings, 'error')} and {_count(warnings, 'warning')}"
    return f"{counts} in {_count(num_files, 'file')}"


def as_json(found: Sequence[tuple[Problem, Edit | None]]) -> str:
    """Return problems, each with the edit that certainly mends it, as a JSON list of objects with the same keys."""
    return json.dumps([_described(problem, edit) for problem, edit in found], indent=2, ensure_ascii=False)


def as_github(problem: Problem) -> str:
    """Return a problem as a command that makes GitHub show it beside the line of the file."""
    properties = {"file": problem.file, "line": problem.line, "col": problem.column, "title": problem.code}
    shown = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items() if value)
    where = f"at {problem.pointer}: " if problem.pointer else ""
    text = f"{where}{problem.message.removesuffix('.')}. {problem.remedy}".strip()
    return f"::{_severity(problem)} {shown}::{_data(printable(text))}"


def _described(problem: Problem, edit: Edit | None) -> dict[str, Any]:
    return {
        "code": problem.code,
        "severity": _severity(problem),
        "message": problem.message,
        "remedy": problem.remedy,
        "pointer": problem.pointer,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "fixes": [] if edit is None else [{"line": edit.line, "column": edit.column, "old": edit.old, "new": edit.new}],
    }


def _severity(problem: Problem) -> str:
    return "warning" if problem.is_warning else "error"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(printable(text)).replace(":", "%3A").replace(",", "%2C")
