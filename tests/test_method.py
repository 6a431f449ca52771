import copy
import re

import pytest
import torch
from torch import nn

from recombine.assignment.base import StrategyContext
from recombine.assignment.centroid_similarity import CentroidSimilarity
from recombine.assignment.centroids import Centroids
from recombine.mapping import Mapping
from recombine.method import Method


def _method(with_centroids=True):
    encoder = Mapping("encoder", "feature_extractor", [("linear", nn.Linear(3, 2))])
    head = Mapping("a.b", "design_pattern_specific", [("linear", nn.Linear(2, 5))])
    head.prior = encoder
    mappings = [head, encoder]
    centroids = Centroids(encoder, 4, 2) if with_centroids else None
    context = StrategyContext({m.name: m for m in mappings}, encoder, 4, 2, 0, centroids, ("training",))
    strategy = CentroidSimilarity(
        context, similarity_measure="gaussian", gaussian_similarity_measure_inverse_temperature={"fixed_value": 2.0}
    )
    return Method(mappings, strategy, centroids)


def test_holds_every_parameter_once():
    method = _method()
    assert sum(parameter.numel() for parameter in method.parameters()) == 3 * 2 + 2 + 2 * 5 + 5 + 4 * 2
    assert len(list(method.parameters())) == len({id(parameter) for parameter in method.parameters()}) == 5


def test_the_first_feature_extractor_is_found_wherever_it_stands():
    assert _method().feature_extractor.name == "encoder"
    head = Mapping("head", "design_pattern_specific", [])
    assert Method([head], _method().assignment).feature_extractor is head


def test_the_extractor_of_the_strategy_is_told_or_the_first():
    first, second = _method(), Mapping("second", "feature_extractor", [("linear", nn.Linear(3, 2))])
    assert first.extractor is first.feature_extractor
    told = Method([*first.mappings.values(), second], first.assignment, None, second, 4)
    assert (told.extractor, told.num_clusters) == (second, 4)
    assert len(list(told.parameters())) == 6
    assert len(told.state_dict()) == 7


def test_state_moves_to_another_method():
    trained, fresh = _method(), _method()
    trained.centroids.place(torch.randn(4, 2))
    trained.assignment.inverse_temperature.fill_(7.0)
    fresh.load_state_dict(trained.state_dict())
    assert fresh.centroids.is_initialized
    assert fresh.assignment.inverse_temperature == 7
    for name, value in trained.named_parameters():
        assert torch.equal(dict(fresh.named_parameters())[name], value)


def test_moves_as_a_whole():
    method = _method().to(torch.float64)
    tensors = [*method.parameters(), *method.buffers()]
    assert {tensor.dtype for tensor in tensors} == {torch.float64}


def test_asking_for_centroids_that_are_not_there_is_our_own_error():
    assert _method().require_centroids().positions.shape == (4, 2)
    with pytest.raises(RuntimeError, match="has no centroids"):
        _method(with_centroids=False).require_centroids()


def test_the_digest_is_that_of_all_numbers_their_names_and_their_kinds():
    method = _method()
    digest = method.digest()
    assert re.fullmatch("[0-9a-f]{64}", digest)
    fresh = _method()
    assert fresh.digest() != digest
    fresh.load_state_dict(method.state_dict())
    assert fresh.digest() == digest == method.eval().digest()
    for name, value in [*method.named_parameters(), *method.named_buffers()]:
        before = value.detach().clone()
        with torch.no_grad():
            value.view(-1)[0] = torch.nextafter(value.view(-1)[0], torch.tensor(torch.inf))
        assert method.digest() != digest, name
        with torch.no_grad():
            value.copy_(before)
    assert method.digest() == digest
    assert copy.deepcopy(method).to(torch.float64).digest() != digest


def test_the_digest_knows_shapes_names_and_order_of_memory():
    def digest(*layers):
        return Method([Mapping("m", "feature_extractor", layers)], _method().assignment).digest()

    weight = torch.arange(6.0).reshape(2, 3)
    first, turned, same = nn.Linear(3, 2, bias=False), nn.Linear(2, 3, bias=False), nn.Linear(3, 2, bias=False)
    first.weight, turned.weight = nn.Parameter(weight), nn.Parameter(weight.reshape(3, 2))
    same.weight = nn.Parameter(weight.T.contiguous().T)
    assert not same.weight.is_contiguous()
    assert digest(("a", first)) == digest(("a", same)) != digest(("a", turned))
    assert digest(("x", nn.Identity()), ("a", first)) != digest(("a", first))
    # What no input has given a size yet has no numbers.
    assert digest(("a", first), ("b", nn.LazyLinear(2))) == digest(("a", first))
    assert digest(("a", first), ("b", nn.LazyBatchNorm1d())) != digest(("a", first))  # it counts batches already
    assert digest(("a", first), ("b", nn.BatchNorm1d(2))) != digest(("a", first))
