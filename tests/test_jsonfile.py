import os
from pathlib import Path

import pytest

from recombine.jsonfile import parse, read

FOLDER = Path("somewhere")


def messages(text):
    """Return the problems of a text as the user sees them."""
    return [str(problem) for problem in parse(text, "m.json", FOLDER)[1]]


def test_every_value_and_key_has_its_line_and_column():
    text = '{\n  "a": 1,\n  "b": [true,\n    {"c~/": "x, ]"}],\r\n\t"d" : -1.5e3}'
    document, problems = parse(text, "m.json", FOLDER)
    assert problems == []
    assert document.value == {"a": 1, "b": [True, {"c~/": "x, ]"}], "d": -1500.0}
    assert document.places == {
        "": (1, 1),
        "/a": (2, 8),
        "/b": (3, 8),
        "/b/0": (3, 9),
        "/b/1": (4, 5),
        "/b/1/c~0~1": (4, 13),
        "/d": (5, 8),
    }
    assert document.key_places == {"/a": (2, 3), "/b": (3, 3), "/b/1/c~0~1": (4, 6), "/d": (5, 2)}


def test_a_place_that_is_not_in_the_file_is_that_of_the_nearest_enclosing_value():
    document, _ = parse('{"a": [\n {"b": 1}]}', "m.json", FOLDER)
    assert document.place("/a/0/default/deeper") == (2, 2)
    assert document.place("/a/0/b", of_key=True) == (2, 3)
    assert document.place("/a/0/x", of_key=True) == (2, 2)
    assert document.place("/nowhere") == (1, 1)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ('{"a": 1, b: 2}', "1:10", 'the key b has no quotes. Write "b".'),
        ("{'a': 1}", "1:2", "' is no quote of JSON. Put strings between \"."),
        ('{"a": 1 "b": 2}', "1:9", "a comma is missing before this."),
        ('{"a": 1, ; "b": 2}', "1:10", "a key in double quotes is expected here, not ;."),
        ('{"a" 1}', "1:6", 'a colon is expected between key and value, not 1. Write "key": value.'),
        ('{"a": [1,\n , 2]}', "2:2", "something is missing before this comma, or the comma is one too many."),
        ('{"a": [1, \n]}', "1:9", "there is a comma too many before the closing ]. Remove it."),
        ('{"a": 1}\n}', "2:1", "this } closes nothing. Remove it."),
        ('{"a": [1}', "1:9", "a ] is expected here, not }."),
        ('{"a": ', "1:6", "the text ends too early: } is missing."),
        ('{"a": "x}', "1:7", 'the text ends within a string. Close it with ".'),
        ('{"a": "x\ny"}', "1:9", "a line break, a tab or another control character stands within a string. "),
        ('{"root": "C:\\data"}', "1:13", "a backslash in a string must be doubled. Write \\\\ or, in paths, /."),
        ('{\n  // why\n  "a": 1}', "2:3", 'JSON has no comments. Remove it; notes for readers go under "description".'),
        ("seed: 3", "1:1", 'the text seed has no quotes. Write "seed".'),
        ('{"a": -}', "1:7", "a value is expected here, not -."),
        ('{"a": 1_0}', "1:7", "1_0 is no number in JSON. Write it like 12, -0.5 or 1e-3."),
        ("{", "1:2", "the text ends too early: } is missing."),
    ],
)
def test_mistakes_of_syntax_are_shown_where_they_stand(text, place, message):
    (found,) = messages(text)
    assert found.startswith(f"m.json:{place}: error RC002: the file is not JSON: {message}")
    assert parse(text, "m.json", FOLDER)[0] is None


@pytest.mark.parametrize("text", ['{\n"a": 1,}', '[\n"a",]'])
def test_a_comma_too_many_is_called_so_by_every_python(text):
    (found,) = messages(text)
    assert found.startswith("m.json:2:")
    assert "comma" in found


@pytest.mark.parametrize("text", ["", "  \n\t "])
def test_an_empty_file_says_so_and_names_an_example(text):
    assert messages(text) == [
        "m.json: error RC002: the file is empty. "
        'Start from a shipped configuration, for example "configurations/quickstart/digits.json".'
    ]


