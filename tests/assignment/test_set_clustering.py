"""Clusters of sets by what two heads say."""

from itertools import permutations

import pytest
import torch
from torch import nn

from recombine.assignment.base import StrategyContext
from recombine.assignment.set_clustering import SetClustering, averaged
from recombine.batch_requests import BatchOptions
from recombine.clock import Clock
from recombine.datasets.base import Samples
from recombine.datasets.pointsets import PointGenerator
from recombine.errors import NetworkError
from recombine.evaluate import evaluate
from recombine.layers import SetPooling
from recombine.mapping import SETS, Mapping
from recombine.method import Method
from recombine.set_data import SetData
from recombine.set_draws import SetOptions
from recombine.set_outputs import SetOutputs
from recombine.set_preflight import set_network_findings
from recombine.step import Batch, Forward

COUNTS = (1, 2, 3)
B, N = 4, 6


class Given(nn.Module):
    """Gives the same whatever it gets.

    Args:
        output: What it gives.
    """

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, x):
        """Return what was given."""
        return self.output


class InOrder(nn.Module):
    """Gives logits that depend on the place of an object in its set."""

    def __init__(self, width):
        super().__init__()
        self.places = nn.Parameter(torch.randn(N, width, generator=torch.Generator().manual_seed(5)))
        self.linear = nn.Linear(2, width)

    def forward(self, x):
        """Map ``(B, n, 2)`` to ``(B, n, T)``."""
        return 2 * self.linear(x) + self.places


class FirstObject(nn.Module):
    """Gives logits ``(B, K)`` by the first object of a set alone."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, len(COUNTS))

    def forward(self, x):
        """Map ``(B, n, 2)`` to ``(B, K)``."""
        return 3 * self.linear(x[:, 0])


def strategy_of(count, assign, passes=1, fewest=1, num_clusters=3):
    """Return the strategy over heads made of these layers, and a batch's forward pass."""
    embedding = Mapping("embedding", "feature_extractor", [])
    heads = [Mapping("count_head", "design_pattern_specific", count)]
    heads.append(Mapping("assignment_head", "design_pattern_specific", assign))
    for head in heads:
        head.prior, head.works_on = embedding, SETS
    mappings = [embedding, *heads]
    context = StrategyContext({mapping.name: mapping for mapping in mappings}, embedding, num_clusters, 2, 0)
    strategy = SetClustering(
        context,
        count_head=heads[0],
        assignment_head=heads[1],
        min_clusters=fewest,
        num_permutations=passes,
        count_uncertainty_passes=0,
    )
    values = torch.randn(B * N, 2, generator=torch.Generator().manual_seed(1))
    batch = Batch(torch.arange(B * N), {"plain": values, "other": values.flip(0)}, B)
    return strategy, Forward(Method(mappings, strategy).eval(), batch)


def given(counts=COUNTS, seed=0, **options):
    """Return the strategy over heads that say anything, with their logits."""
    draws = torch.Generator().manual_seed(seed)
    count = torch.randn(B, len(counts), generator=draws)
    assign = torch.randn(B, N, sum(counts), generator=draws)
    layers = [("count", Given(count))], [("assign", Given(assign))]
    return (*strategy_of(*layers, fewest=counts[0], **options), count, assign)


def equivariant(passes, seed=0):
    """Return the strategy over networks that treat all orders alike."""
    torch.manual_seed(seed)
    count = [("pool", SetPooling()), ("count", nn.Linear(4, len(COUNTS)))]
    return strategy_of(count, [("assign", nn.Linear(2, sum(COUNTS)))], passes)


def sensitive(passes):
    """Return the strategy over networks that mind the order."""
    torch.manual_seed(0)
    return strategy_of([("count", FirstObject())], [("assign", InOrder(sum(COUNTS)))], passes)


@pytest.mark.parametrize("counts", [(1, 2, 3), (2, 3, 4, 5), (3,)])
def test_the_most_probable_number_and_the_most_probable_cluster(counts):
    strategy, forward, count, assign = given(counts)
    assignment = strategy.assign(forward)
    labels, confidence, chosen = [], [], set()
    for of_set, rows in zip(count.softmax(1).tolist(), assign, strict=True):
        place = of_set.index(max(of_set))
        chosen.add(place)
        start = sum(counts[:place])
        for row in rows:
            probs = row[start : start + counts[place]].softmax(0).tolist()
            labels.append(probs.index(max(probs)))
            confidence.append(of_set[place] * max(probs))
    assert len(chosen) > 1 or len(counts) == 1
    assert assignment.labels.tolist() == labels
    assert assignment.labels.dtype == torch.int64
    assert assignment.confidence.tolist() == pytest.approx(confidence, rel=1e-5)
    assert assignment.log_probs is None


