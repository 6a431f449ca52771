"""The README keeps what it says."""

import json
import re
from pathlib import Path

import pytest

from recombine import registry

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
JSON_BLOCKS = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("entry", [*registry.patterns(), *registry.strategies()])
def test_readme_names_every_pattern_and_strategy(entry):
    assert f"| `{entry}` |" in TEXT


def test_blocks_of_json_are_json():
    assert len(JSON_BLOCKS) >= 6
    assert all(isinstance(json.loads(block), dict) for block in JSON_BLOCKS)


def test_blocks_of_the_quickstart_stand_in_the_quickstart():
    method = json.loads((ROOT / "configurations/quickstart/digits.json").read_text(encoding="utf-8"))
    blocks = [json.loads(block) for block in JSON_BLOCKS]
    assert method["mappings"][0] in blocks
    assert method["phases"][0] in blocks
    assert method["cluster_assignment_strategy"] in blocks
    assert method["datasets"][0] in blocks


@pytest.mark.parametrize("command", ["run", "test"])
def test_the_two_commands_install_what_they_need(command):
    found = re.search(rf"<!-- {command} command -->\n```\n(.*?)\n```", TEXT)
    assert found is not None
    assert found[1].startswith("python3 -m venv .venv && .venv/bin/pip install -e ")


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert len(links) >= 6
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_configurations_in_the_table_exist():
    named = re.findall(r"`((?:\w+/)?\w+\.json)`", TEXT)
    files = {str(path.relative_to(ROOT / "configurations")) for path in (ROOT / "configurations").glob("*/*.json")}
    assert len(named) >= 6
    names = {name.removeprefix("configurations/") for name in named}
    assert {name for name in names if "/" in name and not name.startswith("quickstart/digits_with")} <= files
