import copy
import math

import pytest

from recombine.errors import UsageError
from recombine.load import load_dict
from recombine.normalize import Normalizer
from recombine.overrides import Override, apply, combinations
from recombine.subschemas import root_schema
from tests.methods import rich, small

LR = "/phases/0/optimizers/0/lr"


def parsed(text):
    """Return the alternatives that one text of ``--set`` names, as pairs."""
    return [(override.pointer, override.value) for (override,) in combinations([text])]


def spelt_out(method):
    """Return a method with its defaults filled in."""
    return Normalizer().normalize(method, [root_schema()])


def loaded(method, *texts):
    """Return a method spelt out under the first combination of some texts of ``--set``."""
    return load_dict(method, combinations(texts)[0]).require().resolved


@pytest.mark.parametrize(
    ("values", "parsed_values"),
    [
        ("0.01", [0.01]),
        ("true", [True]),
        ("null", [None]),
        ('"a,b"', ["a,b"]),
        ("[1,2]", [[1, 2]]),
        ('{"a": [1, 2]}', [{"a": [1, 2]}]),
        ("cpu", ["cpu"]),
        ("a b", ["a b"]),
        ("1,2,3", [1, 2, 3]),
        ("0.1,x,true", [0.1, "x", True]),
        ("[1,2],[3,4]", [[1, 2], [3, 4]]),
        ('"a,b","c"', ["a,b", "c"]),
        (r'"a\",b",c', ['a",b', "c"]),
        ('{"a":1,"b":2},{"a":3}', [{"a": 1, "b": 2}, {"a": 3}]),
        ("", [""]),
        ("a=b", ["a=b"]),
        ("cuda:0", ["cuda:0"]),
        ("NaN", ["NaN"]),
        ("1e999", ["1e999"]),
        ("Infinity,1", ["Infinity", 1]),
    ],
)
def test_values_are_json_or_a_sweep_or_text(values, parsed_values):
    assert parsed(f"/a={values}") == [("/a", value) for value in parsed_values]


def test_several_sweeps_give_every_combination_the_last_one_fastest():
    combined = combinations(["/seed=0,1", "/device=cpu", f"{LR}=0.1,0.2"])
    assert [" ".join(map(str, chosen)) for chosen in combined] == [
        f'/seed={seed} /device="cpu" {LR}={lr}' for seed in (0, 1) for lr in (0.1, 0.2)
    ]
    assert combinations([]) == [()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed", '--set "seed": write POINTER=VALUE, for example /phases/0/optimizers/0/lr=0.01'),
        ("seed=1", '"seed" leads nowhere: a pointer begins with "/", for example /phases/0/optimizers/0/lr'),
        ("=1", '"" leads nowhere: a pointer begins with "/", for example /phases/0/optimizers/0/lr'),
    ],
)
def test_texts_that_are_no_change_are_refused(text, message):
    with pytest.raises(UsageError) as caught:
        combinations([text])
    assert str(caught.value) == message


def test_words_of_sweeps_multiply_too():
    combined = combinations(["/seed=range(2)", f"{LR}=choice(0.1,0.01)", "/name=a"])
    assert [" ".join(map(str, chosen)) for chosen in combined] == [
        f'/seed={seed} {LR}={lr} /name="a"' for seed in (0, 1) for lr in (0.1, 0.01)
    ]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["/seed=range(3,0)"], '--set "/seed=range(3,0)": range(3,0) is empty: counting up, nothing lies between'),
        (["/seed=1", "/name=a,a"], '--set "/name=a,a": the value "a" stands twice'),
        (
            [f"/name={'a' * 200},"],
            f'--set "/name={"a" * 111}...": nothing stands before or after a comma. Remove the comma',
        ),
        (
            ["/seed=range(1000)", "/name=a", "/device=range(20)"],
            "the values of --set multiply to 20,000 combinations (1,000 x 20), more than 10,000. Sweep over fewer",
        ),
        (
            ["/seed=0,1", "/name=a", "/seed=2"],
            "/seed is swept over and set again: only the last would count. Give it once",
        ),
    ],
)
def test_sweeps_that_make_no_sense_are_refused(texts, message):
    with pytest.raises(UsageError) as caught:
        combinations(texts)
    assert str(caught.value).startswith(message)


def test_a_value_may_be_set_again_and_many_be_combined():
    assert combinations(["/seed=0", "/seed=1"]) == [(Override("/seed", 0), Override("/seed", 1))]
    assert len(combinations(["/seed=range(100)", f"{LR}=range(100)"])) == 10_000


@pytest.mark.parametrize("value", [math.nan, math.inf, {1}, object()])
def test_values_that_json_cannot_hold_are_refused(value):
    with pytest.raises(UsageError, match="the value for /seed cannot be written as JSON: "):
        Override("/seed", value)


def test_values_are_set_by_position_and_by_name():
    by_position = loaded(rich(), "/phases/1/optimizers/0/lr=0.5", "/datasets/0/batch_size=30")
    by_name = loaded(rich(), "/phases/[finetuning]/optimizers/[Adam_0]/lr=0.5", "/datasets/[few]/batch_size=30")
    assert by_position == by_name
    assert by_position["phases"][1]["optimizers"][0]["lr"] == 0.5


