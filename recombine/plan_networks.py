"""Networks without numbers: the shapes that their layers make of one sample, their parameters, and their operations.

Everything is computed on torch's meta device, which knows shapes and holds no numbers. Operations are those that
torch's own counter finds, for which a multiplication and the addition behind it are two.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.hooks import RemovableHandle

from recombine.build import build_mappings
from recombine.config import MethodConfig
from recombine.errors import MappingError
from recombine.mapping import SETS, Switches
from recombine.mapping import Mapping as Network
from recombine.plan_recurrent import stand_in_for_recurrent_layers

Shape = tuple[int, ...]

#: What feeds a mapping that no other one feeds by its own link.
A_SAMPLE, A_PATTERN = "a sample", "a pattern"
_SET_IN_ONE_VECTOR = 2


@dataclass(frozen=True)
class LayerPlan:
    """A layer: what it makes of one sample, its parameters, and its floating-point operations on the way forward."""

    name: str
    type: str
    output: Shape
    parameters: int
    flops: int


@dataclass(frozen=True)
class MappingPlan:
    """A mapping on one sample, or on one set where it works on sets.

    Attributes:
        name: The mapping's name.
        type: Its type.
        works_on: ``samples`` or ``sets``.
        given_by: What feeds it: ``a sample``, the output of another mapping in words, or ``a pattern``; None where
            nothing is known to.
        input: Shape of what it gets, or None.
        output: Shape of what it makes, or None.
        layers: Its layers in order.
        parameters: How many numbers its parameters hold.
        trainable: How many of these can be trained.
        flops: Floating-point operations of its own layers and functions on the way forward, or None.
    """

    name: str
    type: str
    works_on: str
    given_by: str | None
    input: Shape | None
    output: Shape | None
    layers: tuple[LayerPlan, ...]
    parameters: int
    trainable: int
    flops: int | None


@dataclass(frozen=True)
class NetworkPlan:
    """All mappings of a method on one dataset.

    Attributes:
        mappings: The mappings, in order of declaration.
        centroids: How many numbers the centroids hold; 0 without any.
        parameters: How many numbers all parameters hold, centroids included; what is shared counts once.
        trainable: How many of these can be trained.
    """

    mappings: tuple[MappingPlan, ...]
    centroids: int
    parameters: int
    trainable: int


@dataclass(frozen=True)
class Feeding:
    """What comes into the networks.

    Attributes:
        sample: Shape of one sample of the plain view.
        set_size: How many samples n a set has; None where there are no sets.
        num_clusters: K.
        seen: What patterns gave to mappings, by the mapping's name.
    """

    sample: Shape
    set_size: int | None
    num_clusters: int
    seen: Mapping[str, "Given"]


class Given(NamedTuple):
    """What a pattern gave to a mapping: its shape without the batch dimension, and what it is in words."""

    shape: Shape
    words: str


class Watch:
    """Notes what mappings get while patterns work.

    Attributes:
        seen: What they got first, by the mapping's name.
    """

    def __init__(self) -> None:
        self.seen: dict[str, Given] = {}
        self._within: dict[str, Given] = {}

    @contextmanager
    def over(self, mappings: Iterable[Network]) -> Iterator[None]:
        """Watch mappings; those of which only the layers are called are noted by their first layer."""
        handles: list[RemovableHandle] = []
        for mapping in mappings:
            handles.append(mapping.register_forward_pre_hook(partial(_note, self.seen, mapping.name)))
            for first in mapping.layers[:1]:
                handles.append(first.register_forward_pre_hook(partial(_note, self._within, mapping.name)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            self.seen = self._within | self.seen


def _note(seen: dict[str, Given], name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
    del module
    words = inputs[1] if len(inputs) > 1 and isinstance(inputs[1], str) else A_PATTERN
    seen.setdefault(name, Given(tuple(inputs[0].shape[1:]), words))


def plan_networks(config: MethodConfig, feeding: Feeding) -> NetworkPlan:
    """Return what the networks of a method make of one sample.

    Raises:
        MappingError: A layer cannot be built, or does not fit the one before it.
    """
    with torch.device("meta"):
        mappings = build_mappings(config, feeding.sample)
        for mapping in mappings.values():
            mapping.eval()
        trace = _Trace(mappings, feeding)
        plans = tuple(trace.plan(mapping) for mapping in mappings.values())
        features = trace.output(mappings[config.extractor]).flatten(1).shape[1]
    centroids = feeding.num_clusters * features if config.centroids is not None else 0
    everything, trainable = count_parameters(nn.ModuleList(mappings.values()))
    return NetworkPlan(plans, centroids, everything + centroids, trainable + centroids)


def count_parameters(module: nn.Module) -> tuple[int, int]:
    """Return how many numbers the parameters of a module hold, all and those that can be trained."""
    found = [parameter for parameter in module.parameters() if not is_lazy(parameter)]
    return sum(p.numel() for p in found), sum(p.numel() for p in found if p.requires_grad)


class _Trace:
    """One sample on its way through the mappings.

    Args:
        mappings: The mappings by name, in evaluation mode.
        feeding: What comes into them.
    """

    def __init__(self, mappings: Mapping[str, Network], feeding: Feeding) -> None:
        self._mappings = mappings
        self._feeding = feeding
        self._switches: Switches = {}
        self._inputs: dict[str, tuple[str, Tensor]] = {}
        self._outputs: dict[str, Tensor] = {}
        self._layers: dict[str, list[LayerPlan]] = {}
        self._flops: dict[str, int] = {}
        self._recurrent = stand_in_for_recurrent_layers(nn.ModuleList(mappings.values()))

    def plan(self, mapping: Network) -> MappingPlan:
        """Return a mapping's plan; one that nothing feeds, and that takes no sample, is planned without shapes."""
        name = mapping.name
        try:
            output = self.output(mapping)
        except MappingError:
            if mapping.prior is not None or name in self._feeding.seen:
                raise
            unknown = (None, None, None, ())
            return MappingPlan(name, mapping.kind, mapping.works_on, *unknown, *count_parameters(mapping), None)
        given_by, given = self._inputs[name]
        shapes = tuple(given.shape[1:]), tuple(output.shape[1:])
        layers, numbers = tuple(self._layers[name]), count_parameters(mapping)
        return MappingPlan(name, mapping.kind, mapping.works_on, given_by, *shapes, layers, *numbers, self._flops[name])

    def output(self, mapping: Network) -> Tensor:
        """Return what a mapping makes of one sample or set, ``(1, ...)``."""
        if mapping.name not in self._outputs:
            for place in mapping.unpooling.values():
                if place.mapping != mapping.name:
                    self.output(self._mappings[place.mapping])
            self._inputs[mapping.name] = self._given_to(mapping)
            self._outputs[mapping.name] = self._passed(mapping, *self._inputs[mapping.name])
        return self._outputs[mapping.name]

    def _passed(self, mapping: Network, given: str, x: Tensor) -> Tensor:
        self._layers[mapping.name] = plans = []
        self._recurrent.clear()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            x = mapping.prepare(x)
            for name in mapping.layer_names:
                before = self._counted(counter)
                x = mapping.run_layers(x, [name], given, self._switches)
                given, layer = f'the output of layer "{name}"', mapping.layer(name)
                flops = self._counted(counter) - before
                parameters = count_parameters(layer)[0]
                plans.append(LayerPlan(name, type(layer).__name__, tuple(x.shape[1:]), parameters, flops))
            x = mapping.finish(x)
        self._flops[mapping.name] = self._counted(counter)
        return x

    def _counted(self, counter: FlopCounterMode) -> int:
        """Return the operations so far: those of LSTM layers follow from their weights, all others are counted."""
        return int(counter.get_total_flops()) + sum(self._recurrent)

    def _given_to(self, mapping: Network) -> tuple[str, Tensor]:
        """Return what feeds a mapping, and that, ``(1, ...)``."""
        if mapping.prior is not None:
            return mapping.prior.output_in_words, self._arranged(self.output(mapping.prior), mapping.prior, mapping)
        size = (self._feeding.set_size or 1,) if mapping.works_on == SETS else ()
        if mapping.name in self._feeding.seen:
            given, words = self._feeding.seen[mapping.name]
            shape = (*size, *given[len(size) :])
            is_sample = shape == (*size, *self._feeding.sample)
            return A_SAMPLE if is_sample else words, torch.zeros(1, *shape)
        return A_SAMPLE, torch.zeros(1, *size, *self._feeding.sample)

    def _arranged(self, x: Tensor, prior: Network, mapping: Network) -> Tensor:
        """Return the output for a sample as a set of such, or that for a set as that for one sample of it."""
        if prior.works_on == mapping.works_on:
            return x
        if mapping.works_on == SETS:
            return x.unsqueeze(1).expand(1, self._feeding.set_size or 1, *x.shape[1:])
        return x.flatten(0, 1)[:1] if x.ndim > _SET_IN_ONE_VECTOR else x
