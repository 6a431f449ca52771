"""The operations of recurrent layers, which torch would count by going through every step on the meta device."""

from functools import partial

from torch import Tensor, nn

_SETS = 3


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
