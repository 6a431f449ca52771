"""What can be said of mirror images and of unpooling before anybody knows the shape of a sample."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from recombine import factory, signatures
from recombine.complete import blocks, placed_blocks
from recombine.factory import FactoryError
from recombine.mirror import MirrorError, is_activation, outline
from recombine.problems import Finding
from recombine.subschemas import JsonObject


def output_findings(method: JsonObject) -> Iterator[Finding]:
    """Yield output non-linearities that are none."""
    for i, mapping in placed_blocks(method, "mappings"):
        block = mapping.get("output_non_linearity")
        module = _module(block) if isinstance(block, dict) else None
        if module is not None and not is_activation(module):
            message = f"{type(module).__name__} is no activation"
            yield Finding("RC106", message, 'Write for example "Sigmoid".', f"/mappings/{i}/output_non_linearity/type")


def mirror_findings(method: JsonObject) -> Iterator[Finding]:
    """Yield what keeps mappings of a completed method from being mirror images, and unpooling layers from working."""
    for i, mapping in placed_blocks(method, "mappings"):
        encoder = _encoder(method, mapping)
        if encoder is not None:
            yield from _feeding_findings(method, mapping, encoder, f"/mappings/{i}/mirror_of")
            yield from _layer_findings(method, mapping, encoder)
        for j, layer in placed_blocks(mapping, "layers"):
            yield from _unpooling_findings(method, layer, f"/mappings/{i}/layers/{j}/pooling_layer_name")


def mirrored_names(method: JsonObject, mapping: JsonObject) -> list[str] | None:
    """Return the names of the layers of a mirror image; None where nobody can tell them."""
    encoder = _encoder(method, mapping)
    layers = _modules(encoder) if encoder is not None else None
    if layers is None:
        return None
    output = mapping.get("output_non_linearity")
    try:
        names = [part.name for part in outline(layers)]
    except MirrorError:
        return None
    return [*names, *([str(output.get("name"))] if isinstance(output, dict) else [])]


def _encoder(method: JsonObject, mapping: JsonObject) -> JsonObject | None:
    """Return the mapping that ``mapping`` mirrors, if it mirrors one whose layers are known."""
    wanted = mapping.get("mirror_of")
    found = (other for other in blocks(method, "mappings") if other.get("name") == wanted)
    encoder = next(found, None) if isinstance(wanted, str) else None
    return encoder if encoder is not None and "architecture" not in encoder else None


def _feeding_findings(method: JsonObject, mapping: JsonObject, encoder: JsonObject, place: str) -> Iterator[Finding]:
    """Yield where shapes hang on a mirror image: the encoder is one itself, or one feeds it."""
    known = {other.get("name"): other for other in blocks(method, "mappings")}
    link: JsonObject | None = encoder
    passed: list[JsonObject] = []
    while link is not None and link not in passed:
        if "mirror_of" in link:
            fed = "it is" if link is encoder else f'it is fed by mapping "{link.get("name")}", which is'
            message = f'mapping "{encoder["name"]}" cannot be mirrored: {fed} a mirror image itself'
            yield Finding("RC408", message, 'Give one of them "layers" of its own.', place)
            return
        passed.append(link)
        link = known.get(link.get("prior_mapping_name") or link.get("associated_feature_extractor_name"))


def _layer_findings(method: JsonObject, mapping: JsonObject, encoder: JsonObject) -> Iterator[Finding]:
    """Yield the layer of an encoder that has no mirror image."""
    layers = _modules(encoder) if "mirror_of" not in encoder else None
    if layers is None:
        return
    try:
        outline(layers)
    except MirrorError as error:
        names, place = [name for name, _ in layers], f"/mappings/{blocks(method, 'mappings').index(encoder)}"
        layer = f'layer "{error.layer}" of ' if error.layer else ""
        message = f'mapping "{mapping["name"]}" cannot mirror {layer}mapping "{encoder["name"]}": {error.reason}'
        place = f"{place}/layers/{names.index(error.layer)}" if error.layer else f"{place}/layers"
        yield Finding("RC408", message, error.remedy, place)


def _unpooling_findings(method: JsonObject, layer: JsonObject, place: str) -> Iterator[Finding]:
    """Yield an unpooling layer that names no pooling layer that it could reverse."""
    mapping, name = layer.get("pooling_mapping_name"), layer.get("pooling_layer_name")
    owner = next((other for other in blocks(method, "mappings") if other.get("name") == mapping), {})
    pool = next((other for other in blocks(owner, "layers") if other.get("name") == name), None)
    wanted = str(layer.get("type")).replace("Unpool", "Pool")
    module = _module(pool) if pool is not None and wanted != layer.get("type") else None
    if module is not None and (type(module).__name__ != wanted or not getattr(module, "return_indices", False)):
        message = f'layer "{name}" of mapping "{mapping}" is no {wanted} with "return_indices": true'
        yield Finding("RC404", message, "", place)


def _modules(encoder: JsonObject) -> list[tuple[str, nn.Module]] | None:
    """Return the layers of a mapping with their names; None where one cannot be built."""
    layers = encoder.get("layers")
    modules = [_module(layer) for layer in layers] if isinstance(layers, list) else [None]
    built = [module for module in modules if module is not None]
    names = [str(layer.get("name")) for layer in blocks(encoder, "layers")]
    return list(zip(names, built, strict=True)) if len(built) == len(modules) else None


def _module(block: Any) -> nn.Module | None:
    """Return a layer without memory for its parameters; None where other checks find fault with it."""
    if not isinstance(block, dict) or not isinstance(block.get("type"), str) or not signatures.has_plain_keys(block):
        return None
    if next(signatures.check_block("layer", block), None) is not None:
        return None
    try:
        with torch.device("meta"):
            return factory.build_layer(block)
    except FactoryError:
        return None
