"""Which views go through a network as one batch: planned when a phase begins, by trying its patterns on a few samples.

The plan depends on the method, the phase and the kind of device alone, so that a resumed run sees the same shapes, and
so the same bits, as one that never stopped.
"""

import copy
from bisect import bisect_right
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Dictionary
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer

from recombine.build import build_objectives
from recombine.clock import Clock
from recombine.config import PhaseConfig
from recombine.data import Data
from recombine.evaluate import evaluation_mode
from recombine.mapping import Mapping
from recombine.method import Method
from recombine.objective import Objective
from recombine.randomness import global_generator
from recombine.step import Answer, Batch, Forward, Given, Request, Step, StepContext, Together, joined

_SAMPLES = 8
_MATRIX = 2
_TOLERANCE = 1e-4
Copied = TypeVar("Copied", bound=nn.Module)
_DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)

#: What is fed to a network, without the batch dimension, by request.
Shapes = Dictionary[Request, tuple[int, ...]]


class ViewPlan:
    """Which views are concatenated in each iteration of a phase.

    Args:
        objectives: The phase's patterns.
        requests: For each of them, by the iteration at which a stage of it begins, what it asks of the networks.
        independent: Names of the mappings that may get several views as one batch.
    """

    def __init__(
        self, objectives: Sequence[Objective], requests: Sequence[Dictionary[int, Shapes]], independent: frozenset[str]
    ) -> None:
        self._objectives = list(objectives)
        self._requests = list(requests)
        self._independent = independent
        self._known: dict[tuple[tuple[int, int], ...], Together] = {}

    def at(self, clock: Clock) -> Together:
        """Return what is computed together in an iteration: only what the patterns that work in it ask for."""
        working = tuple(
            (i, _stage_start(self._requests[i], clock.iteration))
            for i, objective in enumerate(self._objectives)
            if self._requests and objective.works_in(clock.iteration)
        )
        if working not in self._known:
            shapes = {request: shape for i, start in working for request, shape in self._requests[i][start].items()}
            self._known[working] = grouped({r: s for r, s in shapes.items() if r.mapping in self._independent})
        return self._known[working]


def grouped(shapes: Shapes) -> Together:
    """Return the views that fit into one batch, by request: those of the same network with inputs of the same shape."""
    groups: dict[tuple[Request, tuple[int, ...]], list[Request]] = {}
    for request in sorted(shapes):
        groups.setdefault((request._replace(view=""), shapes[request]), []).append(request)
    several = [group for group in groups.values() if len(group) > 1]
    return {request: tuple(member.view for member in group) for group in several for request in group}


def plan_views(config: PhaseConfig, objectives: Sequence[Objective], method: Method, data: Data) -> ViewPlan:
    """Try the patterns of a phase on a few samples and on a copy of the networks, and plan by what they ask for.

    Args:
        config: The phase.
        objectives: Its patterns, which the plan is for; what is tried are copies.
        method: The networks.
        data: The dataset.
    """
    views = frozenset(view for objective in objectives for view in objective.views)
    if len(views) <= 1:
        return ViewPlan(objectives, [], frozenset())
    # A copy, as a pass in training mode moves batch statistics; on the CPU, where no precision is traded for speed.
    twin = _copied(method).cpu()
    with global_generator(data.options.seed, "view plan", data.name, config.name):
        trials = _Trials(config, twin, data, data.excerpt(views, _SAMPLES))
        requests = [trials.requests_of(objective) for objective in build_objectives(config, twin)]
        refused = {
            name
            for (name, _), (request, given) in trials.asked.items()
            if not _gains(twin.mappings[name], data.device) or not is_independent(twin.mappings[name], request, given)
        }
    return ViewPlan(objectives, requests, frozenset(twin.mappings) - refused)


