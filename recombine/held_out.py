"""The losses of a phase on the samples that it holds out."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from recombine.clock import Clock
from recombine.criteria import Validation
from recombine.data import Data
from recombine.errors import DivergedError
from recombine.evaluate import evaluation_mode
from recombine.method import Method
from recombine.objective import Objective
from recombine.randomness import generator, global_generator, seed_global
from recombine.step import Batch, Step, StepContext

_PURPOSE = "validation"


class HeldOutStep(Step):
    """A batch of held-out samples as patterns see it: at the time of the last iteration, with draws that never change.

    Args:
        method: The networks and the assignment strategy, in evaluation mode.
        batch: The samples.
        clock: The last iteration's place in the phase.
        context: What all steps of the phase share.
        position: Where the batch begins among the held-out samples: part of the key of its draws.
    """

    def __init__(self, method: Method, batch: Batch, clock: Clock, context: StepContext, position: int) -> None:
        super().__init__(method, batch, clock, context)
        self._position = position

    def seed(self) -> None:
        """Seed torch's global generators for this batch."""
        seed_global(self._context.seed, _PURPOSE, self._context.dataset, self._position)

    def generator(self, purpose: str) -> torch.Generator:
        """Return the generator on the batch's device that belongs to ``purpose`` in this batch."""
        context = self._context
        return generator(context.seed, _PURPOSE, purpose, context.dataset, self._position, device=context.device)


def validate(
    method: Method, data: Data, objectives: Sequence[Objective], clock: Clock, context: StepContext
) -> Validation | None:
    """Return the losses on the held-out samples; None where no pattern has one at this time.

    A loss is the mean over the batches, weighted by their numbers of samples: of losses that are means over a batch,
    the mean over all held-out samples. Networks are in evaluation mode, views and patterns draw the same each time.
    Nothing that the training depends on changes.

    Args:
        method: The networks.
        data: The dataset of which samples are held out.
        objectives: The patterns with their weights.
        clock: The time after the last iteration: weights and stages are those of that iteration.
        context: What all steps of the phase share.

    Raises:
        DivergedError: A loss is NaN or infinite.
    """
    last = clock.set_back()
    working = [objective for objective in objectives if objective.works_in(last.iteration)]
    views = {view for objective in working for view in objective.views}
    sums = _Sums()
    with evaluation_mode(method), global_generator(context.seed, _PURPOSE, context.dataset):
        position = 0
        for batch in data.validation_batches(views):
            step = HeldOutStep(method, batch, last, context, position)
            step.seed()
            sums.add(step, working)
            position += len(batch.index)
    losses = sums.means()
    if not losses:
        return None
    if not all(math.isfinite(loss) for loss in losses.values()):
        raise DivergedError("a loss on the held-out samples is NaN or infinite")
    return Validation(clock.iteration, math.fsum(sums.weights[name] * loss for name, loss in losses.items()), losses)


class _Sums:
    """Losses added up over batches, on the device.

    Attributes:
        weights: What the losses are multiplied by in the sum of all, by name.
    """

    def __init__(self) -> None:
        self.weights: dict[str, float] = {}
        self._values: dict[str, list[Tensor]] = {}
        self._sizes: dict[str, list[int]] = {}

    def add(self, step: Step, working: Sequence[Objective]) -> None:
        """Add the losses of the patterns on a batch."""
        for loss in [loss for objective in working for loss in objective.add_to({}, step)]:
            self.weights[loss.name] = loss.weight
            self._values.setdefault(loss.name, []).append(loss.value)
            self._sizes.setdefault(loss.name, []).append(len(step.index))

    def means(self) -> dict[str, float]:
        """Return the means over the batches, weighted by their sizes; waits for the device."""
        return {name: _mean(values, self._sizes[name]) for name, values in self._values.items()}


def _mean(values: Sequence[Tensor], sizes: Sequence[int]) -> float:
    weights = torch.tensor(sizes, dtype=torch.float64)
    return float(torch.stack(list(values)).cpu().double() @ weights / weights.sum())
