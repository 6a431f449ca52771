import pytest
import torch
from torch import nn
from torch.nn import functional

from recombine.errors import NetworkError
from recombine.mapping import Mapping, first_tensor


def _linear(features_in, features_out):
    return nn.Linear(features_in, features_out)


def _mapping(*layers, name="net", kind="feature_extractor", **options):
    return Mapping(name, kind, list(layers), **options)


def test_applies_functions_and_layers_in_order():
    first, last = _linear(4, 3), _linear(3, 2)
    mapping = _mapping(
        ("first", first),
        ("relu", nn.ReLU()),
        ("last", last),
        pre_processing=[torch.exp, torch.neg],
        post_processing=[torch.sin, torch.abs],
    )
    x = torch.randn(5, 4)
    assert torch.equal(mapping(x), torch.abs(torch.sin(last(torch.relu(first(-torch.exp(x)))))))
    assert torch.equal(mapping.run_layers(x, ["first"]), first(x))
    assert mapping.layer("relu") is mapping.layers[1]


def test_no_layers_are_the_identity():
    x = torch.randn(2, 3)
    assert torch.equal(_mapping()(x), x)


def test_an_unknown_layer_is_our_own_error():
    with pytest.raises(KeyError):
        _mapping(("first", _linear(4, 3))).layer("frist")


@pytest.mark.parametrize("softmax", [nn.Softmax(1), nn.LogSoftmax(1)])
@pytest.mark.parametrize("position", [1, 2])
def test_logits_skip_the_softmax_layer_and_what_follows_the_layers(softmax, position):
    linear, last = _linear(4, 3), nn.Flatten()
    layers = [("linear", linear), ("last", last)]
    layers.insert(position, ("softmax", softmax))
    mapping = _mapping(*layers, softmax_layer="softmax", pre_processing=[torch.sin], post_processing=[torch.exp])
    x = torch.randn(5, 4)
    assert torch.equal(mapping.logits(x), linear(torch.sin(x)))
    assert torch.equal(mapping(x), torch.exp(softmax(linear(torch.sin(x)))))


def test_without_a_softmax_layer_logits_are_the_output_of_the_layers():
    linear = _linear(4, 3)
    x = torch.randn(5, 4)
    assert torch.equal(_mapping(("linear", linear)).logits(x), linear(x))


@pytest.mark.parametrize("recurrent", [nn.LSTM(4, 3, batch_first=True), nn.GRU(4, 3, batch_first=True)])
def test_of_recurrent_layers_the_first_output_goes_on(recurrent):
    x, linear = torch.randn(5, 6, 4), _linear(3, 2)
    mapping = _mapping(("recurrent", recurrent), ("linear", linear))
    assert torch.equal(mapping(x), linear(recurrent(x)[0]))


def test_attention_attends_to_its_own_input():
    attention = nn.MultiheadAttention(4, 2, batch_first=True)
    x = torch.randn(5, 6, 4)
    assert torch.equal(_mapping(("attention", attention))(x), attention(x, x, x)[0])


def test_nested_tuples_give_their_first_tensor():
    x = torch.ones(2)
    assert first_tensor(([x, None], 3)) is x
    with pytest.raises(TypeError, match="it returned str, not a tensor"):
        first_tensor("x")


def test_the_prior_mapping_is_a_neighbour_not_a_part():
    encoder, head = _mapping(("linear", _linear(4, 3)), name="encoder"), _mapping(("l", _linear(3, 2)), name="head")
    head.prior = encoder
    assert head.chain() == [encoder, head]
    assert list(head.state_dict()) == ["layers.0.weight", "layers.0.bias"]
    assert [module for module in head.modules() if module is encoder] == []
    head.eval()
    assert encoder.training


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("feature_extractor", False),
        ("feature_space_classifier", True),
        ("sample_space_classifier", True),
        ("design_pattern_specific", False),
    ],
)
def test_two_of_the_kinds_are_classifiers(kind, expected):
    assert _mapping(kind=kind).is_classifier is expected


def test_a_misfit_names_both_layers_and_the_shape():
    mapping = _mapping(("first", _linear(4, 3)), ("second", _linear(5, 2)), name="encoder")
    with pytest.raises(NetworkError) as raised:
        mapping(torch.randn(7, 4))
    assert str(raised.value) == (
        'mapping "encoder": layer "second", Linear(in_features=5, out_features=2, bias=True), cannot take the output '
        'of layer "first", which has the shape (7, 3) with the batch first: mat1 and mat2 shapes cannot be multiplied '
        "(7x3 and 5x2)"
    )


def test_a_misfit_of_the_first_layer_names_what_was_given():
    mapping = _mapping(("first", _linear(4, 3)))
    with pytest.raises(NetworkError, match="cannot take the input, which has the shape"):
        mapping(torch.randn(7, 5))
    with pytest.raises(NetworkError, match='cannot take the output of layer "a" of mapping "b", which has the shape'):
        mapping(torch.randn(7, 5), _mapping(("a", nn.ReLU()), name="b").output_in_words)
    assert _mapping(name="b").output_in_words == 'the output of mapping "b"'


@pytest.mark.parametrize("where", ["pre", "post"])
def test_functions_that_cannot_take_their_input_are_named(where):
    def fails(x):
        return functional.softmax(x, dim=4)

    mapping = _mapping(("linear", _linear(4, 3)), **{f"{where}_processing": [torch.abs, fails]})
    shape = r"\(7, 4\)" if where == "pre" else r"\(7, 3\)"
    message = f'mapping "net": {where}-processing function 1 cannot take its input, which has the shape {shape}'
    with pytest.raises(NetworkError, match=message):
        mapping(torch.randn(7, 4))


def test_a_device_that_runs_out_of_memory_is_no_misfit():
    class Full(nn.Module):
        def forward(self, x):
            raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        _mapping(("full", Full()))(torch.ones(1))


def test_layers_of_reduced_precision_take_and_give_float32():
    linear = nn.Linear(64, 64)
    mapping, samples = Mapping("encoder", "feature_extractor", [("linear", linear)]), torch.rand(8, 64)
    exact = mapping(samples)
    mapping.reduced_precision = torch.bfloat16
    reduced = mapping(samples)
    assert reduced.dtype == torch.float32
    assert torch.equal(reduced, torch.nn.functional.linear(samples.bfloat16(), *_halved(linear)).float())
    assert not torch.equal(reduced, exact)
    torch.testing.assert_close(reduced, exact, atol=0.05, rtol=0.05)
    (gradient,) = torch.autograd.grad(reduced.sum(), [linear.weight])
    assert gradient.dtype == torch.float32


def _halved(linear):
    return linear.weight.bfloat16(), linear.bias.bfloat16()