@pytest.mark.parametrize("num_clusters", [3, 2, 7])
def test_candidates_are_the_clusters_for_every_number_that_the_network_tells(num_clusters):
    # A network may tell more or fewer numbers than the dataset at hand has.
    strategy, forward, _, assign = given(num_clusters=num_clusters)
    candidates = strategy.candidates(forward)
    assert list(candidates) == ["k = 1", "k = 2", "k = 3"]
    assert candidates["k = 1"].tolist() == [0] * (B * N)
    assert torch.equal(candidates["k = 2"], assign[:, :, 1:3].argmax(2).flatten())
    assert torch.equal(candidates["k = 3"], assign[:, :, 3:6].argmax(2).flatten())
    strategy, forward, *_ = given((4, 5))
    assert list(strategy.candidates(forward)) == ["k = 4", "k = 5"]


def test_clusters_may_stay_empty():
    strategy, forward, count, assign = given()
    count[:] = torch.tensor([0.0, 0.0, 9.0])
    assign[:, :, 3:] = torch.tensor([0.0, 0.0, 9.0])
    assert strategy.assign(forward).labels.tolist() == [2] * (B * N)


def test_certain_networks_stay_finite():
    for passes in (1, 3):
        strategy, forward, count, assign = given(passes=passes)
        count *= 1e4
        assign *= 1e4
        assignment = strategy.assign(forward)
        assert assignment.confidence.isfinite().all()
        assert ((assignment.confidence > 0) & (assignment.confidence <= 1 + 1e-6)).all()


@pytest.mark.parametrize("seed", range(3))
def test_an_equivariant_network_says_the_same_after_any_number_of_orders(seed):
    once, forward = equivariant(1, seed)
    often, other = equivariant(8, seed)
    torch.testing.assert_close(often.assign(other).labels, once.assign(forward).labels)
    torch.testing.assert_close(often.assign(other).confidence, once.assign(forward).confidence)
    for mine, theirs in zip(once.candidates(forward).items(), often.candidates(other).items(), strict=True):
        assert mine[0] == theirs[0]
        assert torch.equal(mine[1], theirs[1])


def by_hand(strategy, forward, passes):
    """Return the mean probabilities of both heads over orders, clusters matched by trying all ways to match them."""
    values = forward.view().view(B, N, 2)
    counts, heads = [], []
    for number in range(passes):
        order = list(range(N)) if number == 0 else strategy._order(N, number).tolist()
        permuted = torch.stack([values[:, i] for i in order], 1)
        counts.append(strategy.heads[0](permuted).softmax(1))
        answer = strategy.heads[1](permuted)
        back = torch.stack([answer[:, order.index(i)] for i in range(N)], 1)
        heads.append([part.softmax(2) for part in torch.split(back, list(COUNTS), 2)])
    means = []
    for place, k in enumerate(COUNTS):
        first = heads[0][place]
        total = first.clone()
        for other in heads[1:]:
            for number in range(B):
                ways = [other[place][number][:, list(way)] for way in permutations(range(k))]
                total[number] += ways[torch.stack([(way * first[number]).sum() for way in ways]).argmax()]
        means.append(total / passes)
    return sum(counts) / passes, means


@pytest.mark.parametrize("passes", [1, 2, 5])
def test_an_order_sensitive_network_is_averaged(passes):
    strategy, forward = sensitive(passes)
    counts, heads = by_hand(strategy, forward, passes)
    outputs = strategy.outputs(forward)
    torch.testing.assert_close(outputs.count_log_probs.exp(), counts)
    for mine, theirs in zip(outputs.cluster_log_probs, heads, strict=True):
        torch.testing.assert_close(mine.exp(), theirs)
    chosen = counts.argmax(1)
    labels = torch.stack([heads[k][i].argmax(1) for i, k in enumerate(chosen.tolist())])
    assert torch.equal(strategy.assign(forward).labels, labels.flatten())


def test_orders_matter_to_the_network_of_these_tests():
    once, often = (strategy.outputs(forward) for strategy, forward in (sensitive(1), sensitive(4)))
    assert (once.count_log_probs - often.count_log_probs).abs().max() > 0.01
    assert (once.cluster_log_probs[2] - often.cluster_log_probs[2]).abs().max() > 0.01


