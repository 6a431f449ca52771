import dataclasses

import pytest

from recombine.clock import Clock


def test_advances_iteration_by_iteration_and_epoch_by_epoch():
    clock = Clock("training", 0, 0, 3)
    seen = []
    for _ in range(7):
        seen.append((clock.iteration, clock.epoch))
        clock = clock.advanced()
    assert seen == [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1), (5, 1), (6, 2)]
    assert (clock.phase, clock.iterations_per_epoch) == ("training", 3)


def test_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Clock("training", 0, 0, 3).iteration = 1


@pytest.mark.parametrize(
    ("interval", "due"),
    [
        (1, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (4, [0, 4, 8]),
        ({"epochs": 1}, [0, 3, 6, 9]),
        ({"epochs": 2}, [0, 6]),
    ],
)
def test_intervals_count_iterations_or_epochs(interval, due):
    assert [i for i in range(10) if Clock("training", i, i // 3, 3).is_due(interval)] == due


def test_the_clock_can_be_set_back_to_the_last_iteration():
    for iteration in range(1, 9):
        clock = Clock("a", iteration, iteration // 4, 4)
        assert clock.set_back().advanced() == clock
    assert Clock("a", 4, 1, 4).set_back() == Clock("a", 3, 0, 4)


def test_intervals_last_iterations():
    clock = Clock("a", 3, 0, 4)
    assert (clock.iterations_in(7), clock.iterations_in({"epochs": 2})) == (7, 8)
