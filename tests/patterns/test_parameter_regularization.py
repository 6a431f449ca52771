import pytest
import torch
from torch import nn

from recombine.errors import NetworkError
from recombine.mapping import Mapping
from recombine.patterns.parameter_regularization import ParameterRegularization, kind_of
from tests.methods import found, found_with_data, small
from tests.patterns.world import schema_errors, spelt_out
from tests.runs import method, train

BLOCK = {"pattern": "parameter_regularization", "mapping_names": ["encoder", "decoder"]}
KINDS = ["kernels", "biases", "norm_gains", "norm_shifts"]


def layers():
    """Return one layer of every sort, by name."""
    return {
        "linear": nn.Linear(6, 5),
        "conv": nn.Conv2d(2, 3, 3),
        "transposed": nn.ConvTranspose1d(3, 2, 4),
        "recurrent": nn.LSTM(4, 3),
        "attention": nn.MultiheadAttention(4, 2, add_bias_kv=True),
        "batch_norm": nn.BatchNorm2d(3),
        "layer_norm": nn.LayerNorm(4),
        "group_norm": nn.GroupNorm(2, 4),
        "instance_norm": nn.InstanceNorm1d(3, affine=True),
        "rms_norm": nn.RMSNorm(4),
        "prelu": nn.PReLU(2),
        "nested": nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)),
    }


def many(seed=0):
    """Return a mapping with a layer of every sort and parameters of which none is 0."""
    made = layers()
    mapping = Mapping("many", "design_pattern_specific", list(made.items())).double()
    draws = torch.Generator().manual_seed(seed)
    for parameter in mapping.parameters():
        parameter.data = torch.randn(parameter.shape, generator=draws, dtype=torch.float64)
    return mapping


def pattern_of(*mappings, kinds=("kernels", "norm_gains"), norm="l2"):
    return ParameterRegularization(mappings=mappings, parameter_kinds=kinds, norm=norm)


def value_of(*mappings, **options):
    return pattern_of(*mappings, **options).losses(None)["parameter_regularization"]


def slow(mapping, kinds, norm):
    """Add up number by number, with the kinds written out by hand."""
    total = 0.0
    for name, parameter in mapping.named_parameters():
        if EXPECTED[name.removeprefix("layers.")] in kinds:
            for number in parameter.flatten().tolist():
                total += number**2 if norm == "l2" else abs(number)
    return total


EXPECTED = {
    "0.weight": "kernels",
    "0.bias": "biases",
    "1.weight": "kernels",
    "1.bias": "biases",
    "2.weight": "kernels",
    "2.bias": "biases",
    "3.weight_ih_l0": "kernels",
    "3.weight_hh_l0": "kernels",
    "3.bias_ih_l0": "biases",
    "3.bias_hh_l0": "biases",
    "4.in_proj_weight": "kernels",
    "4.in_proj_bias": "biases",
    "4.bias_k": "biases",
    "4.bias_v": "biases",
    "4.out_proj.weight": "kernels",
    "4.out_proj.bias": "biases",
    "5.weight": "norm_gains",
    "5.bias": "norm_shifts",
    "6.weight": "norm_gains",
    "6.bias": "norm_shifts",
    "7.weight": "norm_gains",
    "7.bias": "norm_shifts",
    "8.weight": "norm_gains",
    "8.bias": "norm_shifts",
    "9.weight": "norm_gains",
    "10.weight": "kernels",
    "11.0.weight": "kernels",
    "11.0.bias": "biases",
    "11.1.weight": "norm_gains",
    "11.1.bias": "norm_shifts",
}


def test_every_parameter_of_every_layer_has_its_kind():
    mapping = many()
    kinds = {
        f"{place}.{name}".removeprefix("layers."): kind_of(module, name)
        for place, module in mapping.named_modules()
        for name, _ in module.named_parameters(recurse=False)
    }
    assert kinds == EXPECTED


@pytest.mark.parametrize("norm", ["l2", "l1"])
@pytest.mark.parametrize("kinds", [[kind] for kind in KINDS] + [["kernels", "norm_gains"], KINDS])
def test_equals_the_sum_number_by_number(kinds, norm):
    mapping = many()
    assert value_of(mapping, kinds=kinds, norm=norm).item() == pytest.approx(slow(mapping, kinds, norm), rel=1e-12)


def test_pinned():
    mapping = Mapping("m", "feature_extractor", [("linear", nn.Linear(2, 2)), ("norm", nn.BatchNorm1d(2))])
    with torch.no_grad():
        mapping.layers[0].weight.copy_(torch.tensor([[1.0, -2], [0, 3]]))
        mapping.layers[0].bias.fill_(100)
        mapping.layers[1].weight.copy_(torch.tensor([0.5, -1]))
        mapping.layers[1].bias.fill_(100)
    assert value_of(mapping).item() == 14 + 1.25
    assert value_of(mapping, norm="l1").item() == 6 + 1.5


