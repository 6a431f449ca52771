"""What changes during a run, and what must survive a crash."""

import copy
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor
from torch.nn.parameter import is_lazy

from recombine.clock import Clock
from recombine.criteria import Lowest, Performance, Validation
from recombine.method import Method
from recombine.metrics import Scores
from recombine.optim import LossKey
from recombine.selection import Evaluated


@dataclass
class IntervalLosses:
    """Losses of optimizer groups, added up over intervals.

    Attributes:
        sums: By group and number of iterations, scalars on the device.
        counts: Iterations of the interval in which the group had a loss.
    """

    sums: dict[LossKey, Tensor] = field(default_factory=dict)
    counts: dict[LossKey, int] = field(default_factory=dict)

    def add(self, totals: Mapping[LossKey, Tensor]) -> None:
        """Add the losses of an iteration, scalars."""
        for key, total in totals.items():
            self.sums[key] = total.detach() + self.sums.get(key, 0)
            self.counts[key] = self.counts.get(key, 0) + 1

    def taken(self, keys: Collection[LossKey]) -> dict[LossKey, float]:
        """Return means over the iterations in which a group had a loss, and begin anew; waits for the device."""
        found = [key for key in keys if key in self.sums]
        return {key: float(self.sums.pop(key)) / self.counts.pop(key) for key in found}


@dataclass(frozen=True)
class Origin:
    """What the networks were built for.

    Attributes:
        num_clusters: K.
        sample_shape: Shape of one sample of the plain view, without the batch dimension.
    """

    num_clusters: int
    sample_shape: tuple[int, ...]


@dataclass
class Place:
    """How far a run has come.

    Attributes:
        datasets_done: Datasets that are scored.
        in_dataset: Whether the next one's turn has begun.
        phases_done: Phases of that dataset that are over.
        in_phase: Whether the next one's training has begun.
    """

    datasets_done: int = 0
    in_dataset: bool = False
    phases_done: int = 0
    in_phase: bool = False


