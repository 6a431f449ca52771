import pytest

from recombine.clock import Clock
from recombine.criteria import ORACLE_CRITERIA, Lowest, Performance, Validation, Watched, first_met
from recombine.metrics import Scores
from recombine.schemas import load

PREFIX = "performance_evaluation_"
SCORES = Scores(0.5, 0.6, -0.25)
VALIDATION = Validation(8, 0.75, {"reconstruction": 0.375})
LOSSES = {"loss": 0.75, "reconstruction": 0.375}
RATES = {"S": 0.001}
LOWEST = Lowest(4, "validation_loss", 0.5)


def _met(criteria, iteration=10, scores=SCORES, ratio=None, performance=True):
    clock = Clock("training", iteration, iteration // 4, 4)
    found = Performance(scores, ratio) if performance else None
    return first_met(criteria, clock, Watched(found, VALIDATION, RATES, LOWEST))


def test_every_criterion_of_the_schema_can_hold():
    properties = load("phase.json")["$defs"]["exit_criteria"]["properties"]
    assert len(properties) == 12
    others = {"learning_rate_le": 0.001, "patience": 6, "validation_lt": {"metric": "validation_loss", "value": 1}}
    for name in properties:
        bound = ({"iterations": 1, "epochs": 1} | others).get(name, -1)
        if name.endswith("_lt_after_iterations"):
            bound = {"value": 1, "iterations": 3}
        elif name.endswith("ratio_lt"):
            bound = 0.5
        assert _met({name: bound}, ratio=0.25) is not None, name


def test_time():
    assert _met({"iterations": 11}) is None
    assert _met({"iterations": 10}) == "10 iterations are done"
    assert _met({"epochs": 3}, 11) is None
    assert _met({"epochs": 3}, 12) == "3 epochs are done"


@pytest.mark.parametrize(("metric", "value"), [("acc", 0.5), ("nmi", 0.6), ("ari", -0.25)])
def test_scores_above_a_bound_strictly(metric, value):
    name = f"{PREFIX}{metric}_gt"
    assert _met({name: value}) is None
    assert _met({name: value - 0.125}) == f"{metric.upper()} {value} is above {value - 0.125}"
    assert _met({name: -1}, performance=False) is None
    assert _met({name: -1}, scores=None) is None


@pytest.mark.parametrize(("metric", "value"), [("acc", 0.5), ("nmi", 0.6), ("ari", -0.25)])
def test_hopeless_scores_below_a_bound_strictly_and_from_an_iteration_on(metric, value):
    name = f"{PREFIX}{metric}_lt_after_iterations"
    assert _met({name: {"value": value, "iterations": 1}}) is None
    assert _met({name: {"value": value + 1, "iterations": 11}}) is None
    words = f"{metric.upper()} {value} is below {value + 1} after 10 iterations"
    assert _met({name: {"value": value + 1, "iterations": 10}}) == words
    assert _met({name: {"value": 1, "iterations": 1}}, performance=False) is None


def test_reassignments_below_a_bound_strictly():
    name = f"{PREFIX}cluster_reassignment_ratio_lt"
    assert _met({name: 0.25}, ratio=0.25) is None
    assert _met({name: 0.25}, ratio=None) is None
    assert _met({name: 0.25}, ratio=0.125) == "the cluster reassignment ratio 0.125 is below 0.25"
    assert _met({name: 0.25}, ratio=0.0, scores=None) == "the cluster reassignment ratio 0 is below 0.25"


def test_a_learning_rate_at_or_below_a_bound():
    words = 'the learning rate 0.001 of optimizer "S" is at or below 0.001'
    assert _met({"learning_rate_le": 0.001}, performance=False) == words
    assert _met({"learning_rate_le": {"optimizer_name": "S", "value": 0.001}}) == words
    assert _met({"learning_rate_le": 0.000999}) is None
    rates = Watched(rates={"A": 1e-3 * 0.1**6, "B": 1.0})
    clock = Clock("training", 1, 0, 4)
    assert rates.rates["A"] > 1e-9  # by rounding alone
    assert first_met({"learning_rate_le": {"optimizer_name": "A", "value": 1e-9}}, clock, rates) is not None
    assert first_met({"learning_rate_le": {"optimizer_name": "B", "value": 1e-9}}, clock, rates) is None


def test_losses_on_held_out_samples_below_a_bound_strictly():
    total, own = ({"metric": f"validation_{name}", "value": value} for name, value in LOSSES.items())
    assert _met({"validation_lt": total}) is None
    assert _met({"validation_lt": total | {"value": 0.76}}) == "the validation_loss 0.75 is below 0.76"
    assert _met({"validation_lt": own}) is None
    assert _met({"validation_lt": own | {"value": 1}}) == "the validation_reconstruction 0.375 is below 1"
    assert _met({"validation_lt": own | {"metric": "validation_late"}}) is None
    assert first_met({"validation_lt": own | {"value": 1}}, Clock("training", 1, 0, 4), Watched()) is None


def test_patience_counts_from_the_lowest_validation():
    words = "6 iterations passed without a lower validation: the lowest validation_loss was 0.5 after iteration 4"
    assert _met({"patience": 6}) == words
    assert _met({"patience": 6}, 11) == words
    assert _met({"patience": 6}, 9) is None
    assert _met({"patience": 7}) is None
    assert first_met({"patience": 1}, Clock("training", 99, 9, 4), Watched(validation=VALIDATION)) is None


def _lowest_after(losses, metric="validation_loss"):
    lowest = None
    for iteration, loss in enumerate(losses, start=1):
        found = Validation(iteration, loss, {"reconstruction": -loss})
        lowest = Lowest.after(lowest, found, metric)
    return lowest


def test_the_lowest_validation_is_the_first_of_equal_ones():
    assert _lowest_after([3]) == Lowest(1, "validation_loss", 3)
    assert _lowest_after([3, 2, 4, 2]) == Lowest(2, "validation_loss", 2)
    assert _lowest_after([0, -1, 2], "validation_reconstruction") == Lowest(3, "validation_reconstruction", -2)
    assert str(Lowest(7, "validation_loss", 1 / 3)) == "the lowest validation_loss was 0.333333 after iteration 7"


def test_a_loss_that_is_not_there_is_never_the_lowest():
    assert _lowest_after([3, 2], "validation_late") is None
    before = Lowest(1, "validation_late", 5)
    assert Lowest.after(before, VALIDATION, "validation_late") is before


def test_the_first_that_holds_in_the_order_of_the_file():
    assert _met({"iterations": 99, "epochs": 2, f"{PREFIX}acc_gt": 0}) == "2 epochs are done"
    assert _met({f"{PREFIX}acc_gt": 0, "epochs": 2}) == "ACC 0.5 is above 0"
    assert _met({"iterations": 99}) is None


def test_criteria_that_use_labels_are_those_that_the_schema_marks():
    properties = load("phase.json")["$defs"]["exit_criteria"]["properties"]
    assert {name for name, schema in properties.items() if schema.get("x-oracle")} == set(ORACLE_CRITERIA)
