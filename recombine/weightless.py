"""Networks whose parameters hold no numbers: what fits together is found without the work.

Parameters lie on torch's meta device, which knows shapes alone. Each layer finds out there, once, what it makes of
inputs of a shape; to the rest of the program it answers with made numbers of that shape, which cost nothing either.
"""

from collections.abc import Callable, Hashable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from recombine.mapping import Mapping

WEIGHTLESS = torch.device("meta")
_BATCHED = 3
_FILLING = (Tensor.uniform_, Tensor.normal_, Tensor.fill_, Tensor.zero_)
#: Answers up to this many numbers are random ones; of larger ones all numbers are the same, which takes no memory.
_MOST_NUMBERS = 2**10
_ANY_NUMBER = 0.5
#: What layers answer, as tensors on the meta device, by what they are and then by what they get.
_ANSWERS: dict[Hashable, dict[Hashable, Any]] = {}
#: Attributes of layers that say nothing about shapes.
_NOT_ITS_OWN = ("training", "forward", "_parameters", "_buffers", "_modules")
_PLAIN = (bool, int, float, str, tuple, list, torch.dtype, type(None))


class Building(TorchFunctionMode):
    """While layers are built on the meta device: what would fill their parameters with numbers does nothing.

    torch works these functions out in Python there, which takes longer than all the rest.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Return the tensor that was to be filled as it is, and the result of any other function."""
        del types
        return args[0] if func in _FILLING else func(*args, **(kwargs or {}))


def lighten(mappings: Iterable[Mapping]) -> None:
    """Let every layer of mappings whose parameters are on the meta device answer as this module says."""
    for layer in (layer for mapping in mappings for layer in mapping.layers):
        for inner in layer.modules():
            if isinstance(inner, nn.RNNBase):
                object.__setattr__(inner, "forward", partial(_recurrent, inner))
        object.__setattr__(layer, "forward", _Light(layer))


def made(shape: Iterable[int], dtype: torch.dtype = torch.float32) -> Tensor:
    """Return a tensor of a shape with some numbers in [0, 1)."""
    shape = torch.Size(shape)
    if not dtype.is_floating_point:
        return torch.zeros(shape, dtype=dtype)
    if shape.numel() <= _MOST_NUMBERS:
        return torch.rand(shape, dtype=dtype)
    return torch.full((), _ANY_NUMBER, dtype=dtype).expand(shape)


class _Light:
    """The forward pass of a layer, of which only the shapes are computed.

    Args:
        layer: The layer.
    """

    def __init__(self, layer: nn.Module) -> None:
        self._layer = layer
        self._run: Callable[..., Any] = layer.forward
        self._parameters: list[nn.Parameter] | None = None
        likeness = _likeness(layer)
        self._known: dict[Hashable, Any] = {} if likeness is None else _ANSWERS.setdefault(likeness, {})

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Return made tensors of the shapes of the layer's outputs; they depend on its inputs and parameters."""
        key = self._layer.training, _key((inputs, named))
        if key not in self._known:
            shapes = _mapped(_on_meta, (inputs, named))
            with torch.no_grad():
                self._known[key] = self._run(*shapes[0], **shapes[1])
        if self._parameters is None:  # Lazy layers have them from their first input on.
            self._parameters = list(self._layer.parameters())
        given = [x for x in (*inputs, *named.values()) if isinstance(x, Tensor)] + self._parameters
        return _mapped(lambda shape: _Answer.apply(shape, *given), self._known[key])  # type: ignore[no-untyped-call]


class _Answer(torch.autograd.Function):
    """A made tensor that depends on others in an unknown way."""

    @staticmethod
    def forward(ctx: Any, shape: Tensor, *given: Tensor) -> Tensor:
        """Return numbers in the shape and type of a tensor."""
        ctx.save_for_backward(*given)
        answer = made(shape.shape, shape.dtype)
        if not shape.dtype.is_floating_point:
            ctx.mark_non_differentiable(answer)
        return answer

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return some gradients."""
        del gradients
        # Not by empty_like: on the meta device torch computes it in Python.
        return None, *(torch.empty(x.shape, dtype=x.dtype, device=x.device) for x in ctx.saved_tensors)


def _likeness(layer: nn.Module) -> Hashable:
    """Return what is the same of layers that make the same shapes of the same inputs; None where that is not known."""
    own = {key: value for key, value in vars(layer).items() if key not in _NOT_ITS_OWN and not key.endswith("_hooks")}
    if not all(isinstance(value, _PLAIN) for key, value in own.items() if not key.startswith("_")):
        return None
    inner = [(name, _likeness(each)) for name, each in layer.named_children()]
    if any(likeness is None for _, likeness in inner):
        return None
    tensors = [*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)]
    sizes = [(name, None if is_lazy(each) else each.shape, each.dtype) for name, each in tensors]
    return type(layer), str(own), tuple(sizes), tuple(inner)


def _mapped(function: Callable[[Tensor], Any], value: Any) -> Any:
    """Return the same nest of tuples, lists and objects with ``function`` applied to all tensors in it."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, (tuple, list)):
        return type(value)(_mapped(function, each) for each in value)
    if isinstance(value, dict):
        return {key: _mapped(function, each) for key, each in value.items()}
    return value


def _key(value: Any) -> Hashable:
    """Return what tells a nest of tuples, lists and objects from others, of its tensors their shapes and types."""
    if isinstance(value, Tensor):
        return value.shape, value.dtype
    if isinstance(value, (tuple, list)):
        return tuple(map(_key, value))
    return tuple((name, _key(each)) for name, each in value.items()) if isinstance(value, dict) else str(value)


def _on_meta(x: Tensor) -> Tensor:
    return torch.empty(x.shape, dtype=x.dtype, device=WEIGHTLESS)


def _recurrent(layer: nn.RNNBase, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
    """Return outputs ``(B, T, D)`` and last states of the shapes that a recurrent layer gives them.

    torch would go through every time step, on the meta device as well.

    Raises:
        RuntimeError: The input does not fit the layer.
        ValueError: Likewise.
    """
    del state
    layer.check_input(x if x.ndim == _BATCHED else x.unsqueeze(0), None)
    directions = 2 if layer.bidirectional else 1
    size = layer.proj_size or layer.hidden_size
    batch = x.shape[:-2] if x.ndim < _BATCHED else (x.shape[0 if layer.batch_first else 1],)
    output = x.new_empty(*x.shape[:-1], size * directions)
    last = x.new_empty(layer.num_layers * directions, *batch, size)
    if not isinstance(layer, nn.LSTM):
        return output, last
    return output, (last, x.new_empty(layer.num_layers * directions, *batch, layer.hidden_size))
