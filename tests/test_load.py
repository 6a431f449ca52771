import json
import re

import pytest

from recombine.errors import UsageError
from recombine.load import load_dict, load_file
from recombine.overrides import Override
from recombine.problems import Finding, InvalidMethodError
from recombine.registry import patterns, strategies
from recombine.results import config_hash
from tests.methods import changed, found, rich, small, written

PATTERN, OPTIMIZER = "/phases/0/design_patterns/0", "/phases/0/optimizers/0"


def resolved(method):
    """Return a valid method spelt out."""
    return load_dict(method).require().resolved


def test_problems_stand_at_their_places_in_the_order_of_the_file(tmp_path):
    changes = {
        "/devise": "cpu",
        f"{OPTIMIZER}/lr": -1,
        f"{OPTIMIZER}/trained_mapping_names/0": "encodr",
        "/mappings/0/layers/1/type": "Liner",
        "/datasets/0/num_clusters": 1,
        "/datasets/0/batch_sise": 3,
        f"{PATTERN}/pattern": None,
    }
    path = written(tmp_path, small(changes))
    lines = path.read_text().splitlines()
    problems = load_file(path).problems
    shown = [(p.code, p.pointer, lines[p.line - 1][p.column - 1 :].rstrip(",")) for p in problems]
    assert shown == [
        ("RC201", "/mappings/0/layers/1/type", '"Liner"'),
        ("RC102", PATTERN, "{"),
        ("RC204", OPTIMIZER, "{"),
        ("RC301", f"{OPTIMIZER}/trained_mapping_names/0", '"encodr"'),
        ("RC104", "/datasets/0/num_clusters", "1"),
        ("RC202", "/datasets/0/batch_sise", '"batch_sise": 3'),
        ("RC101", "/devise", '"devise": "cpu"'),
    ]
    assert str(problems[0]).startswith(f"{path}:13:19: error RC201 at /mappings/0/layers/1/type: there is no layer")


def test_places_and_pointers_are_those_of_the_names_in_the_file(tmp_path):
    path = written(tmp_path, rich({"/training_device": 5, "/phases/0/optimizers/1/trained_mappings": ["x"]}))
    problems = load_file(path).problems
    pointers = [problem.pointer for problem in problems]
    assert pointers == ["/training_device", "/phases/0/optimizers/1/trained_mappings/0"]
    lines = path.read_text().splitlines()
    assert ['"x"' in lines[problem.line - 1] for problem in problems] == [False, True]


def test_what_is_missing_stands_where_it_should_be(tmp_path):
    path = written(tmp_path, small({"/phases": None}))
    (problem,) = load_file(path).problems
    assert str(problem) == f'{path}:1:1: error RC102: the required key "phases" is missing. Add "phases".'


@pytest.mark.parametrize(
    "changes",
    [
        {"/phases/0/exit_criteria": None, "/phases/0/exit_criterias": {"iterations": 1}},
        {"/datasets/0/batch_size": None, "/datasets/0/batch_sise": 1},
        {f"{OPTIMIZER}/trained_mapping_names": None, f"{OPTIMIZER}/trained_mapping_name": ["encoder"]},
        {"/mappings/0/layers/1/out_features": None, "/mappings/0/layers/1/out_feature": 1},
        {f"{PATTERN}/decoder_name": None, f"{PATTERN}/decodr_name": "decoder"},
        {"/mappings": None, "/maping": []},
    ],
)
def test_a_misspelt_key_is_one_problem_not_also_a_missing_one(changes):
    (problem,) = found(small(changes))
    (missing,) = [pointer.rpartition("/")[2] for pointer, value in changes.items() if value is None]
    assert problem.endswith(f'Did you mean "{missing}"?')


def test_several_kinds_of_mistakes_are_found_at_once_also_where_names_dangle():
    changes = {"/mappings/0/softmax_layer_name": "x", f"{OPTIMIZER}/group_name": "b", "/datasets/0/phases": ["x"]}
    assert [text.split()[1] for text in found(small(changes))] == ["RC106", "RC301", "RC301", "RC403"]


