"""Passes over a whole dataset, and scores against its labels."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from recombine.data import Data
from recombine.errors import DivergedError
from recombine.method import Method
from recombine.metrics import Scores, score
from recombine.step import Forward

_LEAST_BATCH = 1024


@dataclass(frozen=True)
class Evaluation:
    """How a dataset is clustered.

    Attributes:
        clusters: Cluster of each sample, ``(N,)``, int64, on the CPU.
        confidence: Confidence of each assignment, ``(N,)``, float32 in [0, 1], on the CPU.
        scores: Agreement with the labels, or None where there are none.
    """

    clusters: Tensor
    confidence: Tensor
    scores: Scores | None


@contextmanager
def evaluation_mode(method: Method) -> Iterator[None]:
    """Switch off gradients, dropout and updates of batch statistics for a while."""
    was_training = method.training
    method.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        method.train(was_training)


def full_pass(method: Method, data: Data, compute: Callable[[Forward], Tensor]) -> Tensor:
    """Return ``compute`` over every sample of a dataset in natural order, ``(N, ...)``, in evaluation mode."""
    parts = []
    with evaluation_mode(method):
        for batch in data.evaluation_batches(max(data.options.batch_size, _LEAST_BATCH)):
            parts.append(compute(Forward(method, batch)))
    return torch.cat(parts)


def features(method: Method, data: Data, mapping_name: str) -> Tensor:
    """Return a mapping's flattened output on every sample of a dataset, ``(N, D)``."""
    mapping = method.mappings[mapping_name]
    return full_pass(method, data, lambda forward: forward.features(mapping))


def evaluate(method: Method, data: Data) -> Evaluation | None:
    """Assign every sample of a dataset, and score the clusters if it has labels; None if nothing is assigned yet.

    Raises:
        DivergedError: A confidence is NaN or infinite.
    """
    if not method.assignment.is_ready:
        return None
    table = full_pass(method, data, _row)
    confidence, clusters = table[:, 0].float().cpu(), table[:, 1].long().cpu()
    if not torch.isfinite(confidence).all():
        raise DivergedError("the assignments are NaN or infinite: the training diverged")
    if data.labels is None:
        return Evaluation(clusters, confidence, None)
    labels = data.labels.numpy()
    names = list(method.assignment.candidate_names)
    candidates = {name: score(labels, table[:, 2 + i].long().cpu().numpy()) for i, name in enumerate(names)}
    method.assignment.record(candidates)
    return Evaluation(clusters, confidence, score(labels, clusters.numpy()))


def _row(forward: Forward) -> Tensor:
    """Return confidence, cluster and the candidates' clusters as one table ``(B, 2 + candidates)``, float64."""
    strategy = forward.method.assignment
    assignment = strategy.assign(forward)
    columns = [assignment.confidence, assignment.labels, *strategy.candidates(forward).values()]
    return torch.stack([column.double() for column in columns], 1)
