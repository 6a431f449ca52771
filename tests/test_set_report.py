"""What is said of sets that were clustered, recomputed set by set."""

import math
from dataclasses import fields
from itertools import permutations

import numpy as np
import pytest
import torch
from sklearn.cluster import DBSCAN
from sklearn.metrics import (
    adjusted_rand_score,
    completeness_score,
    fowlkes_mallows_score,
    homogeneity_score,
    mutual_info_score,
    normalized_mutual_info_score,
)

from recombine import set_baselines
from recombine.data import Data
from recombine.evaluate import evaluate, evaluation_mode
from recombine.randomness import derive
from recombine.set_metrics import SetScores, set_scores
from recombine.set_report import CHOSEN, TRUE, set_report
from tests.set_methods import BY_CLASSIFIER, built, digits, of_digits, of_points

SETS, SIZE, COUNTS = 7, 6, (1, 2, 3)
SPACES = ("input", "features")
BASELINES = [
    *(f"{what}, {space}" for space in SPACES for what in ("k-means with true k", "DBSCAN")),
    "random with true k",
]


@pytest.fixture(scope="module", params=[of_digits, of_points], ids=["digits", "points"])
def evaluated(request):
    """Return networks, data, and what is found of them."""
    method, data = built(request.param())
    return method, data, evaluate(method, data)


def answers(method, data):
    """Return for each set its objects, its classes, p(k), and the clusters for each k, one set after the other."""
    found = []
    classes = torch.split(data.labels, SIZE)
    objects = torch.cat([batch.views["plain"].flatten(1) for batch in data.evaluation_batches(0)])
    networks = method.mappings
    with torch.no_grad():
        for own, labels in zip(torch.split(objects, SIZE), classes, strict=True):
            features = networks["encoder"](own)
            inner = networks["network"](features[None])
            probs = networks["count_head"](inner).softmax(1)[0]
            heads = torch.split(networks["assignment_head"](inner)[0], COUNTS, 1)
            found.append((own, features, labels.numpy(), probs, [head.argmax(1).numpy() for head in heads]))
    assert len(found) == SETS
    return found


def chosen(probs, heads):
    """Return the clusters for the most probable number of them."""
    return heads[int(probs.argmax())]


def by_set(data, evaluation):
    """Return the classes and the clusters of each set."""
    sizes = data.set_sizes
    return list(zip(data.labels.split(sizes), evaluation.clusters.split(sizes), strict=True))


def slow_rate(labels, clusters):
    """Return the misclassification rate by trying all ways to match clusters with classes."""
    names = [*np.unique(clusters), *[None] * len(np.unique(labels))]
    classes = np.unique(labels)
    best = max(
        sum(((labels == one) & (clusters == other)).sum() for one, other in zip(classes, tried, strict=True))
        for tried in permutations(names, len(classes))
    )
    return 1 - best / len(labels)


SLOW = {
    "misclassification_rate": slow_rate,
    "nmi_geometric": lambda a, b: normalized_mutual_info_score(a, b, average_method="geometric"),
    "mutual_information": mutual_info_score,
    "ari": adjusted_rand_score,
    "homogeneity": homogeneity_score,
    "completeness": completeness_score,
    "fowlkes_mallows": fowlkes_mallows_score,
}


def spread(values):
    """Return mean and population standard deviation, by hand."""
    mean = math.fsum(values) / len(values)
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))


def test_the_rows_are_the_chosen_number_every_number_and_the_baselines(evaluated):
    report = evaluated[2].sets
    assert list(report.table) == [CHOSEN, TRUE, *(f"k = {k}" for k in COUNTS), *BASELINES]
    assert all(list(row) == [field.name for field in fields(SetScores)] for row in report.table.values())
    assert report.num_sets == SETS


