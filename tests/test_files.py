import json
import os

import pytest

from recombine.files import safe_name, write_beside, write_json, write_text


def test_a_file_is_there_with_its_folders_and_nothing_else(tmp_path):
    path = tmp_path / "a" / "b" / "x.txt"
    write_text(path, "ä\n")
    write_text(path, "ö\n")
    assert path.read_text(encoding="utf-8") == "ö\n"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_no_part(tmp_path):
    path = tmp_path / "x.txt"
    write_text(path, "old")
    written = []

    def fail(beside):
        beside.write_text("half")
        written.append(beside)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_beside(path, fail)
    assert path.read_text() == "old"
    assert written[0].parent == tmp_path
    assert list(tmp_path.iterdir()) == [path]


def test_json_is_indented_text_in_utf_8(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"a": ["é", None]})
    assert path.read_text(encoding="utf-8") == '{\n  "a": [\n    "é",\n    null\n  ]\n}\n'


def test_names_that_are_no_text_are_written_as_json_escapes(tmp_path):
    name = os.fsdecode(b"\xff.json")
    write_json(tmp_path / "x.json", {"source": name})
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == {"source": name}


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("dec_cc-hybrid v1.0+a", "dec_cc-hybrid_v1.0+a"),
        ("../../etc/passwd", "etc_passwd"),
        ("/", "unnamed"),
        ("..", "unnamed"),
        (".hidden", "hidden"),
        ("a\nb\x1b[2J\x00", "a_b_2J"),
        ("聚类", "unnamed"),
        ("CON:", "CON"),
        ("x" * 200, "x" * 80),
        ("", "unnamed"),
    ],
)
def test_names_become_safe_parts_of_paths(name, safe):
    assert safe_name(name) == safe
    assert len(os.path.split(safe_name(name))[0]) == 0
