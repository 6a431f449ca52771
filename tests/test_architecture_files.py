import json
from pathlib import Path

import pytest

import recombine
from recombine.identity import config_hash
from recombine.load import load_dict, load_file
from recombine.overrides import Override
from tests.methods import found_with_data, small, written

GOOD = {
    "name": "c-3_p_c-3",
    "batch_size": 20,
    "use_batch_norm": True,
    "layers": [
        {"type": "Input", "output_shape": [1, 8, 8]},
        {"type": "Conv2D", "num_filters": 3, "filter_size": [3, 3], "non_linearity": "rectify"},
        {"type": "MaxPool2D*", "filter_size": [2, 2]},
        {"type": "Conv2D", "num_filters": 5, "filter_size": [3, 3], "non_linearity": "linear"},
    ],
}
SECOND = {**GOOD, "name": "second", "use_batch_norm": 0}


def described(file="list.json", decoder=None, **chosen):
    """Return a method that takes its autoencoder from a list."""
    mappings = [
        {
            "name": "encoder",
            "type": "feature_extractor",
            "architecture": {"path_to_file": file, **(chosen or {"index": 0})},
        },
        {"name": "decoder", "type": "design_pattern_specific", "mirror_of": "encoder", **(decoder or {})},
    ]
    return small({"/mappings": mappings})


def listed(folder, found=(GOOD, SECOND), name="list.json"):
    """Write a list of architectures."""
    return written(folder, found if isinstance(found, str) else json.dumps(found, indent=1), name)


def loaded(folder, **chosen):
    """Return what loading a method in a folder gives."""
    return load_file(written(folder, described(**chosen)))


def problems(folder, **chosen):
    """Return what is wrong, each with file name, line and column, as a user sees it."""
    found = [str(problem) for problem in loaded(folder, **chosen).problems]
    return [text.removeprefix(f"{folder.resolve()}/").removeprefix(f"{folder}/") for text in found]


def test_an_architecture_trains_like_any_network(tmp_path):
    listed(tmp_path)
    assert found_with_data(described(), tmp_path) == []
    result = recombine.run(written(tmp_path, described()), log_dir=tmp_path / "logs")
    assert result.status == "finished"
    again = json.loads((result.folder / "config.json").read_text())
    assert recombine.run(again, log_dir=tmp_path / "logs").datasets["Digits"].scores == result.datasets["Digits"].scores


def test_the_method_spelt_out_holds_layers_and_no_file(tmp_path):
    listed(tmp_path)
    resolved = loaded(tmp_path).require().resolved
    assert all(key not in mapping for mapping in resolved["mappings"] for key in ("architecture", "mirror_of"))
    assert json.loads(json.dumps(resolved)) == resolved
    names = [layer["name"] for layer in resolved["mappings"][1]["layers"]]
    assert names[:3] == ["mirror_of_Conv2d_3", "mirror_of_BatchNorm2d_3", "mirror_of_MaxPool2d_2"]
    again = load_dict(resolved, folder=Path("/"))
    assert again.problems == ()
    assert again.require().resolved == resolved


def test_the_run_is_another_only_if_the_architecture_is(tmp_path):
    listed(tmp_path)
    first = config_hash(loaded(tmp_path).require().resolved)
    assert config_hash(loaded(tmp_path, name="c-3_p_c-3").require().resolved) == first
    assert config_hash(loaded(tmp_path, index=1).require().resolved) != first
    listed(tmp_path, [SECOND, {**GOOD, "name": "moved"}], "moved.json")
    assert config_hash(loaded(tmp_path, file="moved.json", index=1).require().resolved) == first
    changed = json.loads(json.dumps(GOOD))
    changed["layers"][1]["num_filters"] = 4
    listed(tmp_path, [changed])
    assert config_hash(loaded(tmp_path).require().resolved) != first


def test_layers_can_be_named_and_initialised_otherwise(tmp_path):
    listed(tmp_path)
    start = {"layer_names": ["mirror_of_Conv2d_1"], "weight_type": "weight", "type": "zeros"}
    config = loaded(tmp_path, decoder={"layer_initialization": [start]}).require()
    kinds = [block["type"] for block in config.mappings[1].layer_initialization]
    assert kinds == ["xavier_uniform", "zeros", "zeros"]
    start["layer_names"] = ["mirror_of_Conv2d_2"]
    assert "no layer called" in problems(tmp_path, decoder={"layer_initialization": [start]})[0]


def test_an_override_picks_another(tmp_path):
    listed(tmp_path)
    path = written(tmp_path, described())
    config = load_file(path, [Override("/mappings/0/architecture/index", 1)]).require()
    assert config_hash(config.resolved) == config_hash(loaded(tmp_path, index=1).require().resolved)
    (problem,) = load_file(path, [Override("/mappings/0/architecture/index", 7)]).problems
    assert "with /mappings/0/architecture/index=7: error RC104" in str(problem)


def test_batches_of_another_size_are_said(tmp_path):
    listed(tmp_path, [{**GOOD, "batch_size": 10}])
    (problem,) = loaded(tmp_path).problems
    assert problem.is_warning
    assert str(problem).endswith(
        'warning RC407 at /mappings/0/architecture: the batch size 10 of architecture "c-3_p_c-3" has no effect: '
        'dataset "Digits" has its own, 20. Write 10 there to train as its authors did.'
    )