@pytest.mark.parametrize("metric", SLOW)
def test_mean_and_deviation_are_those_over_the_sets(evaluated, metric):
    method, data, evaluation = evaluated
    found = answers(method, data)
    rows = {CHOSEN: [chosen(probs, heads) for *_, probs, heads in found]}
    rows |= {f"k = {k}": [heads[i] for *_, heads in found] for i, k in enumerate(COUNTS)}
    told = [list(COUNTS).index(len(set(labels.tolist()))) for _, _, labels, *_ in found]
    rows[TRUE] = [heads[i] for i, (*_, heads) in zip(told, found, strict=True)]
    assert len({tuple(clusters) for clusters in rows[CHOSEN]}) > 2
    for name, row in rows.items():
        values = [SLOW[metric](labels, clusters) for (_, _, labels, *_), clusters in zip(found, row, strict=True)]
        told = evaluation.sets.table[name][metric]
        assert (told.mean, told.std) == pytest.approx(spread(values), abs=1e-12), name


def test_baselines_see_one_set_at_a_time(evaluated):
    method, data, evaluation = evaluated
    table = evaluation.sets.table
    found = answers(method, data)
    seed = derive(data.options.seed, "baselines")
    for place, space in enumerate(SPACES):
        rates = {"k-means with true k": [], "DBSCAN": []}
        for one in found:
            points, labels = one[place].double().numpy(), one[2]
            by_means = set_baselines.k_means(points, len(np.unique(labels)), seed)
            rates["k-means with true k"].append(slow_rate(labels, by_means))
            distances = np.sort(np.linalg.norm(points[:, None] - points[None], axis=2), axis=1)[:, 4]
            eps = max(2 * np.median(distances), np.finfo(np.float32).tiny)
            by_density = DBSCAN(eps=eps, min_samples=5).fit_predict(points)
            rates["DBSCAN"].append(slow_rate(labels, np.where(by_density < 0, by_density.max() + 1, by_density)))
        for name, values in rates.items():
            told = table[f"{name}, {space}"]["misclassification_rate"]
            assert (told.mean, told.std) == pytest.approx(spread(values), abs=1e-12), (name, space)


def test_chance_knows_the_number_of_clusters(evaluated):
    _, data, evaluation = evaluated
    draws = np.random.default_rng(derive(data.options.seed, "baselines"))
    values = []
    for labels in torch.split(data.labels, SIZE):
        clusters = set_baselines.random_assignment(SIZE, len(labels.unique()), 1, draws)
        assert len(np.unique(clusters)) == len(labels.unique())
        values.append(set_scores(labels.numpy(), clusters).ari)
    told = evaluation.sets.table["random with true k"]["ari"]
    assert (told.mean, told.std) == pytest.approx(spread(values), abs=1e-12)


def test_counts_are_those_that_the_network_tells(evaluated):
    method, data, evaluation = evaluated
    pairs = [(len(np.unique(labels)), 1 + int(probs.argmax())) for _, _, labels, probs, _ in answers(method, data)]
    report = evaluation.sets
    assert report.count_accuracy == pytest.approx(sum(true == told for true, told in pairs) / SETS)
    assert 0 < report.count_accuracy < 1
    there = range(min(map(min, pairs)), max(map(max, pairs)) + 1)
    assert list(report.counts) == sorted({true for true, _ in pairs})
    assert report.counts == {true: {told: pairs.count((true, told)) for told in there} for true in report.counts}


def test_examples_are_the_first_sets_with_everything_that_is_said_of_them(evaluated):
    method, data, evaluation = evaluated
    found = answers(method, data)
    report = evaluation.sets
    assert [example.number for example in report.examples] == [0, 1]
    for example, scores, (objects, _, labels, probs, heads) in zip(report.examples, report.scores, found, strict=False):
        rows = slice(example.number * SIZE, (example.number + 1) * SIZE)
        assert torch.equal(example.index, data.evaluated_index[rows])
        assert torch.equal(example.values.flatten(1), objects)
        assert example.classes.tolist() == labels.tolist()
        assert example.counts == COUNTS
        torch.testing.assert_close(example.count_probs, probs)
        assert [example.clusters(k).tolist() for k in COUNTS] == [head.tolist() for head in heads]
        assert scores == {k: set_scores(labels, heads[i]) for i, k in enumerate(COUNTS)}
        if example.class_names is not None:
            assert [example.class_name(label) for label in labels.tolist()] == [str(label) for label in labels.tolist()]


