"""Codes, patterns and strategies in words."""

import textwrap
from collections.abc import Iterator
from typing import Any

from recombine import markdown, registry
from recombine.explanations import EXPLANATIONS
from recombine.problems import CODES
from recombine.registry import Entry
from recombine.subschemas import resolve, root_schema

_WIDTH = 100
_INDENT = "    "
_SHARED = {"design_patterns": "common.json#/$defs/pattern", "assignment_strategies": "common.json#/$defs/centroids"}


def words() -> list[str]:
    """Return everything that can be explained: codes, identifiers, and their long names."""
    entries = _entries()
    aliases = [alias for entry in entries.values() for alias in entry.aliases]
    return [*CODES, *entries, *aliases]


def explained(word: str) -> str | None:
    """Return the text on a code, or on a pattern or strategy by any of its names; None where there is none."""
    if word.upper() in CODES:
        return "\n\n".join(_code(word.upper()))
    chosen = [entry for entry in _entries().values() if word in (entry.id, *entry.aliases)]
    return "\n\n".join(block for block in _entry(chosen[0]) if block) if chosen else None


def _entries() -> dict[str, Entry]:
    return {**registry.patterns(), **registry.strategies()}


def _code(code: str) -> Iterator[str]:
    explanation = EXPLANATIONS[code]
    place = f", at {explanation.place} for example" if explanation.place else ""
    yield f"{code}: {CODES[code]}"
    yield _wrapped(explanation.meaning)
    yield f"Wrong{place}:\n{textwrap.indent(explanation.wrong, _INDENT)}"
    yield f"Right:\n{textwrap.indent(explanation.right, _INDENT)}"
    yield _wrapped(explanation.next)


def _entry(entry: Entry) -> Iterator[str]:
    schema = entry.schema
    yield f"{entry.id}: {entry.title}"
    yield _wrapped(schema.get("description", ""))
    yield "\n".join(f"Also called {alias}." for alias in entry.aliases)
    yield f"Formula:\n{_formula(schema)}"
    yield "\n".join(["Papers:", *(f"{_INDENT}{paper['title']}\n{_INDENT}{paper['url']}" for paper in _papers(schema))])
    yield "\n".join(fact.removeprefix("- ").replace("`", "") for fact in markdown.facts(schema))
    yield "Options:\n" + "\n".join(_options(entry))
    yield "\n".join(
        ["Example:", *(textwrap.indent(markdown.indented(block), _INDENT) for block in _examples(schema)[:1])]
    )


def _options(entry: Entry) -> Iterator[str]:
    """Yield the options, those of the entry alone first; the description beneath each."""
    folder = entry.schema_file.partition("/")[0]
    file, _, pointer = _SHARED[folder].partition("#")
    shared = {row.key for row in markdown.rows(resolve(file, f"#{pointer}"))}
    found = list(markdown.rows(root_schema(entry.schema_file)))
    for row in sorted(found, key=lambda row: row.key in shared):
        key, kind, default, meaning = (cell.replace("`", "") for cell in row.cells())
        given = default if default in ("", "required") else f"default {default}"
        yield f"  {key} ({', '.join(filter(None, [kind, given]))})"
        yield textwrap.indent(_wrapped(meaning, _WIDTH - len(_INDENT)), _INDENT)


def _formula(schema: dict[str, Any]) -> str:
    text = schema["x-formula"]
    lines = [text] if isinstance(text, str) else text
    return "\n".join(textwrap.indent(_wrapped(line, _WIDTH - len(_INDENT)), _INDENT) for line in lines)


def _papers(schema: dict[str, Any]) -> list[dict[str, str]]:
    papers: list[dict[str, str]] = schema.get("x-papers", [])
    return papers


def _examples(schema: dict[str, Any]) -> list[Any]:
    examples: list[Any] = schema.get("examples", [])
    return examples


def _wrapped(text: str, width: int = _WIDTH) -> str:
    return "\n".join(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False))
