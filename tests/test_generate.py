"""Generated files: current in the checkout, and written from nothing but the schema files."""

import json
import shutil

import pytest
from click.testing import CliRunner

from recombine import generate, markdown, schemas
from recombine.subschemas import root_schema


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy of the schema folder, with one more strategy, in a folder of its own."""
    shutil.copytree(schemas.root(), tmp_path / "schema")
    added = {
        **schemas.load("assignment_strategies/classifier.json"),
        "title": "Cluster assignment by drawing lots",
        "x-aliases": ["drawing_lots_for_every_sample"],
        "examples": [{"type": "lottery"}],
    }
    (tmp_path / "schema/assignment_strategies/lottery.json").write_text(json.dumps(added), encoding="utf-8")
    monkeypatch.setattr(schemas, "root", lambda: tmp_path / "schema")
    schemas.load.cache_clear()
    yield tmp_path
    schemas.load.cache_clear()


def test_the_generated_files_are_current():
    assert generate.stale(schemas.root().parent) == []


def test_check_names_what_is_stale_and_writes_nothing(checkout):
    before = sorted(path for path in checkout.rglob("*"))
    result = CliRunner().invoke(generate.main, ["--check"])
    assert result.exit_code == 1
    assert "schema/assignment_strategy.json: not current; run python -m recombine.generate" in result.output
    assert "schema/design_pattern.json" not in result.output
    assert sorted(path for path in checkout.rglob("*")) == before


def test_a_new_entry_needs_its_own_file_and_the_command_alone(checkout):
    assert CliRunner().invoke(generate.main, []).exit_code == 0
    assert CliRunner().invoke(generate.main, ["--check"]).exit_code == 0
    dispatcher = json.loads((checkout / "schema/assignment_strategy.json").read_text(encoding="utf-8"))
    assert {"lottery", "drawing_lots_for_every_sample"} <= set(dispatcher["properties"]["type"]["enum"])
    branch = next(part for part in dispatcher["allOf"] if part["then"]["$ref"] == "assignment_strategies/lottery.json")
    assert branch["if"]["properties"]["type"]["enum"] == ["lottery", "drawing_lots_for_every_sample"]
    page = (checkout / "docs/strategies.md").read_text(encoding="utf-8")
    assert "## lottery\n\n**Cluster assignment by drawing lots**" in page
    assert "Also called `drawing_lots_for_every_sample`." in page


@pytest.mark.parametrize(("folder", "key"), [("design_patterns", "pattern"), ("assignment_strategies", "type")])
def test_identifiers_and_aliases_are_unique(folder, key):
    dispatcher = json.loads(generate.GENERATED[f"schema/{_stem(folder)}.json"]())
    names = dispatcher["properties"][key]["enum"]
    assert len(names) == len(set(names)) >= 3
    assert len(dispatcher["allOf"]) == len(markdown.entries(folder))


def _stem(folder: str) -> str:
    return {"design_patterns": "design_pattern", "assignment_strategies": "assignment_strategy"}[folder]


def test_rows_tell_type_default_and_aliases():
    method = {row.key: row.cells() for row in markdown.rows(root_schema("method.json"))}
    assert method["device"][:3] == ["`device`, also `training_device`", "string", '`"cuda_if_available"`']
    assert method["seed"][:3] == ["`seed`", "integer, at least 0", "`0`"]
    assert method["datasets"][:3] == ["`datasets`", "list (object)", "required"]


def test_rows_tell_defaults_that_depend_and_options_inside_objects():
    strategy = {row.key: row.cells() for row in markdown.rows(root_schema("assignment_strategies/classifier.json"))}
    assert strategy["centroid_initialization_classical_clustering_num_restarts"][2] == "`20`"
    assert strategy["use_centroids_during_phases"][1:3] == ["list (name of a phase)", ""]
    phase = {row.key: row.cells() for row in markdown.rows(root_schema("phase.json"))}
    assert phase["save_mapping_parameters[].mapping_name"][1:3] == ["name of a mapping", "required"]
    assert phase["exit_criteria.performance_evaluation_ari_gt"][1] == "number, at least -1, at most 1"
    assert not [key for key in phase if key.startswith("optimizers[]")]


def test_every_key_stands_once_on_a_page():
    for file in ("method.json", "phase.json", "assignment_strategies/centroid_similarity.json"):
        keys = [row.key for row in markdown.rows(root_schema(file))]
        assert len(keys) == len(set(keys)) > 5


def test_short_lists_stand_on_one_line():
    assert markdown.indented({"a": [1, 2], "b": [{"c": ["x", "y"]}]}) == (
        '{\n  "a": [1, 2],\n  "b": [\n    {\n      "c": ["x", "y"]\n    }\n  ]\n}'
    )
