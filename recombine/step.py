"""What one batch may see: its views, memoised outputs of the mappings, and the time. Never a label."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recombine.clock import Clock
from recombine.mapping import Mapping
from recombine.randomness import generator

if TYPE_CHECKING:
    from recombine.assignment.centroids import Centroids
    from recombine.method import Method

PLAIN_VIEW = "plain"


@dataclass(frozen=True)
class Batch:
    """Samples of one iteration.

    Attributes:
        index: Positions of the samples in the dataset, ``(B,)``, int64.
        views: Tensors ``(B, ...)`` by view name; row i of every view shows sample ``index[i]``.
    """

    index: Tensor
    views: dict[str, Tensor]


class Forward:
    """Outputs of the method's mappings on one batch, each computed once.

    Args:
        method: The networks and the assignment strategy.
        batch: The samples.
    """

    def __init__(self, method: "Method", batch: Batch) -> None:
        self.method = method
        self.batch = batch
        self._memo: dict[tuple[str, str, str, str], Tensor] = {}

    @property
    def index(self) -> Tensor:
        """Positions of the batch's samples in the dataset, ``(B,)``."""
        return self.batch.index

    @property
    def centroids(self) -> "Centroids":
        """The method's centroids ``(K, D)``; an error of ours when the method has none."""
        return self.method.require_centroids()

    def view(self, name: str = PLAIN_VIEW) -> Tensor:
        """Return the view ``name`` of the batch, ``(B, ...)``."""
        return self.batch.views[name]

    def output(self, mapping: Mapping, view: str = PLAIN_VIEW, source: Mapping | None = None) -> Tensor:
        """Return ``mapping``'s output ``(B, ...)`` on a view.

        Args:
            mapping: The network to apply.
            view: The view of the batch to start from.
            source: The mapping whose output feeds ``mapping``, where a pattern names both (an encoder and its
                decoder). Without it, the links of the method file decide.
        """
        return self._remembered("output", mapping, view, source)

    def head(self, mapping: Mapping, view: str = PLAIN_VIEW) -> Tensor:
        """Return the output ``(B, D)`` of a head; without a prior mapping it gets the first extractor's features."""
        source = self.method.feature_extractor if mapping.prior is None else None
        return self.output(mapping, view, source).flatten(1)

    def logits(self, mapping: Mapping, view: str = PLAIN_VIEW) -> Tensor:
        """Return the logits ``(B, K)`` of a classifier on a view."""
        return self._remembered("logits", mapping, view, None)

    def features(self, mapping: Mapping, view: str = PLAIN_VIEW) -> Tensor:
        """Return ``mapping``'s output on a view, flattened to ``(B, D)``."""
        return self.output(mapping, view).flatten(1)

    def log_probs(self, view: str = PLAIN_VIEW, classifier: Mapping | None = None) -> Tensor:
        """Return log soft assignments ``(B, K)``: of ``classifier`` if given, else of the method's strategy."""
        key = ("log_probs", classifier.name if classifier is not None else "", view, "")
        if key not in self._memo:
            self._memo[key] = (
                self.method.assignment.log_probs(self, view)
                if classifier is None
                else self.logits(classifier, view).flatten(1).log_softmax(1)
            )
        return self._memo[key]

    def _remembered(self, what: str, mapping: Mapping, view: str, source: Mapping | None) -> Tensor:
        """Return an output or logits; a source that the mapping's own links already hold makes no difference."""
        if source is not None and source in mapping.chain():
            source = None
        key = (what, mapping.name, view, source.name if source is not None else "")
        if key not in self._memo:
            compute = mapping.logits if what == "logits" else mapping
            self._memo[key] = compute(*self._input_of(mapping, view, source))
        return self._memo[key]

    def _input_of(self, mapping: Mapping, view: str, source: Mapping | None) -> tuple[Tensor, str]:
        """Return what a mapping gets, ``(B, ...)``, and what that is in words."""
        feeder = mapping.prior if mapping.prior is not None else source
        if feeder is None:
            return self.view(view), f'the view "{view}"'
        return self.output(feeder, view, source), feeder.output_in_words


FullPass = Callable[[Callable[[Forward], Tensor]], Tensor]


@dataclass(frozen=True)
class StepContext:
    """What the steps of a phase share: the run's seed, the device, and the way to see the whole dataset."""

    seed: int
    dataset: str
    device: torch.device
    full_pass: FullPass
    centroids_changed: Callable[[], bool] = field(default=lambda: False)


class Step(Forward):
    """One training iteration as a pattern sees it.

    Args:
        method: The networks and the assignment strategy, in training mode.
        batch: The iteration's samples.
        clock: The iteration's place in the phase.
        context: What all steps of the phase share.
    """

    def __init__(self, method: "Method", batch: Batch, clock: Clock, context: StepContext) -> None:
        super().__init__(method, batch)
        self.clock = clock
        self._context = context

    @property
    def centroids_changed(self) -> bool:
        """Whether the centroids were recalculated outside the optimizers just before this iteration."""
        return self._context.centroids_changed()

    def generator(self, purpose: str) -> torch.Generator:
        """Return the generator on the batch's device that belongs to ``purpose`` in this iteration."""
        context = self._context
        key = (context.dataset, self.clock.phase, self.clock.iteration)
        return generator(context.seed, purpose, *key, device=context.device)

    def full_pass(self, compute: Callable[[Forward], Tensor]) -> Tensor:
        """Return ``compute`` over the whole dataset, ``(N, ...)``.

        The pass runs over the plain view, in evaluation mode, without gradients; row i belongs to the sample whose
        ``index`` is i.
        """
        return self._context.full_pass(compute)
