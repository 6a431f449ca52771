"""The numbers of a step, from its batch to moved parameters, repeated from a recording where a device can record.

A recording (a CUDA graph) repeats kernels on the same memory with the same Python numbers. So every Python number that
has a part in a step, its rates and weights and stages, belongs to the key of the recording, every tensor that changes
between steps is changed in place, and a recording is used only after it did the same as the step that it repeats.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from recombine.method import Method
from recombine.objective import DivergenceWatch, LossValue, Objective
from recombine.optim import OptimizerSet
from recombine.step import Batch, Step

_STEPS_BEFORE_RECORDING = 3
_MOST_RECORDINGS = 8
_MOST_KEYS = 1000
_TOLERANCE = 1e-3

Function = Callable[[Sequence[Tensor]], list[Tensor]]


class Recorder(ABC):
    """What can record a function of tensors on a device."""

    @abstractmethod
    def record(self, function: Function, inputs: Sequence[Tensor]) -> Function:
        """Return what repeats ``function`` on inputs of the same shapes; its results last until the next repetition.

        Raises:
            RuntimeError: The function cannot be recorded.
        """


@dataclass(frozen=True)
class Numbers:
    """What a step gives.

    Attributes:
        losses: The losses of the working patterns.
        totals: The weighted sum of each optimizer group, without gradient.
    """

    losses: list[LossValue]
    totals: dict[str, Tensor]

    def tensors(self) -> list[Tensor]:
        """Return all of them."""
        return [*(loss.value for loss in self.losses), *self.totals.values()]

    def with_tensors(self, tensors: Sequence[Tensor]) -> "Numbers":
        """Return the same with other :meth:`tensors`."""
        count = len(self.losses)
        losses = [replace(loss, value=value) for loss, value in zip(self.losses, tensors[:count], strict=True)]
        return Numbers(losses, dict(zip(self.totals, tensors[count:], strict=True)))


class StepRunner:
    """Does the numbers of the steps of a phase.

    Args:
        method: The networks.
        optimizers: What moves their parameters.
        watch: Notes a loss that is no number.
        recorder: Records steps, or None where the device cannot.

    Attributes:
        notes: What the log is to say about recordings, in the order in which it came up.
    """

    def __init__(
        self, method: Method, optimizers: OptimizerSet, watch: DivergenceWatch, recorder: Recorder | None = None
    ) -> None:
        self._method = method
        self._optimizers = optimizers
        self._watch = watch
        self._recorder = recorder
        self._seen: Counter[Hashable] = Counter()
        self._recordings: dict[Hashable, tuple[Function, Numbers]] = {}
        self.notes: list[str] = []

    def run(self, step: Step, working: Sequence[Objective]) -> Numbers:
        """Compute losses and gradients, and move the parameters.

        Args:
            step: The iteration.
            working: The patterns that have a weight in it.
        """
        recorder = self._recorder
        key = self._key(step, working) if recorder is not None else None
        if recorder is None or key is None:
            return self.compute(step, working)
        if key not in self._recordings:
            self._count(key)
            if self._seen[key] <= _STEPS_BEFORE_RECORDING:
                return self.compute(step, working)
            return self._record(recorder, key, step, working)
        repeat, numbers = self._recordings[key]
        return numbers.with_tensors(repeat(_inputs(step.batch)))

    def compute(self, step: Step, working: Sequence[Objective]) -> Numbers:
        """Do the numbers of a step operation by operation."""
        totals: dict[str, Tensor] = {}
        losses = [loss for objective in working for loss in objective.add_to(totals, step)]
        self._watch.see([loss.value for loss in losses])
        self._optimizers.step(totals, step.clock.iteration)
        return Numbers(losses, {group: total.detach() for group, total in totals.items()})

    def state_dict(self) -> dict[str, Any]:
        """Return what was said so far, and whether steps can still be recorded."""
        return {"notes": list(self.notes), "records": self._recorder is not None}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what :meth:`state_dict` returned: steps that were found unrecordable stay so."""
        self.notes = list(state["notes"])
        if not state["records"]:
            self._recorder = None

    def _key(self, step: Step, working: Sequence[Objective]) -> Hashable | None:
        """Return everything but tensors that decides a step; None, and a note, where something cannot tell."""
        reason = self._optimizers.unrecordable
        parts: list[Hashable] = [self._optimizers.constants(step.clock.iteration)]
        strategy = self._method.assignment.recording_key()
        parts += [strategy, step.batch.num_sets, *_shapes(step.batch)]
        for objective in working:
            own = objective.pattern.recording_key(step.clock)
            parts.append((objective.name, objective.schedule.factor(step.clock.iteration), own))
            if own is None:
                reason = f'the pattern "{objective.name}" cannot be recorded'
        if strategy is None:
            reason = "the cluster assignment strategy cannot be recorded"
        if reason is not None:
            self._refuse(reason)
            return None
        return tuple(parts)

    def _record(self, recorder: Recorder, key: Hashable, step: Step, working: Sequence[Objective]) -> Numbers:
        """Do a step, record it, and keep the recording if it does the same from the same state."""
        state = _State(self._method, self._optimizers, self._watch)
        before = state.copied()
        numbers = self.compute(step, working)
        after, wanted = state.copied(), [tensor.clone() for tensor in numbers.tensors()]
        try:
            state.restore(before)
            step.seed()
            repeat = recorder.record(_Recorded(self, step, working), _inputs(step.batch))
            state.restore(before)
            step.seed()
            found = repeat(_inputs(step.batch))
        except RuntimeError as error:
            self._refuse(f"their recording failed: {str(error).splitlines()[0]}")
            state.restore(after)
            return numbers.with_tensors(wanted)
        if _is_close([*wanted, *after], [*found, *state.tensors()]):
            self._keep(key, repeat, numbers)
        else:
            self._refuse("their recording gave other results")
        state.restore(after)
        return numbers.with_tensors(wanted)

    def _keep(self, key: Hashable, repeat: Function, numbers: Numbers) -> None:
        if not self._recordings and not self.notes:
            self.notes.append("Steps are repeated from recordings (CUDA graphs)")
        while len(self._recordings) >= _MOST_RECORDINGS:
            self._recordings.pop(next(iter(self._recordings)))
        self._recordings[key] = (repeat, numbers)

    def _refuse(self, reason: str) -> None:
        self._recorder = None
        self._recordings.clear()
        self.notes.append(f"Steps run operation by operation: {reason}")

    def _count(self, key: Hashable) -> None:
        if len(self._seen) >= _MOST_KEYS:
            self._seen.clear()
        self._seen[key] += 1


