"""The command ``schema``: the bundle as a file, and settings of VS Code that lose nothing."""

import json
import os

import pytest
from jsonschema import Draft7Validator

from recombine import editor

pytestmark = pytest.mark.usefixtures("at_home")

ENTRY = {"fileMatch": ["configurations/**/*.json"], "url": "./.vscode/recombine.schema.json"}


@pytest.fixture
def quick(monkeypatch):
    """Write a short schema."""
    monkeypatch.setattr(editor, "bundle_text", lambda: "{}\n")


@pytest.fixture
def settings(tmp_path):
    """The file of settings, in a folder that is there."""
    (tmp_path / ".vscode").mkdir()
    return tmp_path / ".vscode" / "settings.json"


def names(folder):
    """Return the names of all files under a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_without_options_it_says_how_to_use_it(call, tmp_path):
    status, output, errors = call("schema")
    assert (status, errors) == (0, "")
    assert output.startswith("Usage: recombine schema [OPTIONS]")
    assert "--bundle FILE" in output
    assert names(tmp_path) == []


def test_bundle_writes_the_schema(call, tmp_path):
    assert call("schema", "--bundle", "sub/bundle.json") == (0, "sub/bundle.json: written\n", "")
    found = json.loads((tmp_path / "sub/bundle.json").read_text(encoding="utf-8"))
    Draft7Validator.check_schema(found)
    assert found["properties"]["mappings"]
    assert names(tmp_path) == ["sub/bundle.json"]


def test_what_cannot_be_written_is_one_sentence(call, tmp_path, quick):
    (tmp_path / "file").write_text("")
    a_folder = "it is a folder, and a file is to be named"
    for path, shown, reason in (
        (tmp_path, tmp_path, a_folder),
        ("", ".", a_folder),
        ("file/b.json", "file/b.json", "File exists"),
    ):
        status, output, errors = call("schema", "--bundle", path)
        assert (status, output) == (2, "")
        assert errors == f"error: {shown} cannot be written: {reason}\n"


def test_files_go_with_vscode(call, tmp_path, quick):
    error = "error: --files says which files VS Code checks: give --vscode as well\n"
    assert call("schema", "--bundle", "b.json", "--files", "*.json") == (2, "", error)
    assert names(tmp_path) == []


def test_vscode_writes_the_schema_and_settings(call, tmp_path):
    status, output, errors = call("schema", "--vscode")
    assert (status, errors) == (0, "")
    assert output == (f"{tmp_path}/.vscode/recombine.schema.json: written\n{tmp_path}/.vscode/settings.json: written\n")
    assert names(tmp_path) == [".vscode/recombine.schema.json", ".vscode/settings.json"]
    assert json.loads((tmp_path / ".vscode/settings.json").read_text()) == {"json.schemas": [ENTRY]}
    Draft7Validator.check_schema(json.loads((tmp_path / ".vscode/recombine.schema.json").read_text(encoding="utf-8")))


def test_settings_of_the_user_stay(call, quick, settings):
    own = {
        "editor.fontSize": 13,
        "größe": "😀",
        "json.schemas": [{"url": "x", "fileMatch": ["y"]}],
        "z": 1.5,
    }
    settings.write_text(json.dumps(own, indent=4), encoding="utf-8")
    assert call("schema", "--vscode", "--files", "methods/*.json")[0] == 0
    text = settings.read_text(encoding="utf-8")
    assert json.loads(text) == own | {"json.schemas": [*own["json.schemas"], ENTRY | {"fileMatch": ["methods/*.json"]}]}
    assert list(json.loads(text)) == list(own)
    assert '\n    "editor.fontSize": 13,\n' in text


def test_once_more_changes_nothing_and_other_files_are_added(call, quick, settings):
    call("schema", "--vscode")
    before = settings.read_text()
    settings.write_text(before.replace("\n", "\n\n"))
    status, output, _ = call("schema", "--vscode")
    assert (status, output.splitlines()[1]) == (0, f"{settings}: names it already")
    assert settings.read_text() == before.replace("\n", "\n\n")
    call("schema", "--vscode", "--files", "more/*.json")
    entries = json.loads(settings.read_text())["json.schemas"]
    assert entries == [ENTRY | {"fileMatch": ["configurations/**/*.json", "more/*.json"]}]


@pytest.mark.parametrize("text", ["", "\n", "\ufeff{}"])
def test_empty_settings_are_filled(call, quick, settings, text):
    settings.write_text(text, encoding="utf-8")
    assert call("schema", "--vscode")[0] == 0
    assert json.loads(settings.read_text()) == {"json.schemas": [ENTRY]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1} // mine', "it is not plain JSON (comments?)"),
        ('{"a": 1,}', "it is not plain JSON (comments?)"),
        ("[]", 'it is not an object with a list "json.schemas"'),
        ('{"json.schemas": {}}', 'it is not an object with a list "json.schemas"'),
        ('{"a": 1, "a": 2}', "a key stands twice in one object"),
        ('{"a": NaN}', "NaN is no number of JSON"),
    ],
)
def test_settings_that_are_not_plain_json_are_left_alone(call, quick, settings, text, reason):
    settings.write_text(text)
    status, output, errors = call("schema", "--vscode")
    assert (status, output) == (2, "")
    assert errors == (
        f"error: {settings} is left as it is, for {reason}: write the schema by "
        f'--bundle .vscode/recombine.schema.json and add {json.dumps(ENTRY)} to the list "json.schemas" there\n'
    )
    assert settings.read_text() == text
    assert names(settings.parent) == ["settings.json"]


def test_settings_in_bytes_that_are_no_text_are_left_alone(call, quick, settings):
    settings.write_bytes(b'{"a": "\xff"}')
    status, _, errors = call("schema", "--vscode")
    assert status == 2
    assert "is not plain JSON" in errors
    assert settings.read_bytes() == b'{"a": "\xff"}'


def test_a_link_to_settings_stays_one(call, quick, settings, tmp_path):
    (tmp_path / "shared.json").write_text("{}")
    settings.symlink_to("../shared.json")
    assert call("schema", "--vscode")[0] == 0
    assert settings.is_symlink()
    assert json.loads((tmp_path / "shared.json").read_text()) == {"json.schemas": [ENTRY]}


def test_the_schema_may_stand_elsewhere(call, quick, tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    call("schema", "--vscode", "--bundle", "schemas/b.json")
    call("schema", "--vscode", "--bundle", "../b.json")
    entries = json.loads((tmp_path / "work/.vscode/settings.json").read_text())["json.schemas"]
    assert [entry["url"] for entry in entries] == ["./schemas/b.json", (tmp_path / "b.json").as_uri()]
    assert names(tmp_path) == ["b.json", "work/.vscode/settings.json", "work/schemas/b.json"]


def test_files_that_name_another_schema_are_counted(call, quick, tmp_path):
    folder = tmp_path / "configurations" / "a"
    folder.mkdir(parents=True)
    own = os.path.relpath(tmp_path / ".vscode/recombine.schema.json", folder)
    for name, text in {
        "other.json": '{"$schema": "../../schema/method.json"}',
        "bundle.json": json.dumps({"$schema": own}),
        "none.json": "{}",
        "broken.json": "{",
    }.items():
        (folder / name).write_text(text)
    assert call("schema", "--vscode")[1].splitlines()[2:] == [
        '1 of 4 files that match name another schema by "$schema", which editors follow first: remove that line, or '
        "let it name recombine.schema.json, for completion of classes"
    ]
    for glob in (str(tmp_path / "*.json"), ""):
        assert call("schema", "--vscode", "--files", glob)[0] == 0
