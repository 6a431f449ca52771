import math

import pytest
import torch
from torch import nn

from recombine import evaluate as evaluation
from recombine.assignment.base import Assignment, AssignmentStrategy
from recombine.batch_requests import BatchOptions
from recombine.data import Data
from recombine.datasets.base import Samples
from recombine.errors import DivergedError
from recombine.evaluate import evaluate, evaluation_mode, features, full_pass
from recombine.label_free import label_free, sample_positions
from recombine.mapping import Mapping
from recombine.method import Method
from recombine.metrics import score
from tests.runs import made

COUNT = 1024 + 77  # one whole evaluation batch and a partial one


class ByBrightest(AssignmentStrategy):
    """Assigns a sample to the pair of pixels that is brightest; counts what it sees."""

    def __init__(self, ready=True, confidence=1.0):
        super().__init__()
        self.sizes, self.modes = [], []
        self.ready, self.confidence = ready, confidence

    @property
    def is_ready(self):
        return self.ready

    def log_probs(self, forward, view="plain"):
        raise TypeError

    def assign(self, forward):
        self.sizes.append(len(forward.index))
        self.modes.append((forward.method.training, torch.is_grad_enabled()))
        pairs = forward.view().flatten(1)[:, ::2]
        return Assignment(pairs.argmax(1), torch.full((len(pairs),), self.confidence))


def _data(samples=None, **options):
    samples = made(COUNT) if samples is None else samples
    options = {"batch_size": 10, "shuffle": True, "drop_last": True, "seed": 0, **options}
    return Data("made", samples, {"plain": [{"type": "ToTensor"}]}, BatchOptions(**options), torch.device("cpu"))


def _encoder(*layers):
    layers = [nn.Flatten(), *layers]
    return Mapping("encoder", "feature_extractor", [(str(i), layer) for i, layer in enumerate(layers)])


def test_covers_every_sample_once_in_natural_order():
    method = Method([_encoder()], ByBrightest())
    seen = full_pass(method, _data(), lambda forward: forward.index)
    assert seen.tolist() == list(range(COUNT))


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    monkeypatch.setattr(evaluation, "_BATCH_BYTES", 1)


@pytest.mark.parametrize("batch_size", [10, 1090])
def test_the_last_partial_batch_is_scored_too(batch_size):
    strategy = ByBrightest()
    found = evaluate(Method([_encoder()], strategy), _data(batch_size=batch_size))
    assert strategy.sizes == ([1024, 77] if batch_size == 10 else [1090, 11])
    assert found.clusters.tolist() == [i % 3 for i in range(COUNT)]
    assert (found.clusters.dtype, found.confidence.dtype) == (torch.int64, torch.float32)
    assert found.confidence.tolist() == [1] * COUNT
    assert found.scores.as_dict() == pytest.approx({"acc": 1, "nmi": 1, "ari": 1})


def test_one_wrong_sample_at_the_very_end_counts():
    samples = made(COUNT)
    labels = samples.labels.clone()
    labels[-1] = (labels[-1] + 1) % 3
    found = evaluate(Method([_encoder()], ByBrightest()), _data(Samples(samples.values, labels)))
    assert found.scores.acc == pytest.approx(1 - 1 / COUNT)


def test_runs_in_evaluation_mode_without_gradient_and_goes_back():
    method = Method([_encoder()], ByBrightest())
    for mode in (True, False):
        method.train(mode)
        evaluate(method, _data())
        assert method.training is mode
        assert torch.is_grad_enabled()
    assert set(method.assignment.modes) == {(False, False)}


def test_goes_back_after_an_error():
    method = Method([_encoder()], ByBrightest()).train()
    with pytest.raises(ZeroDivisionError), evaluation_mode(method):
        raise ZeroDivisionError
    assert method.training
    assert torch.is_grad_enabled()


def test_batch_statistics_and_dropout_rest():
    encoder = _encoder(nn.BatchNorm1d(6), nn.Dropout(0.5))
    method = Method([encoder], ByBrightest()).train()
    before = {name: value.clone() for name, value in method.state_dict().items()}
    first, second = (features(method, _data(), "encoder") for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == (COUNT, 6)
    assert not first.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())
    expected = made(COUNT).values.flatten(1).float() / 255 / math.sqrt(1 + 1e-5)
    torch.testing.assert_close(first, expected)


def test_functions_that_always_draw_draw_the_same_and_leave_the_training_alone():
    encoder = Mapping("encoder", "feature_extractor", [("f", nn.Flatten())], post_processing=[nn.functional.dropout])
    method = Method([encoder], ByBrightest())
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = features(method, _data(), "encoder")
    assert (first == 0).float().mean() > 0.3
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(features(method, _data(), "encoder"), first)
    assert not torch.equal(features(method, _data(seed=1), "encoder"), first)


def test_batches_hold_what_fits_and_at_least_what_training_takes(monkeypatch):
    assert evaluation.batch_size(_data()) == 1024
    assert evaluation.batch_size(_data(batch_size=1100)) == 1100
    monkeypatch.setattr(evaluation, "_BATCH_BYTES", 6 * 4 * 1050)  # six pixels of four bytes
    assert evaluation.batch_size(_data()) == 1050


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_results_are_ordinary_tensors_of_the_caller_s_own(dtype):
    encoder, kept = _encoder(), []

    def compute(forward):
        kept.append((forward.features(encoder) * 3).to(dtype))
        return kept[-1]

    found = full_pass(Method([encoder], ByBrightest()), _data(), compute)
    assert all(part.is_inference() for part in kept)
    assert not found.is_inference()
    assert found.dtype == dtype
    assert torch.equal(found, torch.cat(kept))
    assert found.data_ptr() not in [part.data_ptr() for part in kept]


