import copy
import hashlib
import json

import pytest

from recombine.identity import config_hash, differences, identity_part
from recombine.load import load_dict
from tests.methods import rich, small


def resolved(changes=None, method=rich):
    """Return a method spelt out."""
    return load_dict(method(changes)).require().resolved


OPTIMIZER = "/phases/0/optimizers/1"
FREE_TEXT = (
    "/description",
    "/mappings/0/description",
    "/phases/0/description",
    "/phases/0/design_patterns/1/description",
    "/cluster_assignment_strategy/description",
    "/datasets/0/description",
)


@pytest.mark.parametrize("text", ["why", ["several", "lines"]])
@pytest.mark.parametrize("pointer", FREE_TEXT)
def test_descriptions_do_not_count_wherever_the_schema_has_them(pointer, text):
    described = resolved({pointer: text})
    assert json.dumps(described).count('"description"') == 1
    assert identity_part(described) == identity_part(resolved()) == resolved_without_seed()
    assert config_hash(described) == config_hash(resolved())


def resolved_without_seed():
    """Return the rich method spelt out, without what identity_part takes from it."""
    return {key: value for key, value in resolved().items() if key not in ("seed", "claims")}


def test_seed_and_path_of_the_schema_do_not_count():
    assert config_hash(resolved({"/seed": 7, "/$schema": "x"})) == config_hash(resolved())
    assert "seed" not in identity_part(resolved())


@pytest.mark.parametrize(
    "pointer",
    [
        "/mappings/0/layers/1/description",
        "/mappings/0/layers/1/positional_arguments/0/description",
        "/phases/0/optimizers/0/description",
        "/datasets/0/transforms/0/description",
        "/datasets/0/transforms/0/seed",
        "/mappings/0/layers/1/claims",
    ],
)
def test_arguments_that_are_called_so_count(pointer):
    # No class takes them today, so that the file would be refused: identity_part need not know.
    given, plain = resolved(), resolved()
    *path, last = pointer.split("/")[1:]
    target = given
    for part in path:
        target = target[int(part)] if isinstance(target, list) else target[part]
        if isinstance(target, list) and not target:
            target.append({})
    target[last] = "text"
    assert identity_part(given) != identity_part(plain)
    assert config_hash(given) != config_hash(plain)


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/training_device", "cuda"),
        ("/mappings/1/layers/0/name", "other"),
        ("/phases/0/design_patterns/0/loss_weight", 0.5),
    ],
)
def test_everything_else_counts(pointer, value):
    changed = resolved({pointer: value})
    assert config_hash(changed) != config_hash(resolved())


def test_nothing_given_is_changed():
    given = resolved({"/description": "x", "/phases/0/description": "y"})
    before = copy.deepcopy(given)
    identity_part(given)["mappings"].clear()
    assert given == before


def test_the_hash_is_that_of_sorted_json():
    part = identity_part(resolved(method=small))
    text = json.dumps(part, sort_keys=True, separators=(",", ":"))
    assert config_hash(resolved(method=small)) == hashlib.sha256(text.encode()).hexdigest()
    assert config_hash(dict(reversed(resolved(method=small).items()))) == config_hash(resolved(method=small))


def test_the_same_configurations_differ_in_nothing():
    assert differences(resolved(), resolved()) == []


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"/seed": 3}, ["/seed: 0 there, 3 here"]),
        ({"/phases/0/optimizers/0/lr": 0.1}, ["/phases/0/optimizers/0/lr: 0.01 there, 0.1 here"]),
        ({"/description": "a/b"}, ['/description: absent there, "a/b" here']),
        (
            {"/phases/1/optimizer_cycle": None},
            [
                '/phases/1/optimizer_cycle/0: {"active_optimizer_names": ["Adam_0"], "num_iterations": 1} there, '
                "absent here"
            ],
        ),
        (
            {
                f"{OPTIMIZER}/name": "other",
                "/phases/0/optimizer_learning_rate_schedulers/0/optimizer_name": "other",
            },
            [
                f'{OPTIMIZER}: {{"type": "SGD", "name": "rival", "lr": 0.01, "trained_map... there, absent here',
                f'{OPTIMIZER}: absent there, {{"type": "SGD", "name": "other", "lr": 0.01, "trained_map... here',
                '/phases/0/optimizer_learning_rate_schedulers/0/optimizer_name: "rival" there, "other" here',
            ],
        ),
    ],
)
def test_each_place_that_differs_is_one_line(changes, lines):
    assert differences(resolved(), resolved(changes)) == lines


def test_items_with_names_are_matched_by_them():
    there = {"phases": [{"name": "a", "n": 1}, {"name": "b", "n": 2}]}
    here = {"phases": [{"name": "new", "n": 0}, {"name": "a", "n": 1}, {"name": "b", "n": 3}]}
    assert differences(there, here) == [
        "/phases/2/n: 2 there, 3 here",
        '/phases/0: absent there, {"name": "new", "n": 0} here',
    ]
    assert differences(here, there) == [
        '/phases/0: {"name": "new", "n": 0} there, absent here',
        "/phases/1/n: 3 there, 2 here",
    ]


def test_another_order_is_a_difference():
    there = {"phases": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}
    here = {"phases": [{"name": "b"}, {"name": "a"}]}
    assert differences(there, here) == [
        '/phases/2: {"name": "c"} there, absent here',
        '/phases: in the order "a", "b" there, "b", "a" here',
    ]


@pytest.mark.parametrize("items", [[{"name": "a"}, {"name": "a"}], [{"name": "a"}, {}], [1, 2], [{"name": 1}] * 2])
def test_items_without_names_of_their_own_are_matched_by_position(items):
    changed = [*copy.deepcopy(items), "more"]
    changed[0] = "first"
    found = differences({"x": items}, {"x": changed})
    assert found == [f'/x/0: {json.dumps(items[0])} there, "first" here', '/x/2: absent there, "more" here']


@pytest.mark.parametrize(("a", "b"), [(1, 1.0), (1, True), (0, False), ("1", 1), ([], {}), (None, "null")])
def test_values_that_json_tells_apart_differ(a, b):
    assert differences({"x": a}, {"x": b}) == [f"/x: {json.dumps(a)} there, {json.dumps(b)} here"]
    assert config_hash({"x": a}) != config_hash({"x": b})


def test_long_texts_that_begin_alike_are_shown_whole():
    assert differences({"x": "y" * 99 + "a"}, {"x": "y" * 99 + "b"}) == [f'/x: "{"y" * 99}a" there, "{"y" * 99}b" here']
    assert differences({"x": "y" * 99}, {"x": "b"}) == [f'/x: "{"y" * 56}... there, "b" here']


def test_pointers_are_escaped():
    assert differences({"a/b~": 1}, {"a/b~": 2}) == ["/a~1b~0: 1 there, 2 here"]


@pytest.mark.parametrize("count", [20, 21, 45])
def test_many_differences_are_cut(count):
    found = differences({}, {str(number): number for number in range(count)})
    whole = [f"/{number}: absent there, {number} here" for number in range(count)]
    assert found == (whole if count <= 20 else [*whole[:20], f"and {count - 20} more"])
