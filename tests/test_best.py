import math

import torch

from recombine.best import Best


def made(count, size):
    return Best(count, size, torch.float64, torch.device("cpu"))


def test_keeps_the_lowest_of_a_stream():
    draws = torch.Generator().manual_seed(0)
    values = torch.rand(6, 90, generator=draws, dtype=torch.float64)
    best = made(6, 4)
    for start in range(0, 90, 10):
        row, column = (torch.rand(6, 10, generator=draws) < 2).nonzero(as_tuple=True)
        best.meet(row, column + start, values[row, column + start])
    lowest, order = values.sort(dim=1)
    assert torch.equal(best.values, lowest[:, :4])
    assert torch.equal(best.columns, order[:, :4])
    assert torch.equal(best.bounds, lowest[:, 3])


def test_of_equal_values_the_first_stay():
    best = made(2, 2)
    best.meet(torch.tensor([0, 0, 0]), torch.tensor([3, 5, 8]), torch.tensor([1.0, 1, 1], dtype=torch.float64))
    best.meet(torch.tensor([0, 1]), torch.tensor([9, 9]), torch.tensor([1.0, 1], dtype=torch.float64))
    assert best.columns[0].tolist() == [3, 5]
    assert best.values[1].tolist() == [1, math.inf]


def test_rows_that_are_offered_nothing_stay_as_they_are():
    best = made(3, 2)
    nothing = torch.empty(0, dtype=torch.int64)
    best.meet(nothing, nothing, nothing.double())
    best.meet(torch.tensor([1]), torch.tensor([7]), torch.tensor([0.5], dtype=torch.float64))
    assert best.values.isinf().sum(1).tolist() == [2, 1, 2]
    assert best.bounds.tolist() == [math.inf] * 3
    assert best.columns[1, 0] == 7
