"""Mappings: the trainable networks of a method."""

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Dictionary
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from recombine.errors import MappingError

SOFTMAX_LAYERS = (nn.Softmax, nn.LogSoftmax)
THE_INPUT = "the input"
#: What one input of a mapping is: a sample, or a set of samples.
SAMPLES, SETS = "samples", "sets"
_NOT_THE_FILE = (torch.OutOfMemoryError, torch.AcceleratorError)
_MISFITS = (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError, AssertionError)

TensorFunction = Callable[[Tensor], Tensor]


class LayerPlace(NamedTuple):
    """A layer of a mapping, by their names."""

    mapping: str
    layer: str


class Switch(NamedTuple):
    """Where a pooling layer found its maxima.

    Attributes:
        indices: For each maximum its position among the values of its channel, ``(B, C, ...)``, int64.
        size: What the layer pooled, without batch and channels.
    """

    indices: Tensor
    size: tuple[int, ...]


#: Where maxima stood in the pooling layers that a batch went through. They belong to one pass of one batch.
Switches = dict[LayerPlace, Switch]
_LONGEST_SHOWN = 120
_NO_UNPOOLING: Dictionary[str, LayerPlace] = MappingProxyType({})


class Mapping(nn.Module):
    """A network made of named layers.

    ``forward`` applies the mapping's own layers only. What feeds it (its prior mapping, or the feature extractor of a
    classifier) is resolved by :class:`recombine.step.Forward`, so that no link of a chain is ever applied twice.

    Args:
        name: The name by which the method file refers to the mapping.
        kind: ``feature_extractor``, ``feature_space_classifier``, ``sample_space_classifier`` or
            ``design_pattern_specific``.
        layers: Pairs of layer name and layer, in the order in which they are applied.
        pre_processing: Functions applied in order to the input.
        post_processing: Functions applied in order to the output.
        softmax_layer: The name of the layer that turns logits into probabilities, or None.
        unpooling: The pooling layer that each unpooling layer reverses, by the unpooling layer's name.

    Attributes:
        reduced_precision: The type in which the layers compute, or None: that of their parameters. Outputs are then
            float32.
        works_on: What one input is: ``samples``, so that batches are ``(B, ...)``, or ``sets`` of n samples each, so
            that they are ``(B, n, ...)``.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        layers: Sequence[tuple[str, nn.Module]],
        pre_processing: Sequence[TensorFunction] = (),
        post_processing: Sequence[TensorFunction] = (),
        softmax_layer: str | None = None,
        unpooling: Dictionary[str, LayerPlace] = _NO_UNPOOLING,
    ) -> None:
        super().__init__()
        self.name = name
        self.kind = kind
        self.layers = nn.ModuleList(layer for _, layer in layers)
        self.layer_names = [layer_name for layer_name, _ in layers]
        self.pre_processing = list(pre_processing)
        self.post_processing = list(post_processing)
        self.softmax_layer = softmax_layer
        self.unpooling = dict(unpooling)
        self._switching = {layer_name for layer_name, layer in layers if getattr(layer, "return_indices", False)}
        self.prior: Mapping | None = None
        self.works_on = SAMPLES
        self.reduced_precision: torch.dtype | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep the prior mapping a plain reference: it is a neighbour, not a part, and has its own parameters."""
        if name == "prior":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    @property
    def is_classifier(self) -> bool:
        """Whether the outputs are cluster assignments."""
        return self.kind in ("feature_space_classifier", "sample_space_classifier")

    @property
    def output_in_words(self) -> str:
        """What the mapping puts out, for messages about what cannot take it."""
        last = f'layer "{self.layer_names[-1]}" of ' if self.layer_names else ""
        return f'the output of {last}mapping "{self.name}"'

    def chain(self) -> "list[Mapping]":
        """Return the mappings that process a sample in turn: the first link, which samples feed, to this one."""
        return [*(self.prior.chain() if self.prior is not None else []), self]

    def layer(self, name: str) -> nn.Module:
        """Return the layer called ``name``; KeyError when there is none."""
        if name not in self.layer_names:
            raise KeyError(name)
        return self.layers[self.layer_names.index(name)]

    def forward(self, x: Tensor, given: str = THE_INPUT, switches: Switches | None = None) -> Tensor:
        """Map a batch ``(B, ...)`` to outputs ``(B, ...)``; messages call the batch ``given``.

        Args:
            x: The batch.
            given: What messages call it.
            switches: Where maxima stood on the batch's way to this mapping; the mapping's own pooling adds to it.

        Raises:
            NetworkError: A layer or function cannot take what it gets; the message names both and the shape.
        """
        return self.finish(self.run_layers(self.prepare(x), self.layer_names, given, switches))

    def logits(self, x: Tensor, given: str = THE_INPUT, switches: Switches | None = None) -> Tensor:
        """Map a batch ``(B, ...)`` to logits ``(B, K)``: every layer but the softmax layer, no post-processing.

        Arguments and errors are those of :meth:`forward`.
        """
        names = [name for name in self.layer_names if name != self.softmax_layer]
        return self.run_layers(self.prepare(x), names, given, switches)

    def prepare(self, x: Tensor) -> Tensor:
        """Apply the pre-processing functions to a batch ``(B, ...)``."""
        for position, function in enumerate(self.pre_processing):
            x = self._applied(f"pre-processing function {position}", function, x, "its input")
        return x

    def finish(self, x: Tensor) -> Tensor:
        """Apply the post-processing functions to an output ``(B, ...)``."""
        for position, function in enumerate(self.post_processing):
            x = self._applied(f"post-processing function {position}", function, x, "its input")
        return x

    def run_layers(
        self, x: Tensor, names: Sequence[str], given: str = THE_INPUT, switches: Switches | None = None
    ) -> Tensor:
        """Apply the layers ``names`` in the given order to ``x (B, ...)``; of a tuple, the first element goes on."""
        known = {} if switches is None else switches
        with self._precision(x.device.type):
            for name in names:
                x, given = self._run_layer(name, x, given, known), f'the output of layer "{name}"'
        return x if self.reduced_precision is None else x.float()

    def _precision(self, device: str) -> AbstractContextManager[object]:
        return nullcontext() if self.reduced_precision is None else torch.autocast(device, self.reduced_precision)

    def _run_layer(self, name: str, x: Tensor, given: str, switches: Switches) -> Tensor:
        layer = self.layer(name)
        function: Callable[..., Any] = layer
        if isinstance(layer, nn.MultiheadAttention):
            function = partial(_attend_to_itself, layer)
        elif name in self.unpooling:
            function = partial(layer, **self._where_maxima_stood(name, switches))
        elif name in self._switching:
            function = partial(_pool, layer, LayerPlace(self.name, name), switches)
        return self._applied(f'layer "{name}"', function, x, given, name)

    def _where_maxima_stood(self, name: str, switches: Switches) -> dict[str, Any]:
        """Return the arguments of an unpooling layer beside its input."""
        place = self.unpooling[name]
        if place not in switches:
            raise MappingError(
                self.name,
                f'layer "{name}" puts values back where layer "{place.layer}" of mapping "{place.mapping}" found its '
                f"maxima, but what it gets did not come through that layer: only features of samples can be decoded, "
                f"not centroids or mixtures",
            )
        return {"indices": switches[place].indices, "output_size": switches[place].size}

    def _applied(self, what: str, function: Callable[..., Any], x: Tensor, given: str, layer: str = "") -> Tensor:
        try:
            return first_tensor(function(x))
        except _NOT_THE_FILE:
            raise
        except _MISFITS as error:
            written = f", {_shortened(str(self.layer(layer)))}," if layer else ""
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise MappingError(
                self.name,
                f"{what}{written} cannot take {given}, "
                f"which has the shape {tuple(x.shape)} with the batch first: {reason[0]}",
                layer,
            ) from error


def _shortened(text: str) -> str:
    """Return what torch writes of a layer, in one line that is not too long."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}...)"


def _attend_to_itself(layer: nn.Module, x: Tensor) -> Any:
    """Return what attention makes of one input as queries, keys and values."""
    return layer(x, x, x)


def _pool(layer: nn.Module, place: LayerPlace, switches: Switches, x: Tensor) -> Tensor:
    """Return the maxima, and note where they stood."""
    pooled, indices = layer(x)
    switches[place] = Switch(indices, tuple(x.shape[2:]))
    maxima: Tensor = pooled
    return maxima


def first_tensor(output: Any) -> Tensor:
    """Return the output itself, or the first element of what recurrent and attention layers return."""
    while isinstance(output, (tuple, list)):
        output = output[0]
    if not isinstance(output, torch.Tensor):
        raise TypeError(f"it returned {type(output).__name__}, not a tensor")
    return output
