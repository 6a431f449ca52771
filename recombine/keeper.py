"""When the state of a run is saved, and where a run goes on."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from recombine.callbacks.base import Callback
from recombine.callbacks.events import EventFile
from recombine.checkpoint import Checkpoints
from recombine.interruption import Interruption
from recombine.shared_phases import SharedPhases
from recombine.state import Origin, RunState

if TYPE_CHECKING:
    from recombine.phase import Phase

_SECONDS_PER_MINUTE = 60


@dataclass(frozen=True)
class SavingOptions:
    """When checkpoints are written.

    Attributes:
        minutes: Time between two, or 0 for none by time.
        iterations: Iterations between two, or 0 for none by count.
    """

    minutes: float = 5.0
    iterations: int = 0

    @property
    def is_on(self) -> bool:
        """Whether checkpoints are written without being asked for by an interruption."""
        return self.minutes > 0 or self.iterations > 0


class Reused(NamedTuple):
    """A phase that was taken from another run: dataset, name, and the seconds that its training took there."""

    dataset: str
    phase: str
    seconds: float


class Keeper:
    """Keeps nothing."""

    @property
    def origin(self) -> Origin | None:
        """What the networks of the run that goes on were built for; None where a run starts."""
        return None

    def restore(self, state: RunState) -> None:
        """Put a state, built for :attr:`origin`, where the checkpoint was written."""

    def restore_phase(self, phase: "Phase") -> None:
        """Put a phase, built around the restored state, where the checkpoint was written."""

    def adopt(self, state: RunState, dataset: str, phase: str) -> Reused | None:
        """Replace the state by that after its next phase, if another run left it; return what was saved, or None."""

    def iteration_over(self, phase: "Phase") -> None:
        """Save what is due; end the run here if that was asked for."""

    def phase_over(self, state: RunState) -> None:
        """Keep the state after a phase."""

    def dataset_over(self, state: RunState) -> None:
        """Keep the state after a dataset."""


class FileKeeper(Keeper):
    """Keeps the state of a run in the run's folder, and that after its phases where other runs find it.

    A checkpoint that cannot be written does no harm to the run: that is said, and tried again when the next is due.

    Args:
        checkpoints: The run's checkpoints.
        options: When they are written.
        shared: Phases of runs that agree, or None.
        interruption: Whether the run is to end.
        events: The run's history.
        observers: The callbacks; the state of those with a ``key`` goes with a checkpoint.
        tell: Takes what the log is to say.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        options: SavingOptions,
        shared: SharedPhases | None,
        interruption: Interruption,
        events: EventFile,
        observers: Sequence[Callback],
        tell: Callable[[str], None],
    ) -> None:
        self._checkpoints = checkpoints
        self._options = options
        self._shared = shared
        self._interruption = interruption
        self._events = events
        self._observers = {observer.key: observer for observer in (events, *observers) if observer.key}
        self._tell = tell
        self._found = checkpoints.latest()
        self._began = self._saved = time.monotonic()
        self._spent = self._found["seconds"] if self._found is not None else 0.0
        self._phase_began = self._found["phase_began"] if self._found is not None else 0.0
        self.reused = [Reused(*entry) for entry in self._found["reused"]] if self._found is not None else []

    @property
    def seconds(self) -> float:
        """Seconds that the run has taken, those before the checkpoint included."""
        return self._spent + time.monotonic() - self._began

    @property
    def origin(self) -> Origin | None:
        """What the networks of the run that goes on were built for; None where a run starts."""
        if self._found is None:
            return None
        return Origin(self._found["origin"]["num_clusters"], tuple(self._found["origin"]["sample_shape"]))

    def restore(self, state: RunState) -> None:
        """Put a state, and the observers, where the checkpoint was written."""
        found = self._required()
        state.load_state_dict(found["state"])
        for key, observer in self._observers.items():
            if key in found["observers"]:  # Not there: an observer that this run began without.
                observer.load_state_dict(found["observers"][key])

    def restore_phase(self, phase: "Phase") -> None:
        """Put a phase, built around the restored state, where the checkpoint was written."""
        phase.load_state_dict(self._required()["phase"])

    def adopt(self, state: RunState, dataset: str, phase: str) -> Reused | None:
        """Replace the state by that after its next phase, if another run left it; return what was saved, or None."""
        self._phase_began = self.seconds
        found = self._shared.find(state.place) if self._shared is not None else None
        if found is None:
            return None
        state.load_state_dict(found["state"])
        self._events.append(found["events"])
        self.reused.append(Reused(dataset, phase, found["seconds"]))
        return self.reused[-1]

    def iteration_over(self, phase: "Phase") -> None:
        """Save what is due; raise InterruptedRunError if the run is to end."""
        if self._interruption.number is not None or self._is_due(phase.state.clock.iteration):
            phase.check_divergence()
            self._save(phase.state, phase)
        self._interruption.check()

    def phase_over(self, state: RunState) -> None:
        """Keep the state after a phase for other runs; raise InterruptedRunError if the run is to end."""
        if self._shared is not None:
            content = {"state": state.state_dict(), "events": self._events.of_phase()}
            try:
                self._shared.keep(state.place, {**content, "seconds": self.seconds - self._phase_began})
            except OSError as error:
                self._tell(f"The phase cannot be kept for other runs: {error.strerror or error}")
        if self._interruption.number is not None:
            self._save(state, None)
        self._interruption.check()

    def dataset_over(self, state: RunState) -> None:
        """Save the state after a dataset; raise InterruptedRunError if the run is to end."""
        if self._options.is_on or self._interruption.number is not None:
            self._save(state, None)
        self._interruption.check()

    def _is_due(self, iteration: int) -> bool:
        options = self._options
        if options.iterations and iteration % options.iterations == 0:
            return True
        return options.minutes > 0 and time.monotonic() - self._saved >= options.minutes * _SECONDS_PER_MINUTE

    def _save(self, state: RunState, phase: "Phase | None") -> None:
        if state.origin is None:
            raise RuntimeError("the state of a trial is saved, which nobody can go on from")
        content = {
            "origin": asdict(state.origin),
            "state": state.state_dict(),
            "phase": phase.state_dict() if phase is not None else None,
            "observers": {key: observer.state_dict() for key, observer in self._observers.items()},
            "seconds": self.seconds,
            "phase_began": self._phase_began,
            "reused": [list(entry) for entry in self.reused],
        }
        self._saved = time.monotonic()
        try:
            self._checkpoints.save(content)
        except OSError as error:
            self._tell(f"No checkpoint is written: {error.strerror or error}; those before it stay")

    def _required(self) -> Mapping[str, Any]:
        if self._found is None:
            raise RuntimeError("there is no checkpoint to go on from")
        return self._found
