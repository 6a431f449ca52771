"""A method: its mappings, its centroids and its assignment strategy as one module."""

from collections.abc import Sequence

from torch import nn

from recombine.assignment.base import AssignmentStrategy
from recombine.assignment.centroids import Centroids
from recombine.mapping import Mapping


class Method(nn.Module):
    """Everything trainable of a method: one ``state_dict``, one ``.to(device)``.

    Args:
        mappings: The networks, in order of declaration.
        assignment: How samples get their clusters.
        centroids: Points in feature space, where the method file asks for them.
    """

    def __init__(
        self, mappings: Sequence[Mapping], assignment: AssignmentStrategy, centroids: Centroids | None = None
    ) -> None:
        super().__init__()
        self._mappings = nn.ModuleList(mappings)
        self.mappings = {mapping.name: mapping for mapping in mappings}
        self.assignment = assignment
        self.centroids = centroids

    @property
    def feature_extractor(self) -> Mapping:
        """The first feature extractor of the method file, or its first mapping where none is declared."""
        extractors = [mapping for mapping in self.mappings.values() if mapping.kind == "feature_extractor"]
        return (extractors or list(self.mappings.values()))[0]

    def require_centroids(self) -> Centroids:
        """Return the centroids; validation has made sure that whoever asks has them."""
        if self.centroids is None:
            raise RuntimeError("the method has no centroids, yet a part of it asks for them")
        return self.centroids
