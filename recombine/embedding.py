"""The features of a sample of a dataset, as pictures of the latent space show them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from recombine.data import Data
from recombine.evaluate import batch_size, evaluation_mode
from recombine.label_free import SAMPLE_SIZE, sample_positions
from recombine.method import Method
from recombine.randomness import global_generator
from recombine.step import Batch, Forward

#: An embedding has at most so many numbers, 16 MiB: of samples with very many features, fewer are looked at.
MOST_NUMBERS = 2**22


@dataclass(frozen=True)
class Embedding:
    """A sample of a dataset in the space of the strategy's feature extractor, on the CPU.

    Attributes:
        positions: Positions of the samples in the dataset, ascending, ``(S,)``, int64.
        features: Their features ``(S, D)``, float32.
        clusters: Their clusters ``(S,)``, int64, or None where the strategy assigns nothing yet.
    """

    positions: Tensor
    features: Tensor
    clusters: Tensor | None


def embed(method: Method, data: Data) -> Embedding:
    """Return the features and clusters of a sample of a dataset, in evaluation mode.

    The samples are those that the scores without labels look at. Nothing that training depends on changes.
    """
    with evaluation_mode(method), global_generator(data.options.seed, "embedding", data.name):
        positions = _positions(method, data)
        batches = data.excerpts(torch.split(positions, batch_size(data)))
        parts = [_part(method, batch, data.set_sizes is None) for batch in batches]
    features, clusters = zip(*parts, strict=True)
    known = [part for part in clusters if part is not None]
    return Embedding(positions, torch.cat(features), torch.cat(known) if known else None)


def _positions(method: Method, data: Data) -> Tensor:
    """Return which samples to look at, ``(S,)``; the features of one tell how many there is room for."""
    (first,) = data.excerpts([torch.zeros(1, dtype=torch.int64)])
    num_features = Forward(method, first).features(method.extractor).shape[1]
    size = min(SAMPLE_SIZE, max(1, MOST_NUMBERS // max(1, num_features)))
    return sample_positions(data.num_samples, data.options.seed, data.name, size)


def _part(method: Method, batch: Batch, is_assigned: bool) -> tuple[Tensor, Tensor | None]:
    """Return the features ``(B, D)`` of a batch and its clusters ``(B,)``, if there are any yet."""
    forward, strategy = Forward(method, batch), method.assignment
    features = forward.features(method.extractor).float().cpu()
    return features, strategy.assign(forward).labels.long().cpu() if is_assigned and strategy.is_ready else None