def test_positions_are_those_in_the_dataset():
    method, data = built(of_digits())
    report = evaluate(method, data).sets
    assert report.set_sizes == [SIZE] * SETS
    objects, samples = torch.cat([batch.views["plain"] for batch in data.evaluation_batches(0)]), digits()
    assert torch.equal(samples.values[report.index].float() / 255, objects)
    assert torch.equal(samples.labels[report.index], data.labels)


def test_accuracy_is_what_the_rate_leaves(evaluated):
    evaluation = evaluated[2]
    assert evaluation.scores.acc == pytest.approx(1 - evaluation.sets.table[CHOSEN]["misclassification_rate"].mean)
    assert evaluation.scores.ari == pytest.approx(evaluation.sets.table[CHOSEN]["ari"].mean)


def test_plain_values_for_the_result(evaluated):
    report = evaluated[2].sets
    plain = report.as_dict()
    assert list(plain) == ["num_sets", "count_accuracy", "counts", "scores"]
    assert plain["counts"] == {str(k): {str(told): n for told, n in row.items()} for k, row in report.counts.items()}
    rate = report.table[CHOSEN]["misclassification_rate"]
    assert plain["scores"][CHOSEN]["misclassification_rate"] == {"mean": rate.mean, "std": rate.std}


def test_another_strategy_has_a_report_as_well():
    method, data = built(of_digits(BY_CLASSIFIER))
    evaluation = evaluate(method, data)
    report = evaluation.sets
    assert list(report.table) == [CHOSEN, *BASELINES]
    assert (list(report.examples), report.hierarchies, report.uncertainty) == ([], None, ())
    found = by_set(data, evaluation)
    right = [len(labels.unique()) == len(clusters.unique()) for labels, clusters in found]
    assert report.count_accuracy == pytest.approx(np.mean(right))
    assert sum(n for row in report.counts.values() for n in row.values()) == SETS
    rates = [slow_rate(labels.numpy(), clusters.numpy()) for labels, clusters in found]
    assert report.table[CHOSEN]["misclassification_rate"].mean == pytest.approx(np.mean(rates))


def test_without_examples_there_are_none_and_the_rest_is_the_same():
    full = evaluate(*built(of_digits())).sets
    bare = evaluate(*built(of_digits({"/datasets/0/sets/num_examples": 0}))).sets
    assert (list(bare.examples), bare.hierarchies) == ([], None)
    assert bare.table == full.table


def test_sets_of_several_sizes_are_scored_one_by_one():
    sizes = {"/datasets/0/sets/num_objects": [3, 700], "/datasets/0/sets/num_evaluation_sets": 5}
    method, data = built(of_digits(sizes))
    assert len(set(data.set_sizes)) > 1
    evaluation = evaluate(method, data)
    found = by_set(data, evaluation)
    values = [set_scores(labels.numpy(), clusters.numpy()).misclassification_rate for labels, clusters in found]
    assert evaluation.sets.table[CHOSEN]["misclassification_rate"].mean == pytest.approx(np.mean(values))
    assert evaluation.sets.num_sets == len(values) == 5


def test_the_same_twice_and_nothing_moves():
    method, data = built(of_digits({"/cluster_assignment_strategy/count_uncertainty_passes": 3}))
    before, state = {name: value.clone() for name, value in method.state_dict().items()}, torch.get_rng_state()
    first, again = (evaluate(method, data).sets for _ in range(2))
    assert first.table == again.table
    assert all(
        np.array_equal(one.passes, other.passes)
        for one, other in zip(first.uncertainty, again.uncertainty, strict=True)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())


def test_data_that_makes_no_sets_is_an_error_of_ours():
    method, data = built(of_digits())
    plain = Data(data.name, digits(), {"plain": ()}, data.options, data.device)
    with evaluation_mode(method), pytest.raises(TypeError, match="makes none"):
        set_report(method, plain, torch.zeros(200, dtype=torch.int64))