@pytest.mark.parametrize("entry", [*patterns().values(), *strategies().values()], ids=lambda entry: entry.id)
def test_every_alias_of_an_identifier_gives_the_same_configuration(entry):
    assert set(patterns()) >= {"reconstruction", "contrastive"}
    if entry.id in strategies():
        pointer, key = "/cluster_assignment_strategy", "type"
        example = next(block for block in entry.schema["examples"] if block["type"] == entry.id)
    else:
        pointer, key = PATTERN, "pattern"
        example = entry.schema["examples"][0]
    outcomes = []
    for name in (entry.id, *entry.aliases):
        method = changed(rich(), {pointer: {**example, key: name}})
        loaded = load_dict(method)
        outcomes.append([(p.code, p.pointer, p.message) for p in loaded.problems])
        assert not any(p.pointer == f"{pointer}/{key}" for p in loaded.problems if p.code == "RC105")
    assert all(outcome == outcomes[0] for outcome in outcomes)


REINFORCEMENT = {
    "loss_type": "l2",
    "sample_selection_criterion": "all_samples",
    "cluster_selection_criterion": "all_clusters",
    "sample_representation": "feature_representation",
    "cluster_representation": "centroid",
}


@pytest.mark.parametrize("word", ["assignment", "assignments"])
def test_both_long_spellings_of_reinforcement_are_the_short_one(word):
    pointer = "/phases/1/design_patterns/1"
    long = f"encouraging_cluster_formation_by_reinforcing_current_{word}_of_samples_to_clusters"
    short = resolved(rich({pointer: {"pattern": "reinforcement", **REINFORCEMENT}}))
    assert resolved(rich({pointer: {"pattern": long, **REINFORCEMENT}})) == short
    assert short["phases"][1]["design_patterns"][1]["pattern"] == "reinforcement"


def test_canonical_names_give_the_same_configuration_as_aliases():
    text = json.dumps(rich())
    canonical = {
        "training_device": "device",
        "trained_mappings": "trained_mapping_names",
        "training_feature_extractor_through_reconstruction_of_samples": "reconstruction",
        "feature_representation_centroid_similarity": "centroid_similarity",
    }
    for alias, name in canonical.items():
        assert f'"{alias}"' in text
        text = text.replace(f'"{alias}"', f'"{name}"')
    assert resolved(json.loads(text)) == resolved(rich())


@pytest.mark.parametrize(
    ("changes", "pointer", "words"),
    [
        ({"/training_device": "cpu"}, "/training_device", ("training_device", "device")),
        (
            {f"{OPTIMIZER}/trained_mappings": []},
            f"{OPTIMIZER}/trained_mappings",
            ("trained_mappings", "trained_mapping_names"),
        ),
    ],
)
def test_an_alias_beside_its_name_is_refused(tmp_path, changes, pointer, words):
    path = written(tmp_path, small(changes))
    (problem,) = load_file(path).problems
    assert (problem.code, problem.pointer) == ("RC106", pointer)
    assert problem.message == f'"{words[0]}" and "{words[1]}" mean the same and both stand here'
    assert path.read_text().splitlines()[problem.line - 1].strip().startswith(f'"{words[0]}"')


def test_integers_may_be_written_as_floats():
    method = small({"/datasets/0/num_clusters": 4.0, "/phases/0/exit_criteria/iterations": 2.0, "/seed": 0.0})
    assert resolved(method) == resolved(small())


def test_the_resolved_configuration_is_a_method_file_of_the_same_hash(tmp_path):
    config = load_file(written(tmp_path, rich())).require()
    again = load_file(written(tmp_path, config.resolved, "config.json"))
    assert again.problems == ()
    assert again.require().resolved == config.resolved
    assert config_hash(again.require().resolved) == config_hash(config.resolved)
    assert re.fullmatch("[0-9a-f]{64}", config_hash(config.resolved))


def test_the_hash_depends_on_every_value_and_not_on_the_order_of_keys():
    first = config_hash(resolved(small()))
    assert config_hash(resolved({key: small()[key] for key in reversed(small())})) == first
    assert config_hash(resolved(small({"/datasets/0/batch_size": 21}))) != first


