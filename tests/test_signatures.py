import pytest
from torch.nn import functional

from recombine.signatures import (
    Call,
    Parameter,
    check_arguments,
    check_block,
    has_plain_keys,
    nested_blocks,
    parameters_of,
)

LINEAR = {"type": "Linear", "in_features": 2, "out_features": 3}


def errors(kind, block):
    """Return what is wrong with a block as ``code key: message. remedy``."""
    return [f"{e.code} {e.key}: {e.message}. {e.remedy}".rstrip() for e in check_block(kind, block)]


def sequential(*layers):
    """Return a Sequential of layers."""
    return {"type": "Sequential", "positional_arguments": list(layers)}


@pytest.mark.parametrize(
    ("kind", "block"),
    [
        ("layer", {**LINEAR, "name": "a"}),
        ("layer", {"type": "Linear", "positional_arguments": [2, 3], "bias": False}),
        ("layer", sequential(LINEAR, {"type": "ReLU"})),
        ("layer", {"type": "ReLU"}),
        ("layer", {"type": "LSTM", "input_size": 3, "hidden_size": 4, "batch_first": True}),
        ("layer", {"type": "RNN", "positional_arguments": [3, 4], "nonlinearity": "relu"}),
        ("init", {"type": "normal", "layer_names": [], "weight_type": "bias", "std": 0.1}),
        ("functional", {"function_name": "normalize", "input_argument_name": "input", "dim": 1}),
        ("functional", {"function_name": "conv2d", "input_argument_name": "input", "whatever": 1}),
        ("functional", {"function_name": "max_pool2d", "input_argument_name": "input", "kernel_size": 2}),
        ("optimizer", {"type": "Adam", "lr": 0.1, "trained_mapping_names": [], "name": "a"}),
        ("scheduler", {"type": "StepLR", "optimizer_name": "a", "step_size": 3, "metric": "loss"}),
        (
            "scheduler",
            {
                "type": "SequentialLR",
                "optimizer_name": "a",
                "schedulers": [{"type": "ConstantLR"}, {"type": "ExponentialLR", "gamma": 0.9}],
                "milestones": [3],
            },
        ),
    ],
)
def test_good_blocks_have_no_errors(kind, block):
    assert errors(kind, block) == []


@pytest.mark.parametrize(
    ("kind", "block", "found"),
    [
        (
            "layer",
            {"type": "Linear", "in_features": 2},
            ['RC203 : Linear requires the argument "out_features". Add "out_features".'],
        ),
        (
            "layer",
            {"type": "Linear"},
            [
                'RC203 : Linear requires the argument "in_features". Add "in_features".',
                'RC203 : Linear requires the argument "out_features". Add "out_features".',
            ],
        ),
        ("layer", {**LINEAR, "biass": True}, ['RC202 /biass: Linear takes no argument "biass". Did you mean "bias"?']),
        (
            "layer",
            {**LINEAR, "a/b": 1},
            [
                'RC202 /a~1b: Linear takes no argument "a/b". '
                'Known here: "bias", "dtype", "in_features", "out_features".'
            ],
        ),
        ("layer", {"type": "Identity", "x": 1}, []),
        (
            "layer",
            {"type": "LSTM", "input_sise": 3, "hidden_size": 4, "mode": "GRU"},
            [
                'RC202 /input_sise: LSTM takes no argument "input_sise". Did you mean "input_size"?',
                'RC202 /mode: LSTM takes no argument "mode". Known here: "batch_first", "bias", "bidirectional", '
                '"dropout", "dtype", "hidden_size", "input_size", "num_layers", "proj_size".',
                'RC203 : LSTM requires the argument "input_size". Add "input_size".',
            ],
        ),
        ("layer", {"type": "Tanh", "x": 1}, ['RC202 /x: Tanh takes no argument "x". It takes no arguments.']),
        (
            "layer",
            {**LINEAR, "device": "cuda"},
            [
                'RC202 /device: "device" cannot be given: recombine places every module on the method\'s own device. '
                "Remove it."
            ],
        ),
        (
            "layer",
            {**LINEAR, "positional_arguments": [2]},
            ['RC202 /in_features: Linear gets "in_features" twice: by name and by position. Remove one of them.'],
        ),
        (
            "layer",
            {"type": "ReLU", "positional_arguments": [True, 2]},
            ["RC202 /positional_arguments: ReLU takes at most 1 positional arguments, not 2."],
        ),
        (
            "layer",
            {"type": "Liner"},
            ['RC201 /type: there is no layer of torch.nn called "Liner". Did you mean "Linear"?'],
        ),
        (
            "init",
            {"type": "normal", "layer_names": [], "weight_type": "bias", "tensor": 1, "stdd": 1},
            [
                'RC202 /tensor: "tensor" cannot be given: recombine itself passes it. Remove it.',
                'RC202 /stdd: normal takes no argument "stdd". Did you mean "std"?',
            ],
        ),
        (
            "functional",
            {"function_name": "normalize", "input_argument_name": "inputs"},
            ['RC202 /input_argument_name: normalize takes no argument "inputs". Did you mean "input"?'],
        ),
        (
            "functional",
            {"function_name": "threshold", "input_argument_name": "input", "threshold": 1},
            ['RC203 : threshold requires the argument "value". Add "value".'],
        ),
        (
            "optimizer",
            {"type": "Adam", "params": []},
            ['RC202 /params: "params" cannot be given: recombine itself passes it. Remove it.'],
        ),
        (
            "optimizer",
            {"type": "Adam", "trained_mapping": []},
            ['RC202 /trained_mapping: Adam takes no argument "trained_mapping". Did you mean "trained_mapping_names"?'],
        ),
        (
            "scheduler",
            {"type": "StepLR", "optimizer_name": "a"},
            ['RC203 : StepLR requires the argument "step_size". Add "step_size".'],
        ),
    ],
)
def test_bad_blocks_are_told_what_is_wrong_and_where(kind, block, found):
    assert errors(kind, block) == found


