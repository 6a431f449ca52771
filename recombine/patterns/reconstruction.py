"""Training a feature extractor through reconstruction of samples."""

from collections.abc import Hashable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from recombine.clock import Clock
from recombine.decoding import in_shape_of
from recombine.mapping import Mapping
from recombine.patterns.base import DesignPattern
from recombine.step import Step


@dataclass(frozen=True, kw_only=True, eq=False)
class Reconstruction(DesignPattern):
    """Squared error of an autoencoder.

    ::

        loss = R_i ||dec(enc(x_i)) - x_i||^2,   >= 0

    R is the mean over the samples, the mean over all elements of all samples, or the sum over both. Samples and
    reconstructions of equal size but different shape are compared element by element. DEC (arXiv 1511.06335)
    pretrains this way, after layer-wise pretraining.

    Raises (in ``losses``):
        NetworkError: A reconstruction differs in size from its sample.

    Attributes:
        encoder: The feature extractor.
        decoder: The mapping from features back to samples.
        loss_reduction_method: ``mean_across_samples``, ``mean_across_elements`` or ``sum``.
        batch_augmentation: The view that is encoded, and that is to be reconstructed.
    """

    encoder: Mapping
    decoder: Mapping
    loss_reduction_method: str
    batch_augmentation: str

    def recording_key(self, clock: Clock) -> Hashable:
        """Return an empty key: the losses depend on tensors alone."""
        del clock
        return ()

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return ``reconstruction``, the squared error."""
        decoded = step.output(self.decoder, self.batch_augmentation, source=self.encoder)
        samples = in_shape_of(decoded, step.view(self.batch_augmentation), self.decoder)
        if self.loss_reduction_method == "mean_across_elements":
            return {"reconstruction": functional.mse_loss(decoded, samples)}
        total = functional.mse_loss(decoded, samples, reduction="sum")
        return {"reconstruction": total if self.loss_reduction_method == "sum" else total / len(samples)}