@pytest.mark.parametrize(
    ("chosen", "problem"),
    [
        (
            {"index": 2},
            "RC104 at /mappings/0/architecture/index: there is no architecture 2: the list holds 2, counted",
        ),
        ({"index": -1}, "RC104 at /mappings/0/architecture/index: -1 is out of range. The value must be at least 0."),
        ({"index": "0"}, 'RC103 at /mappings/0/architecture/index: a whole number is expected here, not "0".'),
        (
            {"name": "secnd"},
            'RC301 at /mappings/0/architecture/name: no architecture is called "secnd". Did you mean "second"?',
        ),
        ({"name": "second", "index": 1}, "RC106 at /mappings/0/architecture/index: 1 is not allowed here: the archi"),
        (
            {"file": "list.json", "indx": 1},
            'RC101 at /mappings/0/architecture/indx: "indx" is not a key that is known here. Did you mean "index"?',
        ),
        (
            {"file": "lost.json", "index": 0},
            'RC001 at /mappings/0/architecture/path_to_file: the list of architectures "lost.json" cannot be used: the '
            "file cannot be read: No such file or directory.",
        ),
    ],
)
def test_mistakes_in_choosing(tmp_path, chosen, problem):
    listed(tmp_path)
    found = problems(tmp_path, **chosen)
    assert f"error {problem}" in found[0]
    assert found[0].startswith("method.json:")
    assert len(found) == 1


def test_a_name_that_stands_twice_is_no_choice(tmp_path):
    listed(tmp_path, [SECOND, GOOD, SECOND])
    (problem,) = problems(tmp_path, name="second")
    assert 'RC302 at /mappings/0/architecture/name: several architectures are called "second". Give its' in problem


@pytest.mark.parametrize(
    ("pointer", "value", "shown", "problem"),
    [
        (
            ("layers", 1, "type"),
            "Deconv2D",
            '"Deconv2D"',
            'error RC105 at /0/layers/1/type: "Deconv2D" is none of the words allowed here. Did you mean "Conv2D"?',
        ),
        (
            ("layers", 1, "num_filters"),
            0,
            "0,",
            "error RC104 at /0/layers/1/num_filters: 0 is out of range. The value must be at least 1.",
        ),
        (
            ("layers", 2, "stride"),
            [2, 2],
            '"stride": [',
            'error RC101 at /0/layers/2/stride: "stride" is not a key that is known here. Known here: '
            '"filter_size", "type".',
        ),
        (
            ("layers", 2, "filter_size"),
            [2, 2, 2],
            "[",
            "error RC104 at /0/layers/2/filter_size: at most 2 items may stand here.",
        ),
        (
            ("layers", 3, "non_linearity"),
            "relu",
            '"relu"',
            'error RC105 at /0/layers/3/non_linearity: "relu" is none of the words allowed here. Did you mean "elu"?',
        ),
        (
            ("layers", 3),
            {"type": "Dense", "num_units": 5, "non_linearity": "rectify"},
            "{",
            "error RC503 at /0/layers/3: the bottleneck is the only Dense, and its mirror image could "
            "not restore the 27 values that it gets (3 x 3 x 3). Put a Dense of 27 units before it.",
        ),
        (("batch_size",), None, "{", 'error RC102 at /0: the required key "batch_size" is missing. Add'),
        (("layers",), [], "[]", "error RC104 at /0/layers: at least 1 item must stand here."),
    ],
)
def test_mistakes_in_the_list_are_shown_where_they_stand(tmp_path, pointer, value, shown, problem):
    block = json.loads(json.dumps(GOOD))
    *path, last = pointer
    parent = block
    for part in path:
        parent = parent[part]
    if value is None:
        del parent[last]
    else:
        parent[last] = value
    lines = listed(tmp_path, [block, SECOND]).read_text().splitlines()
    (found,) = problems(tmp_path)
    file, line, column, text = found.split(":", 3)
    assert file == "list.json"
    assert lines[int(line) - 1][int(column) - 1 :].startswith(shown)
    assert text.strip()[: len(problem)] == problem
    assert problems(tmp_path, index=1) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"layers": []}', "list.json:1:1: error RC103: a list [...] of architectures is expected here, not"),
        ("[1]", "list.json:1:2: error RC103 at /0: an object {...} is expected here, not 1."),
        ("[{]", "list.json:1:3: error RC002: the file is not JSON: a key in double quotes is expected"),
        ("[" * 70, "list.json:1:61: error RC002: values are nested more than 60 levels deep"),
        ('[{"name": 1, "name": 2}]', 'list.json:1:14: error RC003 at /0/name: the key "name" stands twice'),
    ],
)
def test_lists_that_are_none(tmp_path, text, problem):
    listed(tmp_path, text)
    assert [found[: len(problem)] for found in problems(tmp_path)] == [problem]


def test_the_same_mistake_is_said_once(tmp_path):
    listed(tmp_path, [{**GOOD, "batch_size": 0}])
    method = described()
    method["mappings"].append({**method["mappings"][0], "name": "again"})
    assert len(load_file(written(tmp_path, method)).problems) == 1


def test_samples_of_another_size_are_refused(tmp_path):
    layers = [{"type": "Input", "output_shape": [1, 9, 9]}, *GOOD["layers"][1:]]
    listed(tmp_path, [{**GOOD, "layers": layers}])
    (problem,) = found_with_data(described(), tmp_path)
    assert 'mapping "encoder": layer "Input_0", Unflatten(dim=1, unflattened_size=[1, 9, 9]), cannot take' in problem


def test_an_encoder_alone_needs_no_mirror_image(tmp_path):
    listed(tmp_path)
    method = described()
    method["mappings"][1] = {
        "name": "decoder",
        "type": "design_pattern_specific",
        "layers": [{"type": "Flatten"}, {"type": "Linear", "in_features": 5, "out_features": 64}],
    }
    assert found_with_data(method, tmp_path) == []
