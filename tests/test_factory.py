import inspect

import pytest
import torch
from torch import nn
from torch.nn import functional

from recombine import factory
from recombine.factory import KINDS, FactoryError
from tests.methods import TRANSFORMER_LAYER

NAMESPACES = {
    "layer": torch.nn,
    "init": torch.nn.init,
    "functional": torch.nn.functional,
    "optimizer": torch.optim,
    "scheduler": torch.optim.lr_scheduler,
}


def refusal(kind, name):
    """Return message and remedy with which a name is refused."""
    with pytest.raises(FactoryError) as caught:
        factory.resolve(kind, name)
    assert caught.value.code == "RC201"
    return f"{caught.value.message}. {caught.value.remedy}".rstrip()


@pytest.mark.parametrize(
    ("kind", "name", "found"),
    [
        ("layer", "Linear", nn.Linear),
        ("layer", "TransformerEncoder", nn.TransformerEncoder),
        ("layer", "LazyConv2d", nn.LazyConv2d),
        ("init", "xavier_uniform", nn.init.xavier_uniform_),
        ("init", "zeros_", nn.init.zeros_),
        ("functional", "normalize", functional.normalize),
        ("functional", "conv2d", functional.conv2d),
        ("functional", "max_pool2d", functional.max_pool2d),
        ("functional", "sigmoid", functional.sigmoid),
        ("optimizer", "AdamW", torch.optim.AdamW),
        ("scheduler", "ReduceLROnPlateau", torch.optim.lr_scheduler.ReduceLROnPlateau),
        ("scheduler", "SequentialLR", torch.optim.lr_scheduler.SequentialLR),
    ],
)
def test_plain_names_stand_for_torch_s_own(kind, name, found):
    assert factory.resolve(kind, name) is found


@pytest.mark.parametrize("kind", NAMESPACES)
@pytest.mark.parametrize(
    "name",
    ["os.system", "torch.save", "__import__", "_private", "", " ", "a b", "Linear()", "../x", "Ünicode", "Linear\n"],
)
def test_what_is_no_plain_name_is_refused(kind, name):
    title, plural = KINDS[kind].title, KINDS[kind].plural
    assert (
        refusal(kind, name)
        == f'"{name}" is not the plain name of a {title}. "recombine list {plural}" shows what there is.'
    )


@pytest.mark.parametrize(
    ("kind", "dotted", "plain"),
    [("layer", "torch.nn.Linear", "Linear"), ("optimizer", "optim.SGD", "SGD"), ("functional", "F.relu", "relu")],
)
def test_a_dotted_name_of_something_usable_is_told_its_plain_name(kind, dotted, plain):
    assert (
        refusal(kind, dotted) == f'"{dotted}" is not the plain name of a {KINDS[kind].title}. Did you mean "{plain}"?'
    )


@pytest.mark.parametrize(
    ("kind", "name", "near"),
    [
        ("layer", "relu", "ReLU"),
        ("layer", "Liner", "Linear"),
        ("optimizer", "adam", "Adam"),
        ("scheduler", "StepLr", "StepLR"),
        ("init", "xavier_unifrm", "xavier_uniform_"),
        ("functional", "normalise", "normalize"),
    ],
)
def test_a_misspelt_name_is_told_the_nearest(kind, name, near):
    assert refusal(kind, name) == f'there is no {KINDS[kind].title} called "{name}". Did you mean "{near}"?'


@pytest.mark.parametrize(
    ("kind", "name", "reason"),
    [
        ("layer", "Module", "it is a base class, not something that can be used by itself"),
        ("layer", "ModuleList", "it only holds other layers and maps nothing; use Sequential"),
        ("layer", "DataParallel", "recombine itself decides on which devices a method runs"),
        (
            "optimizer",
            "LBFGS",
            "it evaluates the loss several times per step, which design patterns with state do not allow",
        ),
        ("optimizer", "Muon", "it takes only matrices, and mappings have biases as well"),
        ("optimizer", "SparseAdam", "it takes only sparse gradients, which no design pattern produces"),
        ("scheduler", "LambdaLR", "it needs a Python function as an argument, and a method file holds no code"),
        ("scheduler", "MultiplicativeLR", "it needs a Python function as an argument, and a method file holds no code"),
    ],
)
def test_what_cannot_work_from_a_file_is_refused_with_the_reason(kind, name, reason):
    assert refusal(kind, name) == f'"{name}" cannot be used: {reason}.'


