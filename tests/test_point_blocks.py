import pytest
import torch

from recombine import point_blocks
from recombine.point_blocks import GROUP, Operands, Space, side
from recombine.points import Points


def points(values):
    return Points(values, None, "points")


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_products_are_squared_distances(scale):
    first, second = torch.randn(40, 7) * scale, torch.randn(70, 7) * scale
    rows = Operands(points(first), points(second), points(first))
    columns = Operands(points(second), points(second), points(first))
    block = Space().product(rows.left(0), columns.right(0))
    assert block.shape == (64, 96)
    expected = torch.cdist(first.double(), second.double()).square()
    ratio = block[:40, :70].double() / expected
    assert torch.allclose(ratio, ratio.mean().expand_as(ratio), rtol=1e-4)
    power = float(ratio.mean().log2())
    assert power / 2 == pytest.approx(round(power / 2), abs=1e-3)
    assert block[40:].isinf().all()
    assert block[:, 70:].isinf().all()


def test_the_mean_of_the_references_is_the_origin():
    values = torch.randn(100, 5) + 1e4
    operands = Operands(points(values), points(values), None)
    factor = operands.right(0)[:100, :-2]
    assert factor.mean(0).abs().max() < 1e-3 * factor.abs().max()
    assert torch.allclose(operands.lengths(0), factor.norm(dim=1))


def test_blocks_are_kept_where_there_is_room(monkeypatch):
    values = points(torch.randn(10, 5))
    kept = Operands(values, values, None)
    assert kept.right(0) is kept.right(0)
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", "0")
    unkept = Operands(values, values, None)
    assert unkept.right(0) is not unkept.right(0)
    assert torch.equal(unkept.right(0), kept.right(0))


def test_sides_follow_the_budget(monkeypatch):
    few, many = points(torch.zeros(2, 3)), points(torch.zeros(2, 100_000))
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", str(10**12))
    assert side(few) == side(many) == point_blocks._MOST_ON_CPU
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", str(2 * 10**10))
    assert point_blocks._LEAST < side(many) < side(few)
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", "0")
    assert side(few) == side(many) == point_blocks._LEAST
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", str(10**9))
    assert side(few) % GROUP == 0


def test_every_point_is_in_one_block(monkeypatch):
    monkeypatch.setattr(point_blocks, "_MOST_ON_CPU", 256)
    values = points(torch.zeros(600, 2))
    assert Operands(values, values, None).spans == [range(0, 256), range(256, 512), range(512, 600)]


def test_memory_is_used_again():
    space = Space()
    first = space.product(torch.ones(4, 2), torch.ones(3, 2))
    assert first.tolist() == [[2] * 3] * 4
    second = space.product(torch.ones(2, 5), torch.ones(2, 5))
    assert second.data_ptr() == first.data_ptr()