def test_training_goes_on_with_the_data_of_a_pass():
    """What data keeps for later must not be made in inference mode."""
    data = _data(batch_size=COUNT, shuffle=False)
    encoder = _encoder(nn.Linear(6, 2))
    features(Method([encoder], ByBrightest()), data, "encoder")
    batch = data.training_batch("p", 0, ["plain"])
    assert not batch.views["plain"].is_inference()
    encoder(batch.views["plain"]).sum().backward()
    assert encoder.layer("1").weight.grad is not None


@pytest.mark.parametrize("lazy", [nn.LazyLinear(2), nn.LazyBatchNorm1d(affine=False)])
def test_lazy_layers_that_a_pass_wakes_can_be_trained(lazy):
    encoder = _encoder(lazy, nn.LazyLinear(1))
    method, data = Method([encoder], ByBrightest()), _data(made(19))
    features(method, data, "encoder")
    encoder(data.training_batch("p", 0, ["plain"]).views["plain"]).sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_features_are_flattened():
    encoder = Mapping("encoder", "feature_extractor", [])
    assert features(Method([encoder], ByBrightest()), _data(made(19)), "encoder").shape == (19, 6)


def test_without_labels_there_are_clusters_but_no_scores():
    found = evaluate(Method([_encoder()], ByBrightest()), _data(Samples(made(30).values)))
    assert found.scores is None
    assert found.candidates == {}
    assert len(found.clusters) == 30


def test_scores_without_labels_are_those_of_the_sampled_features(monkeypatch):
    monkeypatch.setattr("recombine.label_free.SAMPLE_SIZE", 300)
    method, data = Method([_encoder(nn.Linear(6, 2))], ByBrightest(confidence=0.5), num_clusters=3), _data()
    found = evaluate(method, data)
    rows = sample_positions(COUNT, 0, "made")
    assert int(rows[-1]) >= 1024  # some of the last, partial batch are among them
    sample = features(method, data, "encoder")[rows]
    expected = label_free(sample, rows, found.clusters, found.confidence, 3, "output of encoder")
    assert found.label_free == expected
    assert (expected.sample_size, expected.num_used_clusters, expected.mean_confidence) == (300, 3, 0.5)
    assert expected.silhouette is not None
    assert expected.assignment_entropy == pytest.approx(1, abs=1e-5)


def test_scores_without_labels_know_none():
    samples = made(60)
    method = Method([_encoder(nn.Linear(6, 2))], ByBrightest())
    with_labels, without = (evaluate(method, _data(found)) for found in (samples, Samples(samples.values)))
    assert without.label_free == with_labels.label_free
    assert without.label_free.silhouette is not None


def test_they_look_at_the_features_that_the_strategy_works_on():
    first, second = _encoder(), Mapping("other", "feature_extractor", [("f", nn.Flatten()), ("l", nn.Linear(6, 1))])
    found = evaluate(Method([first, second], ByBrightest(), extractor=second), _data(made(60)))
    assert found.label_free.space == "output of other"
    assert found.label_free != evaluate(Method([first, second], ByBrightest()), _data(made(60))).label_free


def test_no_network_runs_twice_for_them():
    """The features come out of the pass that assigns."""
    encoder, calls = _encoder(nn.Linear(6, 3)), []

    class ByFeatures(ByBrightest):
        def assign(self, forward):
            found = forward.features(encoder)
            return Assignment(found.argmax(1), torch.ones(len(found)))

    encoder.layer("1").register_forward_hook(lambda *_: calls.append(1))
    assert evaluate(Method([encoder], ByFeatures()), _data()).label_free is not None
    assert len(calls) == 2  # batches


def test_features_that_are_no_numbers_leave_the_other_scores():
    encoder = _encoder(nn.Linear(6, 2))
    encoder.layer("1").bias.data.fill_(math.nan)
    found = evaluate(Method([encoder], ByBrightest()), _data(made(30)))
    assert (found.label_free.silhouette, found.label_free.num_used_clusters) == (None, 3)
    assert found.scores.acc == 1


def test_a_strategy_that_is_not_ready_gives_nothing():
    assert evaluate(Method([_encoder()], ByBrightest(ready=False)), _data(made(19))) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_confidences_that_are_no_numbers_are_an_error(bad):
    with pytest.raises(DivergedError, match='the assignments of dataset "made" are NaN or infinite'):
        evaluate(Method([_encoder()], ByBrightest(confidence=bad)), _data(made(19)))


def test_candidates_are_scored_each():
    class Two(ByBrightest):
        def candidates(self, forward):
            pairs = forward.view().flatten(1)[:, ::2].argmax(1)
            return {"right": pairs, "shifted": pairs // 2}

    found = evaluate(Method([_encoder()], Two()), _data(made(31)))
    labels = made(31).labels.numpy()
    assert found.candidates == {"right": score(labels, labels), "shifted": score(labels, labels // 2)}
    assert found.candidates["right"].acc == 1
    assert found.candidates["shifted"].acc < 0.7
