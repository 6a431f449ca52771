import re
from pathlib import Path

import pytest

from recombine.problems import (
    CODES,
    InvalidMethodError,
    Problem,
    file_problem,
    has_errors,
    listing,
    nearest,
    printable,
    suggestion,
)

#: Where every code stands, used or not.
TEXTS = ("problems.py", "explanations.py")
SOURCES = sorted((Path(__file__).parent.parent / "recombine").rglob("*.py"))


def test_a_problem_shows_place_kind_cause_and_remedy():
    problem = Problem("RC104", "1 is out of range", "Write 2.", "/a/b", "m.json", 3, 7)
    assert str(problem) == "m.json:3:7: error RC104 at /a/b: 1 is out of range. Write 2."
    warning = Problem("RC407", "it has no effect.", file="m.json", is_warning=True)
    assert str(warning) == "m.json: warning RC407: it has no effect."
    assert str(file_problem(Path("x.json"), "RC001", "it is gone")) == "x.json: error RC001: it is gone."


@pytest.mark.parametrize("text", ["\x1b[2J", "\x00", "\x7f", "\x9b1m", "\u202e", "\u2066", "\r", "\t", "\udc80"])
def test_what_a_terminal_would_obey_is_shown_as_an_escape(text):
    shown = str(Problem("RC101", f'"{text}" is unknown', pointer=f"/{text}", file=f"{text}.json"))
    assert text not in shown
    assert shown.count(f"\\u{ord(text[0]):04x}") == 3


def test_line_breaks_and_letters_of_all_languages_are_shown_as_they_are():
    assert printable("a\nΩ 聚类 🙂") == "a\nΩ 聚类 🙂"


def test_only_errors_keep_a_method_from_running():
    warning, error = Problem("RC407", "w", is_warning=True), Problem("RC101", "e")
    assert not has_errors([warning])
    assert has_errors([warning, error])


def test_the_error_of_a_bad_method_holds_all_problems_and_shows_them_a_line_each():
    problems = [Problem("RC101", "one", file="m"), Problem("RC102", "two", file="m")]
    error = InvalidMethodError(problems)
    assert error.problems == tuple(problems)
    assert str(error) == "m: error RC101: one.\nm: error RC102: two."


@pytest.mark.parametrize(
    ("word", "near"), [("encodr", "encoder"), ("RELU", "ReLU"), ("relu", "ReLU"), ("Encoder", "encoder"), ("zzz", "")]
)
def test_the_nearest_word_is_found_whatever_its_case(word, near):
    assert nearest(word, ["encoder", "decoder", "ReLU"]) == near


def test_a_suggestion_names_the_nearest_word_or_lists_what_there_is():
    assert suggestion("decodr", ["encoder", "decoder"]) == 'Did you mean "decoder"?'
    assert suggestion("x", ["b", "a", "a"]) == 'Known here: "a", "b".'
    assert suggestion("x", []) == ""


def test_long_lists_are_cut():
    assert listing(list("abcd"), at_most=2) == '"a", "b" and 2 more'
    assert listing(list("ab"), at_most=2) == '"a", "b"'


def test_every_code_is_used_and_every_used_code_is_explained():
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCES if path.name not in TEXTS)
    used = {word.strip('"') for word in re.findall(r'"RC\d{3}"', text)}
    assert used == set(CODES)
    assert len(SOURCES) > 50
