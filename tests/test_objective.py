import pytest
import torch

from recombine.clock import Clock
from recombine.objective import DivergenceWatch, Objective, Term, WeightSchedule
from recombine.patterns.base import DesignPattern


class Constant(DesignPattern):
    """Losses that are given."""

    def __init__(self, **losses):
        self.given = {name: torch.tensor(value, requires_grad=True) for name, value in losses.items()}

    def losses(self, step):
        return {name: value * 1 for name, value in self.given.items()}


class _Step:
    def __init__(self, iteration):
        self.clock = Clock("training", iteration, 0, 1)


def _objective(pattern, terms, schedule=None, interval=None):
    return Objective("name", pattern, terms, schedule or WeightSchedule(0, 0), ["plain"], interval)


@pytest.mark.parametrize(
    ("start", "warm_up", "expected"),
    [
        (0, 0, [1, 1, 1, 1, 1, 1, 1]),
        (3, 0, [0, 0, 0, 1, 1, 1, 1]),
        (0, 4, [0, 0.25, 0.5, 0.75, 1, 1, 1]),
        (2, 2, [0, 0, 0, 0.5, 1, 1, 1]),
    ],
)
def test_weights_start_and_warm_up(start, warm_up, expected):
    schedule = WeightSchedule(start, warm_up)
    assert [schedule.factor(iteration) for iteration in range(7)] == expected


def test_losses_meet_their_weights_and_groups():
    pattern = Constant(first=2.0, second=5.0)
    terms = {"first": Term("n.first", 3.0, "a"), "second": Term("n.second", -0.5, "b")}
    totals = {"a": torch.tensor(100.0)}
    reported = _objective(pattern, terms, interval=7).add_to(totals, _Step(0))
    assert {group: total.item() for group, total in totals.items()} == {"a": 106, "b": -2.5}
    (gradient,) = torch.autograd.grad(totals["a"], pattern.given["first"])
    assert gradient == 3
    assert [(loss.name, float(loss.value), loss.weight, loss.report_interval) for loss in reported] == [
        ("n.first", 2, 3, 7),
        ("n.second", 5, -0.5, 7),
    ]
    assert not any(loss.value.requires_grad for loss in reported)


def test_a_weight_of_zero_is_reported_and_in_no_total():
    totals = {}
    reported = _objective(Constant(first=2.0), {"first": Term("first", 0.0, "a")}).add_to(totals, _Step(0))
    assert totals == {}
    assert [float(loss.value) for loss in reported] == [2]


def test_a_pattern_rests_before_its_start():
    pattern, totals = Constant(first=2.0), {}
    objective = _objective(pattern, {"first": Term("first", 4.0, "a")}, WeightSchedule(2, 2))
    assert [objective.works_in(iteration) for iteration in range(5)] == [False, False, False, True, True]
    assert len(objective.add_to(totals, _Step(3))) == 1
    assert totals["a"].item() == 4


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_the_watch_keeps_the_first_bad_iteration(bad):
    watch = DivergenceWatch(torch.device("cpu"))
    good, wrong = torch.tensor(1.0), torch.tensor(bad)
    assert watch.first() is None
    watch.see([good, good])
    watch.see([])
    assert watch.first() is None
    watch.see([good, wrong])
    watch.see([good])
    watch.see([wrong])
    assert watch.first() == 3


def test_the_watch_notices_losses_that_cancel():
    watch = DivergenceWatch(torch.device("cpu"))
    watch.see([torch.tensor(float("inf")), torch.tensor(-float("inf"))])
    assert watch.first() == 1


def test_iterations_done_before_a_stop_count():
    watch = DivergenceWatch(torch.device("cpu"))
    watch.skip(7)
    watch.see([torch.tensor(1.0)])
    assert watch.first() is None
    watch.see([torch.tensor(float("nan"))])
    assert watch.first() == 9
