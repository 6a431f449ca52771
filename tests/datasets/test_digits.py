import torch
from sklearn.datasets import load_digits

from recombine.datasets.digits import Digits


def test_digits_are_stretched_to_bytes() -> None:
    source = Digits()
    samples = source.decode()
    assert len(source) == len(samples) == 1797
    assert source.sample_shape() == tuple(samples.tensor().shape[1:]) == (1, 8, 8)
    raw = load_digits().images
    for value in range(17):
        assert set(samples.tensor()[:, 0].numpy()[raw == value].tolist()) == {round(value * 255 / 16)}
    assert samples.tensor().dtype == torch.uint8


def test_labels() -> None:
    samples = Digits().decode()
    assert samples.labels is not None
    assert samples.labels[:10].tolist() == list(range(10))
    assert samples.labels.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert samples.class_names == tuple("0123456789")
