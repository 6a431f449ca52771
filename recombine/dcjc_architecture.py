"""Autoencoders in the format of Clustering with Deep Learning (Aljalbout et al., arXiv 1801.07648) as layers of torch.

Only the encoder is described; the decoder is its mirror image by the rules of that format:

- ``MaxPool2D*`` becomes an unpooling that puts values back where the maxima of the same pass stood, ``MaxPool2D`` a
  repetition of values.
- ``Conv2D`` becomes a transposed convolution with the same filters, to as many channels as the convolution got, and
  with the same non-linearity; of the decoder's last layer it is the output non-linearity.
- ``Dense`` becomes a Dense with as many units and the same non-linearity, the bottleneck nothing. Before the first one
  of the encoder stood an image, so what mirrors it must have as many units as that image has values.
- Batch normalisation stands behind every convolution of either kind but the last one of the decoder.

Weights start by Glorot and Bengio 2010 (uniform), biases at 0.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from recombine.mirror import MIRROR
from recombine.problems import Finding

JsonObject = dict[str, Any]
Shape = tuple[int, int, int]

_BATCH_NORM: JsonObject = {"eps": 1e-4, "momentum": 0.1}
_NON_LINEARITIES = {"rectify": "ReLU", "elu": "ELU"}
_POOLS = ("MaxPool2D", "MaxPool2D*")
_FLAT_NAME = "fc"


class ArchitectureError(Exception):
    """Layers of an architecture do not fit, or it cannot be mirrored; ``finding`` says what, and where in it."""

    def __init__(self, code: str, message: str, remedy: str, pointer: str) -> None:
        super().__init__(message)
        self.finding = Finding(code, message, remedy, pointer)


@dataclass(frozen=True)
class Stage:
    """A layer of an architecture with the shapes ``(C, H, W)`` of what it gets and of what it makes.

    Attributes:
        position: Its position in the list of layers.
        block: The layer as the architecture describes it.
        given: The shape of a sample before it.
        made: The shape of a sample after it; after a Dense, ``(1, 1, units)``.
    """

    position: int
    block: JsonObject
    given: Shape
    made: Shape

    @property
    def type(self) -> str:
        """The type of the layer."""
        kind: str = self.block["type"]
        return kind

    @property
    def place(self) -> str:
        """The pointer of the layer in its architecture."""
        return f"/layers/{self.position}"

    def layer(self, kind: str, of: str = "", **arguments: Any) -> JsonObject:
        """Return a layer of torch.nn that belongs to this one, named by its type, or that of another, and the position.

        Args:
            kind: Its class.
            of: The class by which it is called, where that is another.
            arguments: Its arguments.
        """
        return {"type": kind, "name": f"{of or kind}_{self.position}", "positional_arguments": [], **arguments}


class Architecture:
    """An autoencoder.

    Args:
        block: It, as its file describes it, with every default spelt out; the schema found no fault with it.

    Raises:
        ArchitectureError: Its layers do not fit, or have no mirror image.

    Attributes:
        name: Its name.
        batch_size: The number of samples in a batch that it was made for.
        is_flat: Whether samples are flat.
        stages: The layers after Input.
        output_non_linearity: The layer of torch.nn behind the last layer of its decoder, or None.
    """

    def __init__(self, block: JsonObject) -> None:
        self._block = block
        self.name: str = block["name"]
        self.batch_size: int = block["batch_size"]
        self.is_flat = is_flat(block)
        self.stages = list(stages(block["layers"], self.is_flat))
        check_ends(self.stages)
        self.output_non_linearity = _output_non_linearity(block, self.stages[0])
        self._normalises = bool(block["use_batch_norm"])

    def encoder(self) -> list[JsonObject]:
        """Return the encoder's layers."""
        first = self.stages[0]
        layers: list[JsonObject] = [{"type": "Flatten", "name": "Flatten_0", "positional_arguments": []}]
        if first.type != "Dense":
            # Samples of another size are refused here, and flat ones become images.
            shape = list(first.given)
            layers += [{**layers[0], "type": "Unflatten", "name": "Input_0", "dim": 1, "unflattened_size": shape}]
        for before, stage in zip([None, *self.stages], self.stages, strict=False):
            if stage.type == "Dense" and before is not None and before.type != "Dense":
                layers.append(stage.layer("Flatten"))
            layers += self._encoding(stage)
        return layers

    def decoder(self, encoder_name: str, output: JsonObject | None) -> list[JsonObject]:
        """Return the decoder's layers.

        Args:
            encoder_name: What the mapping with the encoder is called.
            output: The layer of torch.nn at its end, or None.
        """
        layers = [layer for stage in reversed(self.stages) for layer in self._decoding(stage, encoder_name)]
        named = [{**layer, "name": f"{MIRROR}{layer['name']}"} for layer in layers]
        return [*named, *([output] if output is not None else [])]

    def _encoding(self, stage: Stage) -> Iterator[JsonObject]:
        if stage.type == "Conv2D":
            channels: JsonObject = {"in_channels": stage.given[0], "out_channels": stage.made[0]}
            yield stage.layer("Conv2d", **channels, **_filters(stage.block), bias=not self._normalises)
            yield from self._normalisation(stage, stage.made[0])
        elif stage.type == "Dense":
            yield stage.layer("Linear", in_features=math.prod(stage.given), out_features=stage.made[2])
        else:
            switches: JsonObject = {"return_indices": True} if stage.type == "MaxPool2D*" else {}
            yield stage.layer("MaxPool2d", kernel_size=stage.block["filter_size"], **switches)
        yield from _non_linearity(stage)

    def _decoding(self, stage: Stage, encoder_name: str) -> Iterator[JsonObject]:
        if stage.type == "Conv2D":
            yield from self._decoding_convolution(stage)
        elif stage.type == "Dense":
            yield from self._decoding_dense(stage)
        elif stage.type == "MaxPool2D*":
            pool = {"pooling_mapping_name": encoder_name, "pooling_layer_name": f"MaxPool2d_{stage.position}"}
            yield stage.layer("MaxUnpool2d", of="MaxPool2d", kernel_size=stage.block["filter_size"], **pool)
        else:
            size = list(stage.given[1:])
            # This mode repeats each value exactly; rounding of the scale can shift those of "nearest".
            yield stage.layer("Upsample", of="MaxPool2d", size=size, mode="nearest-exact")

    def _decoding_convolution(self, stage: Stage) -> Iterator[JsonObject]:
        is_last = stage is self.stages[0]
        arguments: JsonObject = {"in_channels": stage.made[0], "out_channels": stage.given[0], **_filters(stage.block)}
        yield stage.layer("ConvTranspose2d", of="Conv2d", **arguments, bias=is_last or not self._normalises)
        if not is_last:
            yield from self._normalisation(stage, stage.given[0])
            yield from _non_linearity(stage)

    def _decoding_dense(self, stage: Stage) -> Iterator[JsonObject]:
        if stage is self.stages[-1]:
            return
        at = self.stages.index(stage)
        yield stage.layer("Linear", in_features=self.stages[at + 1].made[2], out_features=stage.made[2])
        if at > 0:
            yield from _non_linearity(stage)
        if at > 0 and self.stages[at - 1].type != "Dense":
            yield stage.layer("Unflatten", of="Flatten", dim=1, unflattened_size=list(stage.given))

    def _normalisation(self, stage: Stage, channels: int) -> Iterator[JsonObject]:
        if self._normalises:
            yield stage.layer("BatchNorm2d", num_features=channels, **_BATCH_NORM)


