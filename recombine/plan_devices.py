"""Where a plan tries networks out: on the meta device, which knows shapes alone, or on the CPU where that is faster.

Torch unrolls recurrent layers on the meta device, step by step in Python, which takes minutes where the CPU takes
seconds. There they get a stand-in: what it makes has the right shape, and depends on all that the layer's output does.
"""

from collections.abc import Iterable
from functools import partial
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from recombine.build import build_mappings
from recombine.config import MethodConfig
from recombine.errors import MappingError

CPU, META = torch.device("cpu"), torch.device("meta")
#: Up to so many numbers in the parameters, and in a sample, a small batch takes the CPU less time than it takes meta.
_FEW_PARAMETERS, _SMALL_SAMPLE = 2_000_000, 4096
_SETS = 3


def first_device(config: MethodConfig, samples: Iterable[tuple[int, ...]]) -> torch.device:
    """Return where the networks of a method are tried out first.

    Args:
        config: The method.
        samples: Shapes of a sample of its datasets.
    """
    shapes = list(samples)
    if not shapes or max(map(prod, shapes)) > _SMALL_SAMPLE:
        return META
    try:
        with META:
            mappings = build_mappings(config, shapes[0])
    except MappingError:
        return CPU
    own = [p for mapping in mappings.values() for p in mapping.parameters() if not is_lazy(p)]
    return CPU if sum(p.numel() for p in own) <= _FEW_PARAMETERS else META


def stand_in_for_recurrent_layers(network: nn.Module) -> list[int]:
    """Replace what LSTM layers compute, in networks that are used for nothing but their shapes.

    Returns:
        A list that grows by a number with each pass through such a layer: the operations that torch would count.
    """
    flops: list[int] = []
    for module in network.modules():
        if isinstance(module, nn.LSTM) and module.batch_first and not module.proj_size:
            module.forward = partial(_shapes_of_lstm, module, flops)  # type: ignore[method-assign, assignment]
    return flops


def _shapes_of_lstm(layer: nn.LSTM, flops: list[int], x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Return what an LSTM makes of ``(B, n, D)``, without the numbers."""
    if x.ndim != _SETS or x.shape[-1] != layer.input_size:
        raise RuntimeError(f"an LSTM for {layer.input_size} features cannot take {tuple(x.shape)}")
    directions, width = 2 if layer.bidirectional else 1, layer.hidden_size
    flops.append(lstm_flops(layer, x.shape[0] * x.shape[1]))
    link = x.sum() + sum(parameter.sum() for parameter in layer.parameters())
    state = link.expand(directions * layer.num_layers, x.shape[0], width)
    return link.expand(*x.shape[:2], directions * width), (state, state)


def lstm_flops(layer: nn.LSTM, steps: int) -> int:
    """Return the operations of an LSTM without projection: its products with weights, each two for every number.

    Args:
        layer: The layer.
        steps: Objects that it reads, of all sets of a batch.
    """
    weights = sum(p.numel() for name, p in layer.named_parameters() if name.startswith("weight_"))
    return 2 * weights * steps


def prepare_for_shapes(network: nn.Module) -> None:
    """Prepare networks that are tried out without numbers."""
    stand_in_for_recurrent_layers(network)
