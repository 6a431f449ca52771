"""Layers over the objects of sets."""

import math
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from recombine.build import build_method
from recombine.cli import main
from recombine.factory import build_layer, names, resolve
from recombine.layers import (
    AttentionPooling,
    BiLSTMSummary,
    ResidualBiLSTM,
    ResidualSetAttention,
    SetPooling,
    bidirectional_lstm,
)
from recombine.load import load_file

ROOT = Path(__file__).resolve().parent.parent
OWN = ["AttentionPooling", "BiLSTMSummary", "ResidualBiLSTM", "ResidualSetAttention", "SetPooling"]
SETS, OBJECTS, FEATURES = 3, 5, 8
ORDER = [3, 0, 4, 1, 2]


def sets(objects=OBJECTS, dtype=torch.float32):
    """Return sets of objects, (B, n, D)."""
    return torch.randn(SETS, objects, FEATURES, generator=torch.Generator().manual_seed(0)).to(dtype)


def seeded(make, *arguments, **options):
    """Return a layer whose parameters follow a seed."""
    torch.manual_seed(0)
    return make(*arguments, **options).eval()


def layers():
    """Return a layer of each kind, with the shape that it makes of ``(B, n, D)``; None stands for n."""
    return [
        (seeded(ResidualBiLSTM, FEATURES, 2), (None, FEATURES)),
        (seeded(ResidualSetAttention, FEATURES, 2, 2), (None, FEATURES)),
        (seeded(ResidualSetAttention, FEATURES, 4, 1, 3, True), (None, FEATURES)),
        (seeded(BiLSTMSummary, FEATURES, 3), (6,)),
        (seeded(SetPooling), (2 * FEATURES,)),
        (seeded(AttentionPooling, FEATURES, 3, 2), (3 * FEATURES,)),
    ]


def size(module, buffers=False):
    """Return the number of parameters, and of those buffers that are no counters."""
    found = sum(parameter.numel() for parameter in module.parameters())
    return found + buffers * sum(one.numel() for one in module.buffers() if one.is_floating_point())


@pytest.mark.parametrize("objects", [1, 2, OBJECTS, 40])
def test_shapes_and_finite_gradients_for_sets_of_any_size(objects):
    for layer, shape in layers():
        x = sets(objects).requires_grad_()
        output = layer(x)
        assert output.shape == (SETS, *(objects if one is None else one for one in shape)), layer
        output.square().sum().backward()
        assert x.grad.isfinite().all()
        assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())


def test_sets_do_not_mix():
    for layer, _ in layers():
        torch.testing.assert_close(layer(sets())[1:2], layer(sets()[1:2]), rtol=1e-5, atol=1e-6)


