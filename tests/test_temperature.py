"""Temperatures that fall."""

import math

import pytest

from recombine.temperature import temperature

#: That of the published code of CNC: in epochs of 100 iterations, each 20th multiplies by exp(-3e-5 epoch).
CNC = {"type": "cumulative", "initial": 1.5, "minimum": 1.0, "rate": 6e-4, "interval": 2000}


def published(epoch):
    """Return the published schedule's value after an epoch, by its own recursion."""
    value = 1.5
    for one in range(epoch + 1):
        if one % 20 == 0:
            value = max(value * math.exp(-3e-5 * one), 1.0)
    return value


@pytest.mark.parametrize("epoch", [0, 19, 20, 100, 333, 400, 700, 739, 740, 1000])
def test_cumulative_is_the_recursion_of_the_published_code(epoch):
    assert temperature(CNC, 100 * epoch) == pytest.approx(published(epoch), rel=1e-12)


@pytest.mark.parametrize(("epoch", "value"), [(100, 1.487), (200, 1.451), (400, 1.322), (600, 1.135), (700, 1.028)])
def test_cumulative_has_the_published_values(epoch, value):
    assert temperature(CNC, 100 * epoch) == pytest.approx(value, abs=5e-4)


def test_the_floor_is_reached_when_it_should_be():
    assert temperature(CNC, 100 * 739) > 1
    assert temperature(CNC, 100 * 740) == 1


def test_exponential():
    schedule = {"type": "exponential", "initial": 2.0, "minimum": 0.5, "rate": 0.1, "interval": 10}
    assert [temperature(schedule, iteration) for iteration in (0, 9)] == [2, 2]
    assert temperature(schedule, 30) == pytest.approx(2 * math.exp(-0.3))
    assert temperature(schedule, 10**6) == 0.5


def test_constant_is_what_it_starts_with():
    schedule = {"type": "constant", "initial": 0.05, "minimum": 0.1, "rate": 3.0, "interval": 1}
    assert temperature(schedule, 12345) == 0.05
