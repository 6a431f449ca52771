"""A method: its mappings, its centroids and its assignment strategy as one module."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from recombine.assignment.base import AssignmentStrategy
from recombine.assignment.centroids import Centroids
from recombine.mapping import Mapping


class Method(nn.Module):
    """Everything trainable of a method: one ``state_dict``, one ``.to(device)``.

    Args:
        mappings: The networks, in order of declaration.
        assignment: How samples get their clusters.
        centroids: Points in feature space, where the method file asks for them.
        extractor: The feature extractor that the assignment strategy works on; by default the first.
        num_clusters: K, or None where nobody needs to know.
    """

    def __init__(
        self,
        mappings: Sequence[Mapping],
        assignment: AssignmentStrategy,
        centroids: Centroids | None = None,
        extractor: Mapping | None = None,
        num_clusters: int | None = None,
    ) -> None:
        super().__init__()
        self._mappings = nn.ModuleList(mappings)
        self.mappings = {mapping.name: mapping for mapping in mappings}
        self.assignment = assignment
        self.centroids = centroids
        self.num_clusters = num_clusters
        self._extractor = (extractor,)  # in a tuple: its parameters are counted once, among the mappings

    @property
    def extractor(self) -> Mapping:
        """The feature extractor that the assignment strategy works on."""
        return self._extractor[0] or self.feature_extractor

    @property
    def feature_extractor(self) -> Mapping:
        """The first feature extractor of the method file, or its first mapping where none is declared."""
        extractors = [mapping for mapping in self.mappings.values() if mapping.kind == "feature_extractor"]
        return (extractors or list(self.mappings.values()))[0]

    def digest(self) -> str:
        """Return the SHA-256, as 64 hexadecimal digits, of all parameters and buffers."""
        found = hashlib.sha256()
        for name, value in self.state_dict().items():
            if isinstance(value, Tensor) and not is_lazy(value):
                found.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
                found.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
        return found.hexdigest()

    def require_centroids(self) -> Centroids:
        """Return the centroids; validation has made sure that whoever asks has them."""
        if self.centroids is None:
            raise RuntimeError("the method has no centroids, yet a part of it asks for them")
        return self.centroids