def test_float64():
    for layer, _ in layers():
        assert layer.double()(sets(dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize("shape", [(4, FEATURES), (4, 5, FEATURES, 1), (FEATURES,)])
def test_what_is_no_set_is_refused(shape):
    for layer, _ in layers():
        with pytest.raises(ValueError, match=rf'not {len(shape)}; does the mapping have "works_on": "sets"\?'):
            layer(torch.zeros(shape))


def test_sizes_are_those_of_the_paper_with_two_biases_for_each_gate():
    block = ResidualBiLSTM(288)
    assert size(block) == 499_968
    assert size(block) - 2 * 4 * 144 == 498_816
    assert size(ResidualBiLSTM(288, 3)) == 3 * 499_968
    assert size(BiLSTMSummary(288, 128)) == 2 * (4 * 128 * (288 + 128) + 2 * 4 * 128)
    assert size(SetPooling()) == 0


def test_the_published_model_has_its_size():
    config = load_file(ROOT / "configurations" / "learning_to_cluster" / "points.json").require()
    method = build_method(config, 5, (2,))
    assert sum(parameter.numel() for parameter in method.parameters() if parameter.requires_grad) == 7_500_884
    second_biases = sum(
        parameter.numel()
        for module in method.modules()
        if isinstance(module, nn.LSTM)
        for name, parameter in module.named_parameters()
        if name.startswith("bias_hh")
    )
    assert second_biases == 14 * 2 * 4 * 144 + 2 * 4 * 128
    assert size(method, buffers=True) - second_biases == 7_484_756
    embedding = method.mappings["embedding"]
    assert size(method, buffers=True) - second_biases - size(embedding) == 7_483_892


def test_an_lstm_starts_as_published():
    torch.manual_seed(0)
    lstm = bidirectional_lstm(10, 6)
    for suffix in ("l0", "l0_reverse"):
        biases = getattr(lstm, f"bias_ih_{suffix}") + getattr(lstm, f"bias_hh_{suffix}")
        assert biases.tolist() == [0] * 6 + [1] * 6 + [0] * 12  # input, forget, cell and output gate
        recurrent = getattr(lstm, f"weight_hh_{suffix}")
        assert recurrent.shape == (24, 6)
        torch.testing.assert_close(recurrent.T @ recurrent, torch.eye(6), rtol=0, atol=1e-5)
        weight = getattr(lstm, f"weight_ih_{suffix}")
        bound = math.sqrt(6 / (10 + 4 * 6))
        assert 0.9 * bound < weight.abs().max() <= bound
    assert not torch.equal(lstm.weight_ih_l0, lstm.weight_ih_l0_reverse)


@pytest.mark.parametrize("layer", [ResidualBiLSTM(6, 2), BiLSTMSummary(6, 3)])
def test_all_lstms_start_so(layer):
    for name, parameter in layer.named_parameters():
        if "bias_ih" in name:
            assert parameter.tolist() == [0] * 3 + [1] * 3 + [0] * 6
        elif "bias_hh" in name:
            assert not parameter.any()


def lstm_by_hand(lstm, rows, suffix):
    """Return the states of one direction over the objects of one set ``(n, D)``, in the order of ``rows``."""
    weights = [getattr(lstm, f"{name}_{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    units = weights[1].shape[1]
    state, cell, found = torch.zeros(units), torch.zeros(units), []
    for row in rows:
        into, forget, new, out = (weights[0] @ row + weights[2] + weights[1] @ state + weights[3]).split(units)
        cell = forget.sigmoid() * cell + into.sigmoid() * new.tanh()
        state = out.sigmoid() * cell.tanh()
        found.append(state)
    return found


def directions_by_hand(lstm, x):
    """Return the states of both directions over a set ``(n, D)``, each in the order of its objects."""
    return lstm_by_hand(lstm, list(x), "l0"), lstm_by_hand(lstm, list(x)[::-1], "l0_reverse")[::-1]


@pytest.mark.parametrize("residual", [True, False, [True, False, True], [False, True, False]])
def test_blocks_add_to_what_they_get(residual):
    layer = seeded(ResidualBiLSTM, FEATURES, 3, residual)
    adds = residual if isinstance(residual, list) else [residual] * 3
    assert layer.residual == adds
    output = layer(sets())
    for number in range(SETS):
        x = sets()[number]
        for block, adding in zip(layer.blocks, adds, strict=True):
            there, back = directions_by_hand(block, x)
            states = torch.stack([torch.cat(pair) for pair in zip(there, back, strict=True)])
            x = x + states if adding else states
        torch.testing.assert_close(output[number], x, rtol=1e-4, atol=1e-5)


def test_a_summary_holds_the_last_states_of_both_directions():
    layer = seeded(BiLSTMSummary, FEATURES, 3)
    output = layer(sets())
    for number in range(SETS):
        there, back = directions_by_hand(layer.lstm, sets()[number])
        torch.testing.assert_close(output[number], torch.cat([there[-1], back[0]]), rtol=1e-4, atol=1e-5)


def attention_by_hand(block, x):
    """Return what a block makes of one set ``(n, D)``, head by head and object by object."""
    width = x.shape[1] // block.num_heads
    queries, keys, values = block.projection(block.attention_norm(x)).split(x.shape[1], 1)
    seen = torch.zeros_like(x)
    for head in range(block.num_heads):
        own = slice(head * width, (head + 1) * width)
        for i in range(len(x)):
            scores = torch.stack([queries[i, own] @ key[own] for key in keys]) / math.sqrt(width)
            seen[i, own] = sum(p * value[own] for p, value in zip(scores.softmax(0), values, strict=True))
    x = x + block.output(seen)
    return x + block.network(x)


@pytest.mark.parametrize("final_norm", [False, True])
def test_attention_is_that_by_hand(final_norm):
    layer = seeded(ResidualSetAttention, FEATURES, 2, 2, 3, final_norm)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(1.5)
        output = layer(sets())
        for number in range(SETS):
            x = sets()[number]
            for block in layer.blocks:
                x = attention_by_hand(block, x)
            x = nn.functional.layer_norm(x, (FEATURES,), layer.norm.weight, layer.norm.bias) if final_norm else x
            torch.testing.assert_close(output[number], x, rtol=1e-4, atol=1e-5)


def test_expansion_and_blocks_make_attention_larger():
    width = 4 * FEATURES * FEATURES + 4 * FEATURES + 2 * FEATURES  # queries, keys, values, output; the norm in front
    for expansion in (1, 2, 5):
        hidden = expansion * FEATURES
        network = 2 * FEATURES + FEATURES * hidden + hidden + hidden * FEATURES + FEATURES
        assert size(ResidualSetAttention(FEATURES, 2, 3, expansion)) == 3 * (width + network)
    assert size(ResidualSetAttention(FEATURES, 2, final_norm=True)) - size(ResidualSetAttention(FEATURES, 2)) == 16


def test_attention_treats_all_orders_alike():
    layer = seeded(ResidualSetAttention, FEATURES, 4, 3)
    torch.testing.assert_close(layer(sets()[:, ORDER]), layer(sets())[:, ORDER], rtol=1e-5, atol=1e-6)


def test_pooling_does_not_mind_the_order():
    for layer in (SetPooling(), seeded(AttentionPooling, FEATURES, 3, 2)):
        torch.testing.assert_close(layer(sets()[:, ORDER]), layer(sets()), rtol=1e-5, atol=1e-6)


def test_lstms_mind_the_order():
    blocks, summary = seeded(ResidualBiLSTM, FEATURES), seeded(BiLSTMSummary, FEATURES, 3)
    assert (blocks(sets()[:, ORDER]) - blocks(sets())[:, ORDER]).abs().max() > 0.01
    assert (summary(sets()[:, ORDER]) - summary(sets())).abs().max() > 0.01


def test_a_pool_is_mean_and_maximum():
    output = SetPooling()(sets())
    for number, objects in enumerate(sets().tolist()):
        columns = list(zip(*objects, strict=True))
        expected = [sum(column) / OBJECTS for column in columns] + [max(column) for column in columns]
        assert output[number].tolist() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_attention_pools_by_learned_questions():
    layer = seeded(AttentionPooling, FEATURES, 3, 2)
    output = layer(sets())
    for number in range(SETS):
        x = sets()[number : number + 1]
        answers = [layer.attention(layer.queries[:, [q]], x, x)[0].flatten() for q in range(3)]
        torch.testing.assert_close(output[number], torch.cat(answers), rtol=1e-5, atol=1e-6)
    output.sum().backward()
    assert layer.queries.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ResidualBiLSTM(7), "features is 7, and must be an even number: half of them for each direction"),
        (lambda: ResidualBiLSTM(0), "features is 0, and must be an even number"),
        (lambda: ResidualBiLSTM(8, 0), "num_blocks is 0, and must be at least 1"),
        (lambda: ResidualBiLSTM(8, 3, [True, False]), "residual has 2 values for 3 blocks"),
        (lambda: ResidualSetAttention(8, 3), "features is 8, and must be a multiple of num_heads, 3"),
        (lambda: ResidualSetAttention(0), "features is 0, and must be a multiple of num_heads, 4"),
        (lambda: ResidualSetAttention(8, 0), "num_heads is 0, and must be at least 1"),
        (lambda: ResidualSetAttention(8, num_blocks=0), "num_blocks is 0, and must be at least 1"),
        (lambda: ResidualSetAttention(8, expansion=0), "expansion is 0, and must be at least 1"),
        (lambda: AttentionPooling(8, 0), "num_queries is 0, and must be at least 1"),
        (lambda: AttentionPooling(8, 1, 3), "features is 8, and must be a multiple of num_heads, 3"),
        (lambda: AttentionPooling(8, 1, 0), "features is 8, and must be a multiple of num_heads, 0"),
    ],
)
def test_numbers_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", OWN)
def test_a_method_names_them_like_those_of_torch(name):
    assert name in names("layer")
    assert resolve("layer", name).__name__ == name


def test_a_block_of_json_makes_one():
    layer = build_layer({"type": "ResidualBiLSTM", "features": 8, "num_blocks": 2, "residual": [True, False]})
    assert isinstance(layer, ResidualBiLSTM)
    assert layer.residual == [True, False]


def test_they_are_listed():
    result = CliRunner().invoke(main, ["list", "layers"])
    assert result.exit_code == 0
    assert set(OWN) | {"Linear"} <= set(result.output.split())
