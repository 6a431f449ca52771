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
