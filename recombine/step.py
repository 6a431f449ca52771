"""What one batch may see: its views, memoised outputs of the mappings, and the time. Never a label."""

import math
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from recombine.clock import Clock
from recombine.errors import DataError
from recombine.mapping import SETS, LayerPlace, Mapping, Switch
from recombine.neighbor_cache import IN_MEMORY, NeighborCache
from recombine.randomness import generator, seed_global

if TYPE_CHECKING:
    from recombine.assignment.centroids import Centroids
    from recombine.graph import Graph
    from recombine.method import Method

PLAIN_VIEW = "plain"
#: What supervised patterns learn from stands among the views of their batches, under names that no view can have, and
#: is there only where such a pattern asks for it.
CLASSES = "classes\n"
TARGETS = {"classes": CLASSES}
_SET_IN_ONE_VECTOR = 2


@dataclass(frozen=True)
class Batch:
    """Samples of one iteration.

    Attributes:
        index: Positions of the samples in the dataset, ``(B,)``, int64.
        views: Tensors ``(B, ...)`` by view name; row i of every view shows sample ``index[i]``.
        num_sets: How many sets of equal size the samples make, one after the other; None: they make none.
    """

    index: Tensor
    views: dict[str, Tensor]
    num_sets: int | None = None

    @property
    def set_size(self) -> int:
        """How many samples n each set has; a batch that makes no sets is one."""
        return len(self.index) // (self.num_sets or 1)


class Request(NamedTuple):
    """What can be asked of a batch: the ``output`` or ``logits`` of a mapping, or ``log_probs``, on a view.

    ``source`` names the mapping that feeds ``mapping`` where its own links do not, else it is empty.
    """

    what: str
    mapping: str
    source: str
    view: str


class Answer(NamedTuple):
    """What a network made of a view, ``(B, ...)``, and where maxima stood in the pooling layers on the way there."""

    output: Tensor
    switches: Dictionary[LayerPlace, Switch] = MappingProxyType({})


class Given(NamedTuple):
    """What a network gets: the answer of what feeds it, or a view, and what that is in words."""

    answer: Answer
    words: str


#: Views that go through a network as one batch, by each of the requests that this answers together.
Together = Dictionary[Request, tuple[str, ...]]
_EACH_ALONE: Together = MappingProxyType({})


class Forward:
    """Outputs of the method's mappings on one batch, each computed once.

    Args:
        method: The networks and the assignment strategy.
        batch: The samples.
        together: Which views a network gets as one concatenated batch.
    """

    def __init__(self, method: "Method", batch: Batch, together: Together = _EACH_ALONE) -> None:
        self.method = method
        self.batch = batch
        self._together = together
        self._memo: dict[Request, Answer] = {}

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
        return self._remembered("output", mapping, view, source).output

    def head(self, mapping: Mapping, view: str = PLAIN_VIEW) -> Tensor:
        """Return the output ``(B, D)`` of a head; without a prior mapping it gets the first extractor's features."""
        source = self.method.feature_extractor if mapping.prior is None else None
        return self.output(mapping, view, source).flatten(1)

    def logits(self, mapping: Mapping, view: str = PLAIN_VIEW) -> Tensor:
        """Return the logits ``(B, K)`` of a classifier on a view."""
        return self._remembered("logits", mapping, view, None).output

    def features(self, mapping: Mapping, view: str = PLAIN_VIEW) -> Tensor:
        """Return ``mapping``'s output on a view, flattened to ``(B, D)``."""
        return self.output(mapping, view).flatten(1)

    def log_probs(self, view: str = PLAIN_VIEW, classifier: Mapping | None = None) -> Tensor:
        """Return log soft assignments ``(B, K)``: of ``classifier`` if given, else of the method's strategy."""
        request = Request("log_probs", classifier.name if classifier is not None else "", "", view)
        if request not in self._memo:
            self._memo[request] = Answer(
                self.method.assignment.log_probs(self, view)
                if classifier is None
                else self.logits(classifier, view).flatten(1).log_softmax(1)
            )
        return self._memo[request].output

    def _remembered(self, what: str, mapping: Mapping, view: str, source: Mapping | None) -> Answer:
        """Answer with an output or logits; a source that the mapping's own links already hold makes no difference."""
        if source is not None and source in mapping.chain():
            source = None
        request = Request(what, mapping.name, source.name if source is not None else "", view)
        if request not in self._memo:
            self._compute(request, mapping, source)
        return self._memo[request]

    def _compute(self, request: Request, mapping: Mapping, source: Mapping | None) -> None:
        """Remember the answer to a request, and to those that are answered together with it."""
        asked = [request._replace(view=view) for view in self._together.get(request, (request.view,))]
        asked = [one for one in asked if one not in self._memo]
        answers = self._applied(request, mapping, [self._given_to(mapping, one.view, source) for one in asked])
        self._memo.update(zip(asked, answers, strict=True))

    def _applied(self, request: Request, mapping: Mapping, given: Sequence[Given]) -> Sequence[Answer]:
        """Return what the network makes of each of its inputs."""
        joint = joined([each.answer for each in given])
        switches = dict(joint.switches)
        output = (mapping.logits if request.what == "logits" else mapping)(joint.output, given[0].words, switches)
        return parted(Answer(output, switches), len(given))

    def _given_to(self, mapping: Mapping, view: str, source: Mapping | None) -> Given:
        """Return what a mapping gets on a view."""
        feeder = mapping.prior if mapping.prior is not None else source
        if feeder is None:
            seen = Answer(self.view(view))
            return Given(self._arranged(seen, mapping) if mapping.works_on == SETS else seen, f'the view "{view}"')
        answer = self._remembered("output", feeder, view, source)
        is_arranged = feeder.works_on == mapping.works_on
        return Given(answer if is_arranged else self._arranged(answer, mapping), feeder.output_in_words)

    def _arranged(self, answer: Answer, mapping: Mapping) -> Answer:
        """Return samples as sets, ``(B, n, ...)``, or the samples of sets, ``(B n, ...)``, as a mapping works on."""
        output = answer.output
        if mapping.works_on == SETS:
            return answer._replace(output=output.view(-1, self.batch.set_size, *output.shape[1:]))
        return answer._replace(output=output.flatten(0, 1)) if output.ndim > _SET_IN_ONE_VECTOR else answer