def test_an_override_changes_the_configuration_and_its_mistakes_name_it(tmp_path):
    path = written(tmp_path, small())
    assert load_file(path, [Override("/seed", 3)]).require().seed == 3
    loaded = load_file(path, [Override("/datasets/0/num_clusters", 1), Override("/seed", -1), Override("/nothing", 1)])
    assert loaded.config is None
    assert [str(problem) for problem in loaded.problems] == [
        f"{path} with /datasets/0/num_clusters=1: error RC104 at /datasets/0/num_clusters: 1 is out of range. "
        "The value must be at least 2.",
        f"{path} with /seed=-1: error RC104 at /seed: -1 is out of range. The value must be at least 0.",
        f'{path}:1:1: error RC301: /nothing=1 leads nowhere: nothing is called "nothing" at "/". Known here: '
        '"$schema", "claims", "cluster_assignment_strategy", "cuda_graphs", "datasets", "description", "device", '
        '"mappings", "name", "phases", "precision", "seed".',
    ]


def test_an_override_may_double_an_alias_within_its_own_value_only():
    value = {"type": "Adam", "lr": 0.1, "trained_mappings": ["encoder"], "trained_mapping_names": ["encoder"]}
    loaded = load_dict(small(), [Override(OPTIMIZER, value)])
    (problem,) = loaded.problems
    assert (problem.code, problem.pointer) == ("RC106", f"{OPTIMIZER}/trained_mappings")


def test_later_findings_are_placed_and_errors_take_the_configuration_away(tmp_path):
    path = written(tmp_path, rich())
    loaded = load_file(path)
    warned = loaded.with_findings([Finding("RC506", "w", "", "/datasets/0/batch_size", True)] * 2)
    assert warned.config is loaded.config
    failed = warned.with_findings([Finding("RC507", "e", "", "/device")])
    assert failed.config is None
    assert [(p.code, p.pointer) for p in failed.problems] == [
        ("RC507", "/training_device"),
        ("RC506", "/datasets/0/batch_size"),
    ]
    assert all(p.line > 1 for p in failed.problems)
    with pytest.raises(InvalidMethodError, match="RC507"):
        failed.require()


def test_what_is_no_json_has_no_configuration(tmp_path):
    loaded = load_file(written(tmp_path, "{"))
    assert (loaded.config, len(loaded.problems)) == (None, 1)
    assert loaded.with_findings([Finding("RC507", "e", "", "")]) is loaded


def test_a_dict_has_pointers_but_no_lines():
    loaded = load_dict(small({"/seed": -1}))
    assert [str(p) for p in loaded.problems] == [
        "<dict>: error RC104 at /seed: -1 is out of range. The value must be at least 0."
    ]
    assert [str(p) for p in load_dict({"a": float("inf")}).problems] == [
        "<dict>: error RC002 at /a: the file is not JSON: Infinity is no number there."
    ]


def test_a_dict_may_hold_tuples():
    method = small()
    assert resolved({**method, "mappings": tuple(method["mappings"])}) == resolved(method)


@pytest.mark.parametrize("value", [object(), {1}, {(1, 2): 3}])
def test_a_dict_with_what_json_does_not_know_is_refused(value):
    with pytest.raises(UsageError, match="the method cannot be written as JSON: "):
        load_dict({"name": value})
    circle = {}
    circle["a"] = circle
    with pytest.raises(UsageError, match="Circular reference"):
        load_dict(circle)


@pytest.mark.parametrize("text", ["5", "null", "[]", '"x"', "{}"])
def test_any_json_gives_problems_and_no_crash(tmp_path, text):
    loaded = load_file(written(tmp_path, text))
    assert loaded.config is None
    assert loaded.problems


def test_duplicate_keys_do_not_keep_other_mistakes_from_being_found(tmp_path):
    text = json.dumps(small({"/seed": -1}), indent=1).replace('"seed": -1', '"seed": 5,\n "seed": -1')
    assert [p.code for p in load_file(written(tmp_path, text)).problems] == ["RC003", "RC104"]
