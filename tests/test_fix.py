import json
import os

import pytest

from recombine.load import load_file
from recombine.repair import Edit, edits, repaired
from tests.methods import small, written

pytestmark = pytest.mark.usefixtures("at_home")
PATTERN, OPTIMIZER, DATASET = "/phases/0/design_patterns/0", "/phases/0/optimizers/0", "/datasets/0"


def mended(folder, changes, name="method.json"):
    """Return which lines of a method with mistakes a repair removes and adds."""
    repair = repaired(written(folder, small(changes), name))
    lines = repair.difference().splitlines()[2:]
    return [line[0] + line[1:].strip().rstrip(",") for line in lines if line[0] in "+-"]


@pytest.mark.parametrize(
    ("changes", "old", "new"),
    [
        ({f"{PATTERN}/loss_weigth": 2}, '"loss_weigth": 2', '"loss_weight": 2'),
        ({f"{PATTERN}/pattern": "reconstructoin"}, '"pattern": "reconstructoin"', '"pattern": "reconstruction"'),
        ({f"{PATTERN}/encoder_name": "encodr"}, '"encoder_name": "encodr"', '"encoder_name": "encoder"'),
        ({f"{OPTIMIZER}/type": "adam"}, '"type": "adam"', '"type": "Adam"'),
        ({f"{OPTIMIZER}/weight_deacy": 0.1}, '"weight_deacy": 0.1', '"weight_decay": 0.1'),
        ({f"{DATASET}/shufle": True}, '"shufle": true', '"shuffle": true'),
        ({f"{DATASET}/dataset": "Digit"}, '"dataset": "Digit"', '"dataset": "Digits"'),
        ({f"{DATASET}/batch_size": None, f"{DATASET}/batch": 20}, '"batch": 20', '"batch_size": 20'),
        (
            {f"{PATTERN}/loss_reduction_method": "SUM"},
            '"loss_reduction_method": "SUM"',
            '"loss_reduction_method": "sum"',
        ),
        ({"/mappings/0/layers/2/type": "RELU"}, '"type": "RELU"', '"type": "ReLU"'),
    ],
)
def test_what_is_certain_is_mended(tmp_path, changes, old, new):
    assert mended(tmp_path, changes) == [f"-{old}", f"+{new}"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"/seed": -1},
        {"/zzz": 1},
        {f"{PATTERN}/decoder_name": "coder"},
        {f"{PATTERN}/batch_augmentation_name": "view_1"},
        {
            "/mappings/1": {"type": "design_pattern_specific", "name": "decoder_a"},
            f"{PATTERN}/decoder_name": "decoder_b",
        },
        {f"{PATTERN}/loss_weigth": 2, f"{PATTERN}/loss_wieght": 3},
        {f"{PATTERN}/loss_weight": 2, f"{PATTERN}/loss_wieght": 3},
        {f"{OPTIMIZER}/trained_mapping_names": None, f"{OPTIMIZER}/trained_mappings": ["encoder", "decoder"]},
    ],
)
def test_what_is_not_certain_stays_as_it_is(tmp_path, changes):
    assert mended(tmp_path, changes) == []


def test_what_other_languages_allow_becomes_json(tmp_path):
    right = json.dumps(small({f"{DATASET}/shuffle": True, f"{PATTERN}/loss_weight": 2}), indent=1)
    wrong = right.replace("true", "True").replace("]", ",]").replace("[,]", "[]").replace("loss_weight", "loss_weigth")
    repair = repaired(written(tmp_path, wrong))
    assert json.loads(repair.after) == json.loads(right)
    assert repair.loaded.problems == ()
    assert (repair.before, repair.after.count(","), wrong.count("True")) == (wrong, right.count(","), 1)


def test_json_is_mended_up_to_what_is_not_certain(tmp_path):
    repair = repaired(written(tmp_path, '{"seed": None, "name": maybe, "layers": [1,]}'))
    assert repair.after == '{"seed": null, "name": maybe, "layers": [1,]}'
    (problem,) = repair.loaded.problems
    assert (problem.code, problem.column) == ("RC002", 24)


@pytest.mark.parametrize("text", ["", "[" * 100_000, "[1,]" * 200, "{" + '"a": [1,], ' * 200])
def test_text_that_nobody_can_mend_ends_well(tmp_path, text):
    assert repaired(written(tmp_path, text)).loaded.config is None


def test_devices_and_large_files_are_not_read(tmp_path):
    large = tmp_path / "large.json"
    large.write_bytes(b" " * 2**22)
    os.mkfifo(tmp_path / "pipe.json")
    assert [repaired(path) for path in (large, tmp_path / "pipe.json", tmp_path)] == [None, None, None]