def test_gradients_are_those_of_finite_differences():
    mapping = many()
    for norm in ("l2", "l1"):
        pattern = pattern_of(mapping, kinds=KINDS, norm=norm)
        chosen = [mapping.layers[0].weight, mapping.layers[5].weight, mapping.layers[6].bias]
        assert torch.autograd.gradcheck(lambda *_, p=pattern: p.losses(None)["parameter_regularization"], chosen)


def test_several_mappings_add_up_and_shared_parameters_count_once():
    first, second = many(0), many(1)
    assert value_of(first, second).item() == pytest.approx(value_of(first).item() + value_of(second).item())
    assert value_of(first, first).item() == value_of(first).item()
    second.layers[0].weight = first.layers[0].weight
    shared = first.layers[0].weight.square().sum().item()
    both = value_of(first).item() + value_of(second).item() - shared
    assert value_of(first, second).item() == pytest.approx(both)


def test_what_feeds_a_mapping_and_what_is_not_trained_does_not_count():
    first, second = many(0), many(1)
    expected = value_of(second).item()
    second.prior = first
    assert value_of(second).item() == expected
    frozen = second.layers[1].weight.requires_grad_(False)
    assert value_of(second).item() == pytest.approx(expected - frozen.square().sum().item())


def test_lazy_layers_count_from_their_first_input_on():
    lazy = Mapping("lazy", "feature_extractor", [("lazy", nn.LazyLinear(3))])
    assert pattern_of(lazy).losses(None) == {}
    lazy(torch.ones(2, 4))
    assert value_of(lazy).item() == pytest.approx(lazy.layers[0].weight.square().sum().item())


def test_nothing_to_regularise_is_the_users_mistake():
    plain = Mapping("plain", "feature_extractor", [("linear", nn.Linear(2, 2))])
    expected = r"no parameters of the kinds to regularise \(norm_gains, norm_shifts\) in mapping plain"
    with pytest.raises(NetworkError, match=expected):
        pattern_of(plain, kinds=("norm_gains", "norm_shifts")).losses(None)
    block = {"pattern": "parameter_regularization", "mapping_names": ["decoder"], "parameter_kinds": ["norm_gains"]}
    (problem,) = found_with_data(small({"/phases/0/design_patterns/1": block}))
    assert "at /phases/0/design_patterns/1: the pattern" in problem
    assert "there are no parameters of the kinds to regularise (norm_gains) in mapping decoder" in problem


def trained(patterns, **options):
    """Return everything that SGD trains by the losses of some patterns."""
    sgd = {"type": "SGD", "lr": 0.1, "trained_mapping_names": ["encoder", "decoder"], **options}
    phase = {"design_patterns": patterns, "optimizers": [sgd], "exit_criteria": {"iterations": 9}}
    return train(method(phase=phase)).bits()


@pytest.mark.parametrize("momentum", [{}, {"momentum": 0.9, "nesterov": True}])
def test_half_a_weight_decay_trains_as_the_weight_decay_of_sgd(momentum):
    reconstruction = method()["phases"][0]["design_patterns"]
    block = {**BLOCK, "parameter_kinds": ["kernels", "biases"], "loss_weight": 0.01}
    penalised = trained([*reconstruction, block], **momentum)
    expected = trained(reconstruction, weight_decay=0.02, **momentum)
    without = trained(reconstruction, **momentum)
    for name in (name for name in penalised if "layers" in name):
        torch.testing.assert_close(penalised[name], expected[name])
        assert not torch.allclose(penalised[name], without[name], rtol=1e-3)


def test_alone_it_shrinks_kernels_and_needs_no_view():
    shrunk, start = (trained([{**BLOCK, "loss_weight": weight}]) for weight in (0.01, 0))
    kernel, bias = "_mappings.0.layers.1.weight", "_mappings.0.layers.1.bias"
    torch.testing.assert_close(shrunk[kernel], (1 - 0.1 * 0.02) ** 9 * start[kernel])
    assert torch.equal(shrunk[bias], start[bias])


def test_defaults():
    assert (spelt_out(BLOCK)["parameter_kinds"], spelt_out(BLOCK)["norm"]) == (["kernels", "norm_gains"], "l2")


@pytest.mark.parametrize(
    ("changes", "validator"),
    [
        ({"mapping_names": []}, "minItems"),
        ({"mapping_names": "encoder"}, "type"),
        ({"parameter_kinds": []}, "minItems"),
        ({"parameter_kinds": ["weights"]}, "enum"),
        ({"norm": "l3"}, "enum"),
    ],
)
def test_refuses(changes, validator):
    assert [error.validator for error in schema_errors(BLOCK | changes)] == [validator]


def test_an_unknown_mapping_is_found():
    block = {"pattern": "parameter_regularization", "mapping_names": ["encoder", "decodr"]}
    assert found(small({"/phases/0/design_patterns/1": block})) == [
        "error RC301 at /phases/0/design_patterns/1/mapping_names/1: there is no mapping called "
        '"decodr". Did you mean "decoder"?'
    ]
