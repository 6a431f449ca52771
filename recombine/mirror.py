"""The decoder that is an encoder's mirror image.

Which layers it has follows from the encoder's layers alone (:func:`outline`), their sizes from a pass through the
encoder (:func:`traced`, :func:`mirrored`).

- Layers with weights are turned round: Linear to Linear, a convolution to a transposed one whose padding and output
  padding restore the size that the convolution got. Weights are untied.
- A normalisation or activation stands behind the mirror image of the layer with weights that came after it: there, as
  many channels come out as went into it. What follows the last layer with weights is left out, as the decoder takes
  features as they are. The decoder's end has no normalisation, and an activation only if the file names one.
- A layer before a batch normalisation has no bias, which that would subtract.
- A ``MaxPool`` that returns indices becomes an unpooling that puts values back where the maxima of the same pass stood,
  any other pooling a repetition of each value; both come after normalisation and activation.
- ``Flatten`` becomes ``Unflatten``, and the other way round. Dropout is left out: it keeps an encoder from relying on
  single inputs, and a decoder has all of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import nn

from recombine.config import Block, MappingConfig
from recombine.errors import MappingError
from recombine.mapping import Mapping, Switches

#: With the name of a layer behind it, the name of its mirror image.
MIRROR = "mirror_of_"

Sizes = tuple[int, ...]
Layers = Sequence[tuple[str, nn.Module]]

_PROBE_SAMPLES = 2
_MOST_DIMENSIONS = 3
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_SHAPE_NORMS = (nn.LayerNorm, nn.RMSNorm)
_MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
_ADAPTIVE_AVERAGES = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
_ADAPTIVE_POOLS = (*_ADAPTIVE_AVERAGES, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
_AVERAGE_POOLS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
_NO_ACTIVATIONS = (nn.GLU, nn.MultiheadAttention)
#: What becomes of the layers of each class; the first that fits counts.
_KINDS: tuple[tuple[str, tuple[type[nn.Module], ...]], ...] = (
    ("weights", (nn.Linear, *_CONVOLUTIONS)),
    ("normalisation", (*_BATCH_NORMS, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.GroupNorm)),
    ("normalisation", _SHAPE_NORMS),
    ("pooling", (*_MAX_POOLS, *_AVERAGE_POOLS, *_ADAPTIVE_POOLS)),
    ("turn", (nn.Flatten, nn.Unflatten)),
    ("left out", (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)),
    ("left out", (nn.AlphaDropout, nn.FeatureAlphaDropout)),
)
_STAGE = ("normalisation", "activation")


class MirrorError(Exception):
    """A layer has no mirror image.

    Args:
        layer: The layer's name, or an empty string where it is about all of them.
        reason: Why not.
        remedy: What to write instead, or an empty string.
    """

    def __init__(self, layer: str, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.layer, self.reason, self.remedy = layer, reason, remedy


@dataclass(frozen=True)
class Part:
    """A layer of a decoder whose sizes are not known yet.

    Attributes:
        kind: ``weights``, ``crop``, ``normalisation``, ``activation``, ``pooling`` or ``turn``.
        layer: The name of the encoder's layer that it mirrors.
        module: That layer.
        has_bias: Whether it has a bias, if it has weights.
    """

    kind: str
    layer: str
    module: nn.Module
    has_bias: bool = True

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{MIRROR}{self.layer}{'_crop' if self.kind == 'crop' else ''}"


class Passage(NamedTuple):
    """The sizes, without batch dimension, of what a layer got and of what it made of it."""

    given: Sizes
    made: Sizes


def is_activation(module: nn.Module) -> bool:
    """Tell whether a layer changes values and not shapes."""
    return type(module).__module__ == "torch.nn.modules.activation" and not isinstance(module, _NO_ACTIVATIONS)


def outline(layers: Layers) -> list[Part]:
    """Return the layers of the mirror image of an encoder, in order, without what stands at its very end.

    Args:
        layers: The encoder's layers with their names.

    Raises:
        MirrorError: A layer has no mirror image.
    """
    segments: list[list[Part]] = [[]]
    weights: list[Part] = []
    for name, module in layers:
        part = Part(_kind(name, module), name, module)
        if part.kind == "weights":
            weights.append(part)
            segments.append([])
        elif part.kind != "left out":
            segments[-1].append(part)
    if not weights:
        raise MirrorError("", "it has no bottleneck: no Linear and no convolution", "Add one.")
    parts = _without_stage(_behind(segments[-1]))
    for i in reversed(range(len(weights))):
        behind = _behind(segments[i]) if i > 0 else _without_stage(_behind(segments[i]))
        had_bias = getattr(weights[i].module, "bias", None) is not None or _is_normalised(segments[i + 1])
        parts += [replace(weights[i], has_bias=had_bias and not _is_normalised(behind)), *_crop(weights[i]), *behind]
    _check_names(parts)
    return parts


def traced(encoder: Mapping, sample_shape: Sizes) -> dict[str, Passage]:
    """Pass zeros through what feeds an encoder and through its layers, and return the sizes at each layer, by name.

    Args:
        encoder: The network, whose prior mappings are linked.
        sample_shape: Shape of a sample, without the batch dimension.

    Raises:
        MappingError: A layer does not fit the one before it.
    """
    x, given = torch.zeros(_PROBE_SAMPLES, *sample_shape), "a sample"
    switches: Switches = {}
    found: dict[str, Passage] = {}
    with torch.no_grad():
        for link in encoder.chain()[:-1]:
            x, given = link.eval()(x, given, switches), link.output_in_words
            link.train()
        x = encoder.eval().prepare(x)
        for name in encoder.layer_names:
            before, x = x, encoder.run_layers(x, [name], given, switches)
            found[name] = Passage(tuple(before.shape[1:]), tuple(x.shape[1:]))
            given = f'the output of layer "{name}"'
        encoder.train()
    return found


def mirrored(decoder: MappingConfig, config: MappingConfig, encoder: Mapping, sample_shape: Sizes) -> MappingConfig:
    """Return a mapping that mirrors an encoder, with its layers.

    Args:
        decoder: The mapping.
        config: The encoder's configuration.
        encoder: The encoder.
        sample_shape: Shape of a sample, without the batch dimension.

    Raises:
        MappingError: A layer has no mirror image, or one of another size.
    """
    passages = traced(encoder, sample_shape)
    blocks = {block["name"]: block for block in config.layers}
    try:
        parts = outline([(name, encoder.layer(name)) for name in encoder.layer_names])
        layers = [_block(part, passages[part.layer], blocks[part.layer], encoder.name) for part in parts]
    except MirrorError as error:
        layer = f'layer "{error.layer}" of ' if error.layer else ""
        message = f'it cannot mirror {layer}mapping "{encoder.name}": {error.reason}'
        raise MappingError(decoder.name, f"{message}. {error.remedy}".rstrip(". ")) from error
    output = decoder.output_non_linearity
    own = (*_initialization(config, layers), *decoder.layer_initialization)
    return replace(decoder, layers=(*layers, *([output] if output is not None else [])), layer_initialization=own)


def _kind(name: str, module: nn.Module) -> str:
    kind = next((kind for kind, classes in _KINDS if isinstance(module, classes)), None)
    if kind == "pooling":
        _check_pooling(name, module)
    if isinstance(module, nn.Flatten) and module.start_dim == 0:
        raise MirrorError(name, "it mixes the samples of a batch")
    if kind is None and not is_activation(module):
        remedy = 'Write the layers of a decoder in the place of "mirror_of".'
        raise MirrorError(name, f"{type(module).__name__} has no mirror image", remedy)
    return kind or "activation"


def _check_pooling(name: str, module: Any) -> None:
    returns_indices = getattr(module, "return_indices", False)
    if isinstance(module, _ADAPTIVE_POOLS):
        if None in _each(module.output_size) or returns_indices:
            reason = "it returns indices, which only MaxPool can" if returns_indices else "it has no definite size"
            raise MirrorError(name, reason, "Use a MaxPool or AvgPool.")
    elif returns_indices:
        windows = zip(_each(module.kernel_size), _each(module.stride), _each(module.dilation), strict=False)
        if any(stride < extent or dilation > 1 for extent, stride, dilation in windows):
            reason = "its windows overlap or have gaps, so that values could not be put back where the maxima stood"
            raise MirrorError(name, reason, 'Remove "return_indices": then values are repeated.')


def _each(value: Any) -> Sequence[Any]:
    """Return a setting of a layer for each dimension, of which there are at most three."""
    return (value,) * _MOST_DIMENSIONS if isinstance(value, int) or value is None else value


def _without_stage(parts: Sequence[Part]) -> list[Part]:
    return [part for part in parts if part.kind not in _STAGE]


def _behind(segment: Sequence[Part]) -> list[Part]:
    """Return what stands behind the mirror image of a layer with weights, given what came before that layer.

    Between two turns, the order of pooling is reversed, and what normalises and activates comes first, as it was.
    """
    turns = [i for i, part in enumerate(segment) if part.kind == "turn"]
    found: list[Part] = []
    for start, end in zip([0, *(i + 1 for i in turns)][::-1], [*turns, len(segment)][::-1], strict=True):
        group = segment[start:end]
        stage = [part for part in group if part.kind in _STAGE]
        _check_shape_norms(group)
        found += [*stage, *reversed(_without_stage(group)), *segment[max(start - 1, 0) : start]]
    return found


def _check_shape_norms(group: Sequence[Part]) -> None:
    pooled = [part.kind == "pooling" for part in group]
    for i, part in enumerate(group):
        if isinstance(part.module, _SHAPE_NORMS) and any(pooled[i:]):
            reason = "its mirror image stands before that of the pooling, where values have another shape"
            raise MirrorError(part.layer, reason, "Put it behind the pooling, or use GroupNorm.")


def _is_normalised(parts: Sequence[Part]) -> bool:
    first = next((part for part in parts if part.kind in _STAGE), None)
    return first is not None and isinstance(first.module, _BATCH_NORMS)


def _crop(part: Part) -> list[Part]:
    """Return what cuts off the value too many in an even-sized window with padding "same", which is not symmetric."""
    module: Any = part.module
    same = isinstance(module, _CONVOLUTIONS) and module.padding == "same"
    return [replace(part, kind="crop")] if same and any(total % 2 for total in _growth(module)) else []


def _growth(module: Any) -> list[int]:
    """Return by how much a transposed convolution without padding enlarges each dimension, at stride 1."""
    return [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]


def _check_names(parts: Sequence[Part]) -> None:
    names = [part.name for part in parts]
    for part in parts:
        if names.count(part.name) > 1:
            raise MirrorError(part.layer, f'two layers would be called "{part.name}"', "Rename it.")


def _block(part: Part, passage: Passage, block: Block, encoder: str) -> Block:
    """Return a layer of the decoder as a method file would describe it."""
    module: Any = part.module
    if part.kind in _STAGE:
        return {**block, "name": part.name}
    dtype = {"dtype": block["dtype"]} if "dtype" in block else {}
    if isinstance(module, nn.Linear):
        sizes = {"in_features": module.out_features, "out_features": module.in_features}
        found: dict[str, Any] = {"type": "Linear", **sizes, "bias": part.has_bias, **dtype}
    elif part.kind == "weights":
        found = {**_transposed(module, passage), "bias": part.has_bias, **dtype}
    elif part.kind == "crop":
        # Given from the last dimension to the first, at the start and at the end of each.
        ends = [padding for total in reversed(_growth(module)) for padding in (0, -(total % 2))]
        found = {"type": f"ZeroPad{len(ends) // 2}d", "padding": ends}
    elif part.kind == "pooling":
        found = _unpooling(part, passage, encoder)
    elif isinstance(module, nn.Flatten):
        start, end = module.start_dim % (len(passage.given) + 1), module.end_dim % (len(passage.given) + 1)
        found = {"type": "Unflatten", "dim": start, "unflattened_size": list(passage.given[start - 1 : end])}
    else:
        start = module.dim % (len(passage.given) + 1)
        found = {"type": "Flatten", "start_dim": start, "end_dim": start + len(module.unflattened_size) - 1}
    return {**found, "name": part.name}


def _transposed(module: Any, passage: Passage) -> dict[str, Any]:
    """Return the transposed convolution that restores what a convolution got.

    Along each dimension it makes ``(m - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1`` of m.
    """
    growth = _growth(module)
    padding = [total // 2 if module.padding == "same" else 0 for total in growth]
    padding = list(module.padding) if isinstance(module.padding, tuple) else padding
    missing = [0] * len(growth)
    if module.padding != "same":
        sizes = zip(passage.given[1:], passage.made[1:], module.stride, padding, growth, strict=True)
        missing = [given - ((made - 1) * stride - 2 * pad + total + 1) for given, made, stride, pad, total in sizes]
    return {
        "type": f"ConvTranspose{len(growth)}d",
        "in_channels": module.out_channels,
        "out_channels": module.in_channels,
        "kernel_size": list(module.kernel_size),
        "stride": list(module.stride),
        "padding": padding,
        "output_padding": missing,
        "groups": module.groups,
        "dilation": list(module.dilation),
    }


def _unpooling(part: Part, passage: Passage, encoder: str) -> dict[str, Any]:
    module: Any = part.module
    if getattr(module, "return_indices", False):
        windows = {"kernel_size": module.kernel_size, "stride": module.stride, "padding": module.padding}
        pool = {"pooling_mapping_name": encoder, "pooling_layer_name": part.layer}
        return {"type": type(module).__name__.replace("Pool", "Unpool"), **windows, **pool}
    given, made = passage.given[1:], passage.made[1:]
    factors = [wide // narrow for wide, narrow in zip(given, made, strict=True)]
    factors = factors if isinstance(module, _ADAPTIVE_POOLS) else list(_each(module.stride))[: len(made)]
    if tuple(narrow * factor for narrow, factor in zip(made, factors, strict=True)) != given:
        reason = f"it makes {_extent(made)} of {_extent(given)}, which repeating values cannot restore"
        remedy = 'A MaxPool with "return_indices": true can be mirrored at any size.'
        raise MirrorError(part.layer, reason, remedy)
    # This mode repeats each value exactly; rounding of the scale can shift those of "nearest".
    return {"type": "Upsample", "size": list(given), "mode": "nearest-exact"}


def _extent(sizes: Sizes) -> str:
    return " x ".join(map(str, sizes))


def _initialization(config: MappingConfig, layers: Sequence[Block]) -> list[Block]:
    """Return how the mirror images of layers start whose start the encoder's file says."""
    parameters = {block["name"]: ("weight", "bias") if block.get("bias", True) else ("weight",) for block in layers}
    found: list[Block] = []
    for block in config.layer_initialization:
        names = [f"{MIRROR}{name}" for name in block["layer_names"]]
        names = [name for name in names if block["weight_type"] in parameters.get(name, ())]
        found += [{**block, "layer_names": names}] if names else []
    return found
