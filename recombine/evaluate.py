"""Passes over a whole dataset, and the scores of its clusters."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from recombine.assignment.base import Assigner
from recombine.data import Data
from recombine.errors import DataError, DivergedError
from recombine.label_free import LabelFree, label_free, sample_positions
from recombine.method import Method
from recombine.metrics import Scores, mean_scores, score
from recombine.randomness import global_generator
from recombine.set_report import SetReport, set_report
from recombine.step import Forward

_LEAST_BATCH = 1024
_BATCH_BYTES = 2**24


@dataclass(frozen=True)
class Evaluation:
    """How a dataset is clustered.

    Attributes:
        clusters: Cluster of each sample, ``(N,)``, int64, on the CPU.
        confidence: Confidence of each assignment, ``(N,)``, float32 in [0, 1], on the CPU.
        scores: Agreement with the labels, or None where there are none.
        candidates: The same for each of the alternatives that the strategy chooses among by score.
        label_free: Scores without labels, or None where nobody asked for them.
        sets: What else there is to say of sets, where these are scored one by one, or None.
    """

    clusters: Tensor
    confidence: Tensor
    scores: Scores | None
    candidates: Mapping[str, Scores] = field(default_factory=dict)
    label_free: LabelFree | None = None
    sets: SetReport | None = None


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
    and leave the draws of the training alone. The result is an ordinary tensor of the caller's own.

    Raises:
        DataError: The dataset makes sets, so that there is no whole that training may look at.
    """
    if data.set_sizes is not None:
        raise DataError(f'dataset "{data.name}" makes sets: nothing can look at all its samples together')
    return _full_passes(method, data, lambda forward: (compute(forward),))[0]


def _full_passes(method: Method, data: Data, compute: Callable[[Forward], Sequence[Tensor]]) -> list[Tensor]:
    """Return each of the tensors of ``compute`` over every sample, ``(N, ...)``; nothing else of that size is made."""
    results: list[Tensor] = []
    start = 0
    with evaluation_mode(method), global_generator(data.options.seed, "evaluation", data.name):
        for batch in data.evaluation_batches(batch_size(data)):
            with _inference(method):
                parts = compute(Forward(method, batch))
            results = results or [part.new_empty((data.num_samples, *part.shape[1:])) for part in parts]
            for result, part in zip(results, parts, strict=True):
                result[start : start + len(part)] = part
            start += len(batch.index)
    return results


def batch_size(data: Data) -> int:
    """Return how many samples of a dataset go through the networks at once in a full pass.

    At least as many as in training, and 1024, and as many as make 16 MiB of the plain view: the outputs of the layers
    are some times as large. It is the same on every device, so that a random plain view is the same, too.
    """
    sample = math.prod(data.sample_shape()) * torch.float32.itemsize
    return max(data.options.batch_size, _LEAST_BATCH, _BATCH_BYTES // max(sample, 1))


def _inference(method: Method) -> AbstractContextManager[object]:
    """Leave out what only gradients need.

    A lazy layer that no input has reached yet gets its parameters in the pass, and these are to be trained later:
    tensors made in inference mode could not be.
    """
    if any(is_lazy(tensor) for tensor in (*method.parameters(), *method.buffers())):
        return torch.no_grad()
    return torch.inference_mode()


def features(method: Method, data: Data, mapping_name: str) -> Tensor:
    """Return a mapping's flattened output on every sample of a dataset, ``(N, D)``."""
    mapping = method.mappings[mapping_name]
    return full_pass(method, data, lambda forward: forward.features(mapping))


def evaluate(method: Method, data: Data) -> Evaluation | None:
    """Assign every sample of a dataset by the method's strategy and score the clusters; None if it cannot assign yet.

    Raises:
        DivergedError: A confidence is NaN or infinite.
    """
    if not method.assignment.is_ready:
        return None
    evaluation = evaluate_by(method.assignment, method, data)
    if data.set_sizes is None:
        return evaluation
    with evaluation_mode(method), global_generator(data.options.seed, "set report", data.name):
        return replace(evaluation, sets=set_report(method, data, evaluation.clusters))


def evaluate_by(assigner: Assigner, method: Method, data: Data) -> Evaluation:
    """Assign every sample of a dataset and score the clusters.

    The scores without labels come out of the same pass, in the space of the strategy's feature extractor.

    Raises:
        DivergedError: A confidence is NaN or infinite.
    """
    columns = _Columns(assigner, method, sample_positions(data.num_samples, data.options.seed, data.name))
    clusters, confidence, *rest = (column.cpu() for column in _full_passes(method, data, columns))
    if not torch.isfinite(confidence).all():
        raise DivergedError(f'the assignments of dataset "{data.name}" are NaN or infinite: the training diverged')
    unlabelled = columns.label_free(clusters, confidence) if data.set_sizes is None else None
    if data.labels is None:
        return Evaluation(clusters, confidence, None, label_free=unlabelled)
    named = zip(columns.names, rest, strict=True)
    candidates = {name: _scored(data, data.labels, column) for name, column in named}
    return Evaluation(clusters, confidence, _scored(data, data.labels, clusters), candidates, unlabelled)


def _scored(data: Data, labels: Tensor, clusters: Tensor) -> Scores:
    """Score clusters ``(N,)`` of a dataset against its labels ``(N,)``: of sets, the mean over them."""
    sizes = data.set_sizes
    if sizes is None:
        return score(labels.numpy(), clusters.numpy())
    pairs = zip(torch.split(labels, sizes), torch.split(clusters, sizes), strict=True)
    return mean_scores([score(own.numpy(), found.numpy()) for own, found in pairs])


class _Columns:
    """Computes what an evaluation is made of, batch after batch, and keeps the features of a sample of the dataset.

    Args:
        assigner: What assigns.
        method: The networks.
        positions: Which samples' features to keep, ascending, ``(S,)``.

    Attributes:
        names: Names of the candidates, after the first batch.
    """

    names: tuple[str, ...] = ()

    def __init__(self, assigner: Assigner, method: Method, positions: Tensor) -> None:
        self._assigner = assigner
        self._method = method
        self._positions = positions
        self._features: list[Tensor] = []
        self._start = 0

    def __call__(self, forward: Forward) -> list[Tensor]:
        """Return clusters, int64, confidence, float32, and the candidates' clusters, int32, each ``(B,)``."""
        assignment = self._assigner.assign(forward)
        self._keep(forward)
        candidates = self._assigner.candidates(forward)
        self.names = tuple(candidates)
        return [assignment.labels.long(), assignment.confidence.float(), *(one.int() for one in candidates.values())]

    def label_free(self, clusters: Tensor, confidence: Tensor) -> LabelFree:
        """Return the scores without labels of ``clusters (N,)`` with ``confidence (N,)``, after the pass."""
        space = f"output of {self._method.extractor.name}"
        sample = torch.cat(self._features)
        return label_free(sample, self._positions, clusters, confidence, self._method.num_clusters, space)

    def _keep(self, forward: Forward) -> None:
        """Keep the features of those samples of the batch, the next in natural order, that belong to the sample."""
        start, self._start = self._start, self._start + len(forward.index)
        rows = self._positions[(self._positions >= start) & (self._positions < self._start)] - start
        features = forward.features(self._method.extractor)
        self._features.append(features.index_select(0, rows.to(features.device)))