def is_independent(mapping: Mapping, request: Request, given: Answer) -> bool:
    """Tell by trial whether what a network makes of a sample has nothing to do with the rest of the batch.

    Batch statistics, attention across the batch and functions along the first dimension all show in this; dropout,
    which is switched off for the trial, does not. A network that changes its own buffers is none either.

    Args:
        mapping: The network.
        request: What is asked of it.
        given: What it gets, ``(B, ...)``; the trial draws other values of that shape.
    """
    network = _copied(mapping).train()
    for module in network.modules():
        if isinstance(module, _DROPOUT):
            module.eval()
    compute = network.logits if request.what == "logits" else network
    samples, others = (given._replace(output=torch.rand(given.output.shape)) for _ in range(2))
    both = joined([others, samples])
    before = [buffer.clone() for buffer in network.buffers()]
    with torch.no_grad():
        alone, beside = (compute(x.output, switches=dict(x.switches)) for x in (samples, both))
    if any(not torch.equal(old, new) for old, new in zip(before, network.buffers(), strict=True)):
        return False
    return len(beside) == 2 * len(alone) and _is_close(alone, beside[len(alone) :])


def _copied(module: Copied) -> Copied:
    """Return a deep copy; torch itself cannot copy buffers that no input has given a size yet."""
    new: Callable[..., Tensor] = UninitializedBuffer  # torch's stubs lack its arguments
    without_size = [buffer for buffer in module.buffers() if isinstance(buffer, UninitializedBuffer)]
    memory: dict[int, Any] = {id(old): new(device=old.device, dtype=old.dtype) for old in without_size}
    return copy.deepcopy(module, memory)


def _is_close(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and bool((first - second).abs().max() <= _TOLERANCE * first.abs().max())


def _gains(mapping: Mapping, device: torch.device) -> bool:
    """Tell whether one large batch is cheaper than several: not for convolutions on a CPU, whose caches it overruns."""
    return device.type != "cpu" or all(parameter.ndim <= _MATRIX for parameter in mapping.parameters())


def _stage_start(stages: Dictionary[int, Shapes], iteration: int) -> int:
    starts = sorted(stages)
    return starts[bisect_right(starts, iteration) - 1]


class _Trials:
    """The patterns of a phase at work on a few samples.

    Args:
        config: The phase.
        method: A copy of the networks, on the CPU.
        data: The dataset.
        batch: Its first few samples in every view, on the CPU.

    Attributes:
        asked: A request and what the network got for it, by the network's name and the shape of a sample.
    """

    def __init__(self, config: PhaseConfig, method: Method, data: Data, batch: Batch) -> None:
        self._config = config
        self._method = method
        self._batch = batch
        whole, share = self._full_pass, data.same_class_share
        device = torch.device("cpu")
        self._context = StepContext(
            data.options.seed, data.name, device, whole, graph=data.graph, same_class_share=share
        )
        self.asked: dict[tuple[str, tuple[int, ...]], tuple[Request, Answer]] = {}

    def requests_of(self, objective: Objective) -> dict[int, Shapes]:
        """Return what a pattern asks of the networks, by the iteration at which a stage of it begins."""
        found: dict[int, Shapes] = {}
        for start in objective.pattern.stage_starts():
            step = _NotingStep(self._method.train(), self._batch, Clock(self._config.name, start, 0, 1), self._context)
            objective.pattern.before_step(step)
            step.noted.clear()
            objective.pattern.losses(step)
            found[start] = {request: tuple(given.output.shape[1:]) for request, given in step.noted.items()}
            self.asked |= {(r.mapping, found[start][r]): (r, given) for r, given in step.noted.items()}
        return found

    def _full_pass(self, compute: Callable[[Forward], Tensor]) -> Tensor:
        with evaluation_mode(self._method):
            return compute(Forward(self._method, self._batch))


class _NotingStep(Step):
    """A step that notes what is asked of the networks."""

    def __init__(self, method: Method, batch: Batch, clock: Clock, context: StepContext) -> None:
        super().__init__(method, batch, clock, context)
        self.noted: dict[Request, Answer] = {}

    def _applied(self, request: Request, mapping: Mapping, given: Sequence[Given]) -> Sequence[Answer]:
        self.noted[request] = given[0].answer
        return super()._applied(request, mapping, given)
