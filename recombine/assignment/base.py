"""The contract of cluster assignment strategies: how samples get their clusters."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass

from torch import Tensor, nn

from recombine.assignment.centroids import Centroids
from recombine.clock import Clock
from recombine.mapping import Mapping
from recombine.metrics import Scores
from recombine.step import PLAIN_VIEW, Forward


@dataclass(frozen=True)
class Assignment:
    """Clusters of a batch.

    Attributes:
        labels: Cluster of each sample, ``(B,)``, int64, in [0, K).
        confidence: How sure the strategy is, ``(B,)``, in [0, 1].
        log_probs: Log soft assignments ``(B, K)``, or None where assignments are hard.
    """

    labels: Tensor
    confidence: Tensor
    log_probs: Tensor | None = None


@dataclass(frozen=True)
class StrategyContext:
    """What a strategy is built from, beside its own options.

    Attributes:
        mappings: All mappings of the method by name, in order of declaration.
        extractor: The feature extractor that the strategy works on.
        num_clusters: K.
        num_features: D, the size of the extractor's flattened output.
        seed: The run's seed.
        centroids: The method's centroids, where it has any.
        uses_centroids: The phases in which the centroids are in use.
    """

    mappings: Dictionary[str, Mapping]
    extractor: Mapping
    num_clusters: int
    num_features: int
    seed: int
    centroids: Centroids | None = None
    uses_centroids: tuple[str, ...] = ()


class Assigner(ABC):
    """What says which cluster each sample belongs to when a dataset is evaluated.

    Attributes:
        keeps_numbers: Whether a cluster has the same number at the next evaluation.
    """

    keeps_numbers = True

    @abstractmethod
    def assign(self, forward: Forward) -> Assignment:
        """Return the clusters of a batch, seen in its plain view."""

    def candidates(self, forward: Forward) -> dict[str, Tensor]:
        """Return the labels ``(B,)`` by name of alternatives that are scored as well; none for most."""
        del forward
        return {}


class AssignmentStrategy(nn.Module, Assigner):
    """How samples get a cluster.

    The constructor takes the context and then exactly the options of the strategy's schema, keyword-only and without
    defaults. Strategies with soft assignments implement :meth:`log_probs`; the rest of an assignment derives from it.
    """

    @property
    def is_ready(self) -> bool:
        """Whether the strategy can assign yet."""
        return True

    @abstractmethod
    def log_probs(self, forward: Forward, view: str = PLAIN_VIEW) -> Tensor:
        """Return log soft assignments ``(B, K)`` of a view of the batch; TypeError where assignments are hard."""

    def assign(self, forward: Forward) -> Assignment:
        """Return the clusters of a batch, seen in its plain view."""
        log_probs = self.log_probs(forward)
        best = log_probs.max(1)
        return Assignment(best.indices, best.values.exp(), log_probs)

    def at_evaluation(self, features: Callable[[Mapping], Tensor]) -> Assigner | None:
        """Return what assigns at an evaluation during a phase, or None where nothing does yet.

        Nothing that training or later evaluations depend on may change by it. ``features`` gives a mapping's output on
        the dataset, ``(N, D)``.
        """
        del features
        return self if self.is_ready else None

    def update(self, clock: Clock) -> None:
        """Take up the time of the phase before an iteration; what is annealed is a pure function of it."""
        del clock

    def finish_phase(self, phase: str, features: Callable[[Mapping], Tensor]) -> None:
        """Refresh the strategy after ``phase``; ``features`` gives a mapping's output on the dataset, ``(N, D)``."""
        del phase, features

    def recording_key(self) -> Hashable | None:
        """Return what decides :meth:`log_probs` beside tensors that keep their memory; None: it cannot be recorded."""
        return None

    def record(self, scores: Dictionary[str, Scores]) -> None:
        """Take up the scores of the candidates at an evaluation during a phase."""
        del scores
