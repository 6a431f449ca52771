import json

import pytest

from recombine.load import load_file
from recombine.scaffold import new_pattern
from recombine.shape_checks import with_shapes


def test_a_new_method_is_valid_and_can_be_run(call, tmp_path):
    status, output, errors = call("new", "method", "mine", "--folder", tmp_path)
    assert (status, errors) == (0, "")
    place = tmp_path / "mine.json"
    assert output.splitlines() == [
        f"{place}: written. Now:",
        f"    recombine validate {place}",
        f"    recombine plan {place}",
        f"    recombine run {place}",
    ]
    assert with_shapes(load_file(place)).problems == ()
    short = [f"--set=/phases/{i}/exit_criteria/iterations=3" for i in range(2)]
    status, output, errors = call("run", place, *short, "--device=cpu")
    assert (status, errors) == (0, "")
    assert 'Final performance on dataset "Digits": ACC' in output


@pytest.mark.parametrize(
    ("kind", "name", "problem"),
    [
        ("method", "a/b", '"a/b" cannot name a method file'),
        ("method", "../up", '"../up" cannot name a method file'),
        ("method", "", '"" cannot name a method file'),
        ("pattern", "class", '"class" cannot name a pattern'),
        ("pattern", "Big", '"Big" cannot name a pattern'),
        ("pattern", "a.b", '"a.b" cannot name a pattern'),
        ("pattern", "contrastive", 'there is a pattern "contrastive" already'),
    ],
)
def test_names_that_cannot_be(call, tmp_path, kind, name, problem):
    status, output, errors = call("new", kind, name, "--folder", tmp_path)
    assert (status, output) == (2, "")
    assert errors.startswith(f"error: {problem}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["method", "pattern"])
def test_nothing_is_overwritten(call, tmp_path, kind):
    assert call("new", kind, "mine", "--folder", tmp_path)[0] == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    status, output, errors = call("new", kind, "mine", "--folder", tmp_path)
    assert (status, output) == (2, "")
    assert errors.endswith("is there already, and nothing was written\n")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_example_of_a_new_pattern_uses_it(tmp_path):
    place = new_pattern("my_loss", tmp_path).place
    assert place.name == "recombine-my-loss"
    method = json.loads((place / "example.json").read_text())
    assert [block["pattern"] for block in method["phases"][0]["design_patterns"]] == ["reconstruction", "my_loss"]
    assert "class MyLoss(DesignPattern)" in (place / "recombine_my_loss" / "my_loss.py").read_text()
