from types import SimpleNamespace

import pytest
import torch
from torch import nn

from recombine import sparing
from recombine.sparing import Sparing, Stopwatch


class Counting(nn.Module):
    """A layer that counts its passes, each of which takes a second of a clock that only it moves."""

    def __init__(self, answer, clock):
        super().__init__()
        self.answer, self.clock, self.passes = answer, clock, 0

    def forward(self, *inputs):
        self.passes += 1
        self.clock.now += 1.0
        return self.answer(*inputs)


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that stands still by itself."""
    own = SimpleNamespace(now=0.0)
    monkeypatch.setattr(sparing.time, "perf_counter", lambda: own.now)
    return own


def spared(answer, clock, seconds=0.5):
    """Return a layer in evaluation mode that is spared, and what spares it."""
    layer, own = Counting(answer, clock).eval(), Sparing(seconds)
    own.spare([SimpleNamespace(layers=[layer])])
    return layer, own


@torch.no_grad()
def test_a_layer_repeats_its_rows_when_its_time_is_up(clock):
    layer, own = spared(lambda x: x * 2, clock)
    first = layer(torch.arange(4.0).view(4, 1))
    again = layer(torch.zeros(6, 1))
    assert (layer.passes, own.spent) == (1, 1.0)
    assert first.flatten().tolist() == [0, 2, 4, 6]
    assert again.flatten().tolist() == [0, 2, 4, 6, 0, 2]
    assert own.saved == pytest.approx(1.0 / 4 * 6)
    assert layer(torch.ones(2, 3)).flatten().tolist() == [2] * 6, "another shape goes through in full"
    own.begin()
    assert layer(torch.ones(2, 1)).flatten().tolist() == [2, 2]
    assert layer.passes == 3


def test_training_and_gradients_are_never_spared(clock):
    layer, own = spared(lambda x: x * 2, clock)
    for _ in range(3):
        layer(torch.ones(2, 1))
    layer.train()
    with torch.no_grad():
        for _ in range(3):
            layer(torch.ones(2, 1))
    assert (layer.passes, own.saved, own.spent) == (6, 0, 0)


@torch.no_grad()
def test_large_answers_are_kept_by_a_single_row_that_takes_no_memory(clock):
    layer, _ = spared(lambda x: (x, x.long()), clock)
    layer(torch.full((3, 2000), 7.0))
    values, places = layer(torch.zeros(5, 2000))
    assert (values.shape, places.shape, places.dtype) == ((5, 2000), (5, 2000), torch.int64)
    assert bool((values == 7).all()) and values.untyped_storage().nbytes() == 4 * 2000


@torch.no_grad()
@pytest.mark.parametrize("answer", [lambda x: x.sum(0), lambda x: (x, (x, x))])
def test_answers_without_a_row_for_each_sample_are_computed(clock, answer):
    layer, own = spared(answer, clock)
    for _ in range(3):
        layer(torch.ones(3, 2))
    assert (layer.passes, own.saved) == (3, 0)


@torch.no_grad()
def test_a_stopwatch_counts_what_was_spared(clock):
    layer, own = spared(lambda x: x, clock)
    watch = Stopwatch(torch.device("cpu"), own)
    for _ in range(3):
        layer(torch.ones(10, 1))
    assert (watch.so_far(), watch.seconds()) == (1.0, pytest.approx(3.0))
    assert Stopwatch(torch.device("cpu"), own).seconds() == 0