def test_words_within_a_mended_block_are_mended_too(tmp_path):
    changes = {f"{PATTERN}/pattern": "reconstructoin", f"{PATTERN}/loss_weigth": 2, f"{PATTERN}/encoder_name": "encodr"}
    path = written(tmp_path, small(changes))
    repair = repaired(path)
    repair.write()
    assert load_file(path).problems == ()
    assert json.loads(path.read_text())["phases"][0]["design_patterns"][0]["loss_weight"] == 2


def test_a_repair_that_brings_other_errors_to_light_is_no_repair(tmp_path):
    """With the right key, no optimizer minimises the loss: as many errors as before, and so nothing is written."""
    path = written(tmp_path, small({f"{PATTERN}/loss_optimizer_group_nam": "autoencoder"}))
    (problem,) = load_file(path).problems
    assert problem.fix == "loss_optimizer_group_name"
    assert repaired(path).difference() == ""


def test_everything_else_of_the_file_stays(call, tmp_path):
    text = json.dumps(small(), indent=2).replace('"batch_size": 20', '"batch_szie"\t :  2e1 ').replace("\n", "\r\n")
    path = tmp_path / "odd.json"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n\r\n")
    path.chmod(0o640)
    before = path.read_bytes()
    status, output, errors = call("validate", "--fix", path)
    assert (status, errors) == (0, "")
    assert path.read_bytes() == before.replace(b"batch_szie", b"batch_size")
    assert path.stat().st_mode & 0o777 == 0o640
    assert output.splitlines()[:2] == [f"--- {path}", f"+++ {path} (repaired)"]
    assert output.splitlines()[-1] == f"{path}: valid"
    assert [entry.name for entry in tmp_path.iterdir()] == ["odd.json"]


def test_a_dry_run_only_shows(call, tmp_path):
    path = written(tmp_path, small({f"{PATTERN}/loss_weigth": 2}))
    before = path.read_bytes()
    status, output, errors = call("validate", "--fix", "--dry-run", path)
    assert status == 2
    assert '+          "loss_weight": 2' in output
    assert "error RC101" in errors
    assert path.read_bytes() == before
    assert call("validate", "--dry-run", path) == (2, "", "error: --dry-run goes with --fix\n")


def test_what_remains_is_reported_after_a_repair(call, tmp_path):
    path = written(tmp_path, small({f"{PATTERN}/loss_weigth": 2, "/seed": -1}))
    status, output, errors = call("validate", "--fix", path)
    assert status == 2
    assert '+          "loss_weight": 2' in output
    assert "RC101" not in errors
    assert errors.splitlines()[-1] == "1 error and 0 warnings in 1 file"
    status, output, _ = call("validate", "--fix", "--format", "json", path)
    assert [entry["code"] for entry in json.loads(output)] == ["RC104"]


def test_files_without_repairs_are_not_written(call, tmp_path):
    good, broken = written(tmp_path, small(), "good.json"), written(tmp_path, "{", "broken.json")
    strange = tmp_path / "strange.json"
    strange.write_bytes(b"\xff")
    times = [path.stat().st_mtime_ns for path in (good, broken, strange)]
    status, output, _ = call("validate", "--fix", good, broken, strange, "gone.json")
    assert (status, output) == (2, f"{good}: valid\n")
    assert [path.stat().st_mtime_ns for path in (good, broken, strange)] == times


def test_a_link_stays_a_link(tmp_path):
    real = written(tmp_path, small({"/phases/0/orderr": 1, "/phases/0/order": None}), "real.json")
    link = tmp_path / "link.json"
    link.symlink_to(real)
    repaired(link).write()
    assert link.is_symlink()
    assert load_file(real).problems == ()


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path):
    from recombine.errors import UsageError

    path = written(tmp_path, small({f"{PATTERN}/loss_weigth": 2}))
    repair = repaired(path)
    path.write_text("{}")
    with pytest.raises(UsageError, match="was changed while it was being repaired"):
        repair.write()
    assert path.read_text() == "{}"


def test_a_folder_that_cannot_be_written_to_leaves_the_file(tmp_path, monkeypatch):
    path = written(tmp_path, small({f"{PATTERN}/loss_weigth": 2}))
    before = path.read_bytes()
    repair = repaired(path)

    def refuse(*_):
        raise OSError("full")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="full"):
        repair.write()
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["method.json"]


def test_an_edit_is_made_only_where_the_word_stands(tmp_path):
    path = written(tmp_path, small({f"{PATTERN}/loss_weigth": 2}))
    problems = load_file(path).problems
    text = path.read_text()
    (edit,) = edits(problems, text, str(path)).values()
    assert (edit.old, edit.new) == ('"loss_weigth"', '"loss_weight"')
    assert isinstance(edit, Edit)
    assert edits(problems, text, "another.json") == {}
    assert edits(problems, text.replace("loss_weigth", "another_key"), str(path)) == {}
    assert edits(problems, "{}", str(path)) == edits(problems, "{", str(path)) == {}