@pytest.mark.parametrize("kind", NAMESPACES)
def test_a_namespace_gives_only_what_it_is_for(kind):
    members = vars(NAMESPACES[kind])
    usable = set(factory.names(kind))
    modules = {name for name, member in members.items() if inspect.ismodule(member)}
    assert len(usable) >= 10
    assert usable.isdisjoint(modules)
    assert usable.isdisjoint(KINDS[kind].refused)
    assert not any(name.startswith("_") for name in usable)
    for name in set(members) - usable - {known.removesuffix("_") for known in usable}:
        with pytest.raises(FactoryError):
            factory.resolve(kind, name)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("layer", "Parameter"),
        ("layer", "functional"),
        ("layer", "init"),
        ("init", "calculate_gain"),
        ("init", "math"),
        ("functional", "handle_torch_function"),
        ("functional", "has_torch_function"),
        ("functional", "importlib"),
        ("functional", "boolean_dispatch"),
        ("optimizer", "lr_scheduler"),
        ("scheduler", "Optimizer"),
        ("scheduler", "Counter"),
    ],
)
def test_members_that_are_of_another_kind_are_refused(kind, name):
    assert f'there is no {KINDS[kind].title} called "{name}"' in refusal(kind, name)


def test_layers_are_built_with_named_positional_and_nested_arguments():
    named = {}
    block = {
        "type": "Sequential",
        "positional_arguments": [
            {"type": "Linear", "name": "first", "in_features": 3, "out_features": 2},
            {"type": "LeakyReLU", "positional_arguments": [0.5], "inplace": True},
            {"type": "Unflatten", "dim": 1, "unflattened_size": [2, 1]},
        ],
    }
    layer = factory.build_layer(block, named)
    assert isinstance(layer, nn.Sequential)
    assert named == {"first": layer[0]}
    assert (layer[1].negative_slope, layer[1].inplace) == (0.5, True)
    assert layer(torch.zeros(4, 3)).shape == (4, 2, 1)


def test_layers_may_be_arguments_of_layers_by_name():
    layer = factory.build_layer({"type": "TransformerEncoder", "encoder_layer": TRANSFORMER_LAYER, "num_layers": 2})
    assert isinstance(layer.layers[1].linear1, nn.Linear)
    assert isinstance(layer.layers[0].activation, nn.GELU)


def test_the_name_of_a_dtype_becomes_the_dtype():
    assert (
        factory.build_layer({"type": "Linear", "in_features": 1, "out_features": 1, "dtype": "float64"}).weight.dtype
        == torch.float64
    )
    with pytest.raises(FactoryError, match='"float33" is no dtype of torch'):
        factory.plain_value("dtype", "float33")
    with pytest.raises(FactoryError, match='"nn" is no dtype of torch'):
        factory.plain_value("dtype", "nn")
    assert factory.plain_value("mode", "float64") == "float64"


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            {"type": "Linear", "in_features": 2, "out_features": -1},
            "Linear refuses its arguments: Trying to create tensor with negative",
        ),
        (
            {"type": "Linear", "in_features": 2, "out_features": "3"},
            "Linear refuses its arguments: empty(): argument 'size'",
        ),
        ({"type": "GroupNorm", "num_groups": 0, "num_channels": 4}, "GroupNorm refuses its arguments: integer"),
        (
            {"type": "Conv2d", "in_channels": 3, "out_channels": 4, "kernel_size": 3, "groups": 2},
            "Conv2d refuses its arguments: in_channels",
        ),
        (
            {"type": "Sequential", "positional_arguments": ["x"]},
            "Sequential refuses its arguments: str is not a Module subclass",
        ),
        (
            {"type": "TransformerEncoder", "encoder_layer": 5, "num_layers": 2},
            "TransformerEncoder refuses its arguments: ",
        ),
    ],
)
def test_what_a_class_refuses_is_told_in_its_own_words(block, message):
    with pytest.raises(FactoryError) as caught:
        factory.build_layer(block)
    assert caught.value.code == "RC204"
    assert caught.value.message.startswith(message)
    assert "\n" not in caught.value.message


def test_errors_of_ours_are_not_taken_for_refusals():
    def broken():
        raise NotADirectoryError("ours")

    with pytest.raises(NotADirectoryError):
        factory.call("broken", broken)


def test_a_function_gets_its_input_by_name_and_its_arguments():
    block = {"function_name": "softmax", "input_argument_name": "input", "dim": 0, "dtype": "float64"}
    found = factory.function(block)(torch.zeros(4, 2))
    assert torch.equal(found, torch.full((4, 2), 0.25, dtype=torch.float64))


def test_arguments_of_a_block_are_what_is_not_ours():
    block = {
        "type": "SGD",
        "name": "a",
        "lr": 1,
        "trained_mapping_names": [],
        "group_name": "g",
        "optimizes_centroids": True,
    }
    assert factory.arguments_of("optimizer", block) == {"lr": 1}
