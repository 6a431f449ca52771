"""Mappings: the trainable networks of a method."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from recombine.errors import MappingError

SOFTMAX_LAYERS = (nn.Softmax, nn.LogSoftmax)
THE_INPUT = "the input"
_NOT_THE_FILE = (torch.OutOfMemoryError, torch.AcceleratorError)
_MISFITS = (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError, AssertionError)

TensorFunction = Callable[[Tensor], Tensor]


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

    Attributes:
        reduced_precision: The type in which the layers compute, or None: that of their parameters. Outputs are then
            float32.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        layers: Sequence[tuple[str, nn.Module]],
        pre_processing: Sequence[TensorFunction] = (),
        post_processing: Sequence[TensorFunction] = (),
        softmax_layer: str | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.kind = kind
        self.layers = nn.ModuleList(layer for _, layer in layers)
        self.layer_names = [layer_name for layer_name, _ in layers]
        self.pre_processing = list(pre_processing)
        self.post_processing = list(post_processing)
        self.softmax_layer = softmax_layer
        self.prior: Mapping | None = None
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

    def forward(self, x: Tensor, given: str = THE_INPUT) -> Tensor:
        """Map a batch ``(B, ...)`` to outputs ``(B, ...)``; messages call the batch ``given``.

        Raises:
            NetworkError: A layer or function cannot take what it gets; the message names both and the shape.
        """
        return self.finish(self.run_layers(self.prepare(x), self.layer_names, given))

    def logits(self, x: Tensor, given: str = THE_INPUT) -> Tensor:
        """Map a batch ``(B, ...)`` to logits ``(B, K)``: every layer but the softmax layer, no post-processing.

        Raises:
            NetworkError: As :meth:`forward`.
        """
        return self.run_layers(self.prepare(x), [n for n in self.layer_names if n != self.softmax_layer], given)

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

    def run_layers(self, x: Tensor, names: Sequence[str], given: str = THE_INPUT) -> Tensor:
        """Apply the layers ``names`` in the given order to ``x (B, ...)``; of a tuple, the first element goes on."""
        with self._precision(x.device.type):
            for name in names:
                x, given = self._applied(f'layer "{name}"', self.layer(name), x, given), f'the output of layer "{name}"'
        return x if self.reduced_precision is None else x.float()

    def _precision(self, device: str) -> AbstractContextManager[object]:
        return nullcontext() if self.reduced_precision is None else torch.autocast(device, self.reduced_precision)

    def _applied(self, what: str, function: Callable[..., Any], x: Tensor, given: str) -> Tensor:
        try:
            # Attention takes queries, keys and values: of one input, self-attention.
            return first_tensor(function(x, x, x) if isinstance(function, nn.MultiheadAttention) else function(x))
        except _NOT_THE_FILE:
            raise
        except _MISFITS as error:
            written = f", {' '.join(str(function).split())}," if isinstance(function, nn.Module) else ""
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise MappingError(
                self.name,
                f"{what}{written} cannot take {given}, "
                f"which has the shape {tuple(x.shape)} with the batch first: {reason[0]}",
            ) from error


def first_tensor(output: Any) -> Tensor:
    """Return the output itself, or the first element of what recurrent and attention layers return."""
    while isinstance(output, (tuple, list)):
        output = output[0]
    if not isinstance(output, torch.Tensor):
        raise TypeError(f"it returned {type(output).__name__}, not a tensor")
    return output
