"""Mappings: the trainable networks of a method."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from recombine.errors import NetworkError

SOFTMAX_LAYERS = (nn.Softmax, nn.LogSoftmax)
_BATCH_STATISTICS = (nn.modules.batchnorm._BatchNorm,)

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
    def has_batch_statistics(self) -> bool:
        """Whether some layer mixes the samples of a batch, so that views must not be concatenated."""
        return any(isinstance(module, _BATCH_STATISTICS) for module in self.modules())

    def layer(self, name: str) -> nn.Module:
        """Return the layer called ``name``; KeyError when there is none."""
        if name not in self.layer_names:
            raise KeyError(name)
        return self.layers[self.layer_names.index(name)]

    def forward(self, x: Tensor) -> Tensor:
        """Map a batch ``(B, ...)`` to outputs ``(B, ...)``."""
        return self.finish(self.run_layers(self.prepare(x), self.layer_names))

    def logits(self, x: Tensor) -> Tensor:
        """Map a batch ``(B, ...)`` to logits ``(B, K)``: every layer but the softmax layer, no post-processing."""
        return self.run_layers(self.prepare(x), [name for name in self.layer_names if name != self.softmax_layer])

    def prepare(self, x: Tensor) -> Tensor:
        """Apply the pre-processing functions to a batch ``(B, ...)``."""
        for function in self.pre_processing:
            x = function(x)
        return x

    def finish(self, x: Tensor) -> Tensor:
        """Apply the post-processing functions to an output ``(B, ...)``."""
        for function in self.post_processing:
            x = function(x)
        return x

    def run_layers(self, x: Tensor, names: Sequence[str]) -> Tensor:
        """Apply the layers ``names`` in the given order to ``x (B, ...)``; of a tuple, the first element goes on."""
        previous = "the input"
        for name in names:
            try:
                y = first_tensor(self.layer(name)(x))
            except torch.OutOfMemoryError:
                raise
            except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as error:
                raise NetworkError(self._misfit(name, previous, x, error)) from error
            x, previous = y, f'the output of layer "{name}"'
        return x

    def _misfit(self, name: str, previous: str, x: Tensor, error: Exception) -> str:
        layer = " ".join(str(self.layer(name)).split())
        reason = str(error).strip().splitlines() or [type(error).__name__]
        return (
            f'mapping "{self.name}": layer "{name}", {layer}, cannot take {previous}, '
            f"which has the shape {tuple(x.shape)} with the batch first: {reason[0]}"
        )


def first_tensor(output: Any) -> Tensor:
    """Return the output itself, or the first element of what recurrent and attention layers return."""
    while isinstance(output, (tuple, list)):
        output = output[0]
    if not isinstance(output, torch.Tensor):
        raise TypeError(f"a layer returned {type(output).__name__}, not a tensor")
    return output
