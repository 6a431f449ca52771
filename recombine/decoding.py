"""From features back to samples: what the patterns with decoders share."""

from torch import Tensor

from recombine.errors import NetworkError
from recombine.mapping import Mapping, Switches


def decode(decoder: Mapping, features: Tensor, source: Mapping) -> Tensor:
    """Return ``decoder``'s output ``(B, ...)`` for features that no batch produced, such as centroids.

    Args:
        decoder: The last mapping to apply; its prior mappings, up to ``source``, are applied before it.
        features: Features ``(B, ...)`` as ``source`` puts them out.
        source: The mapping whose feature space the features lie in.

    Raises:
        NetworkError: A layer reverses a pooling layer of the source: nobody knows where the maxima stood.
    """
    chain, given = decoder.chain(), source.output_in_words
    switches: Switches = {}
    for link in chain[chain.index(source) + 1 :] if source in chain else chain:
        features, given = link(features, given, switches), link.output_in_words
    return features


def in_shape_of(decoded: Tensor, samples: Tensor, decoder: Mapping) -> Tensor:
    """Return ``samples (B, ...)``, each in the shape of the elements of ``decoded``.

    Raises:
        NetworkError: They differ in size, not only in shape.
    """
    if samples.shape[1:].numel() != decoded.shape[1:].numel():
        raise NetworkError(
            f'the output of the mapping "{decoder.name}" is to equal what it reconstructs, but has '
            f"{decoded.shape[1:].numel()} elements per sample instead of {samples.shape[1:].numel()} "
            f"(shape {tuple(decoded.shape[1:])} instead of {tuple(samples.shape[1:])})"
        )
    return samples.reshape(len(samples), *decoded.shape[1:])