def test_names_that_the_file_leaves_out_can_be_used():
    method = loaded(small(), "/datasets/[Digits]/batch_size=3", "/mappings/[encoder]/layers/[ReLU_2]/type=Tanh")
    assert method["datasets"][0]["batch_size"] == 3
    assert method["mappings"][0]["layers"][2]["type"] == "Tanh"


def test_aliases_and_names_both_lead_to_the_value():
    for method in (rich(), small()):
        for key in ("device", "training_device"):
            assert loaded(method, f"/{key}=cuda")["device"] == "cuda"
    for key in ("trained_mappings", "trained_mapping_names"):
        method = loaded(rich(), f'/phases/0/optimizers/0/{key}=["decoder"]')
        assert method["phases"][0]["optimizers"][0]["trained_mapping_names"] == ["decoder"]


def test_defaults_that_are_not_in_the_file_can_be_changed():
    method = loaded(small(), "/phases/0/design_patterns/0/loss_weight_schedule/warm_up_iterations=9")
    schedule = method["phases"][0]["design_patterns"][0]["loss_weight_schedule"]
    assert schedule == {"start_at_iteration": 0, "warm_up_iterations": 9}
    assert loaded(small(), "/datasets/0/transforms/0/type=PILToTensor")["datasets"][0]["transforms"] == [
        {"type": "PILToTensor"}
    ]


def test_new_keys_can_be_set_where_the_schema_knows_them_or_takes_any():
    method = loaded(small(), "/phases/0/performance_evaluation_interval=2", "/phases/0/optimizers/0/weight_decay=0.1")
    assert method["phases"][0]["performance_evaluation_interval"] == 2
    assert method["phases"][0]["optimizers"][0]["weight_decay"] == 0.1


def test_another_type_takes_its_own_defaults_with_it():
    strategy = "/cluster_assignment_strategy"
    method = loaded(rich(), f"{strategy}/type=classifier")
    assert "similarity_measure" not in method["cluster_assignment_strategy"]
    assert method["cluster_assignment_strategy"]["classifier_selection_criterion"] == "first_declared"


def test_later_changes_see_earlier_ones():
    dataset = '{"dataset":"Digits","name":"b","batch_size":5,"num_clusters":3,"shuffle":true}'
    assert loaded(small(), f"/datasets/0={dataset}", "/datasets/[b]/num_clusters=2")["datasets"][0]["num_clusters"] == 2


@pytest.mark.parametrize(
    ("pointer", "message", "remedy"),
    [
        ("/seeed", 'nothing is called "seeed" at "/"', 'Did you mean "seed"?'),
        ("/", 'nothing is called "" at "/"', 'Known here: "$schema", "claims", "cluster_assignment_strategy",'),
        ("/phases/[x]/order", 'nothing is called "[x]" at "/phases"', 'Known here: "[training]".'),
        ("/phases/[trainin]/order", 'nothing is called "[trainin]" at "/phases"', 'Did you mean "[training]"?'),
        ("/phases/1/order", 'nothing is called "1" at "/phases"', 'Known here: "[training]".'),
        ("/phases/-1/order", 'nothing is called "-1" at "/phases"', "Known here"),
        ("/phases/²/order", 'nothing is called "²" at "/phases"', "Known here"),
        ("/phases/0/optimizer/0/lr", 'nothing is called "optimizer" at "/phases/0"', 'Did you mean "optimizers"?'),
        ("/phases/0/optimizers/0/lr/x", 'nothing is called "x" at "/phases/0/optimizers/0/lr"', ""),
        ("/phases/0/description/x", 'nothing is called "description" at "/phases/0"', "Known here"),
        ("/datasets/0/transforms/1", 'nothing is called "1" at "/datasets/0/transforms"', 'Known here: "0".'),
        (
            "/phases/0/exit_criteria/iteration",
            'nothing is called "iteration" at "/phases/0/exit_criteria"',
            'Did you mean "iterations"?',
        ),
    ],
)
def test_pointers_that_lead_nowhere_change_nothing_and_say_where_they_end(pointer, message, remedy):
    method = small()
    _, (finding,) = apply(method, Override(pointer, 1))
    assert spelt_out(method) == spelt_out(small())
    assert finding.code == "RC301"
    assert finding.message == f"{pointer}=1 leads nowhere: {message}"
    assert finding.remedy.startswith(remedy)
    assert load_dict(small(), [Override(pointer, 1)]).config is None


def test_the_value_is_a_copy():
    value = ["encoder"]
    method = small()
    pointer, findings = apply(method, Override("/phases/0/optimizers/0/trained_mappings", value))
    assert (pointer, findings) == ("/phases/0/optimizers/0/trained_mapping_names", [])
    value.append("x")
    assert method["phases"][0]["optimizers"][0]["trained_mapping_names"] == ["encoder"]


@pytest.mark.parametrize("method", [5, [], None, "x"])
def test_what_is_no_method_is_left_alone(method):
    before = copy.deepcopy(method)
    _, findings = apply(method, Override("/a/b", 1))
    assert (method, len(findings)) == (before, 1)


def test_an_override_shows_itself_as_it_is_written():
    assert str(Override("/a", {"b": "ü"})) == '/a={"b": "ü"}'
