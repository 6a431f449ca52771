import pytest
import torch
from torch import nn

from recombine.assignment.base import StrategyContext
from recombine.assignment.classifier import Classifier
from recombine.callbacks.base import Callback
from recombine.clock import Clock
from recombine.mapping import Mapping
from recombine.method import Method
from recombine.metrics import Scores
from recombine.step import Batch, Forward
from tests.runs import CLASSES, method, train

CRITERIA = ["highest_last_acc", "highest_last_nmi", "highest_last_ari"]
CRITERIA += [criterion.replace("last", "average") for criterion in CRITERIA]


def _world(criterion, named=None):
    draws = torch.Generator().manual_seed(0)
    mappings = [Mapping("encoder", "feature_extractor", [])]
    for name in ("one", "two", "three"):
        layers = [("linear", nn.Linear(4, 3)), ("softmax", nn.Softmax(1))]
        kind = "sample_space_classifier" if name == "two" else "feature_space_classifier"
        mappings.append(Mapping(name, kind, layers, softmax_layer="softmax"))
    by_name = {mapping.name: mapping for mapping in mappings}
    context = StrategyContext(by_name, mappings[0], 3, 4, 0)
    strategy = Classifier(context, classifier_selection_criterion=criterion, classifier=by_name.get(named))
    views = {name: torch.randn(7, 4, generator=draws) for name in ("plain", "other")}
    return strategy, Forward(Method(mappings, strategy), Batch(torch.arange(7), views))


def _probabilities(forward, name, view="plain"):
    return forward.method.mappings[name](forward.view(view))


def _record(strategy, **scores):
    strategy.record({name: Scores(*values) for name, values in scores.items()})


def test_the_first_declared_classifier_counts():
    strategy, forward = _world("first_declared")
    torch.testing.assert_close(strategy.log_probs(forward, "other").exp(), _probabilities(forward, "one", "other"))


@pytest.mark.parametrize("name", ["one", "two", "three"])
def test_the_named_classifier_counts(name):
    strategy, forward = _world("name", name)
    torch.testing.assert_close(strategy.log_probs(forward).exp(), _probabilities(forward, name))


def test_the_average_is_the_mean_of_probabilities():
    strategy, forward = _world("average")
    expected = sum(_probabilities(forward, name) for name in ("one", "two", "three")) / 3
    torch.testing.assert_close(strategy.log_probs(forward).exp(), expected)
    assert strategy.assign(forward).labels.equal(expected.argmax(1))
    torch.testing.assert_close(strategy.assign(forward).confidence, expected.max(1).values)


@pytest.mark.parametrize("criterion", ["first_declared", "name", "average"])
def test_choices_without_scores_have_no_candidates_and_no_memory(criterion):
    strategy, forward = _world(criterion, "two")
    before = strategy.chosen()
    _record(strategy)
    strategy.update(Clock("training", 0, 0, 1))
    assert strategy.chosen() == before
    assert strategy.candidates(forward) == {}


@pytest.mark.parametrize("criterion", CRITERIA)
def test_before_the_first_evaluation_scores_choose_the_average(criterion):
    strategy, forward = _world(criterion)
    assert [mapping.name for mapping in strategy.chosen()] == ["one", "two", "three"]
    expected = sum(_probabilities(forward, name) for name in ("one", "two", "three")) / 3
    torch.testing.assert_close(strategy.log_probs(forward).exp(), expected)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_scores_choose_by_their_own_metric_and_span(criterion):
    strategy, forward = _world(criterion)
    position = ["acc", "nmi", "ari"].index(criterion[-3:])

    def scores(value):
        return [value if i == position else 1 - value for i in range(3)]

    _record(strategy, one=scores(0.9), two=scores(0.5), three=scores(0.1))
    assert [mapping.name for mapping in strategy.chosen()] == ["one"]
    _record(strategy, one=scores(0.1), two=scores(0.6), three=scores(0.7))
    best = "three" if "last" in criterion else "two"  # means .5, .55, .4
    assert [mapping.name for mapping in strategy.chosen()] == [best]
    torch.testing.assert_close(strategy.log_probs(forward).exp(), _probabilities(forward, best))


@pytest.mark.parametrize("criterion", CRITERIA)
def test_candidates_are_all_classifiers_by_their_own_labels(criterion):
    strategy, forward = _world(criterion)
    candidates = strategy.candidates(forward)
    assert tuple(candidates) == ("one", "two", "three")
    for name, labels in candidates.items():
        assert labels.equal(_probabilities(forward, name).argmax(1))


