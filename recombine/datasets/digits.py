"""scikit-learn's handwritten digits, which come with its installation."""

import torch

from recombine.datasets.base import OwnDataset, Samples

_GREATEST_VALUE = 16
_SIDE = 8
_COUNT = 1797


class Digits(OwnDataset):
    """1,797 gray images of 8 x 8 pixels, in 10 classes; uint8 ``(N, 1, 8, 8)``, stretched from 0..16 to 0..255."""

    def __len__(self) -> int:
        """Return the number of samples N."""
        return _COUNT

    def sample_shape(self) -> tuple[int, ...]:
        """Return ``(1, 8, 8)``."""
        return (1, _SIDE, _SIDE)

    def decode(self) -> Samples:
        """Return all digits with their labels."""
        from sklearn.datasets import load_digits

        bunch = load_digits()
        scaled = torch.from_numpy(bunch.images) * 255 / _GREATEST_VALUE
        labels = torch.from_numpy(bunch.target).long()
        return Samples(scaled.round().to(torch.uint8).unsqueeze(1), labels, tuple(map(str, bunch.target_names)))