@dataclass(frozen=True)
class _Recorded:
    """The numbers of a step as a function of its batch."""

    runner: StepRunner
    step: Step
    working: Sequence[Objective]

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        views = dict(zip(sorted(self.step.batch.views), inputs[1:], strict=True))
        batch = replace(self.step.batch, index=inputs[0], views=views)
        return self.runner.compute(self.step.on(batch), self.working).tensors()


class _State:
    """Everything that a step changes on the device."""

    def __init__(self, method: Method, optimizers: OptimizerSet, watch: DivergenceWatch) -> None:
        self._tensors = [*method.parameters(), *method.buffers(), *optimizers.state_tensors(), *watch.tensors()]

    def tensors(self) -> list[Tensor]:
        return [tensor.detach() for tensor in self._tensors]

    def copied(self) -> list[Tensor]:
        return [tensor.detach().clone() for tensor in self._tensors]

    def restore(self, tensors: Sequence[Tensor]) -> None:
        with torch.no_grad():
            for own, given in zip(self._tensors, tensors, strict=True):
                own.copy_(given)


def _inputs(batch: Batch) -> list[Tensor]:
    return [batch.index, *(batch.views[name] for name in sorted(batch.views))]


def _shapes(batch: Batch) -> list[tuple[str, tuple[int, ...]]]:
    shapes = [tuple(tensor.shape) for tensor in _inputs(batch)]
    return list(zip(["", *sorted(batch.views)], shapes, strict=True))


def _is_close(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    pairs = zip(first, second, strict=True)
    return all(torch.allclose(a.double(), b.double(), _TOLERANCE, _TOLERANCE, equal_nan=True) for a, b in pairs)