def joined(answers: Sequence[Answer]) -> Answer:
    """Return the answers for several batches as that for one batch, the batches one after the other."""
    if len(answers) == 1:
        return answers[0]
    places = {
        place: Switch(torch.cat([answer.switches[place].indices for answer in answers]), switch.size)
        for place, switch in answers[0].switches.items()
    }
    return Answer(torch.cat([answer.output for answer in answers]), places)


def parted(answer: Answer, count: int) -> list[Answer]:
    """Return the answer for each of ``count`` batches of the same size that went through networks as one."""
    if count == 1:
        return [answer]
    chunks = {place: switch.indices.chunk(count) for place, switch in answer.switches.items()}
    return [
        Answer(output, {place: Switch(chunks[place][i], switch.size) for place, switch in answer.switches.items()})
        for i, output in enumerate(answer.output.chunk(count))
    ]


FullPass = Callable[[Callable[[Forward], Tensor]], Tensor]


@dataclass(frozen=True)
class StepContext:
    """What the steps of a phase share.

    Attributes:
        seed: The run's seed.
        dataset: The dataset's name.
        device: Where the batches live.
        full_pass: The way to see the whole dataset.
        centroids_changed: Tells whether the centroids were recalculated outside the optimizers.
        graph: What the dataset brings along as edges between its samples, or None.
        trained: The names of the mappings that the phase trains; None: any may be.
        neighbors: Finds nearest neighbours, or knows them from before.
        parts: The positions of the samples that train and of those that are held out; (): all train.
        same_class_share: Tells the share of pairs of samples that are of the same class, to supervised patterns.
    """

    seed: int
    dataset: str
    device: torch.device
    full_pass: FullPass
    centroids_changed: Callable[[], bool] = field(default=lambda: False)
    graph: "Graph | None" = None
    trained: frozenset[str] | None = None
    neighbors: NeighborCache = IN_MEMORY
    parts: tuple[Tensor, ...] = ()
    same_class_share: Callable[[], float] = field(default=lambda: math.nan)


class Step(Forward):
    """One training iteration as a pattern sees it.

    Args:
        method: The networks and the assignment strategy, in training mode.
        batch: The iteration's samples.
        clock: The iteration's place in the phase.
        context: What all steps of the phase share.
        together: Which views a network gets as one concatenated batch.
    """

    def __init__(
        self, method: "Method", batch: Batch, clock: Clock, context: StepContext, together: Together = _EACH_ALONE
    ) -> None:
        super().__init__(method, batch, together)
        self.clock = clock
        self._context = context

    def on(self, batch: Batch) -> "Step":
        """Return the same iteration on another batch, with nothing computed yet."""
        return Step(self.method, batch, self.clock, self._context, self._together)

    def seed(self) -> None:
        """Seed torch's global generators, from which dropout draws, for this iteration."""
        context, clock = self._context, self.clock
        seed_global(context.seed, "iteration", context.dataset, clock.phase, clock.iteration)

    def target(self, name: str) -> Tensor:
        """Return what a supervised pattern learns from, ``(B,)``: of ``classes``, the class of each sample, int64.

        KeyError where the pattern's schema does not name it in ``x-supervised``, and no pattern beside it does.
        """
        return self.batch.views[TARGETS[name]]

    @property
    def same_class_share(self) -> float:
        """The share of pairs of samples of a set, or else of the dataset, that are of the same class, in [0, 1]."""
        return self._context.same_class_share()

    @property
    def centroids_changed(self) -> bool:
        """Whether the centroids were recalculated outside the optimizers just before this iteration."""
        return self._context.centroids_changed()

    def generator(self, purpose: str) -> torch.Generator:
        """Return the generator on the batch's device that belongs to ``purpose`` in this iteration."""
        context = self._context
        key = (context.dataset, self.clock.phase, self.clock.iteration)
        return generator(context.seed, purpose, *key, device=context.device)

    @property
    def graph(self) -> "Graph":
        """The graph over the dataset's samples.

        Raises:
            DataError: The dataset has none.
        """
        if self._context.graph is None:
            raise DataError(
                f'dataset "{self._context.dataset}" brings no graph along, as a precomputed affinity needs: take the '
                f'dataset "Graph", or another source of the affinity'
            )
        return self._context.graph

    def is_frozen(self, mapping: Mapping) -> bool:
        """Tell whether the phase trains neither a mapping nor what feeds it: its outputs stay as they are."""
        trained = self._context.trained
        return trained is not None and trained.isdisjoint(link.name for link in mapping.chain())

    @property
    def neighbor_cache(self) -> NeighborCache:
        """What finds nearest neighbours among samples as the dataset has them, or knows them from before."""
        return self._context.neighbors

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """The positions of the samples that train and of those that are held out; (): all train."""
        return self._context.parts

    def full_pass(self, compute: Callable[[Forward], Tensor]) -> Tensor:
        """Return ``compute`` over the whole dataset, ``(N, ...)``.

        The pass runs over the plain view, in evaluation mode, without gradients; row i belongs to the sample whose
        ``index`` is i.
        """
        return self._context.full_pass(compute)
