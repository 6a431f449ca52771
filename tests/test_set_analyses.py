"""How sure a network is of the number of clusters, and hierarchies of its features."""

import numpy as np
import pytest
import torch
from torch import nn

from recombine.evaluate import evaluate, evaluation_mode
from recombine.set_analyses import CountUncertainty, count_uncertainty, hierarchies, histogram
from recombine.set_hierarchy import hierarchy
from tests.runs import same, train
from tests.set_methods import BY_CLASSIFIER, built, digits, of_digits, of_points

PASSES = "/cluster_assignment_strategy/count_uncertainty_passes"


def found_of(description, passes):
    """Return networks, data, and how sure the numbers of clusters are."""
    method, data = built(description)
    with evaluation_mode(method):
        return method, data, count_uncertainty(method, data, passes)


# --- uncertainty --------------------------------------------------------------------------------------------------


def test_modes_are_middles_of_bins():
    passes = np.array([[0.02, 0.98], [0.01, 1.0], [0.52, 0.48]])
    assert CountUncertainty((1, 2), passes, 1).probabilities == pytest.approx([0.025, 0.975])
    assert CountUncertainty((4,), np.array([[0.31], [0.9]]), 1).probabilities == pytest.approx([0.325])


def test_of_equally_full_bins_the_lowest_counts_and_of_equal_numbers_the_smallest():
    found = CountUncertainty((2, 3), np.array([[0.91, 0.11], [0.11, 0.91]]), 2)
    assert found.probabilities == pytest.approx([0.125, 0.125])
    assert found.answer == 2


def test_a_histogram_has_twenty_bins_and_1_is_in_the_last():
    bins = histogram(np.array([0.0, 0.049, 0.051, 1.0]))
    assert len(bins) == 20
    assert (bins[0], bins[1], bins[19], bins.sum()) == (2, 1, 1, 4)


def test_every_pass_differs_by_dropout():
    _, data, found = found_of(of_digits(), 20)
    assert len(found) == 5
    for number, one in enumerate(found):
        assert one.counts == (1, 2, 3)
        assert one.passes.shape == (20, 3)
        assert one.passes.sum(1) == pytest.approx(np.ones(20))
        assert len(np.unique(one.passes[:, 0].round(6))) > 3
        assert one.true_count == len(data.test_set(number)[1].unique())


def test_without_dropout_and_order_every_pass_is_the_same():
    layers = [{"type": "SetPooling"}, {"type": "Linear", "in_features": 8, "out_features": 3}]
    method, data, found = found_of(of_digits({"/mappings/2/layers": layers}), 6)
    for number, one in enumerate(found):
        assert np.ptp(one.passes, axis=0) == pytest.approx(np.zeros(3), abs=1e-5)
        objects = data.test_set(number)[0].views["plain"]
        with torch.no_grad():
            inner = method.mappings["network"](method.mappings["encoder"](objects)[None])
            expected = method.mappings["count_head"](inner).softmax(1)[0]
        assert one.passes[0] == pytest.approx(expected.double().numpy(), abs=1e-5)


def test_each_pass_has_an_order_of_its_own():
    head = [{"type": "Flatten"}, {"type": "Linear", "in_features": 24, "out_features": 3}]
    _, _, found = found_of(of_digits({"/mappings/2/layers": head}), 20)
    assert all(len(np.unique(one.passes[:, 0].round(6))) > 3 for one in found)


def test_fewer_sets_than_five_are_all_looked_at():
    assert len(found_of(of_digits({"/datasets/0/sets/num_evaluation_sets": 2}), 1)[2]) == 2


def test_only_the_dropout_of_the_count_head_works_and_all_modes_come_back():
    dropout = {"type": "Dropout", "p": 0.5}
    changes = {"/mappings/0/layers/3": dropout, "/mappings/3/layers/1": dropout}
    method, data = built(of_digits(changes))
    worked, watched = set(), {"encoder": 0, "count_head": 0, "assignment_head": 0}
    norms = []
    for name in watched:
        for layer in method.mappings[name].modules():
            if isinstance(layer, nn.Dropout):
                watched[name] += 1
                layer.register_forward_hook(
                    lambda layer, given, made, name=name: worked.add(name) if layer.training else None
                )
            elif isinstance(layer, nn.BatchNorm1d):
                layer.register_forward_hook(lambda layer, given, made: norms.append(layer.training))
    assert watched == dict.fromkeys(watched, 1)
    with evaluation_mode(method):
        count_uncertainty(method, data, 2)
        assert not any(module.training for module in method.modules())
    assert worked == {"count_head"}
    assert norms
    assert not any(norms)


def test_modes_come_back_after_an_error(monkeypatch):
    method, data = built(of_digits())
    monkeypatch.setattr("recombine.set_analyses._count_probs", None)
    with evaluation_mode(method), pytest.raises(TypeError):
        count_uncertainty(method, data, 1)
    assert not any(module.training for module in method.modules())


def test_a_strategy_that_tells_no_number_is_an_error_of_ours():
    method, data = built(of_digits(BY_CLASSIFIER))
    with pytest.raises(TypeError, match="tells no number"):
        count_uncertainty(method, data, 1)


# --- hierarchies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", [of_digits, of_points])
def test_hierarchies_are_those_of_the_features_of_fifty_objects(of):
    method, data = built(of())
    with evaluation_mode(method):
        found = hierarchies(method, data)
    batch, classes = data.test_set(0, 50)
    with torch.no_grad():
        features = method.mappings["encoder"](batch.views["plain"]).double().numpy()
    assert len(found.classes) == 50
    assert found.classes.tolist() == classes.tolist()
    assert list(found.by_metric) == ["cosine", "euclidean"]
    for metric, tree in found.by_metric.items():
        assert np.array_equal(tree.merges, hierarchy(features, classes.numpy(), metric).merges)


def test_without_replacement_there_are_as_many_objects_as_a_set_has():
    method, data = built(of_digits({"/datasets/0/sets/with_replacement": False}))
    with evaluation_mode(method):
        found = hierarchies(method, data)
    assert len(found.classes) == 6


# --- what must not move -------------------------------------------------------------------------------------------


def bits(changes):
    """Return everything that a run of some iterations trains and answers."""
    return train(of_digits({"/phases/0/exit_criteria/iterations": 5} | changes), samples={"Digits": digits()}).bits()


def test_uncertainty_changes_no_bit():
    expected = bits({PASSES: 0})
    assert same(bits({PASSES: 20}), expected)
    assert not same(bits({"/seed": 1}), expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"/phases/0/performance_evaluation_interval": 1},
        {"/phases/0/performance_evaluation_interval": 2, PASSES: 2},
        {"/phases/0/validation": {"num_sets": 5, "interval": 2}},
        {"/phases/0/validation": {"num_sets": 3, "interval": 1}, "/phases/0/performance_evaluation_interval": 1},
        {"/datasets/0/sets/num_examples": 0},
    ],
)
def test_looking_more_often_changes_no_bit(changes):
    assert same(bits(changes), bits({}))


def test_the_modes_of_the_networks_are_as_they_were():
    for passes in (0, 20):
        method, data = built(of_digits({PASSES: passes}))
        method.train()
        evaluate(method, data)
        assert all(module.training for module in method.modules())