def initialization(layers: Sequence[JsonObject]) -> list[JsonObject]:
    """Return how layers start: weights by Glorot's uniform distribution, biases at 0."""
    weighted = [layer for layer in layers if layer["type"] in ("Conv2d", "ConvTranspose2d", "Linear")]
    biased = [layer["name"] for layer in weighted if layer.get("bias", True)]
    weights = {"layer_names": [layer["name"] for layer in weighted], "weight_type": "weight", "type": "xavier_uniform"}
    biases = {"layer_names": biased, "weight_type": "bias", "type": "zeros"}
    return [weights, *([biases] if biased else [])]


def is_flat(block: JsonObject) -> bool:
    """Tell whether samples are flat: the type of the network says so, or else its name."""
    if "network_type" in block:
        return bool(block["network_type"] == "AE")
    return re.split("[_-]", block["name"])[0] == _FLAT_NAME


def stages(layers: Sequence[JsonObject], flat: bool) -> Iterator[Stage]:
    """Yield the layers after Input with their shapes.

    Args:
        layers: The layers.
        flat: Whether samples are flat.

    Raises:
        ArchitectureError: A layer cannot follow the one before it.
    """
    first = layers[0]
    if first["type"] != "Input":
        raise ArchitectureError("RC503", "the first layer must be Input", "", "/layers/0/type")
    channels, height, width = first["output_shape"]
    shape: Shape = (1, 1, width) if flat else (channels, height, width)
    for position, block in enumerate(layers[1:], 1):
        place, before = f"/layers/{position}", layers[position - 1]["type"]
        if block["type"] == "Input":
            raise ArchitectureError("RC503", "Input stands a second time", "Remove it.", f"{place}/type")
        if block["type"] != "Dense" and (flat or before == "Dense"):
            reason = "a flat network" if flat else "a Dense"
            message = f"{block['type']} needs images, and {reason} has none"
            raise ArchitectureError("RC503", message, "", f"{place}/type")
        made = _made(block, shape, place)
        yield Stage(position, block, shape, made)
        shape = made