@dataclass
class RunState:
    """The changing part of a run.

    Random draws need no place here: each belongs to the seed, a purpose and the clock (:mod:`recombine.randomness`),
    and so does the order of the data.

    Attributes:
        method: Parameters, centroids and strategy.
        clock: The time in the current phase.
        origin: What the networks were built for, or None in trials that are never saved.
        place: How far the run has come.
        centroids_changed: Whether the centroids were recalculated just before the current iteration.
        performance: The last evaluation of the phase, or None before the first.
        previous_clusters: Clusters ``(N,)`` at the last evaluation of the phase.
        validation: The last validation of the phase, or None before the first.
        lowest: The lowest validation of the phase, or None before the first.
        best_parameters: Parameters and buffers at that validation, where the phase is to end with them, or None.
        interval_losses: The losses that schedulers watch.
        history: The evaluations on the current dataset, of all its phases so far.
    """

    method: Method
    clock: Clock
    origin: Origin | None = None
    place: Place = field(default_factory=Place)
    centroids_changed: bool = False
    performance: Performance | None = None
    previous_clusters: Tensor | None = field(default=None, repr=False)
    validation: Validation | None = None
    lowest: Lowest | None = None
    best_parameters: dict[str, Any] | None = field(default=None, repr=False)
    interval_losses: IntervalLosses = field(default_factory=IntervalLosses)
    history: list[Evaluated] = field(default_factory=list)

    def enter_dataset(self) -> None:
        """Begin the next dataset's turn."""
        self.place.in_dataset, self.place.phases_done = True, 0
        self.history = []

    def enter_phase(self, clock: Clock) -> None:
        """Forget what belongs to the phase before, and set the clock."""
        self.clock = clock
        self.place.in_phase = True
        self.centroids_changed = False
        self.performance = None
        self.previous_clusters = None
        self.validation = None
        self.lowest, self.best_parameters = None, None
        self.interval_losses = IntervalLosses()

    def note_validation(self, found: Validation | None, options: Mapping[str, Any]) -> None:
        """Take up the losses on held-out samples, and the parameters if they are the best so far and will be wanted.

        Args:
            found: The losses; None: no pattern has one at this time.
            options: The phase's ``validation``.
        """
        self.validation = found
        before = self.lowest
        self.lowest = Lowest.after(before, found, options["metric"]) if found is not None else before
        if self.lowest is not before and options["restore_best"]:
            tensors = self._tensors()
            self.best_parameters = {name: _copied(value) for name, value in tensors.items()}

    def leave_phase(self) -> None:
        """Note that the phase is over."""
        self.place.in_phase = False
        self.place.phases_done += 1

    def leave_dataset(self) -> None:
        """Note that the dataset is scored."""
        self.place = Place(datasets_done=self.place.datasets_done + 1)

    def state_dict(self) -> dict[str, Any]:
        """Return everything as tensors and plain values; the tensors are the state's own, not copies."""
        return {
            "method": self._tensors(),
            "clock": asdict(self.clock),
            "place": asdict(self.place),
            "centroids_changed": self.centroids_changed,
            "performance": _performance_as_dict(self.performance),
            "previous_clusters": self.previous_clusters,
            "validation": asdict(self.validation) if self.validation is not None else None,
            "lowest": asdict(self.lowest) if self.lowest is not None else None,
            "best_parameters": self.best_parameters,
            "interval_losses": {"sums": self.interval_losses.sums, "counts": self.interval_losses.counts},
            "history": [evaluated.as_dict() for evaluated in self.history],
        }

    def restore_best(self) -> None:
        """Give the networks the parameters that they had at the lowest validation of the phase, if they were kept.

        Those that no input had given a size by then stay as they are.
        """
        if self.best_parameters is not None:
            self.method.load_state_dict(self.best_parameters, strict=False)
            self.best_parameters = None

    def _tensors(self) -> dict[str, Any]:
        """Return parameters and buffers; those that no input has given a size yet are not there to be saved."""
        tensors = self.method.state_dict().items()
        return {name: value for name, value in tensors if not isinstance(value, Tensor) or not is_lazy(value)}

    def _load(self, tensors: Mapping[str, Any]) -> None:
        lazy = {
            name for name, value in self.method.state_dict().items() if isinstance(value, Tensor) and is_lazy(value)
        }
        unknown = self.method.load_state_dict(tensors, strict=False)
        if unknown.unexpected_keys or not lazy.issuperset(unknown.missing_keys):
            raise RuntimeError(f"a checkpoint of the same run has other parameters: {unknown}")

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what :meth:`state_dict` returned; the networks were built for the same origin."""
        self._load(state["method"])
        device = next((parameter.device for parameter in self.method.parameters()), None)
        losses = _interval_losses(state)
        sums = {key: total.to(device) for key, total in losses["sums"].items()}
        self.clock = Clock(**state["clock"])
        self.place = Place(**state["place"])
        self.centroids_changed = state["centroids_changed"]
        self.performance = _performance(state["performance"])
        self.previous_clusters = state["previous_clusters"]
        validation = state.get("validation")
        self.validation = Validation(**validation) if validation is not None else None
        lowest = state.get("lowest")
        self.lowest = Lowest(**lowest) if lowest is not None else None
        self.best_parameters = state.get("best_parameters")
        self.interval_losses = IntervalLosses(sums, losses["counts"])
        self.history = [Evaluated.from_dict(evaluated) for evaluated in state["history"]]


def _copied(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else copy.deepcopy(value)


def _interval_losses(state: Mapping[str, Any]) -> Mapping[str, dict[LossKey, Any]]:
    """Return sums and counts; checkpoints from before schedulers had intervals hold those of the epoch, by group."""
    if "interval_losses" in state:
        found: Mapping[str, dict[LossKey, Any]] = state["interval_losses"]
        return found
    length = state["clock"]["iterations_per_epoch"]
    return {
        kind: {(group, length): value for group, value in values.items()}
        for kind, values in state["epoch_losses"].items()
    }


def _performance_as_dict(performance: Performance | None) -> dict[str, Any] | None:
    """Return what exit criteria and schedulers look at, as plain values."""
    if performance is None:
        return None
    scores = performance.scores.as_dict() if performance.scores is not None else None
    return {"scores": scores, "reassignment_ratio": performance.reassignment_ratio}


def _performance(found: Mapping[str, Any] | None) -> Performance | None:
    if found is None:
        return None
    scores = Scores(**found["scores"]) if found["scores"] is not None else None
    return Performance(scores, found["reassignment_ratio"])