def test_each_repeated_key_is_reported_at_its_own_place_and_the_file_is_checked_on():
    document, problems = parse('{"a/b": 1,\n "a/b": 2,\n "c": {"d": 1, "d": 2}, "a/b": 3}', "m.json", FOLDER)
    assert [str(problem) for problem in problems] == [
        f'm.json:{place}: error RC003 at {pointer}: the key "{key}" stands twice in this object, and only one of them '
        "would count. Remove one of them."
        for place, pointer, key in (("2:2", "/a~1b", "a/b"), ("3:16", "/c/d", "d"), ("3:25", "/a~1b", "a/b"))
    ]
    assert document.value == {"a/b": 3, "c": {"d": 2}}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_know_are_refused_where_they_stand(number):
    assert messages(f'{{"a": [1,\n {number}]}}') == [
        f"m.json:2:2: error RC002 at /a/1: the file is not JSON: {number} is no number there."
    ]


@pytest.mark.parametrize(
    ("number", "shown"),
    [("1e999", "1e999"), ("-1e999", "-1e999"), ("9" * 400, "9" * 20 + "..."), ("1" * 9999, "1" * 20)],
)
def test_numbers_that_no_float_can_hold_are_refused(number, shown):
    (found,) = messages(f'{{"a": {number}}}')
    assert found.startswith(f"m.json:1:7: error RC104 at /a: {shown}")
    assert found.endswith(" is too large a number.")


def test_all_flaws_are_reported_at_once():
    found = messages('{"a": 1e999, "a": "\\u0000", "b": NaN}')
    assert [text.split(": ")[1] for text in found] == [
        "error RC104 at /a",
        "error RC003 at /a",
        "error RC104 at /a",
        "error RC002 at /b",
    ]


@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800", "x\\udfff"])
def test_strings_that_are_no_text_are_refused(escape):
    expected = "m.json:1:{}: error RC104{}: the string holds a NUL or half of a character. Remove it."
    assert messages(f'{{"a": "{escape}"}}') == [expected.format(7, " at /a")]
    assert messages(f'{{"{escape}": 1}}') == [expected.format(2, "")]


def test_escapes_that_are_text_are_fine():
    document, problems = parse('{"a": "\\ud83d\\ude00 \\\\u0000 \\u00e9"}', "m.json", FOLDER)
    assert (document.value, problems) == ({"a": "\U0001f600 \\u0000 é"}, [])


def test_deep_nesting_is_refused_where_it_gets_too_deep_and_does_not_exhaust_the_stack():
    assert messages("[" * 60 + "]" * 60) == []
    expected = ["m.json:2:60: error RC002: values are nested more than 60 levels deep."]
    assert messages("[\n" + "[" * 60 + "]" * 61) == expected
    assert messages("[\n" + '{"a":' * 100_000)[0].startswith("m.json:2:296: error RC002: values are nested")


def test_brackets_in_strings_do_not_nest():
    assert messages('["' + "[" * 100 + '\\"["]') == []


def test_a_file_is_read_with_its_folder(tmp_path):
    path = tmp_path / "m.json"
    path.write_bytes(b"\xef\xbb\xbf{}")
    document, problems = read(path)
    assert (document.value, document.folder, document.file, problems) == ({}, tmp_path, str(path), [])
    assert document.place("") == (1, 1)


def unread(path):
    """Return the one problem of a file that cannot be read."""
    document, (problem,) = read(path)
    assert document is None
    return str(problem)


def test_files_that_cannot_be_read_say_why(tmp_path):
    assert (
        unread(tmp_path / "no.json")
        == f"{tmp_path}/no.json: error RC001: the file cannot be read: No such file or directory."
    )
    assert unread(tmp_path) == f"{tmp_path}: error RC001: the file cannot be read: Is a directory."
    long = tmp_path / ("a" * 300)
    assert unread(long) == f"{long}: error RC001: the file cannot be read: File name too long."


@pytest.mark.parametrize(
    ("content", "byte", "position"), [(b'{"a": "\xe9"}', "e9", 7), ("{}".encode("utf-16-le") + b"\xff", "ff", 4)]
)
def test_another_encoding_is_named(tmp_path, content, byte, position):
    path = tmp_path / "m.json"
    path.write_bytes(content)
    reason = f"the file is not UTF-8 text: byte 0x{byte} at position {position}"
    assert unread(path) == f"{path}: error RC001: {reason}. Save the file as UTF-8."


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "m.json"
    with path.open("wb") as file:
        file.truncate(2 * 2**20 + 1)
    assert unread(path) == f"{path}: error RC001: the file is larger than 2 MiB. A method file is a few kilobytes."


def test_a_file_name_that_is_no_text_is_shown_with_escapes(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.json")
    path.write_text("")
    assert unread(path).startswith(f"{tmp_path}/\\udcff.json: error RC002: the file is empty.")