@pytest.mark.parametrize(
    ("inner", "found"),
    [
        ({"in_features": 2}, 'RC102 {}: an object as an argument must name a class by "type". Add "type".'),
        ({"type": 5}, 'RC102 {}: an object as an argument must name a class by "type". Add "type".'),
        (
            {"type": "os.system"},
            'RC201 {}/type: "os.system" is not the plain name of a layer of torch.nn. '
            '"recombine list layers" shows what there is.',
        ),
        ({**LINEAR, "bia": True}, 'RC202 {}/bia: Linear takes no argument "bia". Did you mean "bias"?'),
        ({**LINEAR, "name": 5}, 'RC103 {}: "name" must be a string, and "positional_arguments" a list.'),
        (
            {"type": "ReLU", "positional_arguments": 5},
            'RC103 {}: "name" must be a string, and "positional_arguments" a list.',
        ),
    ],
)
def test_nested_blocks_are_checked_at_any_depth(inner, found):
    place = "/positional_arguments/0/positional_arguments/1"
    assert errors("layer", sequential(sequential({"type": "ReLU"}, inner))) == [found.format(place)]


def test_only_layers_and_schedulers_take_blocks_as_arguments():
    optimizer = {"type": "SGD", "lr": {"type": "SGD"}}
    assert errors("optimizer", optimizer) == ["RC103 /lr: an object cannot be given here. Write a plain value."]
    function = {"function_name": "normalize", "input_argument_name": "input", "dim": [1, {}]}
    assert errors("functional", function) == ["RC103 /dim/1: an object cannot be given here. Write a plain value."]


def test_nested_schedulers_that_hold_code_are_refused():
    block = {"type": "ChainedScheduler", "optimizer_name": "a", "schedulers": [{"type": "LambdaLR"}]}
    assert errors("scheduler", block)[0].startswith('RC201 /schedulers/0/type: "LambdaLR" cannot be used: ')


def test_arguments_of_any_name_pass_where_any_are_taken_but_private_ones_do_not():
    parameters = (Parameter("a", True), Parameter("rest", False, positional=False, variadic=True))
    found = list(check_arguments(Call("f"), parameters, {"a": 1, "b": 2, "_c": 3}))
    assert [(e.key, e.message) for e in found] == [("/_c", 'f takes no argument "_c"')]


def test_missing_arguments_name_themselves_and_unknown_ones_what_they_mean():
    found = list(check_arguments(Call("f", ours=("name",)), (Parameter("count", True),), {"cuont": 1, "nme": 2}))
    assert [(e.code, e.about) for e in found] == [("RC202", "count"), ("RC202", "name"), ("RC203", "count")]


def test_parameters_are_those_of_the_signature():
    def function(a, b=1, *rest, c, **more): ...

    assert parameters_of(function) == (
        Parameter("a", True),
        Parameter("b", False),
        Parameter("rest", False, True, True),
        Parameter("c", True, False),
        Parameter("more", False, False, True),
    )
    assert parameters_of(int.from_bytes) is not None
    assert parameters_of(functional.conv2d) is None


def test_the_outermost_objects_of_a_value_are_its_blocks():
    assert list(nested_blocks([1, [{"a": {"b": 1}}], {}], "/x")) == [("/x/1/0", {"a": {"b": 1}}), ("/x/2", {})]
    assert list(nested_blocks({"a": 1}, "/x")) == [("/x", {"a": 1})]
    assert list(nested_blocks("text", "/x")) == []


def test_own_keys_have_their_types():
    assert has_plain_keys({})
    assert has_plain_keys({"name": "a", "positional_arguments": (1,)})
    assert not has_plain_keys({"name": None})
    assert not has_plain_keys({"positional_arguments": "ab"})
