"""The contract of design patterns: reusable losses and training ingredients."""

from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import Any

from torch import Tensor

from recombine.clock import Clock
from recombine.step import Step


class DesignPattern(ABC):
    """A loss, or several, as maths.

    The constructor of a pattern takes exactly the options of its schema as keyword-only arguments without defaults:
    the schema owns the defaults. Options that name a mapping or a view arrive resolved, without ``_name`` in their
    names (``encoder_name`` arrives as ``encoder``, a :class:`recombine.mapping.Mapping`). Weights, optimizer groups
    and reporting belong to the objective around the pattern and never reach it.
    """

    @abstractmethod
    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return the unweighted scalar losses of this iteration under the names that the schema declares.

        An empty dict says that the pattern has nothing to minimise in this iteration.

        Where a phase holds samples out, this is also asked for batches of them, in evaluation mode and without
        gradients, at the time of an iteration that ``before_step`` has prepared; it changes nothing about the pattern.
        """

    def before_step(self, step: Step) -> None:
        """Prepare the iteration, for example by recomputing dataset-wide targets."""
        del step

    def after_step(self, step: Step) -> None:
        """Update state after the optimizers stepped."""
        del step

    def recording_key(self, clock: Clock) -> Hashable | None:
        """Return what decides the losses beside tensors, where :meth:`losses` can be recorded and repeated; else None.

        A recording repeats the same operations on the same memory. A pattern can be recorded if ``losses`` depends on
        views, networks, and own tensors that keep their memory, and on Python values only as far as this key tells
        them apart; if it draws from torch's global generators alone; and if it waits for no result of the device.
        """
        del clock
        return None

    def stage_starts(self) -> tuple[int, ...]:
        """Return the iterations at which the pattern begins to work differently, 0 among them."""
        return (0,)

    def stage(self, clock: Clock) -> str | None:
        """Return what the pattern is at, where it works in stages; the log tells when it changes."""
        del clock
        return None

    def state_dict(self) -> dict[str, Any]:
        """Return what must survive a crash: tensors and plain values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a state that :meth:`state_dict` returned."""
        del state
