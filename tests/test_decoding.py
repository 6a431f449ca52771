import pytest
import torch
from torch import nn

from recombine.decoding import decode, in_shape_of
from recombine.errors import NetworkError
from recombine.mapping import Mapping


def scaling(name, factor, prior=None):
    layer = nn.Linear(2, 2, bias=False)
    nn.init.eye_(layer.weight)
    layer.weight.data *= factor
    mapping = Mapping(name, "design_pattern_specific", [("scale", layer)])
    mapping.prior = prior
    return mapping


def test_decode_applies_the_links_between_source_and_decoder():
    encoder = scaling("encoder", 5)
    bottleneck = scaling("bottleneck", 2, prior=encoder)
    decoder = scaling("decoder", 3, prior=bottleneck)
    features = torch.ones(1, 2)
    assert decode(decoder, features, encoder).tolist() == [[6, 6]]
    assert decode(decoder, features, bottleneck).tolist() == [[3, 3]]
    assert decode(scaling("free", 7), features, encoder).tolist() == [[7, 7]]


def test_in_shape_of_reshapes_samples_of_equal_size():
    samples = torch.arange(12.0).reshape(2, 1, 2, 3)
    assert in_shape_of(torch.zeros(4, 6), samples, scaling("decoder", 1)).tolist() == samples.flatten(1).tolist()


def test_in_shape_of_refuses_samples_of_other_size():
    with pytest.raises(NetworkError) as raised:
        in_shape_of(torch.zeros(2, 10), torch.zeros(2, 1, 3, 4), scaling("decoder", 1))
    assert str(raised.value) == (
        'the output of the mapping "decoder" is to equal what it reconstructs, but has 10 elements per sample instead '
        "of 12 (shape (10,) instead of (1, 3, 4))"
    )