def check_ends(found: Sequence[Stage]) -> None:
    """Check what the mirror image hangs on: the bottleneck, and the size of the first Dense.

    Raises:
        ArchitectureError: There is no bottleneck, or the first Dense has another size than what it gets.
    """
    if not found or found[-1].type in _POOLS:
        message = "there is no bottleneck: the last layer must be a Conv2D or a Dense"
        raise ArchitectureError("RC503", message, "Add one.", found[-1].place if found else "/layers")
    dense = next((stage for stage in found if stage.type == "Dense"), None)
    size = math.prod(dense.given) if dense is not None else 0
    if dense is found[-1]:
        message = f"the bottleneck is the only Dense, and its mirror image could not restore {_described(found[-1])}"
        raise ArchitectureError("RC503", message, f"Put a Dense of {size} units before it.", found[-1].place)
    if dense is not None and dense.made[2] != size:
        message = f"the first Dense has {dense.made[2]} units, and its mirror image could not restore "
        remedy = f"Write {size}, or put a Dense of {size} units before it."
        raise ArchitectureError("RC503", message + _described(dense), remedy, f"{dense.place}/num_units")


def _described(dense: Stage) -> str:
    """Return in words what a Dense gets."""
    size = math.prod(dense.given)
    factors = " x ".join(str(extent) for extent in dense.given if extent > 1)
    return f"the {size} values that it gets" + (f" ({factors})" if factors != str(size) else "")


def _made(block: JsonObject, given: Shape, place: str) -> Shape:
    """Return the shape that a layer makes of a shape."""
    if block["type"] == "Dense":
        return (1, 1, block["num_units"])
    channels, height, width = given
    size = block["filter_size"]
    if block["type"] in _POOLS:
        rest = [extent % own for extent, own in zip((height, width), size, strict=True)]
        if any(rest) and block["type"] == "MaxPool2D":
            message = f"{size[0]} x {size[1]} does not divide {height} x {width}, and repetition could not restore it"
            remedy = 'Write "MaxPool2D*", whose mirror image restores any size.'
            raise ArchitectureError("RC503", message, remedy, f"{place}/filter_size")
        made = (channels, height // size[0], width // size[1])
    elif block["conv_mode"] == "same":
        if any(own % 2 == 0 for own in size):
            message = f'"same" keeps the size only with filters of odd size, not {size[0]} x {size[1]}'
            raise ArchitectureError("RC503", message, "", f"{place}/filter_size")
        made = (block["num_filters"], height, width)
    else:
        made = (block["num_filters"], height - size[0] + 1, width - size[1] + 1)
    if min(made) < 1:
        message = f"{size[0]} x {size[1]} is larger than the {height} x {width} that reach the layer"
        raise ArchitectureError("RC503", message, "", f"{place}/filter_size")
    return made


def _filters(block: JsonObject) -> JsonObject:
    """Return the size of a convolution's filters, and the padding of either kind of convolution that goes with it."""
    size = block["filter_size"]
    return {"kernel_size": size, "padding": [own // 2 if block["conv_mode"] == "same" else 0 for own in size]}


def _non_linearity(stage: Stage) -> Iterator[JsonObject]:
    kind = _NON_LINEARITIES.get(stage.block.get("non_linearity", ""))
    if kind is not None:
        yield stage.layer(kind)


def _output_non_linearity(block: JsonObject, first: Stage) -> JsonObject | None:
    """Return the layer of torch.nn at the decoder's end, or None."""
    word = block.get("output_non_linearity", first.block.get("non_linearity"))
    if word is None:
        message = f'"output_non_linearity" is missing, and the first layer, {first.type}, has no non-linearity either'
        raise ArchitectureError("RC102", message, 'Add "output_non_linearity".', "")
    kind = _NON_LINEARITIES.get(word)
    return {"type": kind, "name": "output_non_linearity", "positional_arguments": []} if kind is not None else None
