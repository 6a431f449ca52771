"""Repairs of method files: what was certainly meant, put in the place of what stands there, and nothing else."""

import codecs
import difflib
import json
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recombine import jsonfile
from recombine.errors import UsageError
from recombine.files import write_beside
from recombine.json_syntax import mended
from recombine.load import Loaded, load_text
from recombine.pointers import parts
from recombine.problems import Problem, printable

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_MOST_ROUNDS = 9


@dataclass(frozen=True, order=True)
class Edit:
    """A change of one word of a file.

    Attributes:
        line: Line of the word's first quote, from 1.
        column: Its column, from 1.
        old: What stands there, as JSON, quotes included.
        new: What is to stand there, as JSON.
    """

    line: int
    column: int
    old: str
    new: str


@dataclass(frozen=True)
class Repair:
    """What became of a file.

    Attributes:
        path: The file.
        before: Its text.
        after: Its text with all certain repairs; the same where there are none.
        loaded: What there is to say of the text after.
    """

    path: Path
    before: str
    after: str
    loaded: Loaded

    def difference(self) -> str:
        """Return what changes, as a unified diff; empty where nothing does."""
        name = str(self.path)
        old, new = _lines(self.before), _lines(self.after)
        lines = difflib.unified_diff(old, new, name, f"{name} (repaired)", lineterm="")
        return "\n".join("\t".join(map(printable, line.split("\t"))) for line in lines)

    def write(self) -> None:
        """Put the repaired text in the place of the file, whole or not at all.

        Raises:
            UsageError: Somebody else has changed the file meanwhile.
        """
        target = self.path.resolve()
        content = target.read_bytes()
        mark = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
        if content != mark + self.before.encode():
            raise UsageError(f"{printable(str(self.path))} was changed while it was being repaired")
        content = mark + self.after.encode()
        write_beside(target, lambda beside: _fill(beside, content, target))


def repaired(path: Path) -> Repair | None:
    """Return the repair of a method file, which is not written yet; None where the file cannot be read.

    What keeps the text from being JSON comes first. Mending one word may bring to light others within its block, so
    that there are several rounds. They count only if there are fewer errors after them than before.
    """
    _, problems = jsonfile.read(path)
    if any(problem.code == "RC001" for problem in problems):
        return None
    text = path.read_bytes().decode("utf-8-sig")
    after = mended(text)
    best = repair = Repair(path, text, after, load_text(after, path))
    for _ in range(_MOST_ROUNDS):
        further = _round(repair)
        if further is None:
            break
        repair = further
        best = min(best, repair, key=_num_errors)
    return best


def edits(problems: Sequence[Problem], text: str, file: str) -> dict[Problem, Edit]:
    """Return the edits that certainly mend problems of a file; those that contradict each other are left out.

    Args:
        problems: The problems.
        text: What stands in the file.
        file: The name of the file in the problems.
    """
    document, flaws = jsonfile.parse(text, file, Path())
    if document is None:
        return {}
    spoilt = {flaw.pointer for flaw in flaws}
    own = [problem for problem in dict.fromkeys(problems) if problem.fix and problem.file == file]
    rivals = Counter((_owner(problem), problem.fix) for problem in own if _is_of_key(problem))
    lines = text.split("\n")
    found: dict[Problem, Edit] = {}
    for problem in own:
        is_alone = not _is_of_key(problem) or rivals[(_owner(problem), problem.fix)] == 1
        if problem.pointer not in spoilt and is_alone:
            edit = _edit(problem, lines)
            found |= {problem: edit} if edit is not None else {}
    places = Counter((edit.line, edit.column) for edit in set(found.values()))
    return {problem: edit for problem, edit in found.items() if places[(edit.line, edit.column)] == 1}


def _round(repair: Repair) -> Repair | None:
    """Return the repair with the next edits: all at once, or one that helps by itself; None where there are none."""
    wanted = sorted(set(edits(repair.loaded.problems, repair.after, printable(str(repair.path))).values()))
    if not wanted:
        return None
    everything, *alone = [_with(repair, chosen) for chosen in (wanted, *([edit] for edit in wanted))]
    return min(everything, *alone, key=_num_errors)


def _with(repair: Repair, chosen: Sequence[Edit]) -> Repair:
    text = _applied(repair.after, chosen)
    return Repair(repair.path, repair.before, text, load_text(text, repair.path))


def _applied(text: str, chosen: Sequence[Edit]) -> str:
    lines = text.split("\n")
    for edit in sorted(chosen, reverse=True):
        line, at = lines[edit.line - 1], edit.column - 1
        lines[edit.line - 1] = line[:at] + edit.new + line[at + len(edit.old) :]
    return "\n".join(lines)


def _edit(problem: Problem, lines: Sequence[str]) -> Edit | None:
    """Return the edit that writes the word of a problem; None where another word stands at its place."""
    if not 0 < problem.line <= len(lines):
        return None
    match = _STRING.match(lines[problem.line - 1], problem.column - 1)
    if match is None:
        return None
    word = json.loads(match[0])
    if _is_of_key(problem) and word != parts(problem.pointer)[-1]:
        return None
    return Edit(problem.line, problem.column, match[0], json.dumps(problem.fix, ensure_ascii=False))


def _is_of_key(problem: Problem) -> bool:
    return problem.code in jsonfile.ABOUT_KEYS


def _owner(problem: Problem) -> str:
    return problem.pointer.rpartition("/")[0]


def _num_errors(repair: Repair) -> int:
    return sum(not problem.is_warning for problem in repair.loaded.problems)


def _lines(text: str) -> list[str]:
    return [line.rstrip("\r") for line in text.split("\n")]


def _fill(path: Path, content: bytes, like: Path) -> None:
    path.write_bytes(content)
    shutil.copymode(like, path)