def test_the_first_evaluation_of_a_phase_begins_a_new_history():
    strategy, _ = _world("highest_average_acc")
    strategy.update(Clock("a", 0, 0, 1))
    _record(strategy, one=[0.9] * 3, two=[0.1] * 3, three=[0.0] * 3)
    strategy.update(Clock("a", 1, 0, 1))
    _record(strategy, one=[0.4] * 3, two=[0.6] * 3, three=[0.0] * 3)
    assert [mapping.name for mapping in strategy.chosen()] == ["one"]
    strategy.update(Clock("b", 0, 0, 1))
    assert [mapping.name for mapping in strategy.chosen()] == ["one"]
    _record(strategy, one=[0.5] * 3, two=[0.6] * 3, three=[0.0] * 3)
    assert [mapping.name for mapping in strategy.chosen()] == ["two"]


def test_a_new_phase_before_its_first_evaluation_survives_in_the_state():
    strategy, _ = _world("highest_average_acc")
    _record(strategy, one=[0.9] * 3, two=[0.1] * 3, three=[0.0] * 3)
    strategy.update(Clock("b", 0, 0, 1))
    other, _ = _world("highest_average_acc")
    other.load_state_dict(strategy.state_dict())
    other.update(Clock("b", 1, 0, 1))
    assert [mapping.name for mapping in other.chosen()] == ["one"]
    _record(other, one=[0.5] * 3, two=[0.6] * 3, three=[0.0] * 3)
    assert [mapping.name for mapping in other.chosen()] == ["two"]


def test_the_history_survives_in_the_state():
    strategy, _ = _world("highest_last_acc")
    other, _ = _world("highest_last_acc")
    strategy.update(Clock("a", 0, 0, 1))
    _record(strategy, one=[0.1] * 3, two=[0.2] * 3, three=[0.0] * 3)
    strategy.update(Clock("b", 0, 0, 1))
    other.load_state_dict(strategy.state_dict())
    assert [mapping.name for mapping in other.chosen()] == ["two"]
    _record(other, one=[0.3] * 3, two=[0.2] * 3, three=[0.0] * 3)
    assert len(other.get_extra_state()["history"]["one"]) == 1


# --- whole runs ---------------------------------------------------------------------------------------------------


def _described(criterion, **phase):
    classifiers = [
        {
            "name": name,
            "type": "feature_space_classifier",
            "layers": [{"type": "Linear", "in_features": 2, "out_features": CLASSES}, {"type": "Softmax", "dim": 1}],
        }
        for name in ("one", "two")
    ]
    entropies = [{"pattern": "assignment_entropy", "classifier_name": name} for name in ("one", "two")]
    optimizer = {"type": "SGD", "lr": 0.1, "trained_mapping_names": ["encoder", "one", "two"]}
    strategy = {"type": "classifier", "classifier_selection_criterion": criterion}
    phase = {"design_patterns": entropies, "optimizers": [optimizer], **phase}
    return method(phase=phase, more_mappings=classifiers, cluster_assignment_strategy=strategy)


class _Listener(Callback):
    def __init__(self):
        self.scores, self.chosen = [], []

    def evaluated(self, phase, state, performance):
        self.scores.append(performance.scores)
        self.chosen.append([mapping.name for mapping in state.method.assignment.chosen()])


def test_a_run_chooses_by_the_evaluation_before_and_is_marked():
    described = _described("highest_last_nmi", performance_evaluation_interval=2)
    listener = _Listener()
    trained = train(described, [listener])
    by_name = {}
    for name in ("one", "two"):
        alone = _described("first_declared", performance_evaluation_interval=2)
        alone["cluster_assignment_strategy"] |= {"classifier_selection_criterion": "name", "classifier_name": name}
        heard = _Listener()
        train(alone, [heard])
        by_name[name] = [scores.nmi for scores in heard.scores]
    best = [max(by_name, key=lambda name, at=at: by_name[name][at]) for at in range(2)]
    assert listener.chosen == [[name] for name in best]
    assert listener.scores[1].nmi == by_name[best[0]][1]
    reason = "the strategy chooses by highest_last_nmi"
    assert trained.scored[0].oracle == (reason,)
    assert f"Marked oracle: {reason}, so labels had a part in the result" in trained.log


def test_the_final_scoring_teaches_nothing():
    trained = train(_described("highest_last_acc"))
    assert [mapping.name for mapping in trained.method.assignment.chosen()] == ["one", "two"]
