"""Passes over a whole dataset, and scores against its labels."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from recombine.data import Data
from recombine.errors import DivergedError
from recombine.method import Method
from recombine.metrics import Scores, score
from recombine.randomness import global_generator
from recombine.step import Forward

_LEAST_BATCH = 1024


@dataclass(frozen=True)
class Evaluation:
    """How a dataset is clustered.

    Attributes:
        clusters: Cluster of each sample, ``(N,)``, int64, on the CPU.
        confidence: Confidence of each assignment, ``(N,)``, float32 in [0, 1], on the CPU.
        scores: Agreement with the labels, or None where there are none.
        candidates: The same for each of the alternatives that the strategy chooses among by score.
    """

    clusters: Tensor
    confidence: Tensor
    scores: Scores | None
    candidates: Mapping[str, Scores] = field(default_factory=dict)


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
    """Return ``compute`` over every sample of a dataset in natural order, ``(N, ...)``, in evaluation mode.

    Functions that draw in evaluation mode as well (``dropout`` of torch.nn.functional) draw the same in every pass,
    and leave the draws of the training alone.
    """
    parts = []
    with evaluation_mode(method), global_generator(data.options.seed, "evaluation", data.name):
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
        raise DivergedError(f'the assignments of dataset "{data.name}" are NaN or infinite: the training diverged')
    if data.labels is None:
        return Evaluation(clusters, confidence, None)
    labels, rest = data.labels.numpy(), table[:, 2:].long().cpu().numpy()
    candidates = {name: score(labels, rest[:, i]) for i, name in enumerate(method.assignment.candidate_names)}
    return Evaluation(clusters, confidence, score(labels, clusters.numpy()), candidates)


def _row(forward: Forward) -> Tensor:
    """Return confidence, cluster and the candidates' clusters as one table ``(B, 2 + candidates)``, float64."""
    strategy = forward.method.assignment
    assignment = strategy.assign(forward)
    columns = [assignment.confidence, assignment.labels, *strategy.candidates(forward).values()]
    return torch.stack([column.double() for column in columns], 1)