def test_clusters_are_matched_before_they_are_averaged():
    # The second answer is the first one with other numbers of the clusters: without matching, the mean would say less.
    probs = torch.tensor([[[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.8, 0.1, 0.1]]])
    turned = torch.cat([probs, probs[:, :, [2, 0, 1]]])
    straight = torch.cat([probs, probs])
    count = torch.zeros(2, 1)
    found = averaged([SetOutputs(count, (each.log(),), 3) for each in (straight, turned, turned)])
    torch.testing.assert_close(found.cluster_log_probs[0].exp(), straight)
    assert found.min_clusters == 3


def test_orders_are_the_same_in_every_pass_and_differ_by_number_and_seed():
    strategy, _ = sensitive(3)
    orders = [strategy._order(20, number).tolist() for number in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[2]) == list(range(20))
    strategy._seed = 1
    assert strategy._order(20, 1).tolist() != orders[0]


def test_another_view():
    strategy, forward = sensitive(1)
    expected = strategy.heads[0](forward.view("other").view(B, N, 2)).log_softmax(1)
    torch.testing.assert_close(strategy.outputs(forward, "other").count_log_probs, expected)


def test_no_pattern_can_use_what_differs_from_set_to_set():
    strategy, forward, *_ = given()
    with pytest.raises(TypeError, match="no soft assignments to clusters that all samples share"):
        strategy.log_probs(forward)


def test_samples_that_make_no_sets_are_refused():
    strategy, forward, *_ = given()
    alone = Forward(forward.method, Batch(forward.index, forward.batch.views))
    with pytest.raises(NetworkError, match='it works on sets, and the dataset makes none: give it "sets"'):
        strategy.assign(alone)


def test_it_learns_nothing_and_keeps_nothing():
    strategy, *_ = given()
    assert strategy.is_ready
    assert strategy.state_dict() == {}
    assert list(strategy.parameters()) == []
    before = strategy.recording_key()
    strategy.update(Clock("training", 0, 0, 1))
    assert strategy.recording_key() == before == ()


def points(num_clusters=3):
    """Return a dataset of sets of N points."""
    block = {
        "num_objects": N,
        "min_clusters": 1,
        "min_objects_per_cluster": 1,
        "with_replacement": True,
        "classes": {"train": 0.6, "validation": 0.2, "test": 0.2, "seed": 0},
        "num_evaluation_sets": B,
        "num_examples": 0,
    }
    samples = Samples(torch.zeros(1, 2), set_generator=PointGenerator("shapes", 0.05))
    options = BatchOptions(2, True, True, 0)
    return SetData("points", samples, {"plain": []}, options, torch.device("cpu"), SetOptions.of(block, num_clusters))


@pytest.mark.parametrize("num_clusters", [2, 3, 4])
def test_candidates_are_scored_whatever_numbers_of_clusters_the_dataset_has(num_clusters):
    _, forward = equivariant(1)
    data = points(num_clusters)
    found = evaluate(forward.method, data)
    assert list(found.candidates) == ["k = 1", "k = 2", "k = 3"]
    largest = [of_set.bincount().max().item() / N for of_set in torch.split(data.labels, N)]
    assert found.candidates["k = 1"].acc == pytest.approx(sum(largest) / B)


def test_heads_that_do_not_fit_are_found_before_anything_runs():
    strategy, forward = equivariant(1)
    assert list(set_network_findings(forward.method, points())) == []
    strategy.min_clusters = 2
    (finding,) = set_network_findings(forward.method, points(4))
    assert (finding.code, finding.pointer) == ("RC503", "/cluster_assignment_strategy")
    assert finding.message.startswith(
        'the strategy cannot work on these networks: "assignment_head" is to give 2 + 3 + 4 = 9 numbers for each of 6'
    )


def test_a_network_that_tells_other_numbers_of_clusters_than_sets_have_is_found_before_anything_runs():
    _, forward = equivariant(1)
    (finding,) = set_network_findings(forward.method, points(4))
    assert (finding.code, finding.pointer) == ("RC503", "/cluster_assignment_strategy/count_head_name")
    assert finding.message == '"count_head" gives 3 numbers, but dataset "points" needs 4, for 1 to 4 clusters'
    assert finding.remedy == "Make its last layer 4 wide."
